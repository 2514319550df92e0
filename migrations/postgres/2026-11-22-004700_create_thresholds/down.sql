alter table due_assessments drop column not_before;
drop table reassessments;
drop table thresholds;

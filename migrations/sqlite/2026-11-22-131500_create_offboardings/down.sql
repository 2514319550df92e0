drop table offboarding_steps;
drop table offboardings;

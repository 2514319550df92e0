drop table activities;
drop table due_assessments;
drop table usage_days;
drop table user_apps;
drop table user_app_sources;

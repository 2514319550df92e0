alter table organizations drop column keep_usage_days;
alter table organizations drop column keep_activity_days;

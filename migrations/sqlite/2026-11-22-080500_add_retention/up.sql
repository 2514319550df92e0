-- How long what happened is kept. What it came to (last used, status, first and last dates) stays.

alter table organizations add column keep_activity_days integer not null default 90;
alter table organizations add column keep_usage_days integer not null default 400;

-- A name that a person gave by hand, in a table of users, stays whatever sources say later. Nobody gave it by
-- hand where this is null.
alter table users add column name_set_at timestamp;

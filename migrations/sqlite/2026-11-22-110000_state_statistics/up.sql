-- How many rows a key of `user_apps` finds, for the planner. Without figures it takes the primary key for
-- the accounts of one app and reads those of the whole organization. The figures are of 10,000 people with
-- 100 apps each; written by hand, as SQLite's manual suggests, since counting holds the write lock.
analyze user_apps;
delete from sqlite_stat1;
insert into sqlite_stat1 (tbl, idx, stat) values
    ('user_apps', 'user_apps', '1000000 1000000 100 1'),
    ('user_apps', 'user_apps_app_id_idx', '1000000 1000000 2500 1');

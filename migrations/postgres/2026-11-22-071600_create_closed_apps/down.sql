drop table closed_apps;

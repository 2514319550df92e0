drop table audit_entries;
drop table api_keys;
drop table admin_sessions;
drop table admins;

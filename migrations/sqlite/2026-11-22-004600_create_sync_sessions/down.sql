drop table sync_pages;
drop table sync_sessions;

-- PostgreSQL counts by itself what SQLite has to be told.
select 1;

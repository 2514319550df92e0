alter table admin_sessions drop column method;
alter table admin_sessions drop column browser;

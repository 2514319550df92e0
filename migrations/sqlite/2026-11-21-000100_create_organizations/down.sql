drop table sources;
drop table deny_sites;
drop table organization_work_domains;
drop table organizations;

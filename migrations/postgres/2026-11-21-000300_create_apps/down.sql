drop table mappings;
drop table discoveries;
drop table apps;

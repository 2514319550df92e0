drop table license_assignments;
drop table licenses;

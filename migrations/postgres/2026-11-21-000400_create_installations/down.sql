drop table installations;
drop table enrollment_keys;

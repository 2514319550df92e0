drop table user_aliases;
drop table users;

alter table users drop column name_set_at;

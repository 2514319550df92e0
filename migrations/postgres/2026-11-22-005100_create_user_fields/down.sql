drop table user_fields;
drop table field_mappings;

drop table validation_rows;

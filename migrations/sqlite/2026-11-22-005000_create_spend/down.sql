drop table matching_rules;
drop table spend_lines;
drop table spend_accounts;

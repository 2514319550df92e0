alter table organizations drop column second_factor_required_at;
drop table recovery_codes;
drop table second_factors;

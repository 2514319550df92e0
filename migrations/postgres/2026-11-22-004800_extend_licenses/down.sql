alter table license_assignments drop column ends_at;
alter table licenses drop column tier_group;
alter table licenses drop column billing_months;
alter table licenses drop column currency;
alter table licenses drop column unit_price_e4;

-- What a license costs and how long it is held. Money is whole ten-thousandths of a currency's unit:
-- never a floating-point number.

alter table licenses add column unit_price_e4 integer;
-- ISO 4217, with the price.
alter table licenses add column currency text;
-- For how many months the price pays: 1 or 12.
alter table licenses add column billing_months integer not null default 12;
-- Licenses of one app with the same word include each other: the dearest of them is enough.
alter table licenses add column tier_group text;

alter table license_assignments add column ends_at text;

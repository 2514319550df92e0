-- A webhook's secret is replaced with an overlap: until the old one ends, deliveries are signed with both, so
-- that a receiver changes over at a moment of its own.

alter table webhooks add column old_sealed_credential blob;
alter table webhooks add column old_ends_at text;

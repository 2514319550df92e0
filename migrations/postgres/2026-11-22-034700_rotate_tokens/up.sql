-- An admin may ask for new installation tokens. The new one goes out with the next heartbeat's answer, the
-- same one again until it is seen in use, and only then does the old one end: a lost answer costs nothing.

alter table installations add column next_token_hash bytea;
-- The new token itself, sealed with the key of the collector's machine; gone once it is in use.
alter table installations add column sealed_renewal bytea;
-- When an admin asked for it; none again once it is in use.
alter table installations add column renewal_demanded_at timestamp;

-- A browser shows the new token from then on, and is looked for by it.
create index installations_next_token_hash_idx on installations (organization_id, next_token_hash);

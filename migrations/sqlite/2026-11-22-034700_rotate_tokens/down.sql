drop index installations_next_token_hash_idx;
alter table installations drop column renewal_demanded_at;
alter table installations drop column sealed_renewal;
alter table installations drop column next_token_hash;

alter table organizations drop column discovery_min_sign_ins;
alter table organizations drop column discovery_min_users;
alter table discoveries drop column last_seen_at;
alter table discoveries drop column n_sign_ups;
alter table discoveries drop column n_sign_ins;
alter table mappings drop column kind;

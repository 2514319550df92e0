alter table organizations drop column minimum_extension_version_at;
alter table installations drop column revoked_by;
alter table installations drop column identity_change;
alter table installations drop column identity_changed_at;
drop table sign_in_links;
drop table oidc_sign_ins;
drop table identity_providers;

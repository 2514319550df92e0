drop view report_installations;
drop view report_users;

create view report_users as
select
    encode(it.organization_id, 'hex')::uuid::text as organization_id,
    encode(it.user_id, 'hex')::uuid::text as user_id,
    it.email,
    it.name,
    it.user_type,
    it.status,
    it.created_at as first_seen_at
from users it
where exists (
    select 1 from user_apps own
    where own.organization_id = it.organization_id and own.user_id = it.user_id
);

create view report_installations as
select
    encode(it.organization_id, 'hex')::uuid::text as organization_id,
    encode(it.installation_id, 'hex')::uuid::text as installation_id,
    encode(it.user_id, 'hex')::uuid::text as user_id,
    owner.email,
    it.identity_method,
    it.mode,
    it.extension_version,
    it.browser,
    it.os,
    it.enrolled_at,
    it.last_heartbeat_at,
    it.last_report_at,
    it.revoked_at
from installations it
left join users owner
    on owner.organization_id = it.organization_id and owner.user_id = it.user_id;

alter table organizations drop column pseudonym_key;
alter table organizations drop column pseudonymized_at;

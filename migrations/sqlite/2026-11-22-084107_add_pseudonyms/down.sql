drop view report_installations;
drop view report_users;

create view report_users as
select
    lower(substr(hex(it.organization_id), 1, 8) || '-' || substr(hex(it.organization_id), 9, 4) || '-' || substr(hex(it.organization_id), 13, 4) || '-' || substr(hex(it.organization_id), 17, 4) || '-' || substr(hex(it.organization_id), 21, 12)) as organization_id,
    lower(substr(hex(it.user_id), 1, 8) || '-' || substr(hex(it.user_id), 9, 4) || '-' || substr(hex(it.user_id), 13, 4) || '-' || substr(hex(it.user_id), 17, 4) || '-' || substr(hex(it.user_id), 21, 12)) as user_id,
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
    lower(substr(hex(it.organization_id), 1, 8) || '-' || substr(hex(it.organization_id), 9, 4) || '-' || substr(hex(it.organization_id), 13, 4) || '-' || substr(hex(it.organization_id), 17, 4) || '-' || substr(hex(it.organization_id), 21, 12)) as organization_id,
    lower(substr(hex(it.installation_id), 1, 8) || '-' || substr(hex(it.installation_id), 9, 4) || '-' || substr(hex(it.installation_id), 13, 4) || '-' || substr(hex(it.installation_id), 17, 4) || '-' || substr(hex(it.installation_id), 21, 12)) as installation_id,
    case when it.user_id is not null then lower(substr(hex(it.user_id), 1, 8) || '-' || substr(hex(it.user_id), 9, 4) || '-' || substr(hex(it.user_id), 13, 4) || '-' || substr(hex(it.user_id), 17, 4) || '-' || substr(hex(it.user_id), 21, 12)) end as user_id,
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

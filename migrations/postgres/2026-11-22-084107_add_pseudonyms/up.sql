-- People by pseudonyms: since when an organization shows its people so, and what its pseudonyms are made with.
-- The key protects what leaves the collector, not the database, which holds the addresses themselves; it stays
-- when the setting is taken back, so that a person has the same pseudonym when it returns.

alter table organizations add column pseudonymized_at timestamp;
alter table organizations add column pseudonym_key bytea;

drop view report_users;
drop view report_installations;

create view report_users as
select
    encode(it.organization_id, 'hex')::uuid::text as organization_id,
    encode(it.user_id, 'hex')::uuid::text as user_id,
    case when owner.pseudonymized_at is null then it.email end as email,
    case when owner.pseudonymized_at is null then it.name end as name,
    it.user_type,
    it.status,
    it.created_at as first_seen_at
from users it
join organizations owner on owner.organization_id = it.organization_id
where exists (
    select 1 from user_apps own
    where own.organization_id = it.organization_id and own.user_id = it.user_id
);

create view report_installations as
select
    encode(it.organization_id, 'hex')::uuid::text as organization_id,
    encode(it.installation_id, 'hex')::uuid::text as installation_id,
    encode(it.user_id, 'hex')::uuid::text as user_id,
    case when organization.pseudonymized_at is null then owner.email end as email,
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
join organizations organization on organization.organization_id = it.organization_id
left join users owner
    on owner.organization_id = it.organization_id and owner.user_id = it.user_id;

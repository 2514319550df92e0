drop view report_users;
drop view report_user_apps;
drop view report_usage_days;
drop view report_activities;
drop view report_installations;
drop view report_licenses;
drop view report_license_assignments;
drop view report_discoveries;

drop table user_merges;

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

create view report_user_apps as
select
    encode(it.organization_id, 'hex')::uuid::text as organization_id,
    encode(it.user_id, 'hex')::uuid::text as user_id,
    encode(it.app_id, 'hex')::uuid::text as app_id,
    it.first_sign_in_at,
    it.last_sign_in_at,
    it.last_sign_in_method,
    it.first_sign_up_at,
    it.last_sign_up_at,
    it.first_visit_at,
    it.last_visit_at,
    it.last_used_at,
    it.status,
    it.status_reason,
    it.because as status_source_kind,
    it.changes_at as status_holds_until,
    case when it.changes_at is not null and it.changes_at <= (now() at time zone 'UTC')
        then 1 else 0 end as status_is_due
from (
    select
        one.organization_id,
        one.user_id,
        coalesce(alias.app_id, one.app_id) as app_id,
        min(one.first_sign_in_at) as first_sign_in_at,
        max(one.last_sign_in_at) as last_sign_in_at,
        coalesce(max(case when alias.app_id is null then one.last_sign_in_method end), max(one.last_sign_in_method)) as last_sign_in_method,
        min(one.first_sign_up_at) as first_sign_up_at,
        max(one.last_sign_up_at) as last_sign_up_at,
        min(one.first_visit_at) as first_visit_at,
        max(one.last_visit_at) as last_visit_at,
        max(one.last_used_at) as last_used_at,
        -- The row of the app itself has the answer for all sites that are mapped to it.
        coalesce(max(case when alias.app_id is null then one.status end), max(one.status)) as status,
        coalesce(max(case when alias.app_id is null then one.status_reason end), max(one.status_reason)) as status_reason,
        coalesce(max(case when alias.app_id is null then one.because end), max(one.because)) as because,
        coalesce(max(case when alias.app_id is null then one.changes_at end), max(one.changes_at)) as changes_at
    from user_apps one
    left join report_base_aliases alias
        on alias.organization_id = one.organization_id and alias.source_app_id = one.app_id
    group by one.organization_id, one.user_id, coalesce(alias.app_id, one.app_id)
) it;

create view report_usage_days as
select distinct
    encode(it.organization_id, 'hex')::uuid::text as organization_id,
    encode(it.user_id, 'hex')::uuid::text as user_id,
    encode(coalesce(alias.app_id, it.app_id), 'hex')::uuid::text as app_id,
    it.used_on
from usage_days it
left join report_base_aliases alias
    on alias.organization_id = it.organization_id and alias.source_app_id = it.app_id;

create view report_activities as
select
    encode(it.organization_id, 'hex')::uuid::text as organization_id,
    encode(it.activity_id, 'hex')::uuid::text as activity_id,
    encode(it.user_id, 'hex')::uuid::text as user_id,
    encode(coalesce(alias.app_id, it.app_id), 'hex')::uuid::text as app_id,
    source.kind as source_kind,
    source.name as source_name,
    it.activity_type,
    it.method,
    it.occurred_at,
    it.received_at
from activities it
join sources source
    on source.organization_id = it.organization_id and source.source_id = it.source_id
left join report_base_aliases alias
    on alias.organization_id = it.organization_id and alias.source_app_id = it.app_id;

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

create view report_licenses as
select
    encode(it.organization_id, 'hex')::uuid::text as organization_id,
    encode(it.license_id, 'hex')::uuid::text as license_id,
    encode(it.app_id, 'hex')::uuid::text as app_id,
    it.name,
    it.n_purchased,
    (
        select count(*) from license_assignments held
        where held.organization_id = it.organization_id and held.license_id = it.license_id
            and (held.ends_at is null or held.ends_at > (now() at time zone 'UTC'))
    ) as n_assigned,
    round(it.unit_price_e4 / 10000.0, 4)::numeric(18, 4) as unit_price,
    it.currency,
    it.billing_months,
    source.kind as source_kind,
    source.name as source_name
from licenses it
join sources source
    on source.organization_id = it.organization_id and source.source_id = it.source_id;

create view report_license_assignments as
select
    encode(it.organization_id, 'hex')::uuid::text as organization_id,
    encode(it.license_id, 'hex')::uuid::text as license_id,
    encode(license.app_id, 'hex')::uuid::text as app_id,
    encode(it.user_id, 'hex')::uuid::text as user_id,
    it.assigned_at,
    it.ends_at
from license_assignments it
join licenses license
    on license.organization_id = it.organization_id and license.license_id = it.license_id;

create view report_discoveries as
select
    encode(it.organization_id, 'hex')::uuid::text as organization_id,
    encode(it.app_id, 'hex')::uuid::text as app_id,
    app.site,
    it.state,
    encode(alias.app_id, 'hex')::uuid::text as mapped_to_app_id,
    it.first_seen_at,
    it.last_seen_at,
    it.decided_at,
    (
        select count(*) from user_apps own
        where own.organization_id = it.organization_id and own.app_id = it.app_id
    ) as n_users,
    it.n_sign_ins,
    it.n_sign_ups
from discoveries it
join apps app on app.organization_id = it.organization_id and app.app_id = it.app_id
left join report_base_aliases alias
    on alias.organization_id = it.organization_id and alias.source_app_id = it.app_id;

-- What an organization says about sites itself, and what its triage queue shows.

-- What a mapping says about the pages that it claims: `SiteRuleKind` of the protocol.
alter table mappings add column kind text not null default 'usual'
    constraint mappings_kind_check check (kind in ('use', 'usual', 'signin', 'site'));

-- Counted when they arrive, since activities are not kept for good.
alter table discoveries add column n_sign_ins integer not null default 0;
alter table discoveries add column n_sign_ups integer not null default 0;
alter table discoveries add column last_seen_at text;

update discoveries set
    n_sign_ins = (select count(*) from activities it
        where it.organization_id = discoveries.organization_id and it.app_id = discoveries.app_id
            and it.activity_type = 'sign_in'),
    n_sign_ups = (select count(*) from activities it
        where it.organization_id = discoveries.organization_id and it.app_id = discoveries.app_id
            and it.activity_type = 'sign_up'),
    last_seen_at = (select max(it.occurred_at) from activities it
        where it.organization_id = discoveries.organization_id and it.app_id = discoveries.app_id
            and it.activity_type in ('sign_in', 'sign_up'));

-- A discovery below either stays out of the queue.
alter table organizations add column discovery_min_users integer not null default 1;
alter table organizations add column discovery_min_sign_ins integer not null default 1;

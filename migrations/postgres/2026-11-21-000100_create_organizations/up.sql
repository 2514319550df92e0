-- The tenant and its settings. Everything else belongs to exactly one organization, and its id leads
-- every key, so that the tables distribute by it without a change.

create table organizations (
    organization_id bytea not null,
    name text not null,
    -- IANA name. A usage day is a day of this zone.
    time_zone text not null,
    -- `authenticated`, `unauthenticated` or `disabled`; a policy can only be made stricter by it.
    mode text not null,
    -- `off` or `work_sign_ins`.
    unknown_sites text not null,
    flush_seconds integer not null,
    heartbeat_seconds integer not null,
    inactive_after_seconds bigint not null,
    silent_after_seconds bigint not null,
    license_unused_after_seconds bigint not null,
    -- An installation below it is `outdated`; without one, none is.
    minimum_extension_version text,
    -- Whom an employee can ask; shown in the popup.
    help_contact text,
    created_at timestamp not null,
    constraint organizations_pkey primary key (organization_id),
    constraint organizations_mode_check check (mode in ('authenticated', 'unauthenticated', 'disabled')),
    constraint organizations_unknown_sites_check check (unknown_sites in ('off', 'work_sign_ins'))
);

-- An address is a work address when its domain is one of these.
create table organization_work_domains (
    organization_id bytea not null,
    domain text not null,
    constraint organization_work_domains_pkey primary key (organization_id, domain),
    constraint organization_work_domains_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade
);

-- What the organization never wants reported, on top of the catalog's own list.
create table deny_sites (
    organization_id bytea not null,
    site text not null,
    created_at timestamp not null,
    constraint deny_sites_pkey primary key (organization_id, site),
    constraint deny_sites_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade
);

-- Where facts come from. The extension is one source per organization.
create table sources (
    organization_id bytea not null,
    source_id bytea not null,
    kind text not null,
    name text not null,
    created_at timestamp not null,
    last_synced_at timestamp,
    disconnected_at timestamp,
    constraint sources_pkey primary key (organization_id, source_id),
    constraint sources_name_key unique (organization_id, kind, name),
    constraint sources_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade,
    constraint sources_kind_check check (kind in (
        'extension', 'sso', 'direct_integration', 'indirect_integration', 'directory', 'import', 'manual'
    ))
);

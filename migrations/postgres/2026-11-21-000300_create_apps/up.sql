-- Apps as one organization knows them: of the catalog, its own, or a site that nothing claims.

create table apps (
    organization_id bytea not null,
    app_id bytea not null,
    kind text not null,
    -- Of a catalog app. The row appears at the app's first sight.
    catalog_slug text,
    -- Of a discovered app: the registrable domain under which facts arrive.
    site text,
    name text not null,
    category text,
    created_at timestamp not null,
    constraint apps_pkey primary key (organization_id, app_id),
    constraint apps_catalog_slug_key unique (organization_id, catalog_slug),
    constraint apps_site_key unique (organization_id, site),
    constraint apps_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade,
    constraint apps_kind_check check (
        (kind = 'catalog' and catalog_slug is not null and site is null)
        or (kind = 'custom' and catalog_slug is null and site is null)
        or (kind = 'discovered' and catalog_slug is null and site is not null)
    )
);

-- The triage of discovered apps.
create table discoveries (
    organization_id bytea not null,
    app_id bytea not null,
    state text not null,
    first_seen_at timestamp not null,
    decided_at timestamp,
    constraint discoveries_pkey primary key (organization_id, app_id),
    constraint discoveries_app_id_fkey foreign key (organization_id, app_id)
        references apps (organization_id, app_id) on delete cascade,
    constraint discoveries_state_check check (state in ('open', 'mapped', 'ignored'))
);

-- The organization's own rules: this site is that app. Facts stay under the discovered app under which
-- they arrived and are read through the mapping, so that deleting the row undoes it.
create table mappings (
    organization_id bytea not null,
    site text not null,
    app_id bytea not null,
    created_at timestamp not null,
    constraint mappings_pkey primary key (organization_id, site),
    constraint mappings_app_id_fkey foreign key (organization_id, app_id)
        references apps (organization_id, app_id) on delete cascade
);

-- What was bought and who has it. Never written by the extension (T9).

create table licenses (
    organization_id blob not null,
    license_id blob not null,
    app_id blob not null,
    -- The type, such as `Business+`.
    name text not null,
    -- None where nobody knows; never 0 for unknown.
    n_purchased integer,
    source_id blob not null,
    created_at text not null,
    constraint licenses_pkey primary key (organization_id, license_id),
    constraint licenses_name_key unique (organization_id, app_id, name),
    constraint licenses_app_id_fkey foreign key (organization_id, app_id)
        references apps (organization_id, app_id) on delete cascade,
    constraint licenses_source_id_fkey foreign key (organization_id, source_id)
        references sources (organization_id, source_id) on delete restrict
) strict, without rowid;

-- A user with three licenses of one app is one user and three licenses (T3).
create table license_assignments (
    organization_id blob not null,
    license_id blob not null,
    user_id blob not null,
    assigned_at text,
    created_at text not null,
    constraint license_assignments_pkey primary key (organization_id, license_id, user_id),
    constraint license_assignments_license_id_fkey foreign key (organization_id, license_id)
        references licenses (organization_id, license_id) on delete cascade,
    constraint license_assignments_user_id_fkey foreign key (organization_id, user_id)
        references users (organization_id, user_id) on delete cascade
) strict, without rowid;

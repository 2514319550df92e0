-- Who is being offboarded, and which ways into their accounts were closed (T29, T31). A person who has left
-- and has no row here is not started.

create table offboardings (
    organization_id bytea not null,
    user_id bytea not null,
    started_at timestamp not null,
    -- The admin or key, as a text that stays readable.
    started_by text not null,
    completed_at timestamp,
    -- The same, or `system` where the last way was closed by what a source reported.
    completed_by text,
    constraint offboardings_pkey primary key (organization_id, user_id),
    constraint offboardings_user_id_fkey foreign key (organization_id, user_id)
        references users (organization_id, user_id) on delete cascade,
    constraint offboardings_completed_check check ((completed_at is null) = (completed_by is null))
);

create table offboarding_steps (
    organization_id bytea not null,
    user_id bytea not null,
    app_id bytea not null,
    -- A sign-in method such as `password`, `source:` and a source's id, or `unseen`.
    access_path text not null,
    -- The newest sign of it. Kept here, since single activities are deleted by age.
    seen_at timestamp,
    -- When a person confirmed that it is closed, and who.
    closed_at timestamp,
    closed_by text,
    constraint offboarding_steps_pkey primary key (organization_id, user_id, app_id, access_path),
    constraint offboarding_steps_user_id_fkey foreign key (organization_id, user_id)
        references offboardings (organization_id, user_id) on delete cascade,
    constraint offboarding_steps_app_id_fkey foreign key (organization_id, app_id)
        references apps (organization_id, app_id) on delete cascade,
    constraint offboarding_steps_closed_check check ((closed_at is null) = (closed_by is null))
);

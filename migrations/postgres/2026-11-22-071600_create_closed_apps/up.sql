-- Apps that the organization has closed: nobody is to use them any more. They are reported as before, so
-- that their use is seen.
create table closed_apps (
    organization_id bytea not null,
    app_id bytea not null,
    closed_at timestamp not null,
    -- The admin or key, as a text that stays readable.
    closed_by text not null,
    constraint closed_apps_pkey primary key (organization_id, app_id),
    constraint closed_apps_app_id_fkey foreign key (organization_id, app_id)
        references apps (organization_id, app_id) on delete cascade
);

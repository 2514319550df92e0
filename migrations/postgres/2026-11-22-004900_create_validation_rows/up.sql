-- The customer's own last-used dates of one app, to check ours against (Z28).

create table validation_rows (
    organization_id bytea not null,
    app_id bytea not null,
    -- Lower-case, as uploaded.
    email text not null,
    -- A day, or a moment where the upload was that precise; neither for a row without a date.
    used_on date,
    used_at timestamp,
    uploaded_at timestamp not null,
    constraint validation_rows_pkey primary key (organization_id, app_id, email),
    constraint validation_rows_app_id_fkey foreign key (organization_id, app_id)
        references apps (organization_id, app_id) on delete cascade
);

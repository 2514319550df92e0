-- Fields of users that a source sends beyond ours: stored only where an admin maps them (T26).

create table field_mappings (
    organization_id bytea not null,
    source_id bytea not null,
    -- The column of a CSV or the key in a record.
    source_field text not null,
    -- Under which name it is kept.
    field text not null,
    created_at timestamp not null,
    constraint field_mappings_pkey primary key (organization_id, source_id, source_field),
    constraint field_mappings_source_id_fkey foreign key (organization_id, source_id)
        references sources (organization_id, source_id) on delete cascade
);

create table user_fields (
    organization_id bytea not null,
    user_id bytea not null,
    field text not null,
    source_id bytea not null,
    field_value text not null,
    updated_at timestamp not null,
    constraint user_fields_pkey primary key (organization_id, user_id, field, source_id),
    constraint user_fields_user_id_fkey foreign key (organization_id, user_id)
        references users (organization_id, user_id) on delete cascade,
    constraint user_fields_source_id_fkey foreign key (organization_id, source_id)
        references sources (organization_id, source_id) on delete cascade
);

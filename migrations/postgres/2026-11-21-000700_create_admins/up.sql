-- Who may look and change, and what was changed.

create table admins (
    organization_id bytea not null,
    admin_id bytea not null,
    email text not null,
    name text,
    -- `viewer` only reads.
    role text not null,
    -- argon2id in its own text form; none for who signs in elsewhere.
    password_hash text,
    created_at timestamp not null,
    last_signed_in_at timestamp,
    disabled_at timestamp,
    constraint admins_pkey primary key (organization_id, admin_id),
    constraint admins_email_key unique (organization_id, email),
    constraint admins_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade,
    constraint admins_role_check check (role in ('admin', 'viewer'))
);

create table admin_sessions (
    organization_id bytea not null,
    -- SHA-256 of the cookie's text.
    token_hash bytea not null,
    admin_id bytea not null,
    created_at timestamp not null,
    last_seen_at timestamp not null,
    expires_at timestamp not null,
    constraint admin_sessions_pkey primary key (organization_id, token_hash),
    constraint admin_sessions_admin_id_fkey foreign key (organization_id, admin_id)
        references admins (organization_id, admin_id) on delete cascade
);

create table api_keys (
    organization_id bytea not null,
    api_key_id bytea not null,
    key_hash bytea not null,
    -- A few characters of the key, to tell keys apart in a list.
    hint text not null,
    name text not null,
    -- Words separated by spaces; `read` is the only one yet.
    scopes text not null,
    created_at timestamp not null,
    expires_at timestamp,
    revoked_at timestamp,
    constraint api_keys_pkey primary key (organization_id, api_key_id),
    constraint api_keys_key_hash_key unique (organization_id, key_hash),
    constraint api_keys_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade
);

-- Appended in the transaction of the change itself, never updated.
create table audit_entries (
    organization_id bytea not null,
    -- Ordered by time.
    audit_entry_id bytea not null,
    at timestamp not null,
    -- `admin`, `command_line`, `api_key`, `installation` or `system`.
    actor_kind text not null,
    -- Who, as a text that stays readable when the row behind it is gone.
    actor text not null,
    -- A stable word such as `user_app.status_changed`.
    action text not null,
    -- What it was done to: the object's kind and its id.
    object_kind text not null,
    object_id text not null,
    -- A JSON object.
    detail text not null,
    constraint audit_entries_pkey primary key (organization_id, audit_entry_id),
    constraint audit_entries_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade
);

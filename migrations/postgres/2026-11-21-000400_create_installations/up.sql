-- Browsers that report, and the secrets with which they become known.

create table enrollment_keys (
    organization_id bytea not null,
    enrollment_key_id bytea not null,
    -- SHA-256 of the whole key: 256 random bits need no slow hash.
    key_hash bytea not null,
    -- A few characters of the key, to tell keys apart in a list.
    hint text not null,
    name text not null,
    created_at timestamp not null,
    expires_at timestamp,
    revoked_at timestamp,
    constraint enrollment_keys_pkey primary key (organization_id, enrollment_key_id),
    constraint enrollment_keys_key_hash_key unique (organization_id, key_hash),
    constraint enrollment_keys_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade
);

create table installations (
    organization_id bytea not null,
    installation_id bytea not null,
    enrollment_key_id bytea not null,
    token_hash bytea not null,
    -- Who uses this profile; none before an identity is accepted.
    user_id bytea,
    identity_method text,
    -- The loosest mode that the policy allows.
    mode text not null,
    extension_version text not null,
    browser text not null,
    os text not null,
    -- Events that waited in the browser at its last heartbeat.
    n_queued integer not null,
    -- Collector's clock less browser's clock at the last heartbeat. A batch that waited for a while
    -- shows a larger difference than the clocks have, never a smaller one.
    clock_skew_ms bigint,
    enrolled_at timestamp not null,
    first_heartbeat_at timestamp,
    last_heartbeat_at timestamp,
    last_report_at timestamp,
    -- The highest batch number committed, the 64 numbers up to it as bits (lowest bit: that number),
    -- and 64 bits of its payload's hash: what makes a batch count once, in constant space.
    last_sequence bigint not null,
    sequence_window bigint not null,
    last_payload_hash bigint not null,
    revoked_at timestamp,
    constraint installations_pkey primary key (organization_id, installation_id),
    constraint installations_token_hash_key unique (organization_id, token_hash),
    -- Restricted: a browser outlives the erasure of its user, who is taken off it first.
    constraint installations_user_id_fkey foreign key (organization_id, user_id)
        references users (organization_id, user_id) on delete restrict,
    constraint installations_enrollment_key_id_fkey foreign key (organization_id, enrollment_key_id)
        references enrollment_keys (organization_id, enrollment_key_id) on delete restrict,
    constraint installations_mode_check check (mode in ('authenticated', 'unauthenticated', 'disabled')),
    constraint installations_identity_method_check check (
        identity_method in ('link', 'profile', 'policy', 'magic_link', 'oidc')
    ),
    -- A user without a way in which we know it is a number without its source.
    constraint installations_identity_check check ((user_id is null) = (identity_method is null))
) with (fillfactor = 80);

-- The newest heartbeat of a user's browsers is asked for at every assessment that ends in silence. No
-- batch and no heartbeat of the same user touches it.
create index installations_user_id_idx on installations (organization_id, user_id);

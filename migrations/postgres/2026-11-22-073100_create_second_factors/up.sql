-- What admins show beside their password: a code of a device (RFC 6238), or one of ten codes on paper.

create table second_factors (
    organization_id bytea not null,
    admin_id bytea not null,
    -- The key that the device shares, sealed with the key of the collector's machine.
    sealed_key bytea not null,
    created_at timestamp not null,
    -- When the first code came from the device; none while it is being set up, and nothing asks for it.
    confirmed_at timestamp,
    -- The newest step of thirty seconds whose code was taken: no code is taken twice.
    last_step bigint not null,
    constraint second_factors_pkey primary key (organization_id, admin_id),
    constraint second_factors_admin_id_fkey foreign key (organization_id, admin_id)
        references admins (organization_id, admin_id) on delete cascade
);

create table recovery_codes (
    organization_id bytea not null,
    admin_id bytea not null,
    -- SHA-256; the codes have 80 random bits.
    code_hash bytea not null,
    created_at timestamp not null,
    used_at timestamp,
    constraint recovery_codes_pkey primary key (organization_id, admin_id, code_hash),
    constraint recovery_codes_admin_id_fkey foreign key (organization_id, admin_id)
        references second_factors (organization_id, admin_id) on delete cascade
);

-- Since when admins who sign in by password need one.
alter table organizations add column second_factor_required_at timestamp;

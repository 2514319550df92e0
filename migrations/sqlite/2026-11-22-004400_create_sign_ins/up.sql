-- How the person at an installation proves who they are: at the organization's identity provider, or
-- by a link that was mailed to their address.

-- Where an organization's people sign in. A client without a secret is a public one; PKCE is used in
-- either case.
create table identity_providers (
    organization_id blob not null,
    -- For the button in the popup.
    name text not null,
    issuer text not null,
    client_id text not null,
    -- What proves the client to the provider, sealed with the key of the collector's machine.
    sealed_credential blob,
    updated_at text not null,
    constraint identity_providers_pkey primary key (organization_id),
    constraint identity_providers_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade
) strict, without rowid;

-- Sign-ins under way at a provider. They live for minutes; nobody can use an ended one.
create table oidc_sign_ins (
    organization_id blob not null,
    state_hash blob not null,
    installation_id blob not null,
    redirect_url text not null,
    nonce text not null,
    code_verifier text not null,
    created_at text not null,
    expires_at text not null,
    -- Once the provider has vouched: for whom, and what the installation shows to become theirs.
    email text,
    proof_hash blob,
    constraint oidc_sign_ins_pkey primary key (organization_id, state_hash),
    constraint oidc_sign_ins_proof_hash_key unique (organization_id, proof_hash),
    constraint oidc_sign_ins_installation_id_fkey foreign key (organization_id, installation_id)
        references installations (organization_id, installation_id) on delete cascade,
    constraint oidc_sign_ins_proof_check check ((email is null) = (proof_hash is null))
) strict, without rowid;

-- Links that were mailed: single use, for one address.
create table sign_in_links (
    organization_id blob not null,
    link_hash blob not null,
    email text not null,
    -- The installation whose user asked for it; none for an invitation, which any installation that
    -- nobody has signed in may use.
    installation_id blob,
    -- The code that the link's page shows, for a browser in which the link is not opened.
    code_hash blob not null,
    n_wrong_codes integer not null,
    created_at text not null,
    expires_at text not null,
    used_at text,
    used_by_installation_id blob,
    constraint sign_in_links_pkey primary key (organization_id, link_hash),
    constraint sign_in_links_installation_id_fkey foreign key (organization_id, installation_id)
        references installations (organization_id, installation_id) on delete cascade,
    constraint sign_in_links_used_by_fkey foreign key (organization_id, used_by_installation_id)
        references installations (organization_id, installation_id) on delete cascade
) strict, without rowid;

-- A code is looked for among the links of one address.
create index sign_in_links_email_idx on sign_in_links (organization_id, email);

-- When it last changed whose installation it is, and by what.
alter table installations add column identity_changed_at text;
alter table installations add column identity_change text constraint installations_identity_change_check
    check (identity_change in ('stated', 'signed_in', 'signed_out', 'reset', 'left'));
-- Who took the token back.
alter table installations add column revoked_by text;

-- Since when older extensions are outdated.
alter table organizations add column minimum_extension_version_at text;

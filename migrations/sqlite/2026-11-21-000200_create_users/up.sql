-- A user is a unique e-mail address with an account in at least one app (T20); not all are employees.

create table users (
    organization_id blob not null,
    user_id blob not null,
    -- Lower-case; the address that lists show.
    email text not null,
    -- From the best source; what an app shows is `user_apps.display_name` (T22).
    name text,
    user_type text not null,
    -- `past` once the person has left.
    status text not null,
    created_at text not null,
    constraint users_pkey primary key (organization_id, user_id),
    constraint users_email_key unique (organization_id, email),
    constraint users_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade,
    constraint users_user_type_check check (user_type in ('employee', 'external', 'service', 'group')),
    constraint users_status_check check (status in ('current', 'past'))
) strict, without rowid;

-- Further addresses of a user (Z13). An alias wins over a user of its own with that address, so that
-- two users can be made one and parted again.
create table user_aliases (
    organization_id blob not null,
    address text not null,
    user_id blob not null,
    created_at text not null,
    constraint user_aliases_pkey primary key (organization_id, address),
    constraint user_aliases_user_id_fkey foreign key (organization_id, user_id)
        references users (organization_id, user_id) on delete cascade
) strict, without rowid;

-- Lists as admins want to see them again: the filters, order and size of an address, under a name.

create table saved_views (
    organization_id bytea not null,
    saved_view_id bytea not null,
    -- The list's page, such as /users.
    list_path text not null,
    name text not null,
    -- As in the page's address, without a place in the list.
    query text not null,
    -- Whose it is; none for one that all see.
    admin_id bytea,
    -- The admin or key, as a text that stays readable.
    created_by text not null,
    created_at timestamp not null,
    constraint saved_views_pkey primary key (organization_id, saved_view_id),
    constraint saved_views_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade,
    constraint saved_views_admin_id_fkey foreign key (organization_id, admin_id)
        references admins (organization_id, admin_id) on delete cascade
);

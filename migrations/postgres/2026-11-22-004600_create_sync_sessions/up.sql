-- A source's upload in pages: nothing counts before it is finished.

create table sync_sessions (
    organization_id bytea not null,
    sync_session_id bytea not null,
    source_id bytea not null,
    -- `snapshot` replaces what the source holds, `facts` add to it.
    mode text not null,
    state text not null,
    created_at timestamp not null,
    -- When the last page came; an open session without one for a day is given up.
    touched_at timestamp not null,
    finished_at timestamp,
    n_applied integer not null,
    n_removed integer not null,
    constraint sync_sessions_pkey primary key (organization_id, sync_session_id),
    constraint sync_sessions_source_id_fkey foreign key (organization_id, source_id)
        references sources (organization_id, source_id) on delete cascade,
    constraint sync_sessions_mode_check check (mode in ('snapshot', 'facts')),
    constraint sync_sessions_state_check check (state in ('open', 'applying', 'finished', 'abandoned'))
);

create index sync_sessions_source_id_idx on sync_sessions (organization_id, source_id, sync_session_id);

-- One page each; the same number overwrites. Gone once the session is finished.
create table sync_pages (
    organization_id bytea not null,
    sync_session_id bytea not null,
    page_number integer not null,
    n_records integer not null,
    n_rejected integer not null,
    -- Rejected rows of which not even the account is known.
    n_unreadable integer not null,
    -- The accepted records as JSON.
    records text not null,
    applied_at timestamp,
    constraint sync_pages_pkey primary key (organization_id, sync_session_id, page_number),
    constraint sync_pages_sync_session_id_fkey foreign key (organization_id, sync_session_id)
        references sync_sessions (organization_id, sync_session_id) on delete cascade
);

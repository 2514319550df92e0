-- Events that other programs are told of. An event is written in the transaction of the fact that causes
-- it, and only where a webhook asks for its kind; a task of the collector gives it to the webhooks and
-- delivers it.

create table webhooks (
    organization_id bytea not null,
    webhook_id bytea not null,
    name text not null,
    url text not null,
    -- Kinds of events, separated by spaces.
    kinds text not null,
    -- What deliveries are signed with, encrypted.
    sealed_credential bytea not null,
    -- The admin or key, as a text that stays readable.
    created_by text not null,
    created_at timestamp not null,
    -- While it is set, nothing is sent.
    paused_at timestamp,
    constraint webhooks_pkey primary key (organization_id, webhook_id),
    constraint webhooks_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade
);

create table webhook_events (
    organization_id bytea not null,
    -- Ordered by time.
    webhook_event_id bytea not null,
    kind text not null,
    occurred_at timestamp not null,
    -- A JSON object of ids and words. Names and addresses of people are looked up when it is sent.
    data text not null,
    -- When it was given to the webhooks that ask for it.
    fanned_out_at timestamp,
    constraint webhook_events_pkey primary key (organization_id, webhook_event_id),
    constraint webhook_events_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade
);

-- What waits for the task, and what is old enough to go.
create index webhook_events_fanned_out_idx on webhook_events (organization_id, fanned_out_at);

create table webhook_deliveries (
    organization_id bytea not null,
    -- Ordered by time.
    webhook_delivery_id bytea not null,
    webhook_id bytea not null,
    webhook_event_id bytea not null,
    kind text not null,
    state text not null,
    n_tries integer not null,
    -- Not before. A collector that sends it moves this ahead, so that no other does.
    due_at timestamp not null,
    created_at timestamp not null,
    finished_at timestamp,
    -- The status of the newest answer.
    answer_status integer,
    -- Why the newest try did not succeed.
    reason text,
    -- Somebody asked for the same event once more.
    redelivery_of bytea,
    constraint webhook_deliveries_pkey primary key (organization_id, webhook_delivery_id),
    constraint webhook_deliveries_webhook_id_fkey foreign key (organization_id, webhook_id)
        references webhooks (organization_id, webhook_id) on delete cascade,
    constraint webhook_deliveries_webhook_event_id_fkey foreign key (organization_id, webhook_event_id)
        references webhook_events (organization_id, webhook_event_id) on delete cascade,
    constraint webhook_deliveries_state_check check (state in ('queued', 'delivered', 'failed'))
);

-- What is due of one webhook, its newest, and those of one event.
create index webhook_deliveries_due_idx on webhook_deliveries (organization_id, webhook_id, state, due_at);
create index webhook_deliveries_event_idx on webhook_deliveries (organization_id, webhook_event_id);

-- What comes about with time alone has no transaction of its own: a task looks now and then, and
-- remembers here what it has seen, so that each thing is told once.
create table webhook_watches (
    organization_id bytea not null,
    kind text not null,
    looked_at timestamp not null,
    constraint webhook_watches_pkey primary key (organization_id, kind),
    constraint webhook_watches_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade
);

create table webhook_marks (
    organization_id bytea not null,
    kind text not null,
    -- An installation's id, or those of a license and a user.
    object_id text not null,
    constraint webhook_marks_pkey primary key (organization_id, kind, object_id),
    constraint webhook_marks_kind_fkey foreign key (organization_id, kind)
        references webhook_watches (organization_id, kind) on delete cascade
);

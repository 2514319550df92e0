-- Limits that differ from the organization's, and what is re-assessed after a change.

create table thresholds (
    organization_id bytea not null,
    clock text not null,
    scope text not null,
    -- The app, source or license.
    scope_id bytea not null,
    limit_seconds bigint not null,
    set_at timestamp not null,
    constraint thresholds_pkey primary key (organization_id, clock, scope, scope_id),
    constraint thresholds_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade,
    constraint thresholds_clock_check check (clock in ('inactive_after', 'license_unused_after')),
    constraint thresholds_scope_check check (scope in ('app', 'source', 'license'))
);

-- Work that is done in small steps between batches: the user-apps that a change can touch, by key.
create table reassessments (
    organization_id bytea not null,
    reassessment_id bytea not null,
    scope text not null,
    -- The app or the source.
    scope_id bytea,
    -- The last user-app that was looked at.
    after_user_id bytea,
    after_app_id bytea,
    n_assessed integer not null,
    n_changed integer not null,
    requested_at timestamp not null,
    finished_at timestamp,
    constraint reassessments_pkey primary key (organization_id, reassessment_id),
    constraint reassessments_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade,
    constraint reassessments_scope_check check (scope in ('organization', 'app', 'source'))
);

-- A user-app whose day has come and whose moment has not is left alone until then.
alter table due_assessments add column not_before timestamp;

-- What people use. `user_apps`, `user_app_sources` and `usage_days` are written by every batch: they
-- carry no index beyond their keys, since one on a date or a status would make each visit pay for it
-- and PostgreSQL would lose its heap-only updates; the spare room per page is for those.

-- What one source reported about one user-app: what an assessment is made from.
create table user_app_sources (
    organization_id bytea not null,
    user_id bytea not null,
    app_id bytea not null,
    source_id bytea not null,
    -- Repeated from the source, so that an assessment reads one table.
    source_kind text not null,
    last_sign_in_at timestamp,
    last_sign_up_at timestamp,
    last_visit_at timestamp,
    -- The source's explicit opinion, where it has one.
    stated_status text,
    constraint user_app_sources_pkey primary key (organization_id, user_id, app_id, source_id),
    constraint user_app_sources_user_id_fkey foreign key (organization_id, user_id)
        references users (organization_id, user_id) on delete cascade,
    constraint user_app_sources_app_id_fkey foreign key (organization_id, app_id)
        references apps (organization_id, app_id) on delete cascade,
    constraint user_app_sources_source_id_fkey foreign key (organization_id, source_id)
        references sources (organization_id, source_id) on delete cascade,
    constraint user_app_sources_source_kind_check check (source_kind in (
        'extension', 'sso', 'direct_integration', 'indirect_integration', 'directory', 'import', 'manual'
    )),
    constraint user_app_sources_stated_status_check check (
        stated_status in ('active', 'inactive', 'removed')
    )
) with (fillfactor = 80);

-- One user's account in one app. Status, reason, because and `changes_at` are the cached answer of
-- `activity::assess`; past `changes_at` a reader assesses again.
create table user_apps (
    organization_id bytea not null,
    user_id bytea not null,
    app_id bytea not null,
    -- The user's name as that app shows it (T22).
    display_name text,
    first_sign_in_at timestamp,
    last_sign_in_at timestamp,
    last_sign_in_method text,
    first_sign_up_at timestamp,
    last_sign_up_at timestamp,
    first_visit_at timestamp,
    last_visit_at timestamp,
    last_used_at timestamp,
    status text not null,
    status_reason text not null,
    -- The kind of source that decided the status.
    because text,
    changes_at timestamp,
    constraint user_apps_pkey primary key (organization_id, user_id, app_id),
    constraint user_apps_user_id_fkey foreign key (organization_id, user_id)
        references users (organization_id, user_id) on delete cascade,
    constraint user_apps_app_id_fkey foreign key (organization_id, app_id)
        references apps (organization_id, app_id) on delete cascade,
    constraint user_apps_status_check check (
        status in ('active', 'inactive', 'unconfirmed', 'unknown', 'removed')
    )
) with (fillfactor = 80);

-- A day, in the organization's zone, on which a user used an app: at most one per user-app and day.
create table usage_days (
    organization_id bytea not null,
    user_id bytea not null,
    app_id bytea not null,
    used_on date not null,
    constraint usage_days_pkey primary key (organization_id, user_id, app_id, used_on),
    constraint usage_days_user_app_fkey foreign key (organization_id, user_id, app_id)
        references user_apps (organization_id, user_id, app_id) on delete cascade
);

-- User-apps whose status changes on a day (UTC). The sweep finds them here, by a coarse date that is
-- written at most once per user-app and day, instead of by an index on the hot row. A row that came
-- too early, because the app was used again, is dropped when its day comes.
create table due_assessments (
    organization_id bytea not null,
    due_on date not null,
    user_id bytea not null,
    app_id bytea not null,
    constraint due_assessments_pkey primary key (organization_id, due_on, user_id, app_id),
    constraint due_assessments_user_app_fkey foreign key (organization_id, user_id, app_id)
        references user_apps (organization_id, user_id, app_id) on delete cascade
);

-- What happened, one by one (Z17). Kept for days, not for years: the tables above are the record.
create table activities (
    organization_id bytea not null,
    -- Ordered by the time of arrival, so that retention deletes a range of the primary key.
    activity_id bytea not null,
    user_id bytea not null,
    app_id bytea not null,
    source_id bytea not null,
    -- The browser that saw it, where the source is the extension.
    installation_id bytea,
    activity_type text not null,
    -- The source's own word, where it differs (Z32).
    original_type text,
    occurred_at timestamp not null,
    received_at timestamp not null,
    method text,
    -- What was done to the time that the browser stated: `corrected`, `future`, `before_enrollment`.
    time_flag text,
    constraint activities_pkey primary key (organization_id, activity_id),
    constraint activities_user_id_fkey foreign key (organization_id, user_id)
        references users (organization_id, user_id) on delete cascade,
    constraint activities_app_id_fkey foreign key (organization_id, app_id)
        references apps (organization_id, app_id) on delete cascade,
    constraint activities_time_flag_check check (
        time_flag in ('corrected', 'future', 'before_enrollment')
    )
);

-- The log of one user-app, newest first.
create index activities_user_app_idx on activities (organization_id, user_id, app_id, occurred_at);

-- What a source reports beyond the extension: its own last-used field, a status in its own words, tokens,
-- names and roles; and how late it may be before somebody should look (T6, T7, Z35, Z37, Z38).

-- Which vendor's words and token rules apply; data of `shared::activity::profile`.
alter table sources add column profile text not null default 'generic';
-- A last sync older than this needs attention (T7).
alter table sources add column sync_limit_seconds bigint not null default 259200;
-- A snapshot that would remove a larger share of the source's accounts waits for a confirmation.
alter table sources add column removal_limit_percent integer not null default 20;
-- When it first reported a use: since then an account without a date is one that was not used.
alter table sources add column use_reported_at timestamp;

-- The source's own field for the newest use (`raw_last_used`, Z20).
alter table user_app_sources add column reported_last_used_at timestamp;
alter table user_app_sources add column last_grant_at timestamp;
-- When the status was stated, and in which word.
alter table user_app_sources add column stated_at timestamp;
alter table user_app_sources add column stated_word text;
alter table user_app_sources add column display_name text;
alter table user_app_sources add column account_role text;

-- What a snapshot leaves out is found by its source. Rows of the extension, which every batch writes,
-- are not in it.
create index user_app_sources_source_id_idx on user_app_sources (organization_id, source_id, user_id, app_id)
    where source_kind <> 'extension';

-- The users of one app. Neither column ever changes, so that a visit touches no index and PostgreSQL
-- keeps its heap-only updates.
create index user_apps_app_id_idx on user_apps (organization_id, app_id, user_id);

-- Which apps a source lists in full, and for which it reports use (T13, T19).
create table source_apps (
    organization_id bytea not null,
    source_id bytea not null,
    app_id bytea not null,
    -- The last snapshot that named this app's users.
    listed_at timestamp,
    use_reported_at timestamp,
    -- The last record that named a license of this app (T9).
    license_reported_at timestamp,
    constraint source_apps_pkey primary key (organization_id, source_id, app_id),
    constraint source_apps_source_id_fkey foreign key (organization_id, source_id)
        references sources (organization_id, source_id) on delete cascade,
    constraint source_apps_app_id_fkey foreign key (organization_id, app_id)
        references apps (organization_id, app_id) on delete cascade
);

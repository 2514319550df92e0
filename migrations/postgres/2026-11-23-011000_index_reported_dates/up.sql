-- Validation compares what sources sent with what is shown, for all accounts of an app. This index has what it
-- reads and no more, so that no row of the table is looked up. What browsers report is not in it.
create index user_app_sources_app_id_idx
    on user_app_sources (organization_id, app_id, user_id, reported_last_used_at, source_kind)
    where source_kind <> 'extension' and reported_last_used_at is not null;

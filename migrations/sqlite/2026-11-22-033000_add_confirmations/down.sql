alter table sync_sessions drop column n_held;
alter table sync_sessions drop column n_to_remove;
alter table sync_sessions drop column stated_pages;

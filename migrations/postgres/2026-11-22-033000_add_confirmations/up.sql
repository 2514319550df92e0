-- A snapshot that leaves out too much waits for somebody who says that it is right. A program asks
-- again by itself; a person has to find what waits, and how much it would remove.

-- How many pages the upload has, stated when it was finished and refused.
alter table sync_sessions add column stated_pages integer;
-- Accounts that it would remove, and accounts that the source holds.
alter table sync_sessions add column n_to_remove integer;
alter table sync_sessions add column n_held integer;

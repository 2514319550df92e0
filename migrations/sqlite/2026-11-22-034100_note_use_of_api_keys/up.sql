-- Which keys are still used. Written at most once a minute, so that a busy key costs one write a minute.

alter table api_keys add column last_used_at text;

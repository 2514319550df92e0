alter table api_keys drop column last_used_at;

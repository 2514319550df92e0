alter table webhooks drop column old_ends_at;
alter table webhooks drop column old_sealed_credential;

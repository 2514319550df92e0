alter table admins drop column provider_waived_until;
alter table organizations drop column admin_provider_required_at;

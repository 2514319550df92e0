-- Admins sign in at the organization's identity provider, and with a password only where somebody at the
-- collector's machine has allowed it for a while.

alter table organizations add column admin_provider_required_at text;
alter table admins add column provider_waived_until text;

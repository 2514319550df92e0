-- What tells a person's sessions apart, and how each was opened.

-- Such as `Chrome on Windows`, as the browser says; none where it says nothing that is known.
alter table admin_sessions add column browser text;
alter table admin_sessions add column method text not null default 'password'
    constraint admin_sessions_method_check check (method in ('password', 'provider'));

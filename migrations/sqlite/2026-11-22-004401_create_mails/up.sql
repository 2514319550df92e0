-- Mail that the collector sends: invitations to people who do not report, and links that people asked
-- for. The queue is here so that a restart loses nothing.

-- One action of an admin: a text, and everybody to whom it goes.
create table mailings (
    organization_id blob not null,
    mailing_id blob not null,
    subject text not null,
    body text not null,
    sender_name text not null,
    reply_to text,
    -- The admin, as a text that stays readable.
    created_by text not null,
    created_at text not null,
    -- Weekly reminders for those who still do not report: how many are left, and when the next is due.
    n_reminders_left integer not null,
    next_reminder_at text,
    constraint mailings_pkey primary key (organization_id, mailing_id),
    constraint mailings_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade
) strict, without rowid;

create table mail_messages (
    organization_id blob not null,
    -- Ordered by time.
    mail_message_id blob not null,
    -- `invitation` of a mailing, or `sign_in` for who asked.
    kind text not null,
    mailing_id blob,
    user_id blob,
    email text not null,
    -- The installation whose user asked.
    installation_id blob,
    state text not null,
    -- Why it was skipped, failed or bounced.
    reason text,
    n_tries integer not null,
    -- Not before. A collector that sends it moves this ahead, so that no other does.
    due_at text not null,
    created_at text not null,
    finished_at text,
    constraint mail_messages_pkey primary key (organization_id, mail_message_id),
    constraint mail_messages_mailing_id_fkey foreign key (organization_id, mailing_id)
        references mailings (organization_id, mailing_id) on delete cascade,
    constraint mail_messages_user_id_fkey foreign key (organization_id, user_id)
        references users (organization_id, user_id) on delete cascade,
    constraint mail_messages_installation_id_fkey foreign key (organization_id, installation_id)
        references installations (organization_id, installation_id) on delete cascade,
    constraint mail_messages_kind_check check (kind in ('invitation', 'sign_in')),
    constraint mail_messages_state_check check (state in ('queued', 'sent', 'skipped', 'failed', 'bounced')),
    constraint mail_messages_mailing_check check ((kind = 'invitation') = (mailing_id is not null))
) strict, without rowid;

-- What is due, and what came of one mailing.
create index mail_messages_due_idx on mail_messages (organization_id, state, due_at);
create index mail_messages_mailing_idx on mail_messages (organization_id, mailing_id, state);

-- Addresses that want no more invitations.
create table mail_opt_outs (
    organization_id blob not null,
    email text not null,
    created_at text not null,
    constraint mail_opt_outs_pkey primary key (organization_id, email),
    constraint mail_opt_outs_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade
) strict, without rowid;

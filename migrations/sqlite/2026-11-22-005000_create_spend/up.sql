-- What was paid, line by line, and which app a line belongs to (T23 to T25).

-- The accounts whose lines count.
create table spend_accounts (
    organization_id blob not null,
    account text not null,
    created_at text not null,
    constraint spend_accounts_pkey primary key (organization_id, account),
    constraint spend_accounts_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade
) strict, without rowid;

create table spend_lines (
    organization_id blob not null,
    -- The bookkeeping's own id of the line.
    line_id text not null,
    -- The main item that this line is a part of; a line with one is not counted again (T23).
    parent_line_id text,
    account text not null,
    description text not null,
    amount_e4 integer not null,
    currency text not null,
    spent_on text not null,
    -- By the first matching rule; none where no rule matches.
    app_id blob,
    constraint spend_lines_pkey primary key (organization_id, line_id),
    constraint spend_lines_organization_id_fkey foreign key (organization_id)
        references organizations (organization_id) on delete cascade,
    constraint spend_lines_app_id_fkey foreign key (organization_id, app_id)
        references apps (organization_id, app_id) on delete cascade
) strict, without rowid;

-- A description that holds the pattern, in any case, belongs to the app (T25).
create table matching_rules (
    organization_id blob not null,
    matching_rule_id blob not null,
    pattern text not null,
    app_id blob not null,
    created_at text not null,
    constraint matching_rules_pkey primary key (organization_id, matching_rule_id),
    constraint matching_rules_pattern_key unique (organization_id, pattern),
    constraint matching_rules_app_id_fkey foreign key (organization_id, app_id)
        references apps (organization_id, app_id) on delete cascade
) strict, without rowid;

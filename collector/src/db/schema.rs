//! The tables, as diesel sees them. One file for both backends: only types that both share.
//!
//! Only `store` may import this module. What the tables are for is said in `migrations/`.

diesel::table! {
    organizations (organization_id) {
        organization_id -> Binary,
        name -> Text,
        time_zone -> Text,
        mode -> Text,
        unknown_sites -> Text,
        flush_seconds -> Integer,
        heartbeat_seconds -> Integer,
        inactive_after_seconds -> BigInt,
        silent_after_seconds -> BigInt,
        license_unused_after_seconds -> BigInt,
        minimum_extension_version -> Nullable<Text>,
        help_contact -> Nullable<Text>,
        created_at -> Timestamp,
        discovery_min_users -> Integer,
        discovery_min_sign_ins -> Integer,
        minimum_extension_version_at -> Nullable<Timestamp>,
        second_factor_required_at -> Nullable<Timestamp>,
        admin_provider_required_at -> Nullable<Timestamp>,
        keep_activity_days -> Integer,
        keep_usage_days -> Integer,
        pseudonymized_at -> Nullable<Timestamp>,
        pseudonym_key -> Nullable<Binary>,
    }
}

diesel::table! {
    organization_work_domains (organization_id, domain) {
        organization_id -> Binary,
        domain -> Text,
    }
}

diesel::table! {
    deny_sites (organization_id, site) {
        organization_id -> Binary,
        site -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    sources (organization_id, source_id) {
        organization_id -> Binary,
        source_id -> Binary,
        kind -> Text,
        name -> Text,
        created_at -> Timestamp,
        last_synced_at -> Nullable<Timestamp>,
        disconnected_at -> Nullable<Timestamp>,
        profile -> Text,
        sync_limit_seconds -> BigInt,
        removal_limit_percent -> Integer,
        use_reported_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    users (organization_id, user_id) {
        organization_id -> Binary,
        user_id -> Binary,
        email -> Text,
        name -> Nullable<Text>,
        user_type -> Text,
        status -> Text,
        created_at -> Timestamp,
        name_set_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    user_aliases (organization_id, address) {
        organization_id -> Binary,
        address -> Text,
        user_id -> Binary,
        created_at -> Timestamp,
    }
}

diesel::table! {
    user_merges (organization_id, user_id) {
        organization_id -> Binary,
        user_id -> Binary,
        into_user_id -> Binary,
        read_as_user_id -> Binary,
        merged_at -> Timestamp,
        merged_by -> Text,
    }
}

diesel::table! {
    apps (organization_id, app_id) {
        organization_id -> Binary,
        app_id -> Binary,
        kind -> Text,
        catalog_slug -> Nullable<Text>,
        site -> Nullable<Text>,
        name -> Text,
        category -> Nullable<Text>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    discoveries (organization_id, app_id) {
        organization_id -> Binary,
        app_id -> Binary,
        state -> Text,
        first_seen_at -> Timestamp,
        decided_at -> Nullable<Timestamp>,
        n_sign_ins -> Integer,
        n_sign_ups -> Integer,
        last_seen_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    mappings (organization_id, site) {
        organization_id -> Binary,
        site -> Text,
        app_id -> Binary,
        created_at -> Timestamp,
        kind -> Text,
    }
}

diesel::table! {
    enrollment_keys (organization_id, enrollment_key_id) {
        organization_id -> Binary,
        enrollment_key_id -> Binary,
        key_hash -> Binary,
        hint -> Text,
        name -> Text,
        created_at -> Timestamp,
        expires_at -> Nullable<Timestamp>,
        revoked_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    installations (organization_id, installation_id) {
        organization_id -> Binary,
        installation_id -> Binary,
        enrollment_key_id -> Binary,
        token_hash -> Binary,
        user_id -> Nullable<Binary>,
        identity_method -> Nullable<Text>,
        mode -> Text,
        extension_version -> Text,
        browser -> Text,
        os -> Text,
        n_queued -> Integer,
        clock_skew_ms -> Nullable<BigInt>,
        enrolled_at -> Timestamp,
        first_heartbeat_at -> Nullable<Timestamp>,
        last_heartbeat_at -> Nullable<Timestamp>,
        last_report_at -> Nullable<Timestamp>,
        last_sequence -> BigInt,
        sequence_window -> BigInt,
        last_payload_hash -> BigInt,
        revoked_at -> Nullable<Timestamp>,
        identity_changed_at -> Nullable<Timestamp>,
        identity_change -> Nullable<Text>,
        revoked_by -> Nullable<Text>,
        next_token_hash -> Nullable<Binary>,
        sealed_renewal -> Nullable<Binary>,
        renewal_demanded_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    identity_providers (organization_id) {
        organization_id -> Binary,
        name -> Text,
        issuer -> Text,
        client_id -> Text,
        sealed_credential -> Nullable<Binary>,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    oidc_sign_ins (organization_id, state_hash) {
        organization_id -> Binary,
        state_hash -> Binary,
        installation_id -> Binary,
        redirect_url -> Text,
        nonce -> Text,
        code_verifier -> Text,
        created_at -> Timestamp,
        expires_at -> Timestamp,
        email -> Nullable<Text>,
        proof_hash -> Nullable<Binary>,
    }
}

diesel::table! {
    sign_in_links (organization_id, link_hash) {
        organization_id -> Binary,
        link_hash -> Binary,
        email -> Text,
        installation_id -> Nullable<Binary>,
        code_hash -> Binary,
        n_wrong_codes -> Integer,
        created_at -> Timestamp,
        expires_at -> Timestamp,
        used_at -> Nullable<Timestamp>,
        used_by_installation_id -> Nullable<Binary>,
    }
}

diesel::table! {
    mailings (organization_id, mailing_id) {
        organization_id -> Binary,
        mailing_id -> Binary,
        subject -> Text,
        body -> Text,
        sender_name -> Text,
        reply_to -> Nullable<Text>,
        created_by -> Text,
        created_at -> Timestamp,
        n_reminders_left -> Integer,
        next_reminder_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    mail_messages (organization_id, mail_message_id) {
        organization_id -> Binary,
        mail_message_id -> Binary,
        kind -> Text,
        mailing_id -> Nullable<Binary>,
        user_id -> Nullable<Binary>,
        email -> Text,
        installation_id -> Nullable<Binary>,
        state -> Text,
        reason -> Nullable<Text>,
        n_tries -> Integer,
        due_at -> Timestamp,
        created_at -> Timestamp,
        finished_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    mail_opt_outs (organization_id, email) {
        organization_id -> Binary,
        email -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    user_app_sources (organization_id, user_id, app_id, source_id) {
        organization_id -> Binary,
        user_id -> Binary,
        app_id -> Binary,
        source_id -> Binary,
        source_kind -> Text,
        last_sign_in_at -> Nullable<Timestamp>,
        last_sign_up_at -> Nullable<Timestamp>,
        last_visit_at -> Nullable<Timestamp>,
        stated_status -> Nullable<Text>,
        reported_last_used_at -> Nullable<Timestamp>,
        last_grant_at -> Nullable<Timestamp>,
        stated_at -> Nullable<Timestamp>,
        stated_word -> Nullable<Text>,
        display_name -> Nullable<Text>,
        account_role -> Nullable<Text>,
    }
}

diesel::table! {
    user_apps (organization_id, user_id, app_id) {
        organization_id -> Binary,
        user_id -> Binary,
        app_id -> Binary,
        display_name -> Nullable<Text>,
        first_sign_in_at -> Nullable<Timestamp>,
        last_sign_in_at -> Nullable<Timestamp>,
        last_sign_in_method -> Nullable<Text>,
        first_sign_up_at -> Nullable<Timestamp>,
        last_sign_up_at -> Nullable<Timestamp>,
        first_visit_at -> Nullable<Timestamp>,
        last_visit_at -> Nullable<Timestamp>,
        last_used_at -> Nullable<Timestamp>,
        status -> Text,
        status_reason -> Text,
        because -> Nullable<Text>,
        changes_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    usage_days (organization_id, user_id, app_id, used_on) {
        organization_id -> Binary,
        user_id -> Binary,
        app_id -> Binary,
        used_on -> Date,
    }
}

diesel::table! {
    due_assessments (organization_id, due_on, user_id, app_id) {
        organization_id -> Binary,
        due_on -> Date,
        user_id -> Binary,
        app_id -> Binary,
        not_before -> Nullable<Timestamp>,
    }
}

diesel::table! {
    activities (organization_id, activity_id) {
        organization_id -> Binary,
        activity_id -> Binary,
        user_id -> Binary,
        app_id -> Binary,
        source_id -> Binary,
        installation_id -> Nullable<Binary>,
        activity_type -> Text,
        original_type -> Nullable<Text>,
        occurred_at -> Timestamp,
        received_at -> Timestamp,
        method -> Nullable<Text>,
        time_flag -> Nullable<Text>,
    }
}

diesel::table! {
    licenses (organization_id, license_id) {
        organization_id -> Binary,
        license_id -> Binary,
        app_id -> Binary,
        name -> Text,
        n_purchased -> Nullable<Integer>,
        source_id -> Binary,
        created_at -> Timestamp,
        unit_price_e4 -> Nullable<BigInt>,
        currency -> Nullable<Text>,
        billing_months -> Integer,
        tier_group -> Nullable<Text>,
    }
}

diesel::table! {
    license_assignments (organization_id, license_id, user_id) {
        organization_id -> Binary,
        license_id -> Binary,
        user_id -> Binary,
        assigned_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
        ends_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    admins (organization_id, admin_id) {
        organization_id -> Binary,
        admin_id -> Binary,
        email -> Text,
        name -> Nullable<Text>,
        role -> Text,
        password_hash -> Nullable<Text>,
        created_at -> Timestamp,
        last_signed_in_at -> Nullable<Timestamp>,
        disabled_at -> Nullable<Timestamp>,
        provider_waived_until -> Nullable<Timestamp>,
    }
}

diesel::table! {
    admin_sessions (organization_id, token_hash) {
        organization_id -> Binary,
        token_hash -> Binary,
        admin_id -> Binary,
        created_at -> Timestamp,
        last_seen_at -> Timestamp,
        expires_at -> Timestamp,
        browser -> Nullable<Text>,
        method -> Text,
    }
}

diesel::table! {
    second_factors (organization_id, admin_id) {
        organization_id -> Binary,
        admin_id -> Binary,
        sealed_key -> Binary,
        created_at -> Timestamp,
        confirmed_at -> Nullable<Timestamp>,
        last_step -> BigInt,
    }
}

diesel::table! {
    recovery_codes (organization_id, admin_id, code_hash) {
        organization_id -> Binary,
        admin_id -> Binary,
        code_hash -> Binary,
        created_at -> Timestamp,
        used_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    api_keys (organization_id, api_key_id) {
        organization_id -> Binary,
        api_key_id -> Binary,
        key_hash -> Binary,
        hint -> Text,
        name -> Text,
        scopes -> Text,
        created_at -> Timestamp,
        expires_at -> Nullable<Timestamp>,
        revoked_at -> Nullable<Timestamp>,
        last_used_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    audit_entries (organization_id, audit_entry_id) {
        organization_id -> Binary,
        audit_entry_id -> Binary,
        at -> Timestamp,
        actor_kind -> Text,
        actor -> Text,
        action -> Text,
        object_kind -> Text,
        object_id -> Text,
        detail -> Text,
    }
}

diesel::table! {
    source_apps (organization_id, source_id, app_id) {
        organization_id -> Binary,
        source_id -> Binary,
        app_id -> Binary,
        listed_at -> Nullable<Timestamp>,
        use_reported_at -> Nullable<Timestamp>,
        license_reported_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    sync_sessions (organization_id, sync_session_id) {
        organization_id -> Binary,
        sync_session_id -> Binary,
        source_id -> Binary,
        mode -> Text,
        state -> Text,
        created_at -> Timestamp,
        touched_at -> Timestamp,
        finished_at -> Nullable<Timestamp>,
        n_applied -> Integer,
        n_removed -> Integer,
        stated_pages -> Nullable<Integer>,
        n_to_remove -> Nullable<Integer>,
        n_held -> Nullable<Integer>,
    }
}

diesel::table! {
    sync_pages (organization_id, sync_session_id, page_number) {
        organization_id -> Binary,
        sync_session_id -> Binary,
        page_number -> Integer,
        n_records -> Integer,
        n_rejected -> Integer,
        n_unreadable -> Integer,
        records -> Text,
        applied_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    thresholds (organization_id, clock, scope, scope_id) {
        organization_id -> Binary,
        clock -> Text,
        scope -> Text,
        scope_id -> Binary,
        limit_seconds -> BigInt,
        set_at -> Timestamp,
    }
}

diesel::table! {
    reassessments (organization_id, reassessment_id) {
        organization_id -> Binary,
        reassessment_id -> Binary,
        scope -> Text,
        scope_id -> Nullable<Binary>,
        after_user_id -> Nullable<Binary>,
        after_app_id -> Nullable<Binary>,
        n_assessed -> Integer,
        n_changed -> Integer,
        requested_at -> Timestamp,
        finished_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    validation_rows (organization_id, app_id, email) {
        organization_id -> Binary,
        app_id -> Binary,
        email -> Text,
        used_on -> Nullable<Date>,
        used_at -> Nullable<Timestamp>,
        uploaded_at -> Timestamp,
    }
}

diesel::table! {
    spend_accounts (organization_id, account) {
        organization_id -> Binary,
        account -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    spend_lines (organization_id, line_id) {
        organization_id -> Binary,
        line_id -> Text,
        parent_line_id -> Nullable<Text>,
        account -> Text,
        description -> Text,
        amount_e4 -> BigInt,
        currency -> Text,
        spent_on -> Date,
        app_id -> Nullable<Binary>,
    }
}

diesel::table! {
    matching_rules (organization_id, matching_rule_id) {
        organization_id -> Binary,
        matching_rule_id -> Binary,
        pattern -> Text,
        app_id -> Binary,
        created_at -> Timestamp,
    }
}

diesel::table! {
    webhooks (organization_id, webhook_id) {
        organization_id -> Binary,
        webhook_id -> Binary,
        name -> Text,
        url -> Text,
        kinds -> Text,
        sealed_credential -> Binary,
        created_by -> Text,
        created_at -> Timestamp,
        paused_at -> Nullable<Timestamp>,
        old_sealed_credential -> Nullable<Binary>,
        old_ends_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    webhook_events (organization_id, webhook_event_id) {
        organization_id -> Binary,
        webhook_event_id -> Binary,
        kind -> Text,
        occurred_at -> Timestamp,
        data -> Text,
        fanned_out_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    webhook_deliveries (organization_id, webhook_delivery_id) {
        organization_id -> Binary,
        webhook_delivery_id -> Binary,
        webhook_id -> Binary,
        webhook_event_id -> Binary,
        kind -> Text,
        state -> Text,
        n_tries -> Integer,
        due_at -> Timestamp,
        created_at -> Timestamp,
        finished_at -> Nullable<Timestamp>,
        answer_status -> Nullable<Integer>,
        reason -> Nullable<Text>,
        redelivery_of -> Nullable<Binary>,
    }
}

diesel::table! {
    webhook_watches (organization_id, kind) {
        organization_id -> Binary,
        kind -> Text,
        looked_at -> Timestamp,
    }
}

diesel::table! {
    webhook_marks (organization_id, kind, object_id) {
        organization_id -> Binary,
        kind -> Text,
        object_id -> Text,
    }
}

diesel::table! {
    closed_apps (organization_id, app_id) {
        organization_id -> Binary,
        app_id -> Binary,
        closed_at -> Timestamp,
        closed_by -> Text,
    }
}

diesel::table! {
    offboardings (organization_id, user_id) {
        organization_id -> Binary,
        user_id -> Binary,
        started_at -> Timestamp,
        started_by -> Text,
        completed_at -> Nullable<Timestamp>,
        completed_by -> Nullable<Text>,
    }
}

diesel::table! {
    offboarding_steps (organization_id, user_id, app_id, access_path) {
        organization_id -> Binary,
        user_id -> Binary,
        app_id -> Binary,
        access_path -> Text,
        seen_at -> Nullable<Timestamp>,
        closed_at -> Nullable<Timestamp>,
        closed_by -> Nullable<Text>,
    }
}

diesel::table! {
    saved_views (organization_id, saved_view_id) {
        organization_id -> Binary,
        saved_view_id -> Binary,
        list_path -> Text,
        name -> Text,
        query -> Text,
        admin_id -> Nullable<Binary>,
        created_by -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    field_mappings (organization_id, source_id, source_field) {
        organization_id -> Binary,
        source_id -> Binary,
        source_field -> Text,
        field -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    user_fields (organization_id, user_id, field, source_id) {
        organization_id -> Binary,
        user_id -> Binary,
        field -> Text,
        source_id -> Binary,
        field_value -> Text,
        updated_at -> Timestamp,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    organizations,
    organization_work_domains,
    deny_sites,
    sources,
    users,
    user_aliases,
    user_merges,
    apps,
    discoveries,
    mappings,
    enrollment_keys,
    installations,
    identity_providers,
    oidc_sign_ins,
    sign_in_links,
    mailings,
    mail_messages,
    mail_opt_outs,
    user_app_sources,
    user_apps,
    usage_days,
    due_assessments,
    activities,
    licenses,
    license_assignments,
    source_apps,
    sync_sessions,
    sync_pages,
    thresholds,
    reassessments,
    validation_rows,
    spend_accounts,
    spend_lines,
    matching_rules,
    field_mappings,
    user_fields,
    admins,
    admin_sessions,
    second_factors,
    recovery_codes,
    api_keys,
    audit_entries,
    webhooks,
    webhook_events,
    webhook_deliveries,
    webhook_watches,
    webhook_marks,
    closed_apps,
    offboardings,
    offboarding_steps,
    saved_views,
);

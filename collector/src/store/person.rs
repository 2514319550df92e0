//! Everything that is held of one person, table by table, and its deletion. `tests/it/persons.rs` holds the
//! parts to the live schema: a table that names people and is missing here fails.

use std::fmt::Display;

use chrono::{NaiveDate, NaiveDateTime};
use diesel::prelude::*;
use serde_json::{Value, json};

use super::offboardings::{OffboardingRow, StepRow};
use super::sync_sessions::SyncPageRow;
use super::user_app_sources::AccountRow;
use super::user_apps::UserAppRow;
use super::users::UserRow;
use super::{StoreError, installations, offboardings, user_fields, user_merges, users};
use crate::db::schema::installations as installations_table;
use crate::db::schema::{
    activities, apps, audit_entries, due_assessments, enrollment_keys, license_assignments,
    licenses, mail_messages, mail_opt_outs, oidc_sign_ins, saved_views, sign_in_links, sources,
    spend_lines, sync_pages, usage_days, user_aliases, user_app_sources, user_apps,
    users as users_table, validation_rows, webhook_events,
};
use crate::db::{
    ActivityId, AppId, AuditEntryId, DbConnection, EnrollmentKeyId, LicenseId, MailMessageId,
    OrganizationId, SavedViewId, SourceId, UserId, WebhookEventId,
};

/// What stands in a text in place of an address that was erased.
pub const ERASED: &str = "(erased)";

/// One person, by everything that names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Whose.
    pub organization_id: OrganizationId,
    /// The user; none for an address of which only mail, sign-ins or uploads know.
    pub user_id: Option<UserId>,
    /// Users who are read as this one, of the same person.
    pub merged: Vec<UserId>,
    /// The address and all further ones, lower-case.
    pub addresses: Vec<String>,
}

/// What an erasure does with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its rows are deleted.
    Deleted,
    /// Its rows stay, and the address in them becomes [`ERASED`].
    Unnamed,
    /// Its rows stay: they hold an id that leads nowhere any more.
    Kept,
}

/// A part of what is held.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name in the document: mostly that of the table.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// What an erasure does with it, and why it is not deleted where it is not.
    pub fate: Fate,
}

macro_rules! parts {
    ($($constant:ident: $name:literal, $fate:ident, $about:literal;)*) => {
        $(static $constant: Part = Part { name: $name, about: $about, fate: Fate::$fate };)*
        /// All parts, in the order of the document.
        pub static PARTS: &[&Part] = &[$(&$constant),*];
    };
}

parts! {
    USER: "users", Deleted, "The user: address, name, type, status, and when first seen.";
    ALIASES: "user_aliases", Deleted, "Further addresses of the same person.";
    MERGES: "user_merges", Deleted, "Users who an admin said are the same person, and since when.";
    FIELDS: "user_fields", Deleted, "Further fields that an admin asked a source for.";
    USER_APPS: "user_apps", Deleted, "Accounts in apps: first and last dates, the status, and its reason.";
    SOURCES: "user_app_sources", Deleted, "What each source says about each account.";
    USAGE_DAYS: "usage_days", Deleted, "On which days which app was used.";
    ACTIVITIES: "activities", Deleted, "Single sign-ins, sign-ups and visits, as long as these are kept.";
    DUE: "due_assessments", Deleted, "When a status is to be looked at again.";
    OFFBOARDING: "offboardings", Deleted, "When the person was offboarded, and who did it.";
    STEPS: "offboarding_steps", Deleted, "Ways into the person’s accounts, and when each was closed.";
    LICENSES: "license_assignments", Deleted, "Licenses that the person holds or held.";
    INSTALLATIONS: "installations", Deleted, "Browsers that reported for the person. They can report no more.";
    MAILS: "mail_messages", Deleted, "Mail that was sent or skipped, without its text.";
    OPT_OUTS: "mail_opt_outs", Deleted, "That the person wants no invitations.";
    LINKS: "sign_in_links", Deleted, "Mailed links to sign in with, without their secrets.";
    SIGN_INS: "oidc_sign_ins", Deleted, "Sign-ins at the identity provider that are under way.";
    DATES: "validation_rows", Deleted, "The organization’s own last-used dates.";
    UPLOADS: "sync_pages", Deleted, "Rows of uploads that wait to be applied.";
    VIEWS: "saved_views", Deleted, "Saved views of lists whose filter or name holds the address.";
    SPEND: "spend_lines", Unnamed, "Lines of spend whose text holds the address: the line is the organization’s bookkeeping.";
    KEYS: "enrollment_keys", Unnamed, "Enrollment links that were named after the person.";
    AUDIT: "audit_entries", Unnamed, "What admins and programs changed about the person. It stays as proof of what was done; ids in it lead nowhere any more.";
    EVENTS: "webhook_events", Kept, "What was told to other programs. It holds an id and no name; what they keep, they must erase themselves.";
}

/// What is held of one part.
#[derive(Debug)]
pub struct Held {
    /// Which part.
    pub part: &'static Part,
    /// Its rows in JSON: ids as texts, instants in UTC.
    pub rows: Vec<Value>,
}

/// Finds a person by an address, or by one of the further ones.
///
/// # Errors
/// When the database refuses.
pub fn find_by_address(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    address: &str,
) -> Result<Person, StoreError> {
    let found = users::find_by_addresses(conn, organization_id, &[address])?;
    match found.get(address) {
        Some(user_id) => {
            let person = find(conn, organization_id, *user_id)?;
            person.ok_or(StoreError::Inconsistent("an address leads to no user"))
        }
        None => Ok(Person {
            organization_id,
            user_id: None,
            merged: Vec::new(),
            addresses: vec![address.to_owned()],
        }),
    }
}

/// Finds a person by the user's id, or by that of a user who is read as it.
///
/// # Errors
/// When the database refuses.
pub fn find(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    user_id: UserId,
) -> Result<Option<Person>, StoreError> {
    let user = users::find_read_as(conn, organization_id, user_id)?;
    let Some(user) = user else { return Ok(None) };
    let user_id = user.user_id;
    let mut addresses = vec![user.email];
    addresses.extend(users::list_aliases(conn, organization_id, user_id)?);
    let merged = user_merges::aliases(conn, organization_id)?.sources(user_id).to_vec();
    Ok(Some(Person { organization_id, user_id: Some(user_id), merged, addresses }))
}

fn utc(at: NaiveDateTime) -> Value {
    json!(at.and_utc())
}

fn utc_or_null(at: Option<NaiveDateTime>) -> Value {
    at.map_or(Value::Null, utc)
}

/// Any text with this in it. What the wildcards of `like` let through too is looked at again.
fn holding(text: impl Display) -> String {
    format!("%{text}%")
}

impl Person {
    /// Everything that is held, every part of [`PARTS`] in its order.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn held(&self, conn: &mut DbConnection) -> Result<Vec<Held>, StoreError> {
        let mut all = Vec::new();
        for user_id in self.user_ids() {
            all.extend(self.held_of_user(conn, user_id)?);
        }
        all.extend(self.held_of_addresses(conn)?);
        let rows = |part: &'static Part| {
            let rows = all.iter().filter(|it| *it.0 == *part).flat_map(|it| it.1.clone()).collect();
            Held { part, rows }
        };
        Ok(PARTS.iter().map(|it| rows(it)).collect())
    }

    /// The user, and those who are read as it.
    fn user_ids(&self) -> impl Iterator<Item = UserId> {
        self.user_id.into_iter().chain(self.merged.iter().copied())
    }

    fn held_of_user(
        &self,
        conn: &mut DbConnection,
        user_id: UserId,
    ) -> Result<Vec<(&'static Part, Vec<Value>)>, StoreError> {
        let id = self.organization_id;
        let user = users::find_all(conn, id, &[user_id])?.remove(&user_id);
        let names: Vec<(AppId, String)> = apps::table
            .filter(apps::organization_id.eq(id))
            .select((apps::app_id, apps::name))
            .load(conn)?;
        let app = |id: &AppId| names.iter().find(|it| it.0 == *id).map(|it| it.1.clone());
        let names: Vec<(SourceId, String)> = sources::table
            .filter(sources::organization_id.eq(id))
            .select((sources::source_id, sources::name))
            .load(conn)?;
        let source = |id: &SourceId| names.iter().find(|it| it.0 == *id).map(|it| it.1.clone());
        let aliases = users::list_own_aliases(conn, id, user_id)?;
        let merge = user_merges::find(conn, id, user_id)?;
        let fields = user_fields::list(conn, id, user_id)?;
        let accounts: Vec<UserAppRow> = user_apps::table
            .filter(user_apps::organization_id.eq(id))
            .filter(user_apps::user_id.eq(user_id))
            .order(user_apps::app_id)
            .select(UserAppRow::as_select())
            .load(conn)?;
        let said: Vec<AccountRow> = user_app_sources::table
            .filter(user_app_sources::organization_id.eq(id))
            .filter(user_app_sources::user_id.eq(user_id))
            .order((user_app_sources::app_id, user_app_sources::source_id))
            .select(AccountRow::as_select())
            .load(conn)?;
        let days: Vec<(AppId, NaiveDate)> = usage_days::table
            .filter(usage_days::organization_id.eq(id))
            .filter(usage_days::user_id.eq(user_id))
            .order((usage_days::used_on, usage_days::app_id))
            .select((usage_days::app_id, usage_days::used_on))
            .load(conn)?;
        let due: Vec<(AppId, NaiveDate)> = due_assessments::table
            .filter(due_assessments::organization_id.eq(id))
            .filter(due_assessments::user_id.eq(user_id))
            .order((due_assessments::due_on, due_assessments::app_id))
            .select((due_assessments::app_id, due_assessments::due_on))
            .load(conn)?;
        let held: Vec<(LicenseId, String, Option<NaiveDateTime>, Option<NaiveDateTime>)> =
            license_assignments::table
                .inner_join(
                    licenses::table.on(licenses::organization_id
                        .eq(license_assignments::organization_id)
                        .and(licenses::license_id.eq(license_assignments::license_id))),
                )
                .filter(license_assignments::organization_id.eq(id))
                .filter(license_assignments::user_id.eq(user_id))
                .order(license_assignments::license_id)
                .select((
                    license_assignments::license_id,
                    licenses::name,
                    license_assignments::assigned_at,
                    license_assignments::ends_at,
                ))
                .load(conn)?;
        let mut browsers = installations::list_of_user(conn, id, user_id)?;
        // Those of users who are read as this one come with them.
        browsers.retain(|it| it.user_id == Some(user_id));
        let browser = |it: &installations::InstallationRow| {
            json!({
                "installation_id": it.installation_id, "browser": it.browser, "os": it.os,
                "extension_version": it.extension_version, "identity_method": it.identity_method,
                "enrolled_at": utc(it.enrolled_at),
                "last_heartbeat_at": utc_or_null(it.last_heartbeat_at),
                "last_report_at": utc_or_null(it.last_report_at),
                "revoked_at": utc_or_null(it.revoked_at),
            })
        };
        let offboarding = offboardings::find_all(conn, id, &[user_id])?;
        let mut steps = offboardings::list_steps(conn, id, &[user_id])?;
        steps.sort_by(|a, b| (a.app_id, &a.access_path).cmp(&(b.app_id, &b.access_path)));
        let step = |it: &StepRow| {
            json!({
                "app_id": it.app_id, "app": app(&it.app_id), "access_path": it.access_path,
                "seen_at": utc_or_null(it.seen_at), "closed_at": utc_or_null(it.closed_at),
                "closed_by": it.closed_by,
            })
        };
        let events: Vec<(WebhookEventId, NaiveDateTime, String)> = webhook_events::table
            .filter(webhook_events::organization_id.eq(id))
            .filter(webhook_events::data.like(holding(user_id)))
            .order(webhook_events::webhook_event_id)
            .select((
                webhook_events::webhook_event_id,
                webhook_events::occurred_at,
                webhook_events::data,
            ))
            .load(conn)?;
        let parse = |it: &str| serde_json::from_str(it).unwrap_or(Value::Null);
        let happened = self.activities(conn, user_id)?;
        let activity = |it: &Activity| {
            json!({
                "activity_id": it.0, "app_id": it.1, "app": app(&it.1), "source": source(&it.2),
                "type": it.3, "original_type": it.4, "occurred_at": utc(it.5),
                "received_at": utc(it.6), "method": it.7,
            })
        };
        Ok(vec![
            (&USER, user.iter().map(user_row).collect()),
            (&ALIASES, aliases.iter().map(|it| json!({ "address": it })).collect()),
            (
                &MERGES,
                merge
                    .iter()
                    .map(|it| {
                        json!({
                            "user_id": it.user_id, "into_user_id": it.into_user_id,
                            "merged_at": utc(it.merged_at), "merged_by": it.merged_by,
                        })
                    })
                    .collect(),
            ),
            (
                &FIELDS,
                fields
                    .iter()
                    .map(|it| json!({ "field": it.0, "value": it.1, "source": source(&it.2) }))
                    .collect(),
            ),
            (&USER_APPS, accounts.iter().map(|it| account(it, app(&it.app_id))).collect()),
            (
                &SOURCES,
                said.iter().map(|it| said_of(it, app(&it.app_id), source(&it.source_id))).collect(),
            ),
            (
                &USAGE_DAYS,
                days.iter()
                    .map(|it| json!({ "app_id": it.0, "app": app(&it.0), "used_on": it.1 }))
                    .collect(),
            ),
            (&ACTIVITIES, happened.iter().map(activity).collect()),
            (
                &DUE,
                due.iter()
                    .map(|it| json!({ "app_id": it.0, "app": app(&it.0), "due_on": it.1 }))
                    .collect(),
            ),
            (&OFFBOARDING, offboarding.values().map(offboarding_row).collect()),
            (&STEPS, steps.iter().map(step).collect()),
            (
                &LICENSES,
                held.iter()
                    .map(|it| {
                        json!({
                            "license_id": it.0, "license": it.1, "assigned_at": utc_or_null(it.2),
                            "ends_at": utc_or_null(it.3),
                        })
                    })
                    .collect(),
            ),
            (&INSTALLATIONS, browsers.iter().map(browser).collect()),
            (
                &EVENTS,
                events
                    .iter()
                    .map(|it| {
                        let data: Value = parse(&it.2);
                        json!({ "webhook_event_id": it.0, "occurred_at": utc(it.1), "data": data })
                    })
                    .collect(),
            ),
        ])
    }

    fn activities(
        &self,
        conn: &mut DbConnection,
        user_id: UserId,
    ) -> Result<Vec<Activity>, StoreError> {
        Ok(activities::table
            .filter(activities::organization_id.eq(self.organization_id))
            .filter(activities::user_id.eq(user_id))
            .order(activities::activity_id)
            .select((
                activities::activity_id,
                activities::app_id,
                activities::source_id,
                activities::activity_type,
                activities::original_type,
                activities::occurred_at,
                activities::received_at,
                activities::method,
            ))
            .load(conn)?)
    }

    fn held_of_addresses(
        &self,
        conn: &mut DbConnection,
    ) -> Result<Vec<(&'static Part, Vec<Value>)>, StoreError> {
        let id = self.organization_id;
        let opt_outs: Vec<(String, NaiveDateTime)> = mail_opt_outs::table
            .filter(mail_opt_outs::organization_id.eq(id))
            .filter(mail_opt_outs::email.eq_any(&self.addresses))
            .select((mail_opt_outs::email, mail_opt_outs::created_at))
            .load(conn)?;
        let links: Vec<(String, NaiveDateTime, NaiveDateTime, Option<NaiveDateTime>)> =
            sign_in_links::table
                .filter(sign_in_links::organization_id.eq(id))
                .filter(sign_in_links::email.eq_any(&self.addresses))
                .order(sign_in_links::created_at)
                .select((
                    sign_in_links::email,
                    sign_in_links::created_at,
                    sign_in_links::expires_at,
                    sign_in_links::used_at,
                ))
                .load(conn)?;
        let sign_ins: Vec<(Option<String>, NaiveDateTime)> = oidc_sign_ins::table
            .filter(oidc_sign_ins::organization_id.eq(id))
            .filter(oidc_sign_ins::email.eq_any(&self.addresses))
            .select((oidc_sign_ins::email, oidc_sign_ins::created_at))
            .load(conn)?;
        let dates: Vec<(AppId, String, Option<NaiveDate>, Option<NaiveDateTime>)> =
            validation_rows::table
                .filter(validation_rows::organization_id.eq(id))
                .filter(validation_rows::email.eq_any(&self.addresses))
                .order((validation_rows::app_id, validation_rows::email))
                .select((
                    validation_rows::app_id,
                    validation_rows::email,
                    validation_rows::used_on,
                    validation_rows::used_at,
                ))
                .load(conn)?;
        let uploads = self.upload_pages(conn)?;
        let spent = self.spend_lines(conn)?;
        let keys = self.enrollment_keys(conn)?;
        let audit = self.audit_entries(conn)?;
        let views = self.saved_views(conn)?;
        let mails = self.mails(conn)?;
        let at = |it: &(String, NaiveDateTime)| json!({ "email": it.0, "since": utc(it.1) });
        let link = |it: &(String, NaiveDateTime, NaiveDateTime, Option<NaiveDateTime>)| {
            json!({
                "email": it.0, "created_at": utc(it.1), "expires_at": utc(it.2),
                "used_at": utc_or_null(it.3),
            })
        };
        let date = |it: &(AppId, String, Option<NaiveDate>, Option<NaiveDateTime>)| {
            json!({
                "app_id": it.0, "email": it.1, "used_on": it.2, "used_at": utc_or_null(it.3),
            })
        };
        Ok(vec![
            (&MAILS, mails),
            (&OPT_OUTS, opt_outs.iter().map(at).collect()),
            (&LINKS, links.iter().map(link).collect()),
            (
                &SIGN_INS,
                sign_ins
                    .iter()
                    .map(|it| json!({ "email": it.0, "created_at": utc(it.1) }))
                    .collect(),
            ),
            (&DATES, dates.iter().map(date).collect()),
            (&UPLOADS, uploads.iter().flat_map(|it| self.rows_of(it)).collect()),
            (
                &SPEND,
                spent.iter().map(|it| json!({ "line_id": it.0, "description": it.1 })).collect(),
            ),
            (
                &KEYS,
                keys.iter().map(|it| json!({ "enrollment_key_id": it.0, "name": it.1 })).collect(),
            ),
            (
                &VIEWS,
                views
                    .iter()
                    .map(|it| json!({ "saved_view_id": it.0, "name": it.1, "query": it.2 }))
                    .collect(),
            ),
            (
                &AUDIT,
                audit
                    .iter()
                    .map(|it| {
                        let detail: Value = serde_json::from_str(&it.6).unwrap_or(Value::Null);
                        json!({
                            "audit_entry_id": it.0, "at": utc(it.1), "actor": it.2,
                            "action": it.3, "object_kind": it.4, "object_id": it.5,
                            "detail": detail,
                        })
                    })
                    .collect(),
            ),
        ])
    }

    fn mails(&self, conn: &mut DbConnection) -> Result<Vec<Value>, StoreError> {
        type Mail =
            (MailMessageId, String, String, Option<String>, NaiveDateTime, Option<NaiveDateTime>);
        let ids: Vec<Option<UserId>> = self.user_ids().map(Some).collect();
        let rows: Vec<Mail> =
            mail_messages::table
                .filter(mail_messages::organization_id.eq(self.organization_id))
                .filter(mail_messages::email.eq_any(&self.addresses).or(
                    mail_messages::user_id.is_not_null().and(mail_messages::user_id.eq_any(ids)),
                ))
                .order(mail_messages::mail_message_id)
                .select((
                    mail_messages::mail_message_id,
                    mail_messages::email,
                    mail_messages::state,
                    mail_messages::reason,
                    mail_messages::created_at,
                    mail_messages::finished_at,
                ))
                .load(conn)?;
        let row = |it: &Mail| {
            json!({
                "mail_message_id": it.0, "email": it.1, "state": it.2, "reason": it.3,
                "created_at": utc(it.4), "finished_at": utc_or_null(it.5),
            })
        };
        Ok(rows.iter().map(row).collect())
    }

    /// Pages of uploads that wait and name the person.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn upload_pages(&self, conn: &mut DbConnection) -> Result<Vec<SyncPageRow>, StoreError> {
        let mut found: Vec<SyncPageRow> = Vec::new();
        for address in &self.addresses {
            let rows: Vec<SyncPageRow> = sync_pages::table
                .filter(sync_pages::organization_id.eq(self.organization_id))
                .filter(sync_pages::records.like(holding(address)))
                .order((sync_pages::sync_session_id, sync_pages::page_number))
                .select(SyncPageRow::as_select())
                .load(conn)?;
            found.extend(rows.into_iter().filter(|it| !self.rows_of(it).is_empty()));
        }
        found.sort_by_key(|it| (it.sync_session_id, it.page_number));
        found.dedup_by_key(|it| (it.sync_session_id, it.page_number));
        Ok(found)
    }

    /// The person's rows of such a page.
    fn rows_of(&self, page: &SyncPageRow) -> Vec<Value> {
        let all: Vec<Value> = serde_json::from_str(&page.records).unwrap_or_default();
        all.into_iter().filter(|it| self.is_row(it)).collect()
    }

    fn is_row(&self, row: &Value) -> bool {
        row["email"].as_str().is_some_and(|it| self.addresses.iter().any(|own| own == it))
    }

    /// A text holds one of the addresses.
    fn is_in(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        self.addresses.iter().any(|it| text.contains(it.as_str()))
    }

    /// A text without the addresses.
    fn without_addresses(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for address in &self.addresses {
            // A text keeps the case of its author; folding ASCII alone moves no byte.
            while let Some(at) = text.to_ascii_lowercase().find(address.as_str()) {
                text.replace_range(at..at + address.len(), ERASED);
            }
        }
        text
    }

    fn spend_lines(&self, conn: &mut DbConnection) -> Result<Vec<(String, String)>, StoreError> {
        let rows: Vec<(String, String)> = spend_lines::table
            .filter(spend_lines::organization_id.eq(self.organization_id))
            .filter(spend_lines::description.like("%@%"))
            .order(spend_lines::line_id)
            .select((spend_lines::line_id, spend_lines::description))
            .load(conn)?;
        Ok(rows.into_iter().filter(|it| self.is_in(&it.1)).collect())
    }

    fn saved_views(
        &self,
        conn: &mut DbConnection,
    ) -> Result<Vec<(SavedViewId, String, String)>, StoreError> {
        let rows: Vec<(SavedViewId, String, String)> = saved_views::table
            .filter(saved_views::organization_id.eq(self.organization_id))
            .order(saved_views::saved_view_id)
            .select((saved_views::saved_view_id, saved_views::name, saved_views::query))
            .load(conn)?;
        Ok(rows.into_iter().filter(|it| self.is_in(&it.1) || self.is_in(&it.2)).collect())
    }

    fn enrollment_keys(
        &self,
        conn: &mut DbConnection,
    ) -> Result<Vec<(EnrollmentKeyId, String)>, StoreError> {
        let rows: Vec<(EnrollmentKeyId, String)> = enrollment_keys::table
            .filter(enrollment_keys::organization_id.eq(self.organization_id))
            .filter(enrollment_keys::name.like("%@%"))
            .order(enrollment_keys::enrollment_key_id)
            .select((enrollment_keys::enrollment_key_id, enrollment_keys::name))
            .load(conn)?;
        Ok(rows.into_iter().filter(|it| self.is_in(&it.1)).collect())
    }

    fn audit_entries(&self, conn: &mut DbConnection) -> Result<Vec<AuditEntry>, StoreError> {
        let names = self.addresses.iter().map(String::clone);
        let mut found: Vec<AuditEntry> = Vec::new();
        for name in names.chain(self.user_ids().map(|it| it.to_string())) {
            let rows: Vec<AuditEntry> = audit_entries::table
                .filter(audit_entries::organization_id.eq(self.organization_id))
                .filter(
                    audit_entries::object_id
                        .like(holding(&name))
                        .or(audit_entries::detail.like(holding(&name))),
                )
                .order(audit_entries::audit_entry_id)
                .select((
                    audit_entries::audit_entry_id,
                    audit_entries::at,
                    audit_entries::actor,
                    audit_entries::action,
                    audit_entries::object_kind,
                    audit_entries::object_id,
                    audit_entries::detail,
                ))
                .load(conn)?;
            found
                .extend(rows.into_iter().filter(|it| it.5.contains(&name) || it.6.contains(&name)));
        }
        found.sort_by_key(|it| it.0);
        found.dedup_by_key(|it| it.0);
        Ok(found)
    }

    /// Erases the person: see each part's [`Fate`]. Pages of uploads are the caller's, who reads them.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn erase(&self, conn: &mut DbConnection) -> Result<(), StoreError> {
        let id = self.organization_id;
        for (line_id, description) in self.spend_lines(conn)? {
            diesel::update(
                spend_lines::table
                    .filter(spend_lines::organization_id.eq(id))
                    .filter(spend_lines::line_id.eq(line_id)),
            )
            .set(spend_lines::description.eq(self.without_addresses(&description)))
            .execute(conn)?;
        }
        for (key_id, name) in self.enrollment_keys(conn)? {
            diesel::update(
                enrollment_keys::table
                    .filter(enrollment_keys::organization_id.eq(id))
                    .filter(enrollment_keys::enrollment_key_id.eq(key_id)),
            )
            .set(enrollment_keys::name.eq(self.without_addresses(&name)))
            .execute(conn)?;
        }
        for it in self.audit_entries(conn)?.into_iter().filter(|it| self.is_in(&it.6)) {
            diesel::update(
                audit_entries::table
                    .filter(audit_entries::organization_id.eq(id))
                    .filter(audit_entries::audit_entry_id.eq(it.0)),
            )
            .set(audit_entries::detail.eq(self.without_addresses(&it.6)))
            .execute(conn)?;
        }
        for (view_id, ..) in self.saved_views(conn)? {
            super::saved_views::delete(conn, id, view_id)?;
        }
        diesel::delete(
            mail_messages::table
                .filter(mail_messages::organization_id.eq(id))
                .filter(mail_messages::email.eq_any(&self.addresses)),
        )
        .execute(conn)?;
        diesel::delete(
            mail_opt_outs::table
                .filter(mail_opt_outs::organization_id.eq(id))
                .filter(mail_opt_outs::email.eq_any(&self.addresses)),
        )
        .execute(conn)?;
        diesel::delete(
            sign_in_links::table
                .filter(sign_in_links::organization_id.eq(id))
                .filter(sign_in_links::email.eq_any(&self.addresses)),
        )
        .execute(conn)?;
        diesel::delete(
            oidc_sign_ins::table
                .filter(oidc_sign_ins::organization_id.eq(id))
                .filter(oidc_sign_ins::email.eq_any(&self.addresses)),
        )
        .execute(conn)?;
        diesel::delete(
            validation_rows::table
                .filter(validation_rows::organization_id.eq(id))
                .filter(validation_rows::email.eq_any(&self.addresses)),
        )
        .execute(conn)?;
        let ids: Vec<UserId> = self.user_ids().collect();
        diesel::delete(
            installations_table::table
                .filter(installations_table::organization_id.eq(id))
                .filter(installations_table::user_id.eq_any(&ids)),
        )
        .execute(conn)?;
        diesel::delete(
            user_aliases::table
                .filter(user_aliases::organization_id.eq(id))
                .filter(user_aliases::user_id.eq_any(&ids)),
        )
        .execute(conn)?;
        // Everything else of a user goes with it, by its foreign keys.
        diesel::delete(
            users_table::table
                .filter(users_table::organization_id.eq(id))
                .filter(users_table::user_id.eq_any(&ids)),
        )
        .execute(conn)?;
        Ok(())
    }
}

type AuditEntry = (AuditEntryId, NaiveDateTime, String, String, String, String, String);
type Activity = (
    ActivityId,
    AppId,
    SourceId,
    String,
    Option<String>,
    NaiveDateTime,
    NaiveDateTime,
    Option<String>,
);

fn user_row(it: &UserRow) -> Value {
    json!({
        "user_id": it.user_id, "email": it.email, "name": it.name, "type": it.user_type,
        "status": it.status, "created_at": utc(it.created_at),
    })
}

fn offboarding_row(it: &OffboardingRow) -> Value {
    json!({
        "started_at": utc(it.started_at), "started_by": it.started_by,
        "completed_at": utc_or_null(it.completed_at), "completed_by": it.completed_by,
    })
}

fn account(it: &UserAppRow, app: Option<String>) -> Value {
    json!({
        "app_id": it.app_id, "app": app, "display_name": it.display_name,
        "first_sign_in_at": utc_or_null(it.first_sign_in_at),
        "last_sign_in_at": utc_or_null(it.last_sign_in_at),
        "last_sign_in_method": it.last_sign_in_method,
        "first_sign_up_at": utc_or_null(it.first_sign_up_at),
        "last_sign_up_at": utc_or_null(it.last_sign_up_at),
        "first_visit_at": utc_or_null(it.first_visit_at),
        "last_visit_at": utc_or_null(it.last_visit_at),
        "last_used_at": utc_or_null(it.last_used_at), "status": it.status,
        "status_reason": it.status_reason, "because": it.because,
    })
}

fn said_of(it: &AccountRow, app: Option<String>, source: Option<String>) -> Value {
    json!({
        "app_id": it.app_id, "app": app, "source": source, "display_name": it.display_name,
        "role": it.account_role, "stated_status": it.stated_status,
        "stated_word": it.stated_word, "stated_at": utc_or_null(it.stated_at),
        "last_sign_in_at": utc_or_null(it.last_sign_in_at),
        "last_sign_up_at": utc_or_null(it.last_sign_up_at),
        "last_visit_at": utc_or_null(it.last_visit_at),
        "reported_last_used_at": utc_or_null(it.reported_last_used_at),
        "last_grant_at": utc_or_null(it.last_grant_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_goes_from_a_text_and_the_rest_stays() {
        let person = Person {
            organization_id: OrganizationId::from_bytes([1; 16]),
            user_id: None,
            merged: Vec::new(),
            addresses: vec!["maria@northwind.example".to_owned()],
        };
        let check = |text: &str, expected: &str| {
            assert_eq!(person.without_addresses(text), expected);
        };
        check("Link for Maria@Northwind.example", "Link for (erased)");
        check("maria@northwind.example, maria@northwind.example", "(erased), (erased)");
        check("Zoë and nobody else", "Zoë and nobody else");
    }
}

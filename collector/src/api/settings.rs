//! The organization's settings.

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::TimeDelta;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use shared::hostname::Hostname;
use shared::wire::{Mode, UnknownSites};
use utoipa::ToSchema;

use super::openapi::words;
use crate::db::OrganizationId;
use crate::extract::{Json, Reader, Writer};
use crate::lists::one_of;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::settings::{self, Change, check_minimum_version};
use crate::store::StoreError;
use crate::store::organizations::{self, Organization};
use crate::store::word::Word;

/// The settings. What has a limit of its own is in the list of thresholds.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "organization_id": "019ab0c2-5a00-7000-8000-000000000001",
    "name": "Northwind",
    "mode": "authenticated",
    "unknown_sites": "work_sign_ins",
    "time_zone": "Europe/Berlin",
    "work_domains": ["northwind.example"],
    "deny_sites": [],
    "flush_seconds": 300,
    "heartbeat_seconds": 900,
    "inactive_after_seconds": 604_800,
    "license_unused_after_seconds": 2_592_000,
    "silent_after_seconds": 2_592_000,
    "discovery_min_users": 1,
    "discovery_min_sign_ins": 1,
    "minimum_extension_version": null,
    "help_contact": "it@northwind.example",
    "identity_provider": null,
    "second_factor_required": false,
    "admin_provider_required": false,
    "pseudonymize_people": false,
    "keep_activity_days": 90,
    "keep_usage_days": 400
})))]
pub struct Settings {
    organization_id: OrganizationId,
    /// The organization's name.
    name: String,
    /// The loosest mode that is allowed.
    #[schema(schema_with = words::<Mode>)]
    mode: Word<Mode>,
    /// What happens with sites that no rule claims.
    #[schema(schema_with = words::<UnknownSites>)]
    unknown_sites: Word<UnknownSites>,
    /// The zone whose days are usage days.
    time_zone: &'static str,
    /// Domains whose addresses are work addresses.
    work_domains: Vec<String>,
    /// Sites that are never reported, on top of the catalog's own list.
    deny_sites: Vec<String>,
    /// Seconds between two batches of a browser.
    flush_seconds: u32,
    /// Seconds between two heartbeats of a browser.
    heartbeat_seconds: u32,
    /// This long without activity is still active.
    inactive_after_seconds: i64,
    /// This long without use, a license is not yet unused.
    license_unused_after_seconds: i64,
    /// This long without a heartbeat, an installation is not yet silent.
    silent_after_seconds: i64,
    /// Users that a discovery needs to appear in the queue.
    discovery_min_users: i32,
    /// Sign-ins and sign-ups that it needs.
    discovery_min_sign_ins: i32,
    /// An installation below it is outdated.
    minimum_extension_version: Option<String>,
    /// Whom an employee can ask.
    help_contact: Option<String>,
    /// The name of the identity provider of employees.
    identity_provider: Option<String>,
    /// Admins who sign in by password need a second factor.
    second_factor_required: bool,
    /// Admins sign in at the identity provider, where there is one.
    admin_provider_required: bool,
    /// Pages, lists, files, the API and webhooks show pseudonyms in place of people's addresses and names.
    pseudonymize_people: bool,
    /// Days for which single activities are kept after they arrived. What they came to stays.
    keep_activity_days: u32,
    /// Days for which days of use are kept.
    keep_usage_days: u32,
}

impl Settings {
    fn new(it: Organization) -> Settings {
        Settings {
            organization_id: it.organization_id,
            mode: Word(it.mode),
            unknown_sites: Word(it.unknown_sites),
            time_zone: it.time_zone.name(),
            work_domains: it.work_domains,
            deny_sites: it.deny_sites,
            flush_seconds: it.flush_seconds,
            heartbeat_seconds: it.heartbeat_seconds,
            inactive_after_seconds: it.inactive_after.num_seconds(),
            license_unused_after_seconds: it.license_unused_after.num_seconds(),
            silent_after_seconds: it.silent_after.num_seconds(),
            discovery_min_users: it.discovery_limits.min_users,
            discovery_min_sign_ins: it.discovery_limits.min_sign_ins,
            minimum_extension_version: it.minimum_extension_version,
            help_contact: it.help_contact,
            identity_provider: it.identity_provider,
            second_factor_required: it.second_factor_required,
            admin_provider_required: it.admin_provider_required,
            pseudonymize_people: it.pseudonymize_people,
            keep_activity_days: it.retention.activity_days,
            keep_usage_days: it.retention.usage_days,
            name: it.name,
        }
    }
}

/// The settings.
#[utoipa::path(
    get, path = "/v1/settings", tag = "administration", operation_id = "show_settings",
    responses((status = 200, description = "The settings.", body = Settings)),
    security(("api_key" = ["read"]))
)]
pub async fn show(collector: Data<Collector>, reader: Reader) -> Result<HttpResponse, ApiError> {
    let found = collector.db.run(move |conn| organizations::find(conn, reader.organization_id));
    let found = found.await.map_err(|error: StoreError| ApiError::from(error))?;
    Ok(HttpResponse::Ok().json(Settings::new(found.ok_or(ApiError::NotFound)?)))
}

/// What to change; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(examples(json!({ "flush_seconds": 600, "add_deny_sites": ["union.example"] })))]
#[serde(default, deny_unknown_fields)]
pub struct SettingsChange {
    /// `authenticated`, `unauthenticated` or `disabled`.
    mode: Option<String>,
    /// `off` or `work_sign_ins`.
    unknown_sites: Option<String>,
    /// An IANA name such as `Europe/Berlin`. Days that are counted stay as they are.
    time_zone: Option<String>,
    /// At most 200 characters.
    help_contact: Option<String>,
    /// Such as `1.2.0`; an older installation is outdated. Empty for none.
    minimum_extension_version: Option<String>,
    /// 1 to 86,400.
    #[schema(minimum = 1, maximum = 86_400)]
    flush_seconds: Option<u32>,
    /// 1 to 86,400.
    #[schema(minimum = 1, maximum = 86_400)]
    heartbeat_seconds: Option<u32>,
    /// An hour to a year: this long without a heartbeat, an installation is not yet silent.
    #[schema(minimum = 3_600, maximum = 31_536_000)]
    silent_after_seconds: Option<i64>,
    /// 1 to a million.
    #[schema(minimum = 1, maximum = 1_000_000)]
    discovery_min_users: Option<i32>,
    /// 1 to a million.
    #[schema(minimum = 1, maximum = 1_000_000)]
    discovery_min_sign_ins: Option<i32>,
    /// Whether admins who sign in by password need a second factor. Who has none sets it up with the
    /// next click.
    second_factor_required: Option<bool>,
    /// Whether admins sign in at the identity provider; without one, passwords go on working. A password
    /// opens a session again for a while after `rollcall admin allow-password`.
    admin_provider_required: Option<bool>,
    /// Whether pages, lists, files, the API and webhooks show pseudonyms in place of people's addresses and
    /// names. Mail goes to the addresses themselves.
    pseudonymize_people: Option<bool>,
    /// Days for which single activities are kept, 1 to 3,650. What is older then is deleted within the
    /// hour, and for good; last used and statuses stay.
    #[schema(minimum = 1, maximum = 3_650)]
    keep_activity_days: Option<u32>,
    /// Days for which days of use are kept, 1 to 3,650.
    #[schema(minimum = 1, maximum = 3_650)]
    keep_usage_days: Option<u32>,
    /// Domains whose addresses become work addresses; what is there stays.
    #[schema(required = false)]
    add_work_domains: Vec<String>,
    /// Such domains to take away.
    #[schema(required = false)]
    remove_work_domains: Vec<String>,
    /// Sites to deny, with their subdomains; what is there stays.
    #[schema(required = false)]
    add_deny_sites: Vec<String>,
    /// Such sites to deny no longer; the catalog's own list stays in force.
    #[schema(required = false)]
    remove_deny_sites: Vec<String>,
}

/// Most entries of one list in a request.
const MAX_ENTRIES: usize = 1_000;

impl SettingsChange {
    /// The change of one setting to what a person has entered on a page. Of a list, each line is an entry;
    /// entries that are there and were left out are taken away.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for a setting that there is not, and for what is no number where one is
    /// wanted.
    pub(crate) fn of_text(
        name: &str,
        text: &str,
        now: &Organization,
    ) -> Result<SettingsChange, ApiError> {
        let text = text.trim();
        let none = SettingsChange::default();
        let word = || Some(text.to_owned());
        let lines = || text.split_whitespace().map(str::to_lowercase).collect::<Vec<String>>();
        let missing = |all: &[String], of: &[String]| {
            all.iter().filter(|it| !of.contains(it)).cloned().collect::<Vec<String>>()
        };
        Ok(match name {
            "mode" => SettingsChange { mode: word(), ..none },
            "unknown_sites" => SettingsChange { unknown_sites: word(), ..none },
            "time_zone" => SettingsChange { time_zone: word(), ..none },
            "help_contact" => SettingsChange { help_contact: word(), ..none },
            "minimum_extension_version" => {
                SettingsChange { minimum_extension_version: word(), ..none }
            }
            "flush_seconds" => SettingsChange { flush_seconds: number(name, text)?, ..none },
            "heartbeat_seconds" => {
                SettingsChange { heartbeat_seconds: number(name, text)?, ..none }
            }
            "silent_after_seconds" => {
                SettingsChange { silent_after_seconds: number(name, text)?, ..none }
            }
            "discovery_min_users" => {
                SettingsChange { discovery_min_users: number(name, text)?, ..none }
            }
            "discovery_min_sign_ins" => {
                SettingsChange { discovery_min_sign_ins: number(name, text)?, ..none }
            }
            "work_domains" => SettingsChange {
                add_work_domains: missing(&lines(), &now.work_domains),
                remove_work_domains: missing(&now.work_domains, &lines()),
                ..none
            },
            "deny_sites" => SettingsChange {
                add_deny_sites: missing(&lines(), &now.deny_sites),
                remove_deny_sites: missing(&now.deny_sites, &lines()),
                ..none
            },
            "second_factor_required" => {
                SettingsChange { second_factor_required: flag(name, text)?, ..none }
            }
            "admin_provider_required" => {
                SettingsChange { admin_provider_required: flag(name, text)?, ..none }
            }
            "pseudonymize_people" => {
                SettingsChange { pseudonymize_people: flag(name, text)?, ..none }
            }
            "keep_activity_days" => {
                SettingsChange { keep_activity_days: number(name, text)?, ..none }
            }
            "keep_usage_days" => SettingsChange { keep_usage_days: number(name, text)?, ..none },
            _ => return Err(ApiError::Invalid(format!("{name:?} is no setting"))),
        })
    }

    /// The change, checked.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] with what is allowed.
    pub(crate) fn check(self) -> Result<Change, ApiError> {
        let range = |name: &str, value: Option<i64>, min: i64, max: i64| match value {
            Some(it) if !(min..=max).contains(&it) => Err(ApiError::Invalid(format!(
                "{name} takes a number from {min} to {max}; got {it}"
            ))),
            _ => Ok(()),
        };
        range("flush_seconds", self.flush_seconds.map(i64::from), 1, 86_400)?;
        range("heartbeat_seconds", self.heartbeat_seconds.map(i64::from), 1, 86_400)?;
        range("silent_after_seconds", self.silent_after_seconds, 3_600, 31_536_000)?;
        range("discovery_min_users", self.discovery_min_users.map(i64::from), 1, 1_000_000)?;
        let min_sign_ins = self.discovery_min_sign_ins.map(i64::from);
        range("discovery_min_sign_ins", min_sign_ins, 1, 1_000_000)?;
        range("keep_activity_days", self.keep_activity_days.map(i64::from), 1, 3_650)?;
        range("keep_usage_days", self.keep_usage_days.map(i64::from), 1, 3_650)?;
        let zone = |text: String| {
            text.parse::<Tz>().map_err(|_| {
                ApiError::Invalid(format!(
                    "time_zone takes an IANA name such as Europe/Berlin; got {text:?}"
                ))
            })
        };
        let help_contact = self.help_contact.map(|it| it.trim().to_owned());
        let is_contact =
            |it: &String| it.chars().count() <= 200 && !it.chars().any(char::is_control);
        if help_contact.as_ref().is_some_and(|it| !is_contact(it)) {
            let detail = "help_contact takes at most 200 characters and no control characters";
            return Err(ApiError::Invalid(detail.to_owned()));
        }
        let minimum = self.minimum_extension_version.as_deref().map(check_minimum_version);
        let minimum = minimum.transpose().map_err(|error| ApiError::Invalid(error.to_string()))?;
        Ok(Change {
            mode: one_of("mode", self.mode.as_deref())?,
            unknown_sites: one_of("unknown_sites", self.unknown_sites.as_deref())?,
            time_zone: self.time_zone.map(zone).transpose()?,
            help_contact,
            minimum_extension_version: minimum,
            flush_seconds: self.flush_seconds,
            heartbeat_seconds: self.heartbeat_seconds,
            silent_after: self.silent_after_seconds.map(TimeDelta::seconds),
            discovery_min_users: self.discovery_min_users,
            discovery_min_sign_ins: self.discovery_min_sign_ins,
            second_factor_required: self.second_factor_required,
            admin_provider_required: self.admin_provider_required,
            pseudonymize_people: self.pseudonymize_people,
            keep_activity_days: self.keep_activity_days,
            keep_usage_days: self.keep_usage_days,
            add_work_domains: hostnames("add_work_domains", &self.add_work_domains)?,
            remove_work_domains: hostnames("remove_work_domains", &self.remove_work_domains)?,
            add_deny_sites: hostnames("add_deny_sites", &self.add_deny_sites)?,
            remove_deny_sites: hostnames("remove_deny_sites", &self.remove_deny_sites)?,
        })
    }
}

/// What a person chose of two.
fn flag(name: &str, text: &str) -> Result<Option<bool>, ApiError> {
    match text {
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        _ => Err(ApiError::Invalid(format!("{name} takes true or false; got {text:?}"))),
    }
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<Option<T>, ApiError> {
    let number = text.parse().map(Some);
    number.map_err(|_| ApiError::Invalid(format!("{name} takes a whole number; got {text:?}")))
}

fn hostnames(name: &str, texts: &[String]) -> Result<Vec<String>, ApiError> {
    if MAX_ENTRIES < texts.len() {
        let n = texts.len();
        return Err(ApiError::Invalid(format!("{name} takes at most {MAX_ENTRIES}; got {n}")));
    }
    let parse = |text: &String| {
        let hostname = Hostname::parse(text.trim());
        hostname
            .map(|it| it.to_string())
            .map_err(|error| ApiError::Invalid(format!("{name}: {error}")))
    };
    texts.iter().map(parse).collect()
}

/// Changes settings; browsers follow with their next heartbeat.
///
/// # Errors
/// [`ApiError::Invalid`] with what is allowed; then nothing is changed.
#[utoipa::path(
    patch, path = "/v1/settings", tag = "administration", operation_id = "update_settings",
    request_body = SettingsChange,
    responses((status = 200, description = "The settings as they are now.", body = Settings)),
    security(("api_key" = ["admin"]))
)]
pub async fn update(
    collector: Data<Collector>,
    writer: Writer,
    Json(change): Json<SettingsChange>,
) -> Result<HttpResponse, ApiError> {
    let change = change.check()?;
    let now = collector.clock.now();
    let changed = collector.db.write(move |conn| {
        let id = writer.organization_id;
        let before = organizations::find(conn, id)?.ok_or(ApiError::NotFound)?;
        settings::change(conn, &before, &change, &writer.actor, now)?;
        organizations::find(conn, id)?.ok_or(ApiError::NotFound)
    });
    let settings = Settings::new(changed.await?);
    collector.callers.forget_all();
    Ok(HttpResponse::Ok().json(settings))
}

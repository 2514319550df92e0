//! Every setting of the organization in one place: what it means, what it is and would be otherwise, who
//! changed it when, and what a change touches.

use std::collections::HashMap;

use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::TimeDelta;
use serde::Deserialize;
use shared::wire::{Mode, UnknownSites};

use super::answer::{self, PageError};
use super::caller::Caller;
use super::frame::CallerFrame;
use super::words::{self, Calendar, Moment};
use crate::api::settings::SettingsChange;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::settings;
use crate::store::lists::audit as list_audit;
use crate::store::organizations::{self, Organization};
use crate::store::word::word;
use crate::store::{Page, StoreError};

/// Where this page is.
pub const PATH: &str = "/settings";

/// Changes that are looked through for who changed a setting last.
const MAX_CHANGES: i64 = 1_000;

#[derive(Template)]
#[template(path = "all_settings.html")]
struct SettingsPage {
    title: &'static str,
    caller: CallerFrame,
    groups: Vec<Group>,
    clocks: Vec<Clock>,
}

struct Group {
    id: &'static str,
    label: &'static str,
    settings: Vec<Setting>,
}

/// One setting.
struct Setting {
    name: &'static str,
    label: &'static str,
    meaning: &'static str,
    /// In words.
    default: &'static str,
    is_default: bool,
    /// What it is, in words.
    in_force: String,
    input: Input,
    /// What a change touches.
    touches: &'static str,
    link: Option<(&'static str, &'static str)>,
    changed: Option<(Moment, String)>,
    /// Why the last change was refused.
    error: Option<String>,
}

enum Input {
    Words(Vec<(&'static str, &'static str, bool)>),
    Number(String, i64, i64),
    Text(String, u32),
    /// An entry a line.
    Lines(String),
}

/// A limit that is tried before it is saved, on its own page.
struct Clock {
    label: &'static str,
    in_force: String,
    default: &'static str,
    href: String,
}

/// `GET` the settings.
///
/// # Errors
/// When nobody is signed in or the database refuses.
pub async fn show(caller: Caller, collector: Data<Collector>) -> Result<HttpResponse, PageError> {
    answer::page(&load(&caller, &collector, None).await?)
}

/// A setting and what it is to be.
#[derive(Clone, Debug, Deserialize)]
pub struct ChangeForm {
    form_token: String,
    setting: String,
    value: String,
}

/// `POST`: changes one setting. What cannot be is said beside it, with what was entered.
///
/// # Errors
/// When the form is not ours or the person may not.
pub async fn change(
    caller: Caller,
    form: Form<ChangeForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let form = form.into_inner();
    let wanted = form.clone();
    let changed = collector.db.write(move |conn| {
        let before = organizations::find(conn, id)?.ok_or(ApiError::NotFound)?;
        let change = SettingsChange::of_text(&wanted.setting, &wanted.value, &before)?.check()?;
        Ok::<_, ApiError>(settings::change(conn, &before, &change, &actor, now)?)
    });
    match changed.await {
        Ok(_) => {
            collector.callers.forget_all();
            // Back to where the setting stands.
            Ok(answer::redirect_to(&format!("{PATH}#{}", anchor(&form.setting))))
        }
        Err(ApiError::Invalid(detail)) if is_setting(&form.setting) => {
            let problem = ApiError::Invalid(detail.clone());
            let page = load(&caller, &collector, Some((&form, detail))).await?;
            answer::refusal(&page, &problem)
        }
        Err(problem) => Err(problem.into()),
    }
}

/// The names of settings are words of ours; anything else leads to the head of the page.
fn anchor(name: &str) -> &str {
    if is_setting(name) { name } else { "content" }
}

fn is_setting(name: &str) -> bool {
    name.len() <= 40 && name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_')
}

async fn load(
    caller: &Caller,
    collector: &Collector,
    refused: Option<(&ChangeForm, String)>,
) -> Result<SettingsPage, PageError> {
    let id = caller.organization_id();
    let found = collector.db.run(move |conn| {
        let organization = organizations::find(conn, id)?;
        let filter = list_audit::Filter {
            object_kinds: Some(vec!["organization".to_owned()]),
            ..list_audit::Filter::default()
        };
        let changes = list_audit::list(conn, id, filter, &Page::first(MAX_CHANGES), true)?;
        Ok::<_, StoreError>(organization.map(|it| (it, changes)))
    });
    let (organization, changes) = found.await?.ok_or(ApiError::NotFound)?;
    let calendar = Calendar::new(organization.time_zone, collector.clock.now());
    // Newest first, so that the first that names a setting is the last that changed it.
    let mut changed: HashMap<String, (Moment, String)> = HashMap::new();
    for it in changes.into_iter().filter(|it| it.action != "organization.created") {
        let detail: Option<serde_json::Map<_, _>> = serde_json::from_str(&it.detail).ok();
        for name in detail.iter().flat_map(serde_json::Map::keys) {
            let name = name.trim_end_matches("_added").trim_end_matches("_removed");
            let at = || (calendar.moment(it.at.and_utc()), it.actor.clone());
            changed.entry(name.to_owned()).or_insert_with(at);
        }
    }
    let mut groups = groups(&organization);
    for it in groups.iter_mut().flat_map(|it| &mut it.settings) {
        it.changed = changed.remove(it.name);
        if let Some((form, detail)) = refused.as_ref().filter(|(form, _)| form.setting == it.name) {
            // Beside its field, the setting needs no name of a program's.
            let of_field = detail.strip_prefix(it.name).map(|rest| format!("It{rest}"));
            it.error = Some(of_field.unwrap_or_else(|| detail.clone()));
            match &mut it.input {
                Input::Number(value, ..) | Input::Text(value, _) | Input::Lines(value) => {
                    value.clone_from(&form.value);
                }
                Input::Words(_) => {}
            }
        }
    }
    let clock = |label, word: &str, limit: TimeDelta, default| Clock {
        label,
        in_force: words::duration(limit),
        default,
        href: format!("/limits?clock={word}&target=organization&days={}", limit.num_days()),
    };
    Ok(SettingsPage {
        title: "Settings",
        groups,
        clocks: vec![
            clock(
                "An account turns inactive after",
                "inactive_after",
                organization.inactive_after,
                "7 days",
            ),
            clock(
                "A license counts as unused after",
                "license_unused_after",
                organization.license_unused_after,
                "30 days",
            ),
        ],
        caller: CallerFrame::new(caller, &organization, PATH),
    })
}

fn groups(it: &Organization) -> Vec<Group> {
    let lines = |all: &[String]| all.join("\n");
    let listed = |all: &[String]| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
    let setting = |name, label, meaning, default, in_force: String, input, touches, link| Setting {
        name,
        label,
        meaning,
        default,
        is_default: in_force == default,
        in_force,
        input,
        touches,
        link,
        changed: None,
        error: None,
    };
    let modes = [Mode::Authenticated, Mode::Unauthenticated, Mode::Disabled];
    let modes = modes.map(|mode| (word(mode), word(mode), mode == it.mode)).to_vec();
    let unknown = [
        (UnknownSites::WorkSignIns, "reported after a work sign-in"),
        (UnknownSites::Off, "never reported"),
    ];
    let sites = unknown.map(|(choice, label)| (word(choice), label, choice == it.unknown_sites));
    let sites_in_force = sites.iter().find(|it| it.2).map_or("", |it| it.1).to_owned();
    let of_two =
        |is: bool, yes: &'static str, no: &'static str| [("true", yes, is), ("false", no, !is)];
    let factor = of_two(it.second_factor_required, "required", "as each likes");
    let provider =
        of_two(it.admin_provider_required, "only at the identity provider", "by password, too");
    let people = of_two(it.pseudonymize_people, "by pseudonyms", "by address and name");
    let chosen = |of: &[(&'static str, &'static str, bool)]| {
        of.iter().find(|it| it.2).map_or("", |it| it.1).to_owned()
    };
    let seconds = |n: u32| words::duration(TimeDelta::seconds(i64::from(n)));
    vec![
        Group {
            id: "people",
            label: "People and identity",
            settings: vec![
                setting(
                    "mode",
                    "Mode",
                    "The loosest that browsers may use; a policy can be stricter.",
                    "authenticated",
                    word(it.mode).to_owned(),
                    Input::Words(modes),
                    "Every browser, with its next heartbeat. Stricter: who has not signed in reports nothing until they do. Disabled: nobody reports.",
                    Some(("/sign-in-settings", "How people sign in")),
                ),
                setting(
                    "work_domains",
                    "Work domains",
                    "Addresses of these domains are work addresses; sign-ins with any other stay in the browser. One a line.",
                    "none",
                    listed(&it.work_domains),
                    Input::Lines(lines(&it.work_domains)),
                    "What browsers send from their next heartbeat on, and who counts as an employee when first seen. Who is known already keeps their type.",
                    Some(("/users?type=external", "External people")),
                ),
                setting(
                    "help_contact",
                    "Help contact",
                    "Whom an employee can ask: shown in the extension and in mail. Empty for none.",
                    "none",
                    it.help_contact
                        .clone()
                        .filter(|it| !it.is_empty())
                        .unwrap_or("none".to_owned()),
                    Input::Text(it.help_contact.clone().unwrap_or_default(), 200),
                    "What people read. No number changes.",
                    None,
                ),
                setting(
                    "pseudonymize_people",
                    "How people are shown",
                    "By their addresses and names, or by pseudonyms that stay the same for each. An admin can look behind one, with a reason that the audit keeps.",
                    "by address and name",
                    chosen(&people),
                    Input::Words(people.to_vec()),
                    "Every page, list, file and answer of the API, and what webhooks send, at once; views for BI tools show no address. Lists are no longer searched or ordered by address. Mail goes where it went.",
                    Some(("/audit?action=user.revealed", "Who looked behind one")),
                ),
            ],
        },
        Group {
            id: "sites",
            label: "Sites",
            settings: vec![
                setting(
                    "unknown_sites",
                    "Sites that no app claims",
                    "Whether a site outside the catalog and your own apps is reported at all.",
                    "reported after a work sign-in",
                    sites_in_force,
                    Input::Words(sites.to_vec()),
                    "New discoveries, from each browser’s next heartbeat on. What was discovered before stays.",
                    Some(("/discoveries", "Discoveries")),
                ),
                setting(
                    "deny_sites",
                    "Denied sites",
                    "Never reported, with all hosts below them, on top of the catalog’s own list. One a line.",
                    "none",
                    listed(&it.deny_sites),
                    Input::Lines(lines(&it.deny_sites)),
                    "What browsers send from their next heartbeat on, and what the collector takes at once. What was reported before stays.",
                    None,
                ),
                setting(
                    "discovery_min_users",
                    "People before a discovery is shown",
                    "So many different people must have signed in before a site waits for a decision.",
                    "1",
                    it.discovery_limits.min_users.to_string(),
                    Input::Number(it.discovery_limits.min_users.to_string(), 1, 1_000_000),
                    "Which sites wait in the queue, at once. Nothing is lost: those below come back when the number falls.",
                    Some(("/discoveries", "The queue")),
                ),
                setting(
                    "discovery_min_sign_ins",
                    "Sign-ins before a discovery is shown",
                    "So many sign-ins and sign-ups there must have been.",
                    "1",
                    it.discovery_limits.min_sign_ins.to_string(),
                    Input::Number(it.discovery_limits.min_sign_ins.to_string(), 1, 1_000_000),
                    "Which sites wait in the queue, at once.",
                    Some(("/discoveries", "The queue")),
                ),
            ],
        },
        Group {
            id: "browsers",
            label: "Browsers",
            settings: vec![
                setting(
                    "flush_seconds",
                    "Seconds between two reports",
                    "How often a browser that has something to report does so.",
                    "5 minutes",
                    seconds(it.flush_seconds),
                    Input::Number(it.flush_seconds.to_string(), 1, 86_400),
                    "How late numbers are, and how much the collector has to do: twice the seconds are half the requests.",
                    None,
                ),
                setting(
                    "heartbeat_seconds",
                    "Seconds between two heartbeats",
                    "How often a browser says that it is there and asks for its settings.",
                    "15 minutes",
                    seconds(it.heartbeat_seconds),
                    Input::Number(it.heartbeat_seconds.to_string(), 1, 86_400),
                    "How late changes on this page reach browsers.",
                    None,
                ),
                setting(
                    "silent_after_seconds",
                    "Seconds before a browser is silent",
                    "This long without a sign of life is not yet silence. A day has 86,400.",
                    "30 days",
                    words::duration(it.silent_after),
                    Input::Number(it.silent_after.num_seconds().to_string(), 3_600, 31_536_000),
                    "States of installations and coverage, at once.",
                    Some(("/installations?state=silent", "Silent browsers")),
                ),
                setting(
                    "minimum_extension_version",
                    "Oldest extension",
                    "A browser with an older one is outdated. Such as 1.2.0; empty for none.",
                    "none",
                    it.minimum_extension_version.clone().unwrap_or("none".to_owned()),
                    Input::Text(it.minimum_extension_version.clone().unwrap_or_default(), 30),
                    "States of installations, at once. An outdated one goes on reporting.",
                    Some(("/installations?state=outdated", "Outdated browsers")),
                ),
            ],
        },
        Group {
            id: "admins",
            label: "Admins",
            settings: vec![
                setting(
                    "second_factor_required",
                    "Second factor",
                    "Whether admins who sign in by password need a code of a device as well.",
                    "as each likes",
                    chosen(&factor),
                    Input::Words(factor.to_vec()),
                    "Who has none sets it up with the next click; API keys are not concerned.",
                    Some(("/admins", "Who has one")),
                ),
                setting(
                    "admin_provider_required",
                    "How admins sign in",
                    "Whether the identity provider is the only way in, where one is set up.",
                    "by password, too",
                    chosen(&provider),
                    Input::Words(provider.to_vec()),
                    "New sign-ins; open sessions go on. Should the provider fail, `rollcall admin allow-password` lets one password in for a while.",
                    Some(("/sign-in-settings", "The identity provider")),
                ),
            ],
        },
        Group {
            id: "kept",
            label: "What is kept",
            settings: vec![
                setting(
                    "keep_activity_days",
                    "Days for which activities are kept",
                    "Single sign-ins and visits, from the day on which they arrived.",
                    "90",
                    it.retention.activity_days.to_string(),
                    Input::Number(it.retention.activity_days.to_string(), 1, 3_650),
                    "What is older is deleted within the hour, for good. Last used, statuses, first and last dates and days of use stay.",
                    None,
                ),
                setting(
                    "keep_usage_days",
                    "Days for which days of use are kept",
                    "On which days each person used each app: what charts are made of.",
                    "400",
                    it.retention.usage_days.to_string(),
                    Input::Number(it.retention.usage_days.to_string(), 1, 3_650),
                    "What is older is deleted within the hour, for good. Charts begin later; last used and statuses stay.",
                    None,
                ),
            ],
        },
        Group {
            id: "days",
            label: "Days",
            settings: vec![setting(
                "time_zone",
                "Time zone",
                "A usage day is a day of this zone, and times on pages are its times. An IANA name.",
                "UTC",
                it.time_zone.name().to_owned(),
                Input::Text(it.time_zone.name().to_owned(), 60),
                "Usage days from now on. Days that are counted stay as they are.",
                None,
            )],
        },
    ]
}

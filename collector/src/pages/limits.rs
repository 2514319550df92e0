//! The limits in force, what another one would flip before it is saved, and saving it.

use std::collections::HashMap;

use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::TimeDelta;
use serde::Deserialize;
use shared::activity::license::LicenseUse;
use shared::activity::{SourceKind, Status};

use super::answer::{self, PageError};
use super::caller::Caller;
use super::filters::{self, Choice};
use super::frame::CallerFrame;
use super::table::{Kind, Table, Value};
use super::words;
use crate::api::thresholds;
use crate::db::{AppId, DbConnection, UserId};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::simulation::{Limit, Outcome, simulate};
use crate::store::apps::AppRow;
use crate::store::licenses::LicenseRow;
use crate::store::organizations::{self, Organization};
use crate::store::sources::SourceRow;
use crate::store::thresholds::ScopeId;
use crate::store::users::UserRow;
use crate::store::word::{AppKind, LimitClock, LimitScope, parse_word, word};
use crate::store::{figures, licenses, sources};
use crate::veil;

/// Where this page is.
pub const PATH: &str = "/limits";

const CLOCKS: [(&str, &str); 2] = [
    ("inactive_after", "An account turns inactive"),
    ("license_unused_after", "A license counts as unused"),
];

#[derive(Template)]
#[template(path = "limits.html")]
struct LimitsPage {
    title: &'static str,
    caller: CallerFrame,
    clocks: Table,
    set: Vec<SetLimit>,
    choices: Vec<Choice>,
    groups: Vec<Group>,
    days: String,
    tried: Option<Tried>,
}

/// Limits of one kind of thing that can be chosen.
struct Group {
    label: &'static str,
    choices: Vec<Choice>,
}

/// A limit that differs from the organization's.
struct SetLimit {
    clock: &'static str,
    clock_word: &'static str,
    scope: &'static str,
    what: String,
    target: String,
    length: String,
}

/// What a limit would do.
struct Tried {
    sentence: String,
    clock: &'static str,
    target: String,
    days: String,
    /// Of how many user-apps.
    assessed: String,
    user_apps: Table,
    licenses: Table,
    money: Table,
    examples: Table,
    license_examples: Table,
    button: String,
}

/// A limit to try: a clock, for what, and days.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitQuery {
    clock: Option<String>,
    target: Option<String>,
    days: Option<String>,
}

/// What the organization has that a limit can be for.
struct Targets {
    sources: Vec<SourceRow>,
    licenses: Vec<LicenseRow>,
    apps: HashMap<AppId, AppRow>,
}

impl Targets {
    fn find(conn: &mut DbConnection, organization: &Organization) -> Result<Targets, ApiError> {
        let id = organization.organization_id;
        let apps = figures::list_apps(conn, id)?;
        Ok(Targets {
            sources: sources::list(conn, id)?,
            licenses: licenses::list(conn, id, None)?,
            apps: apps.into_iter().map(|it| (it.app_id, it)).collect(),
        })
    }

    fn app_name(&self, id: AppId) -> &str {
        self.apps.get(&id).map_or("", |it| it.name.as_str())
    }

    /// The name of what a limit is for.
    fn name(&self, scope: LimitScope, id: &ScopeId) -> String {
        match scope {
            LimitScope::Organization => "The whole organization".to_owned(),
            LimitScope::App => self.app_name(AppId::from_bytes(*id)).to_owned(),
            LimitScope::Source => {
                let found = self.sources.iter().find(|it| it.source_id.as_bytes() == id);
                found.map_or_else(String::new, |it| it.name.clone())
            }
            LimitScope::License => {
                let found = self.licenses.iter().find(|it| it.license_id.as_bytes() == id);
                found.map_or_else(String::new, |it| {
                    format!("{}: {}", self.app_name(it.app_id), it.name)
                })
            }
        }
    }

    fn groups(&self, chosen: &str) -> Vec<Group> {
        let group = |label, mut all: Vec<(String, String)>| {
            all.sort_by_key(|it| it.1.to_lowercase());
            let all: Vec<(&str, &str)> =
                all.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect();
            Group { label, choices: filters::choices(&all, chosen) }
        };
        let own = (target(LimitScope::Organization, &[0; 16]), "The whole organization".to_owned());
        let sources = self.sources.iter().filter(|it| it.kind.0 != SourceKind::Manual);
        let sources = sources
            .map(|it| (target(LimitScope::Source, it.source_id.as_bytes()), it.name.clone()))
            .collect();
        let licenses = self.licenses.iter().map(|it| {
            let id = it.license_id.as_bytes();
            (target(LimitScope::License, id), self.name(LimitScope::License, id))
        });
        let apps = self.apps.values().filter(|it| it.kind.0 != AppKind::Discovered);
        let apps = apps
            .map(|it| (target(LimitScope::App, it.app_id.as_bytes()), it.name.clone()))
            .collect();
        let mut groups = vec![
            group("Organization", vec![own]),
            group("Sources", sources),
            group("Licenses", licenses.collect()),
            group("Apps", apps),
        ];
        groups.retain(|it| !it.choices.is_empty());
        groups
    }
}

/// For what a limit is, as a form says it: `organization`, or `app.` and an id.
fn target(scope: LimitScope, id: &ScopeId) -> String {
    if scope == LimitScope::Organization {
        return word(scope).to_owned();
    }
    format!("{}.{}", word(scope), uuid::Uuid::from_bytes(*id))
}

/// Reads what a form says; without days the limit is taken away.
fn read(
    query: &LimitQuery,
    organization: &Organization,
    targets: &Targets,
) -> Result<Limit, ApiError> {
    let invalid = |detail: String| ApiError::Invalid(detail);
    let clock: LimitClock = parse_word(filters::pick("clock", &CLOCKS, query.clock.as_deref())?)
        .ok_or_else(|| invalid("there is no such clock".to_owned()))?;
    let text = query.target.as_deref().filter(|it| !it.is_empty()).unwrap_or("organization");
    let (scope, id) = text.split_once('.').unwrap_or((text, ""));
    let unknown = || invalid(format!("{text:?} is nothing that a limit can be for"));
    let scope: LimitScope = parse_word(scope).ok_or_else(unknown)?;
    let scope_id = match scope {
        LimitScope::Organization => [0; 16],
        _ => id.parse::<uuid::Uuid>().map_err(|_| unknown())?.into_bytes(),
    };
    if targets.name(scope, &scope_id).is_empty() {
        return Err(unknown());
    }
    let is_extension = scope_id == *organization.extension_source_id.as_bytes();
    if clock == LimitClock::InactiveAfter {
        if scope == LimitScope::License {
            let detail = "a license is used or unused; accounts turn inactive by app";
            return Err(invalid(detail.to_owned()));
        }
        if scope == LimitScope::Source && !is_extension {
            let detail = "only the silence of the extension means something (rule Z34)";
            return Err(invalid(detail.to_owned()));
        }
    }
    let limit = match query.days.as_deref().map(str::trim).filter(|it| !it.is_empty()) {
        None if scope == LimitScope::Organization => {
            let detail = "the organization's limit can be changed, not taken away";
            return Err(invalid(detail.to_owned()));
        }
        None => None,
        Some(text) => {
            let days = text.parse::<i64>().ok().filter(|it| (1..=3_650).contains(it));
            let refused = || invalid(format!("{text:?} is not a number of days from 1 to 3650"));
            Some(TimeDelta::days(days.ok_or_else(refused)?))
        }
    };
    Ok(Limit { clock, scope, scope_id, limit })
}

/// `GET` the limits and, where one is tried, what it would flip. Nothing is written.
///
/// # Errors
/// When nobody is signed in or the limit cannot be.
pub async fn show(
    caller: Caller,
    Query(query): Query<LimitQuery>,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let (id, now) = (caller.organization_id(), collector.clock.now());
    let asked = query.clone();
    let found = collector.db.run(move |conn| {
        let organization = organizations::find(conn, id)?.ok_or(ApiError::NotFound)?;
        let targets = Targets::find(conn, &organization)?;
        let is_asked = asked.clock.is_some() || asked.target.is_some();
        let tried = if is_asked {
            let limit = read(&asked, &organization, &targets)?;
            let outcome = simulate(conn, &organization, &limit, now)?;
            let ids: Vec<UserId> = outcome.examples.iter().map(|it| it.0.0).collect();
            Some((limit, outcome, veil::find_all(conn, id, &ids)?))
        } else {
            None
        };
        Ok::<_, ApiError>((organization, targets, tried))
    });
    let (organization, targets, tried) = found.await?;
    let text = |it: &Option<String>| it.clone().unwrap_or_default();
    let (clock, target) = (text(&query.clock), text(&query.target));
    answer::page(&LimitsPage {
        title: "Limits",
        clocks: clocks_table(&organization),
        set: set_limits(&organization, &targets),
        choices: filters::choices(&CLOCKS, &clock),
        groups: targets.groups(&target),
        days: text(&query.days),
        tried: tried.map(|(limit, outcome, people)| {
            Tried::new(&limit, outcome, &organization, &targets, &people)
        }),
        caller: CallerFrame::new(&caller, &organization, PATH),
    })
}

fn clocks_table(organization: &Organization) -> Table {
    let columns =
        [Kind::Text("Clock"), Kind::Text("The organization’s limit"), Kind::Wide("Meaning")];
    let rows = [
        (
            "An account turns inactive",
            organization.inactive_after,
            "Without use for longer, while only the extension watches. A status that another source \
             states wins.",
        ),
        (
            "A license counts as unused",
            organization.license_unused_after,
            "Without use of its app for longer, whoever reports it.",
        ),
        (
            "A browser is silent",
            organization.silent_after,
            "Without a heartbeat for longer. It says nothing about use.",
        ),
    ];
    let rows = rows.map(|(clock, length, meaning)| {
        vec![Value::text(clock), Value::text(words::duration(length)), Value::text(meaning)]
    });
    Table::new("clocks", &columns, "").with(rows)
}

fn set_limits(organization: &Organization, targets: &Targets) -> Vec<SetLimit> {
    let all = organization.overrides.list().into_iter();
    all.map(|(clock, scope, id, length)| SetLimit {
        clock: words::clock(clock),
        clock_word: word(clock),
        scope: words::scope(scope),
        what: targets.name(scope, &id),
        target: target(scope, &id),
        length: words::duration(length),
    })
    .collect()
}

impl Tried {
    fn new(
        limit: &Limit,
        outcome: Outcome,
        organization: &Organization,
        targets: &Targets,
        people: &HashMap<UserId, UserRow>,
    ) -> Tried {
        let name = targets.name(limit.scope, &limit.scope_id);
        let length = limit.limit.map(words::duration);
        let clock = words::clock(limit.clock).to_lowercase();
        let sentence = match &length {
            Some(length) => format!("{name}: {clock} after {length}."),
            None => format!("{name}: {clock} by the next wider limit; its own is taken away."),
        };
        let is_changed = limit.apply(organization) != *organization;
        let button = match length {
            _ if !is_changed => "Save, though it is so already".to_owned(),
            Some(length) => format!("Save {length}"),
            None => "Take the limit away".to_owned(),
        };
        Tried {
            sentence,
            clock: word(limit.clock),
            target: target(limit.scope, &limit.scope_id),
            days: limit.limit.map_or_else(String::new, |it| it.num_days().to_string()),
            assessed: words::count(outcome.n_user_apps, "account"),
            user_apps: status_flips(&outcome),
            licenses: license_flips(&outcome),
            money: money_table(&outcome),
            examples: examples_table(&outcome, targets, people),
            license_examples: license_examples_table(&outcome),
            button,
        }
    }
}

fn status(status: Status) -> Value {
    Value::badge(status.as_str(), words::status(status))
}

fn license_use(verdict: LicenseUse) -> Value {
    let class = match verdict {
        LicenseUse::Used => "active",
        LicenseUse::Unused => "inactive",
        LicenseUse::Unknown => "unknown",
    };
    Value::badge(class, words::license_use(verdict))
}

const FLIP_COLUMNS: [Kind; 3] = [Kind::Text("Now"), Kind::Text("Then"), Kind::Number("How many")];

fn status_flips(outcome: &Outcome) -> Table {
    let rows = outcome
        .user_apps
        .iter()
        .map(|((from, to), n)| vec![status(*from), status(*to), Value::number(*n).to("#examples")]);
    Table::new("user-apps", &FLIP_COLUMNS, "No account would have another status.").with(rows)
}

fn license_flips(outcome: &Outcome) -> Table {
    let rows = outcome.licenses.iter().map(|((from, to), n)| {
        vec![license_use(*from), license_use(*to), Value::number(*n).to("#license-examples")]
    });
    Table::new("licenses", &FLIP_COLUMNS, "No license would be used or unused otherwise.")
        .with(rows)
}

fn money_table(outcome: &Outcome) -> Table {
    let columns = [Kind::Text("Currency"), Kind::Number("Now"), Kind::Number("Then")];
    let rows = outcome.money.iter().map(|(currency, (before, after))| {
        vec![
            Value::text(currency.clone()),
            Value::text(before.to_string()),
            Value::text(after.to_string()),
        ]
    });
    Table::new("money", &columns, "No license with a price is unused, now or then.").with(rows)
}

fn examples_table(
    outcome: &Outcome,
    targets: &Targets,
    people: &HashMap<UserId, UserRow>,
) -> Table {
    let columns = [Kind::Text("User"), Kind::Text("App"), Kind::Text("Now"), Kind::Text("Then")];
    let rows = outcome.examples.iter().map(|(key, from, to)| {
        let email = people.get(&key.0).map_or("", |it| it.email.as_str());
        vec![
            Value::address(email).to(format!("/user-apps/{}.{}", key.0, key.1)),
            Value::text(targets.app_name(key.1)),
            status(*from),
            status(*to),
        ]
    });
    Table::new("examples", &columns, "There are none.").with(rows)
}

fn license_examples_table(outcome: &Outcome) -> Table {
    let columns =
        [Kind::Text("User"), Kind::Text("License"), Kind::Text("Now"), Kind::Text("Then")];
    let rows = outcome.license_examples.iter().map(|it| {
        let explained = format!("/user-apps/{}.{}", it.user_app.0, it.user_app.1);
        vec![
            Value::address(&it.email).to(explained),
            Value::text(it.license.clone()),
            license_use(it.from),
            license_use(it.to),
        ]
    });
    Table::new("license-examples", &columns, "There are none.").with(rows)
}

/// The fields of the form that saves a limit.
#[derive(Deserialize)]
pub struct LimitForm {
    form_token: String,
    clock: String,
    target: String,
    days: String,
}

/// `POST`: saves a limit, or takes it away where no days are named. Reads are right at once; what is
/// written down follows in small steps.
///
/// # Errors
/// When the form is not ours, the person may not, or the limit cannot be.
pub async fn save(
    caller: Caller,
    form: Form<LimitForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let LimitForm { clock, target, days, .. } = form.into_inner();
    let query = LimitQuery { clock: Some(clock), target: Some(target), days: Some(days) };
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let saved = collector.db.write(move |conn| {
        let organization = organizations::find(conn, id)?.ok_or(ApiError::NotFound)?;
        let targets = Targets::find(conn, &organization)?;
        let limit = read(&query, &organization, &targets)?;
        thresholds::set(conn, id, &limit, &actor, now)?;
        Ok::<_, ApiError>(())
    });
    saved.await?;
    collector.callers.forget_all();
    collector.work.notify_one();
    Ok(answer::redirect(PATH))
}

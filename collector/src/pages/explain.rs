//! Why one user-app has its status: every source with its dates, the rule, the limits in force and where
//! each was set, what would change it, its licenses, and the log of what happened.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use askama::Template;
use chrono::Days;

use super::answer::{self, PageError};
use super::caller::Caller;
use super::frame::CallerFrame;
use super::table::{Kind, Table, Value};
use super::words::{self, Address, Calendar, Cell};
use super::{activities, filters, licenses as license_words};
use crate::activity::{self, UserAppKey};
use crate::api::activities::{ACTIVITIES, read as read_activities};
use crate::api::explain::{Explanation, SourceEvidence, explain_user_app};
use crate::api::usage::{self, UsageDays};
use crate::api::user_apps::parse_user_app;
use crate::db::DbConnection;
use crate::licenses::{self, AssessedLicense};
use crate::lists::Ask;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::store::apps::AppRow;
use crate::store::organizations::{self, Organization};
use crate::store::user_apps::UserAppRow;
use crate::store::users::UserRow;
use crate::store::{apps, mappings, user_apps};
use crate::veil::{self, Veil};
use shared::activity::{Health, Status};

/// Lines of the log; the page of activities has all.
const LOG_LINES: i64 = 50;

#[derive(Template)]
#[template(path = "explain.html")]
struct ExplainPage {
    title: String,
    caller: CallerFrame,
    user: Address,
    user_href: String,
    app: String,
    app_href: String,
    class: &'static str,
    status: &'static str,
    reason: String,
    alert: Option<String>,
    facts: Vec<(&'static str, Vec<Said>)>,
    sources: Table,
    changes: Table,
    limits: Table,
    licenses: Table,
    log: Table,
    /// Where all lines are.
    whole_log: String,
}

/// A sentence with the time that belongs to it.
struct Said {
    text: String,
    at: Cell,
}

impl Said {
    fn new(text: impl Into<String>) -> Said {
        Said { text: text.into(), at: Cell::Text(String::new()) }
    }
}

struct Found {
    organization: Organization,
    explanation: Explanation,
    row: UserAppRow,
    user: UserRow,
    app: AppRow,
    reason: words::Explanation,
    licenses: Vec<AssessedLicense>,
    usage: Option<UsageDays>,
    log: Table,
    whole_log: String,
}

/// `GET` everything behind the status of one user-app.
///
/// # Errors
/// When nobody is signed in, there is no such user-app, or the database refuses.
pub async fn show(
    caller: Caller,
    id: Path<String>,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let key = parse_user_app(&id).ok_or(ApiError::NotFound)?;
    let (organization_id, now) = (caller.organization_id(), collector.clock.now());
    let found = collector.db.run(move |conn| {
        let organization = organizations::find(conn, organization_id)?.ok_or(ApiError::NotFound)?;
        let calendar = Calendar::new(organization.time_zone, now);
        find(conn, organization, key, &calendar)
    });
    let found = found.await?;
    let calendar = Calendar::new(found.organization.time_zone, now);
    let frame = CallerFrame::new(&caller, &found.organization, "/user-apps");
    answer::page(&found.page(frame, &calendar))
}

fn find(
    conn: &mut DbConnection,
    organization: Organization,
    (user_id, app_id): UserAppKey,
    calendar: &Calendar,
) -> Result<Found, ApiError> {
    let (id, now) = (organization.organization_id, calendar.now());
    let aliases = mappings::aliases(conn, id)?;
    // What a mapping gave to an app, or a merge to a person, is explained there.
    let key = aliases.key((user_id, app_id));
    let explanation = explain_user_app(conn, &organization, key, now)?;
    let found = user_apps::find_all(conn, id, &[key.0], &[key.1])?.pop();
    let mut row = found.ok_or(ApiError::NotFound)?;
    let user = veil::find_all(conn, id, &[key.0])?.remove(&key.0).ok_or(ApiError::NotFound)?;
    row.display_name = Veil::of(conn, id)?.cover_name(row.display_name, &user.email);
    let app = apps::find_all(conn, id, &[key.1])?.remove(&key.1).ok_or(ApiError::NotFound)?;
    let known = activity::find_facts(conn, id, &[key])?.remove(&key).unwrap_or_default();
    let thresholds = organization.thresholds(key.1);
    let assessment = shared::activity::assess(known.facts(), thresholds, now);
    let reason = words::explain(
        &assessment,
        known.facts().sources,
        known.last_heartbeat_at,
        thresholds.inactive_after,
        calendar,
    );
    let mut licenses = licenses::assess_of_user(conn, &organization, key.0, now)?;
    licenses.retain(|it| it.license.app_id == key.1);
    let today = calendar.today();
    let since = today.checked_sub_days(Days::new(89)).unwrap_or(today);
    let days = usage::find_days(conn, id, &aliases, &[key], since)?.remove(&key);
    let usage =
        usage::reports_use(&known, now).then(|| UsageDays::count(&days.unwrap_or_default(), today));
    let of_it = [("user_app", format!("{}.{}", key.0, key.1)), ("sort", "-occurred_at".to_owned())];
    let of_it = of_it.each_ref().map(|it| (it.0, it.1.as_str()));
    let whole_log = filters::link(activities::PATH, &of_it);
    let query = whole_log.split_once('?').map_or("", |it| it.1);
    let mut ask = Ask::of_page(&ACTIVITIES, query, organization.time_zone)?;
    ask.limit = LOG_LINES;
    let items = read_activities(conn, id, &ask)?.items;
    let names = activities::Names::find(conn, id, &items, None)?;
    let log = activities::log(&items, &names, calendar);
    Ok(Found { organization, explanation, row, user, app, reason, licenses, usage, log, whole_log })
}

impl Found {
    fn page(self, caller: CallerFrame, calendar: &Calendar) -> ExplainPage {
        let explanation = &self.explanation;
        ExplainPage {
            title: format!("{} in {}", self.user.email, self.app.name),
            caller,
            user: Address::new(&self.user.email),
            user_href: format!("/users/{}", self.user.user_id),
            app: self.app.name.clone(),
            app_href: format!("/apps/{}", self.app.app_id),
            class: self.reason.class,
            status: self.reason.status,
            reason: self.reason.reason.clone(),
            alert: explanation
                .is_used_after_offboarding
                .then(|| "It was closed by hand, and used after that (rule Z36).".to_owned()),
            facts: self.facts(calendar),
            sources: sources_table(explanation, calendar),
            changes: changes_table(explanation, calendar),
            limits: limits_table(explanation),
            licenses: license_table(&self.licenses, calendar),
            log: self.log,
            whole_log: self.whole_log,
        }
    }

    fn facts(&self, calendar: &Calendar) -> Vec<(&'static str, Vec<Said>)> {
        let it = &self.explanation;
        let decided = match it.because {
            Some(kind) => {
                format!("{}, rule {}", words::capitalized(words::source(kind.0)), it.rule)
            }
            None => format!("No source has an opinion, rule {}", it.rule),
        };
        let at = |at| Cell::at(at).clone();
        let last_used = match (it.status.0, it.last_used_by, it.last_used_at) {
            (Status::Unknown, _, None) => Said { text: String::new(), at: Cell::Unknown },
            (_, Some(by), Some(used_at)) => {
                let stale =
                    if it.is_stale { "; no source that still reports has seen a use" } else { "" };
                Said {
                    text: format!("By {}{stale}", words::source(by.0)),
                    at: at(Some(calendar.moment(used_at).inside())),
                }
            }
            _ => Said { text: String::new(), at: Cell::None },
        };
        let heartbeat = it.last_heartbeat_at.map(|it| calendar.moment(it));
        let usage = self.usage.map_or_else(
            || "No usage source".to_owned(),
            |it| {
                let (week, month, quarter) = (it.last_7, it.last_30, it.last_90);
                format!("{week} of the last 7, {month} of 30, {quarter} of 90")
            },
        );
        let name = self.row.display_name.clone();
        let mut facts = vec![
            ("Decided by", vec![Said::new(decided)]),
            ("Last used", vec![last_used]),
            ("Days of use", vec![Said::new(usage)]),
            (
                "Newest heartbeat of the user’s browsers",
                vec![Said { text: String::new(), at: at(heartbeat) }],
            ),
        ];
        if let Some(name) = name {
            facts.push(("Name in the app", vec![Said::new(name)]));
        }
        facts
    }
}

fn sources_table(explanation: &Explanation, calendar: &Calendar) -> Table {
    let columns = [
        Kind::Text("Source"),
        Kind::Text("Health"),
        Kind::Wide("What it says alone"),
        Kind::When("Last used"),
        Kind::Wide("Evidence"),
    ];
    let row = |it: &SourceEvidence| {
        let kind = words::capitalized(words::source(it.kind.0));
        let source = Value::text(it.name.clone()).to(format!("/sources/{}", it.source_id));
        let decides = if it.is_deciding { "; decides" } else { "" };
        let health = Value::badge(words::health_class(it.health.0), words::health(it.health.0))
            .to(format!("/sources/{}", it.source_id));
        let health = match it.last_synced_at {
            Some(at) if it.health.0 != Health::Disconnected => {
                health.under(format!("synced {}", calendar.moment(at).inside().text))
            }
            _ => health,
        };
        let says = it.says.as_ref().map_or_else(
            || Value::text("No opinion"),
            |says| {
                let rule = format!("{}, rule {}", words::reason(says.reason.0), says.rule);
                let badge = Value::badge(says.status.0.as_str(), words::status(says.status.0));
                badge.under(words::capitalized(&rule))
            },
        );
        vec![
            source.under(format!("{kind}{decides}")),
            health,
            says,
            Value::at(calendar, it.last_used_at),
            Value::maybe(evidence(it, calendar)),
        ]
    };
    Table::new("sources", &columns, "No source has reported anything.")
        .with(explanation.sources.iter().map(row))
}

/// What a source reported, with its dates.
fn evidence(it: &SourceEvidence, calendar: &Calendar) -> Option<String> {
    let dates = [
        ("signed in", it.last_sign_in_at),
        ("used", it.last_visit_at),
        ("signed up", it.last_sign_up_at),
        ("last used, by its own field", it.reported_last_used_at),
        ("token", it.last_token_at),
    ];
    let mut said: Vec<String> = dates
        .into_iter()
        .filter_map(|(what, at)| Some(format!("{what} {}", calendar.moment(at?).inside().text)))
        .collect();
    if let Some(stated) = it.stated_status {
        let word = it.stated_word.as_deref().map_or_else(String::new, |it| format!(" (“{it}”)"));
        let at = it
            .stated_at
            .map_or_else(String::new, |at| format!(" {}", calendar.moment(at).inside().text));
        said.push(format!("stated {}{word}{at}", crate::store::word::word(stated.0)));
    }
    said.extend(it.role.as_ref().map(|it| format!("role {it}")));
    (!said.is_empty()).then(|| words::capitalized(&said.join("; ")))
}

fn changes_table(explanation: &Explanation, calendar: &Calendar) -> Table {
    let columns =
        [Kind::Text("If"), Kind::When("From"), Kind::Text("Then it is"), Kind::Text("Because")];
    let rows = explanation.would_change.iter().map(|it| {
        let from = match it.at {
            Some(at) => Value::at(calendar, Some(at)),
            None => Value::text("at once"),
        };
        vec![
            Value::text(words::capitalized(it.what)),
            from,
            Value::badge(it.status.0.as_str(), words::status(it.status.0)),
            Value::text(words::capitalized(words::reason(it.reason.0))),
        ]
    });
    Table::new("changes", &columns, "Nothing that is known would change it.").with(rows)
}

fn limits_table(explanation: &Explanation) -> Table {
    let columns = [Kind::Text("Clock"), Kind::Text("Limit in force"), Kind::Text("Set for")];
    let rows = explanation.limits.iter().map(|it| {
        let length = chrono::TimeDelta::seconds(it.limit_seconds);
        vec![
            Value::text(words::clock(it.clock.0)),
            Value::text(words::duration(length)).to("/limits"),
            Value::text(words::scope(it.set_for.0)),
        ]
    });
    Table::new("limits", &columns, "There is none.").with(rows)
}

fn license_table(all: &[AssessedLicense], calendar: &Calendar) -> Table {
    let columns = [
        Kind::Text("License"),
        Kind::Text("Use"),
        Kind::Wide("Why"),
        Kind::Text("Limit in force"),
        Kind::When("Changes"),
        Kind::Number("A year"),
    ];
    let row = |it: &AssessedLicense| {
        let list = format!("/licenses/assignments?license={}", it.license.license_id);
        vec![
            Value::text(it.license.name.clone()).to(list),
            license_words::use_badge(it),
            license_words::why(it),
            Value::text(words::duration(it.limit.0)).under(words::scope(it.limit.1)),
            Value::at(calendar, it.assessment.changes_at),
            license_words::price(it),
        ]
    };
    Table::new("licenses", &columns, "The person holds no license of this app that is known.")
        .with(all.iter().map(row))
}

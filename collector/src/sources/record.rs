//! One row of an upload: read, checked, and refused with a reason of its own, so that a bad row loses
//! nothing good.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, TimeZone, Utc};
use serde::{Deserialize, Serialize};
use shared::activity::StatedStatus;
use shared::activity::profile::{ActivityMeaning, may_report};
use shared::address::EmailAddress;
use utoipa::ToSchema;

use crate::store::sources::SourceRow;

/// Records per page or request.
pub const MAX_RECORDS: usize = 1_000;
/// Activities in one record.
const MAX_ACTIVITIES: usize = 1_000;
/// Characters of a name, a role, a word.
pub const MAX_TEXT: usize = 500;
/// A clock that is ahead by less is taken for right.
const MAX_AHEAD: TimeDelta = TimeDelta::minutes(5);

/// One account as a source reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// A slug of the catalog, a discovered site, a custom app's name, or an app's id.
    #[serde(default)]
    pub app: String,
    /// The account's address.
    #[serde(default)]
    pub email: String,
    /// The user as the app shows it (T22).
    pub display_name: Option<String>,
    /// The account's status in the source's own word (Z37).
    pub status: Option<String>,
    /// The user's role in the app.
    pub role: Option<String>,
    /// The source's field for the newest use, RFC 3339 or a day (UTC).
    pub last_used: Option<String>,
    /// The license types that the account holds; none where the source does not know.
    pub licenses: Option<Vec<String>>,
    /// What happened, one by one.
    #[serde(default)]
    pub activities: Vec<RecordActivity>,
    /// Further fields of the user; kept where an admin mapped them (T26).
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordActivity {
    /// `sign_in`, `sign_up`, `visit` or the source's own word; missing ones are sign-ins (Z32).
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// When, RFC 3339.
    pub at: String,
}

/// A record that was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Its row in the upload.
    pub row: usize,
    /// The app as it was named.
    pub app: String,
    /// The address, lower-case.
    pub email: String,
    /// The rest of the row was refused: it only proves that the account is there.
    pub is_presence_only: bool,
    /// The user as the app shows it.
    pub display_name: Option<String>,
    /// What the status means.
    pub stated: Option<StatedStatus>,
    /// The status in the source's word.
    pub stated_word: Option<String>,
    /// The user's role.
    pub role: Option<String>,
    /// The source's field for the newest use.
    pub last_used_at: Option<DateTime<Utc>>,
    /// License types.
    pub licenses: Option<Vec<String>>,
    /// What happened.
    pub activities: Vec<FactActivity>,
    /// Further fields.
    pub fields: BTreeMap<String, String>,
}

/// An activity that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactActivity {
    /// The source's word, where it had one.
    pub word: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Why a row, or an activity in it, was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Rejected {
    /// The row: from 0 in JSON, the line from 1 in a CSV.
    pub row: usize,
    /// A stable word.
    pub code: &'static str,
    /// What was got and what is allowed.
    pub detail: String,
}

/// What became of the rows of one upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadRecords {
    /// The accepted ones.
    pub facts: Vec<Fact>,
    /// The refused ones.
    pub rejected: Vec<Rejected>,
    /// Refused rows of which not even the account is known.
    pub n_unreadable: usize,
}

/// Reads the rows of a JSON upload.
#[must_use]
pub fn read(
    rows: &[&serde_json::value::RawValue],
    source: &SourceRow,
    now: DateTime<Utc>,
) -> ReadRecords {
    let mut reader = Reader::new(source.clone(), now);
    for (row, raw) in rows.iter().enumerate() {
        match serde_json::from_str::<Record>(raw.get()) {
            Ok(record) => reader.add(row, record),
            Err(error) => reader.reject_unreadable(row, "unreadable", error.to_string()),
        }
    }
    reader.take()
}

/// Reads rows one by one.
pub struct Reader {
    source: SourceRow,
    now: DateTime<Utc>,
    read: ReadRecords,
    /// Accounts with what was stated about them, to find rows that contradict each other.
    stated: BTreeMap<(String, String), String>,
}

type Refusal = (&'static str, String);

impl Reader {
    /// Nothing read yet.
    #[must_use]
    pub fn new(source: SourceRow, now: DateTime<Utc>) -> Reader {
        Reader { source, now, read: ReadRecords::default(), stated: BTreeMap::new() }
    }

    /// What was read since it was asked last; what contradicts earlier rows is still found.
    pub fn take(&mut self) -> ReadRecords {
        std::mem::take(&mut self.read)
    }

    /// As much was read as a page of a session holds.
    #[must_use]
    pub fn is_full(&self) -> bool {
        MAX_RECORDS <= self.read.facts.len() || MAX_RECORDS <= self.read.rejected.len()
    }

    /// Refuses a row of which not even the account is known.
    pub fn reject_unreadable(&mut self, row: usize, code: &'static str, detail: String) {
        self.read.n_unreadable += 1;
        self.read.rejected.push(Rejected { row, code, detail });
    }

    /// Reads one row.
    pub fn add(&mut self, row: usize, record: Record) {
        let app = record.app.trim().to_owned();
        let known = check_app(&app).and_then(|()| check_email(&record.email));
        let email = match known {
            Ok(email) => email.to_string(),
            Err((code, detail)) => return self.reject_unreadable(row, code, detail),
        };
        let fact = self.check(row, &app, &email, record);
        self.read.facts.push(fact.unwrap_or_else(|(code, detail)| {
            self.read.rejected.push(Rejected { row, code, detail });
            // Or a snapshot would take a row with a bad date for a deleted account.
            Fact { row, app, email, is_presence_only: true, ..Fact::default() }
        }));
    }

    fn check(
        &mut self,
        row: usize,
        app: &str,
        email: &str,
        record: Record,
    ) -> Result<Fact, Refusal> {
        let stated_word = text("status", record.status)?;
        let stated = match &stated_word {
            Some(word) => Some(self.check_status(app, email, word)?),
            None => None,
        };
        let last_used_at = match record.last_used.as_deref().map(str::trim) {
            None | Some("" | "-") => None,
            Some(text) => Some(parse_time(text, self.now)?),
        };
        let activities = self.check_activities(row, record.activities)?;
        let licenses = match record.licenses {
            None => None,
            Some(names) => Some(check_licenses(names)?),
        };
        Ok(Fact {
            row,
            app: app.to_owned(),
            email: email.to_owned(),
            is_presence_only: false,
            display_name: text("display_name", record.display_name)?,
            stated,
            stated_word,
            role: text("role", record.role)?,
            last_used_at,
            licenses,
            activities,
            fields: record.fields,
        })
    }

    fn check_status(
        &mut self,
        app: &str,
        email: &str,
        word: &str,
    ) -> Result<StatedStatus, Refusal> {
        let profile = self.source.profile();
        let stated = profile.status(word).ok_or_else(|| {
            let words = profile.status_words().collect::<Vec<_>>().join(", ");
            let detail = format!("{word:?} is no status of {}; there are {words}", profile.name);
            ("unknown_status", detail)
        })?;
        let account = (app.to_owned(), email.to_owned());
        let first = self.stated.entry(account).or_insert_with(|| word.to_owned());
        if profile.status(first) == Some(stated) {
            return Ok(stated);
        }
        let detail =
            format!("the same upload says {first:?} of {email} in {app} before; it counts");
        Err(("conflict", detail))
    }

    fn check_activities(
        &mut self,
        row: usize,
        activities: Vec<RecordActivity>,
    ) -> Result<Vec<FactActivity>, Refusal> {
        if MAX_ACTIVITIES < activities.len() {
            let n = activities.len();
            let detail =
                format!("the record has {n} activities, at most {MAX_ACTIVITIES} are allowed");
            return Err(("too_many_activities", detail));
        }
        let mut accepted = Vec::with_capacity(activities.len());
        for (at, activity) in activities.into_iter().enumerate() {
            match self.check_activity(activity) {
                Ok(activity) => accepted.push(activity),
                Err((code, detail)) => {
                    let detail = format!("activities[{at}]: {detail}");
                    self.read.rejected.push(Rejected { row, code, detail });
                }
            }
        }
        Ok(accepted)
    }

    fn check_activity(&self, activity: RecordActivity) -> Result<FactActivity, Refusal> {
        let word = text("type", activity.kind)?;
        let meaning = self.source.profile().activity(word.as_deref().unwrap_or_default());
        let kind = self.source.kind.0;
        if !may_report(kind, meaning) {
            let what = match meaning {
                ActivityMeaning::SignUp => "sign-ups",
                ActivityMeaning::Visit => "visits",
                ActivityMeaning::Token => "tokens",
                ActivityMeaning::SignIn | ActivityMeaning::Stated(_) => "this",
            };
            let detail = format!("a source of kind {} does not see {what}", kind.as_str());
            return Err(("type_not_allowed", detail));
        }
        Ok(FactActivity { word, at: parse_moment(activity.at.trim(), self.now)? })
    }
}

fn check_app(app: &str) -> Result<(), Refusal> {
    match app.chars().count() {
        0 => Err(("no_app", "the record names no app".to_owned())),
        1..=MAX_TEXT => Ok(()),
        n => Err(("too_long", format!("app has {n} characters, at most {MAX_TEXT} are allowed"))),
    }
}

fn check_email(email: &str) -> Result<EmailAddress, Refusal> {
    EmailAddress::parse(email.trim()).map_err(|error| ("bad_email", error.to_string()))
}

fn check_licenses(names: Vec<String>) -> Result<Vec<String>, Refusal> {
    let mut all = BTreeSet::new();
    for name in names {
        all.extend(text("licenses", Some(name))?);
    }
    Ok(all.into_iter().collect())
}

/// A text without its surrounding space; an empty one is none.
fn text(field: &str, value: Option<String>) -> Result<Option<String>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    let value = value.trim();
    let n = value.chars().count();
    if MAX_TEXT < n {
        let detail = format!("{field} has {n} characters, at most {MAX_TEXT} are allowed");
        return Err(("too_long", detail));
    }
    Ok((!value.is_empty()).then(|| value.to_owned()))
}

/// A moment with its zone, or a day, which begins at midnight UTC.
fn parse_time(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Refusal> {
    match text.parse::<NaiveDate>() {
        Ok(day) => check_time(day.and_time(chrono::NaiveTime::MIN).and_utc(), text, now),
        Err(_) => parse_moment(text, now),
    }
}

fn parse_moment(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Refusal> {
    match DateTime::parse_from_rfc3339(text) {
        Ok(at) => check_time(at.to_utc(), text, now),
        Err(_) => Err(unreadable_time(text)),
    }
}

fn unreadable_time(text: &str) -> Refusal {
    if text.starts_with(['=', '@', '+']) {
        return ("formula", format!("{text:?} is a formula of a spreadsheet; export its values"));
    }
    // What programs write, with and without seconds.
    let is_local =
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
            .iter()
            .any(|it| chrono::NaiveDateTime::parse_from_str(text, it).is_ok());
    if is_local {
        return ("no_zone", format!("{text:?} has no time zone; write 2026-11-23T09:00:00Z"));
    }
    ("bad_date", format!("{text:?} is no date; write 2026-11-23T09:00:00Z or 2026-11-23"))
}

fn check_time(at: DateTime<Utc>, text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Refusal> {
    let first = Utc.with_ymd_and_hms(1990, 1, 1, 0, 0, 0).single().unwrap_or_default();
    if at < first {
        return Err(("before_1990", format!("{text:?} is before 1990")));
    }
    if now + MAX_AHEAD < at {
        return Err(("in_future", format!("{text:?} is in the future")));
    }
    Ok(at.min(now))
}

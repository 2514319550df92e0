//! All users as one table that a spreadsheet edits: out, changed, and back in (Z9).
//!
//! A row names its user by id or address, which are keys and never change here. What a cell says is said by
//! hand: no source overwrites it. Rows are read and written in parts, so that a long table neither fills the
//! memory nor holds batches up; a table that is sent again changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde_json::{Map, json};

use crate::db::{DbConnection, OrganizationId, SourceId, UserId};
use crate::lists::{csv_line, escape_formula, is_formula};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::sources::record::{MAX_TEXT, Rejected};
use crate::sources::table::{self, Table, TableError, as_read};
use crate::store::audit::{self, Actor, Object};
use crate::store::user_fields::{self, UserField};
use crate::store::users::{self, UserRow};
use crate::store::word::{UserStatus, UserType, Words, parse_word, word};
use crate::store::{Page, StoreError, sources, user_merges};
use crate::veil::Veil;

/// Rows that are read, or written, at once.
const PART: usize = 500;
/// Changes and refusals that an answer names; it counts all.
pub const MAX_LISTED: usize = 1_000;
/// What the columns of further fields begin with.
const FIELD: &str = "field.";

/// A column that can be edited.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// The person's name.
    Name,
    /// What kind of user.
    Type,
    /// Whether the person is still there.
    Status,
    /// A further field that an admin maps from some source (T26).
    Field(String),
}

impl Column {
    /// As the table's first line has it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Column::Name => "name".to_owned(),
            Column::Type => "type".to_owned(),
            Column::Status => "status".to_owned(),
            Column::Field(field) => format!("{FIELD}{field}"),
        }
    }

    /// All of them, in the order of the table.
    fn all(fields: BTreeSet<String>) -> Vec<Column> {
        let fields = fields.into_iter().map(Column::Field);
        [Column::Name, Column::Type, Column::Status].into_iter().chain(fields).collect()
    }
}

/// One user with everything that the table shows.
#[derive(Clone, Debug)]
struct Shown {
    user: UserRow,
    fields: BTreeMap<String, String>,
}

impl Shown {
    /// What a cell says; empty for none.
    fn cell(&self, column: &Column) -> String {
        match column {
            Column::Name => self.user.name.clone().unwrap_or_default(),
            Column::Type => word(self.user.user_type.0).to_owned(),
            Column::Status => word(self.user.status.0).to_owned(),
            Column::Field(field) => self.fields.get(field).cloned().unwrap_or_default(),
        }
    }
}

/// The table, part by part.
#[derive(Debug)]
pub struct Export {
    organization_id: OrganizationId,
    columns: Vec<Column>,
    after: Option<UserId>,
    is_begun: bool,
}

impl Export {
    /// Begins.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] where people are shown by pseudonyms.
    pub fn begin(
        conn: &mut DbConnection,
        organization_id: OrganizationId,
    ) -> Result<Export, ApiError> {
        check_veil(conn, organization_id)?;
        let columns = Column::all(user_fields::list_names(conn, organization_id)?);
        Ok(Export { organization_id, columns, after: None, is_begun: false })
    }

    /// The next lines; none at the end.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn next(&mut self, conn: &mut DbConnection) -> Result<Option<Vec<u8>>, ApiError> {
        let id = self.organization_id;
        let mut text = Vec::new();
        if !self.is_begun {
            self.is_begun = true;
            let keys = ["user_id", "email"].map(str::to_owned);
            let names = self.columns.iter().map(Column::name).map(escape_formula);
            csv_line(&mut text, keys.into_iter().chain(names))?;
        }
        let limit = i64::try_from(PART).unwrap_or(i64::MAX);
        let rows = users::list_part(conn, id, Page { after: self.after, limit })?;
        let Some(last) = rows.last() else { return Ok((!text.is_empty()).then_some(text)) };
        self.after = Some(last.user_id);
        for it in shown(conn, id, rows)? {
            let keys = [it.user.user_id.to_string(), escape_formula(it.user.email.clone())];
            let cells = self.columns.iter().map(|column| escape_formula(it.cell(column)));
            csv_line(&mut text, keys.into_iter().chain(cells))?;
        }
        Ok(Some(text))
    }
}

/// Names would tell what pseudonyms hide.
fn check_veil(conn: &mut DbConnection, organization_id: OrganizationId) -> Result<(), ApiError> {
    if Veil::of(conn, organization_id)?.is_drawn() {
        return Err(ApiError::Invalid(
            "people are shown by pseudonyms, so no table with their addresses and names leaves or comes in; \
             PUT /v1/users/kinds takes types and statuses by id"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Users with their further fields: what a person entered, else what was reported last.
fn shown(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    rows: Vec<UserRow>,
) -> Result<Vec<Shown>, StoreError> {
    let by_hand = sources::find_first(conn, organization_id, shared::activity::SourceKind::Manual)?;
    let ids: Vec<UserId> = rows.iter().map(|it| it.user_id).collect();
    let rank = |it: &UserField| (Some(it.source_id) == by_hand, it.updated_at, it.source_id);
    let mut best: HashMap<UserId, BTreeMap<String, UserField>> = HashMap::new();
    for it in user_fields::list_all(conn, organization_id, &ids)? {
        let fields = best.entry(it.user_id).or_default();
        match fields.get(&it.field) {
            Some(known) if rank(&it) <= rank(known) => {}
            _ => drop(fields.insert(it.field.clone(), it)),
        }
    }
    let with_fields = |user: UserRow| {
        let fields = best.remove(&user.user_id).unwrap_or_default();
        let fields = fields.into_iter().map(|(field, it)| (field, it.field_value)).collect();
        Shown { user, fields }
    };
    Ok(rows.into_iter().map(with_fields).collect())
}

/// A cell that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub column: Column,
    /// What it said; empty for none.
    pub from: String,
    /// What it says.
    pub to: String,
}

/// A row that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedRow {
    /// Its line in the table.
    pub row: usize,
    /// Who.
    pub user_id: UserId,
    /// The address.
    pub email: String,
    /// What changes.
    pub changes: Vec<Change>,
}

/// A column that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedColumn {
    /// As the table names it.
    pub column: String,
    /// Why, and what is allowed.
    pub detail: String,
}

/// What a table did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Rows that change.
    pub n_changed: usize,
    /// Rows that say what is so already.
    pub n_unchanged: usize,
    /// Rows that were refused.
    pub n_rejected: usize,
    /// The first of those that change.
    pub changed: Vec<ChangedRow>,
    /// The first of those that were refused.
    pub rejected: Vec<Rejected>,
    /// Columns that were left out.
    pub refused_columns: Vec<RefusedColumn>,
    /// The rows that change, all of them, as a table of their own.
    pub table: Vec<u8>,
}

/// A table that came in.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Whose users.
    pub organization_id: OrganizationId,
    /// Such as `windows-1252`; UTF-8 and byte order marks are found out.
    pub charset: Option<String>,
    /// Only say what would be done.
    pub is_trial: bool,
    /// For the audit.
    pub actor: Actor,
}

/// What is read of a table so far.
struct Reading {
    table: Table,
    layout: Layout,
    seen: HashMap<UserId, usize>,
    by_hand: Option<SourceId>,
    outcome: Outcome,
    is_done: bool,
}

/// Which cell of a row is what.
#[derive(Clone, Debug, Default)]
struct Layout {
    user_id: Option<usize>,
    email: Option<usize>,
    columns: Vec<(usize, Column)>,
}

/// Takes a table: rows that say something else change their user, rows that cannot be read lose no other.
///
/// # Errors
/// [`ApiError::Invalid`] for a table that names no users, and where people are shown by pseudonyms.
pub async fn take(
    collector: &Collector,
    upload: Upload,
    body: Vec<u8>,
) -> Result<Outcome, ApiError> {
    let (id, now, charset) =
        (upload.organization_id, collector.clock.now(), upload.charset.clone());
    let opened = collector.db.run(move |conn| {
        check_veil(conn, id)?;
        let invalid = |error: TableError| ApiError::Invalid(error.to_string());
        let table = table::parse(&body, charset.as_deref()).map_err(invalid)?;
        let fields = user_fields::list_names(conn, id)?;
        let (layout, refused_columns) = Layout::new(&table, fields)?;
        let mut outcome = Outcome { refused_columns, ..Outcome::default() };
        let names = layout.columns.iter().map(|it| it.1.name()).map(escape_formula);
        csv_line(&mut outcome.table, std::iter::once("user_id".to_owned()).chain(names))?;
        let (seen, by_hand) = (HashMap::new(), None);
        Ok::<_, ApiError>(Reading { table, layout, seen, by_hand, outcome, is_done: false })
    });
    let mut reading = opened.await?;
    while !reading.is_done {
        let actor = upload.actor.clone();
        let is_trial = upload.is_trial;
        let part = move |conn: &mut DbConnection| {
            reading.take_part(conn, id, (!is_trial).then_some(&actor), now)?;
            Ok::<_, ApiError>(reading)
        };
        reading =
            if is_trial { collector.db.run(part).await? } else { collector.db.write(part).await? };
        tokio::task::yield_now().await;
    }
    // Lines that could not be cut were met before those around them.
    reading.outcome.rejected.sort_by_key(|it| it.row);
    Ok(reading.outcome)
}

type Refusal = (&'static str, String);

impl Layout {
    fn new(
        table: &Table,
        fields: BTreeSet<String>,
    ) -> Result<(Layout, Vec<RefusedColumn>), ApiError> {
        let allowed = Column::all(fields);
        let mut layout = Layout::default();
        let mut refused = Vec::new();
        for (at, name) in table.columns.iter().enumerate() {
            let name = unescape(name);
            let found = allowed.iter().find(|it| it.name().to_lowercase() == name);
            let is_twice = match (name.as_str(), found) {
                ("user_id", _) => layout.user_id.replace(at).is_some(),
                ("email", _) => layout.email.replace(at).is_some(),
                (_, Some(column)) => {
                    let is_twice = layout.columns.iter().any(|it| it.1 == *column);
                    if !is_twice {
                        layout.columns.push((at, column.clone()));
                    }
                    is_twice
                }
                (_, None) => {
                    let names: Vec<String> = allowed.iter().map(Column::name).collect();
                    let detail = format!(
                        "there is no column {name:?}; there are user_id, email, {}",
                        names.join(", ")
                    );
                    refused.push(RefusedColumn { column: name, detail });
                    continue;
                }
            };
            if is_twice {
                let detail = format!("there are two columns {name:?}; a table has each once");
                // Which of two keys is meant nobody can know.
                if ["user_id", "email"].contains(&name.as_str()) {
                    return Err(ApiError::Invalid(detail));
                }
                refused.push(RefusedColumn { column: name, detail });
            }
        }
        if layout.user_id.is_none() && layout.email.is_none() {
            let found = table.columns.join(", ");
            return Err(ApiError::Invalid(format!(
                "there is neither a column \"user_id\" nor \"email\"; there are {found}"
            )));
        }
        Ok((layout, refused))
    }
}

/// A text as it was before a spreadsheet's formula was made harmless.
fn unescape(cell: &str) -> String {
    let text = cell.strip_prefix('\'').filter(|it| is_formula(it));
    text.unwrap_or(cell).to_owned()
}

impl Reading {
    /// Reads the next rows and changes their users; without an actor nothing is changed.
    fn take_part(
        &mut self,
        conn: &mut DbConnection,
        organization_id: OrganizationId,
        actor: Option<&Actor>,
        now: DateTime<Utc>,
    ) -> Result<(), ApiError> {
        let mut part: Vec<(usize, Vec<String>)> = Vec::with_capacity(PART);
        while part.len() < PART {
            match self.table.next() {
                None => {
                    self.is_done = true;
                    break;
                }
                Some((line, Ok(cells))) => part.push((line, cells)),
                Some((line, Err((code, detail)))) => self.reject(line, (code, detail)),
            }
        }
        let known = self.find(conn, organization_id, &part)?;
        for (line, cells) in part {
            match self.read(line, &cells, &known) {
                Err(refusal) => self.reject(line, refusal),
                Ok((_, changes)) if changes.is_empty() => self.outcome.n_unchanged += 1,
                Ok((it, changes)) => {
                    if let Some(actor) = actor {
                        self.apply(conn, organization_id, it, &changes, actor, now)?;
                    }
                    self.note(line, it, changes)?;
                }
            }
        }
        Ok(())
    }

    /// The users whom these rows name, by the text that names them.
    fn find(
        &self,
        conn: &mut DbConnection,
        organization_id: OrganizationId,
        part: &[(usize, Vec<String>)],
    ) -> Result<HashMap<String, Shown>, StoreError> {
        let keys: BTreeSet<String> = part.iter().filter_map(|it| self.key(&it.1)).collect();
        let mut named: Vec<(String, UserId)> = Vec::new();
        let mut addresses: Vec<&str> = Vec::new();
        for key in &keys {
            match key.parse() {
                Ok(user_id) => named.push((key.clone(), user_id)),
                Err(_) => addresses.push(key),
            }
        }
        named.extend(users::find_by_addresses(conn, organization_id, &addresses)?);
        let aliases = user_merges::aliases(conn, organization_id)?;
        let ids: BTreeSet<UserId> = named.iter().map(|it| aliases.resolve(it.1)).collect();
        let ids: Vec<UserId> = ids.into_iter().collect();
        let rows = users::find_all(conn, organization_id, &ids)?.into_values().collect();
        let by_id: HashMap<UserId, Shown> = shown(conn, organization_id, rows)?
            .into_iter()
            .map(|it| (it.user.user_id, it))
            .collect();
        let known = |(key, id)| Some((key, by_id.get(&aliases.resolve(id))?.clone()));
        Ok(named.into_iter().filter_map(known).collect())
    }

    /// What names a row's user: the id, else the address, lower-case.
    fn key(&self, cells: &[String]) -> Option<String> {
        let cell = |at: Option<usize>| at.and_then(|at| cells.get(at)).map(|it| unescape(it));
        let id = cell(self.layout.user_id).filter(|it| !it.is_empty());
        let key = id.or_else(|| cell(self.layout.email))?.trim().to_lowercase();
        (!key.is_empty()).then_some(key)
    }

    /// What one row changes.
    fn read<'a>(
        &mut self,
        line: usize,
        cells: &[String],
        known: &'a HashMap<String, Shown>,
    ) -> Result<(&'a Shown, Vec<Change>), Refusal> {
        let key = self
            .key(cells)
            .ok_or_else(|| ("no_user", "the row has neither an id nor an address".to_owned()))?;
        let it = known.get(&key).ok_or_else(|| {
            (
                "unknown_user",
                format!("there is no user {key:?}; users come from browsers and sources"),
            )
        })?;
        if let Some(email) = self.layout.email.and_then(|at| cells.get(at)) {
            let (got, own) = (unescape(email).to_lowercase(), &it.user.email);
            // By an address alone a further one names the person, too.
            let is_key = self
                .layout
                .user_id
                .is_some_and(|at| cells.get(at).is_some_and(|it| !it.is_empty()));
            if is_key && got != *own {
                return Err((
                    "read_only",
                    format!(
                        "email says {got:?} and the user has {own:?}; addresses cannot be changed here"
                    ),
                ));
            }
        }
        let before = *self.seen.entry(it.user.user_id).or_insert(line);
        if before != line {
            return Err(("repeated", format!("line {before} names the same user")));
        }
        let mut changes = Vec::new();
        for (at, column) in &self.layout.columns {
            let got = cells.get(*at).map_or("", String::as_str);
            let from = it.cell(column);
            // What is there may itself come back otherwise, such as a name that ends in a space.
            if unescape(got) == unescape(&as_read(&escape_formula(from.clone()))) {
                continue;
            }
            let to = check(column, got)?;
            if to != from {
                changes.push(Change { column: column.clone(), from, to });
            }
        }
        Ok((it, changes))
    }

    fn reject(&mut self, line: usize, (code, detail): Refusal) {
        self.outcome.n_rejected += 1;
        if self.outcome.rejected.len() < MAX_LISTED {
            self.outcome.rejected.push(Rejected { row: line, code, detail });
        }
    }

    fn note(&mut self, line: usize, it: &Shown, changes: Vec<Change>) -> Result<(), ApiError> {
        self.outcome.n_changed += 1;
        let cell = |column: &Column| {
            let change = changes.iter().find(|it| it.column == *column);
            escape_formula(change.map_or_else(|| it.cell(column), |it| it.to.clone()))
        };
        let cells = self.layout.columns.iter().map(|it| cell(&it.1));
        let id = it.user.user_id.to_string();
        csv_line(&mut self.outcome.table, std::iter::once(id).chain(cells))?;
        if self.outcome.changed.len() < MAX_LISTED {
            let (user_id, email) = (it.user.user_id, it.user.email.clone());
            self.outcome.changed.push(ChangedRow { row: line, user_id, email, changes });
        }
        Ok(())
    }

    /// Writes what was said by hand, with a line in the audit that keeps no name: it outlives the person.
    fn apply(
        &mut self,
        conn: &mut DbConnection,
        organization_id: OrganizationId,
        it: &Shown,
        changes: &[Change],
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<(), ApiError> {
        let user_id = it.user.user_id;
        let (mut user_type, mut status) = (it.user.user_type.0, it.user.status.0);
        let mut detail = Map::new();
        let mut said = Vec::new();
        for change in changes {
            let (from, to) = (&change.from, &change.to);
            match &change.column {
                Column::Name => {
                    let name = Some(to.as_str()).filter(|it| !it.is_empty());
                    users::set_name(conn, organization_id, user_id, name, now)?;
                    said.push(change.column.name());
                }
                Column::Type => {
                    user_type = parse_word(to).unwrap_or(user_type);
                    detail.insert("type".to_owned(), json!({ "from": from, "to": to }));
                }
                Column::Status => {
                    status = parse_word(to).unwrap_or(status);
                    detail.insert("status".to_owned(), json!({ "from": from, "to": to }));
                }
                Column::Field(field) => {
                    let by_hand = match self.by_hand {
                        Some(id) => id,
                        None => sources::find_or_insert_manual(conn, organization_id, now)?,
                    };
                    self.by_hand = Some(by_hand);
                    let id = organization_id;
                    user_fields::put(conn, id, user_id, field, by_hand, to, now)?;
                    said.push(change.column.name());
                }
            }
        }
        if (user_type, status) != (it.user.user_type.0, it.user.status.0) {
            users::update_kinds(conn, organization_id, &[user_id], user_type, status)?;
        }
        if !said.is_empty() {
            detail.insert("also".to_owned(), json!(said));
        }
        let object = Object { kind: "user", id: user_id.to_string() };
        let action = "user.changed";
        Ok(audit::insert(conn, organization_id, actor, action, &object, &detail.into(), now)?)
    }
}

/// What a cell may say.
fn check(column: &Column, got: &str) -> Result<String, Refusal> {
    if got.starts_with('=') {
        return Err((
            "formula",
            format!(
                "{got:?} is a formula of a spreadsheet; export its values, or write '{got} for the text"
            ),
        ));
    }
    let text = unescape(got);
    match column {
        Column::Type => one_of::<UserType>("type", &text),
        Column::Status => one_of::<UserStatus>("status", &text),
        Column::Name | Column::Field(_) => {
            let (name, n) = (column.name(), text.chars().count());
            if MAX_TEXT < n {
                let detail = format!("{name} has {n} characters, at most {MAX_TEXT} are allowed");
                return Err(("too_long", detail));
            }
            if text.chars().any(char::is_control) {
                let detail = format!("{name} holds a line break or another control character");
                return Err(("bad_text", detail));
            }
            Ok(text)
        }
    }
}

fn one_of<T: Words>(name: &str, text: &str) -> Result<String, Refusal> {
    let lower = text.to_lowercase();
    if parse_word::<T>(&lower).is_some() {
        return Ok(lower);
    }
    let allowed: Vec<&str> = T::WORDS.iter().map(|it| it.1).collect();
    Err(("bad_word", format!("{name} takes {}; got {text:?}", allowed.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_harmless_comes_back_as_it_was() {
        let check = |text: &str| {
            let read = unescape(&as_read(&escape_formula(text.to_owned())));
            assert_eq!(read, text);
        };
        for text in ["Maria", "=1+1", "+49 30", "-", "@sum", "'quoted'", "O'Neill", "=\"007\"", ""]
        {
            check(text);
        }
    }
}

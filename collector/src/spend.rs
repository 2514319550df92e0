//! What was paid, which of it counts, and which app it was for (T23 to T25): read and changed here by the
//! page and by the API, so that both say the same.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;

use crate::db::{AppId, DbConnection, MatchingRuleId, OrganizationId};
use crate::money::{Amount, is_currency};
use crate::problem::ApiError;
use crate::sources::apply;
use crate::sources::record::Rejected;
use crate::sources::table::{Table, TableError};
use crate::store::audit::{self, Actor, Object};
use crate::store::mappings::{self, Aliases};
use crate::store::spend::{self, MatchingRuleRow, SpendLineRow};
use crate::store::word::SpendState;
use crate::store::{StoreError, apps, organizations};
use crate::triage::Triage;

/// Who changes what of which organization, and when.
#[derive(Clone, Debug)]
pub struct Change {
    /// In which organization.
    pub organization_id: OrganizationId,
    /// Who does it.
    pub actor: Actor,
    /// When.
    pub now: DateTime<Utc>,
}

/// What decides about lines: the accounts that count, the rules, and which apps are one.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The accounts that count; none lets all count.
    pub accounts: BTreeSet<String>,
    /// Oldest first, which is their order.
    pub rules: Vec<MatchingRuleRow>,
    aliases: Aliases,
}

impl Terms {
    /// Those of an organization.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn read(conn: &mut DbConnection, id: OrganizationId) -> Result<Terms, StoreError> {
        Ok(Terms {
            accounts: spend::list_accounts(conn, id)?.into_iter().collect(),
            rules: spend::list_rules(conn, id)?,
            aliases: mappings::aliases(conn, id)?,
        })
    }

    /// Whether a line counts, and whether a rule has matched it. Lines of other accounts and parts of main
    /// items are never in a sum (T23).
    #[must_use]
    pub fn state(&self, line: &SpendLineRow) -> SpendState {
        if !self.accounts.is_empty() && !self.accounts.contains(&line.account) {
            SpendState::OtherAccount
        } else if line.parent_line_id.is_some() {
            SpendState::Part
        } else if line.app_id.is_some() {
            SpendState::Matched
        } else {
            SpendState::Unmatched
        }
    }

    /// The app that a line is for, as the organization knows it.
    #[must_use]
    pub fn app(&self, line: &SpendLineRow) -> Option<AppId> {
        line.app_id.map(|it| self.aliases.resolve(it))
    }

    /// The rule that says so: the oldest whose text the description holds.
    #[must_use]
    pub fn rule(&self, description: &str) -> Option<&MatchingRuleRow> {
        let description = description.to_lowercase();
        self.rules.iter().find(|it| description.contains(&it.pattern))
    }

    /// An app with those that are mapped to it.
    #[must_use]
    pub fn with_sources(&self, apps: &[AppId]) -> Vec<AppId> {
        let apps: Vec<AppId> = apps.iter().map(|it| self.aliases.resolve(*it)).collect();
        self.aliases.with_sources(&apps)
    }
}

/// What is spent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Lines that count.
    pub n_lines: i64,
    /// Those that a rule has matched.
    pub n_matched: i64,
    /// Lines of accounts that do not count.
    pub n_other_accounts: i64,
    /// Parts of main items, which count with these.
    pub n_parts: i64,
    /// Amounts, which are never added up across currencies.
    pub by_currency: BTreeMap<String, CurrencyTotal>,
    /// Lines that count, by app.
    pub lines_by_app: BTreeMap<AppId, i64>,
}

/// What is spent in one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurrencyTotal {
    /// All of it.
    pub amount: Amount,
    /// What rules have matched.
    pub matched: Amount,
    /// That, by app.
    pub apps: BTreeMap<AppId, Amount>,
}

impl CurrencyTotal {
    /// Matched amount of a hundred, cut; none for an amount of 0 (T24).
    #[must_use]
    pub fn match_rate_percent(&self) -> Option<i64> {
        percent(self.matched.e4(), self.amount.e4())
    }
}

impl Totals {
    /// The sums of these lines.
    pub fn of<'a>(terms: &Terms, lines: impl IntoIterator<Item = &'a SpendLineRow>) -> Totals {
        let mut totals = Totals::default();
        for line in lines {
            match terms.state(line) {
                SpendState::OtherAccount => totals.n_other_accounts += 1,
                SpendState::Part => totals.n_parts += 1,
                SpendState::Matched | SpendState::Unmatched => totals.add(line, terms.app(line)),
            }
        }
        totals
    }

    fn add(&mut self, line: &SpendLineRow, app_id: Option<AppId>) {
        let amount = Amount::from_e4(line.amount_e4);
        let of = self.by_currency.entry(line.currency.clone()).or_default();
        self.n_lines += 1;
        of.amount = of.amount.plus(amount);
        if let Some(app_id) = app_id {
            self.n_matched += 1;
            *self.lines_by_app.entry(app_id).or_default() += 1;
            of.matched = of.matched.plus(amount);
            let of_app = of.apps.entry(app_id).or_default();
            *of_app = of_app.plus(amount);
        }
    }

    /// Matched lines of a hundred, cut; none without lines (T24).
    #[must_use]
    pub fn match_rate_percent(&self) -> Option<i64> {
        percent(self.n_matched, self.n_lines)
    }
}

fn percent(part: i64, whole: i64) -> Option<i64> {
    let rate = (i128::from(part) * 100).checked_div(i128::from(whole))?;
    i64::try_from(rate).ok()
}

/// Reads a table with the columns `id`, `account`, `description`, `amount`, `currency`, `date` and, for
/// parts of a main item, `parent`. Rows that are not lines say why.
///
/// # Errors
/// [`TableError::NoColumn`] when a column is missing.
pub fn read_lines(parsed: Table) -> Result<(Vec<SpendLineRow>, Vec<Rejected>), TableError> {
    let names = ["id", "account", "description", "amount", "currency", "date"];
    let mut places = Vec::new();
    for name in names {
        places.push(parsed.required(name)?);
    }
    let parent = parsed.column("parent");
    let (mut lines, mut rejected) = (Vec::new(), Vec::new());
    for (at, row) in parsed {
        let line = row.and_then(|cells| {
            let cell = |place: Option<usize>| {
                place.and_then(|it| cells.get(it)).map_or("", |it| it.trim()).to_owned()
            };
            let mut read = places.iter().map(|place| cell(Some(*place)));
            let mut next = || read.next().unwrap_or_default();
            read_line([next(), next(), next(), next(), next(), next()], cell(parent))
        });
        match line {
            Ok(line) => lines.push(line),
            Err((code, detail)) => rejected.push(Rejected { row: at, code, detail }),
        }
    }
    Ok((lines, rejected))
}

fn read_line(
    [id, account, description, amount, currency, date]: [String; 6],
    parent: String,
) -> Result<SpendLineRow, (&'static str, String)> {
    if id.is_empty() || 200 < id.len() {
        return Err(("bad_id", "the line's id has 1 to 200 bytes".to_owned()));
    }
    let amount = Amount::parse(&amount)
        .map_err(|error| ("bad_amount", format!("{amount:?} is no amount: {error}")))?;
    if !is_currency(&currency) {
        return Err(("bad_currency", format!("{currency:?} is not three capital letters")));
    }
    let spent_on: NaiveDate =
        date.parse().map_err(|_| ("bad_date", format!("{date:?} is no day; write 2026-11-23")))?;
    Ok(SpendLineRow {
        line_id: id,
        parent_line_id: (!parent.is_empty()).then_some(parent),
        account,
        description,
        amount_e4: amount.e4(),
        currency,
        spent_on,
        app_id: None,
    })
}

/// What a rule would match, or has matched.
#[derive(Clone, Debug)]
pub struct Matched {
    /// The rule; not kept for a preview.
    pub rule: MatchingRuleRow,
    /// Lines that had no app and have one by the rule.
    pub lines: Vec<SpendLineRow>,
}

impl Change {
    fn audit(
        &self,
        conn: &mut DbConnection,
        action: &str,
        object: (&'static str, String),
        detail: &serde_json::Value,
    ) -> Result<(), StoreError> {
        let object = Object { kind: object.0, id: object.1 };
        audit::insert(conn, self.organization_id, &self.actor, action, &object, detail, self.now)
    }

    /// Keeps lines, each in place of one with the same id, with the app that a rule names.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn add_lines(
        &self,
        conn: &mut DbConnection,
        lines: Vec<SpendLineRow>,
    ) -> Result<(), StoreError> {
        let terms = Terms::read(conn, self.organization_id)?;
        let n_lines = lines.len();
        for mut line in lines {
            line.app_id = terms.rule(&line.description).map(|it| it.app_id);
            spend::put_line(conn, self.organization_id, &line)?;
        }
        let object = ("spend", "lines".to_owned());
        self.audit(conn, "spend.lines_added", object, &json!({ "n_lines": n_lines }))
    }

    /// Replaces the accounts whose lines count; none lets all count.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for more than a thousand, or one that is none.
    pub fn replace_accounts(
        &self,
        conn: &mut DbConnection,
        accounts: &BTreeSet<String>,
    ) -> Result<(), ApiError> {
        if 1_000 < accounts.len() || accounts.iter().any(|it| it.is_empty() || 200 < it.len()) {
            let detail = "at most 1,000 accounts, each with 1 to 200 bytes";
            return Err(ApiError::Invalid(detail.to_owned()));
        }
        let all: Vec<String> = accounts.iter().cloned().collect();
        spend::replace_accounts(conn, self.organization_id, &all, self.now)?;
        let object = ("spend", "accounts".to_owned());
        let detail = json!({ "accounts": all });
        Ok(self.audit(conn, "spend.accounts_changed", object, &detail)?)
    }

    /// Adds a rule, which applies to all past lines at once (T25); or, as a preview, only says which it
    /// would match.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for a pattern or an app that is none, [`ApiError::Conflict`] for a pattern
    /// that has a rule.
    pub fn add_rule(
        &self,
        conn: &mut DbConnection,
        pattern: &str,
        app: &str,
        is_preview: bool,
    ) -> Result<Matched, ApiError> {
        let id = self.organization_id;
        let pattern = pattern.trim().to_lowercase();
        if !(2..=200).contains(&pattern.chars().count()) {
            return Err(ApiError::Invalid("pattern has 2 to 200 characters".to_owned()));
        }
        let app_id = self.app(conn, app)?;
        let terms = Terms::read(conn, id)?;
        if terms.rules.iter().any(|it| it.pattern == pattern) {
            return Err(ApiError::Conflict(format!("there is a rule for {pattern:?} already")));
        }
        let rule = MatchingRuleRow {
            matching_rule_id: MatchingRuleId::new(self.now),
            pattern,
            app_id,
            created_at: self.now.naive_utc(),
        };
        // The newest rule has the last word, so it moves no line that has an app.
        let is_new = |it: &SpendLineRow| {
            it.app_id.is_none() && it.description.to_lowercase().contains(&rule.pattern)
        };
        let lines: Vec<SpendLineRow> =
            spend::list_lines(conn, id)?.into_iter().filter(is_new).collect();
        if !is_preview {
            spend::insert_rule(conn, id, &rule)?;
            for line in &lines {
                spend::update_line_app(conn, id, &line.line_id, Some(app_id))?;
            }
            let object = ("matching_rule", rule.matching_rule_id.to_string());
            let detail = json!({ "pattern": rule.pattern, "n_matched": lines.len() });
            self.audit(conn, "spend.rule_added", object, &detail)?;
        }
        Ok(Matched { rule, lines })
    }

    /// An app by id, slug, site or name.
    fn app(&self, conn: &mut DbConnection, text: &str) -> Result<AppId, ApiError> {
        let (id, text) = (self.organization_id, text.trim());
        let organization = organizations::find(conn, id)?.ok_or(ApiError::NotFound)?;
        let found = apply::resolve_apps(conn, &organization, &[text].into(), self.now)?;
        match found.get(text) {
            Some(app_id) => Ok(*app_id),
            None => Ok(Triage::new(conn, id, &self.actor, self.now)?.app(text)?),
        }
    }

    /// Takes a rule away; the remaining rules apply to all lines again.
    ///
    /// # Errors
    /// [`ApiError::NotFound`].
    pub fn remove_rule(
        &self,
        conn: &mut DbConnection,
        rule_id: MatchingRuleId,
    ) -> Result<(), ApiError> {
        let id = self.organization_id;
        if !spend::delete_rule(conn, id, rule_id)? {
            return Err(ApiError::NotFound);
        }
        let terms = Terms::read(conn, id)?;
        for line in spend::list_lines(conn, id)? {
            let app_id = terms.rule(&line.description).map(|it| it.app_id);
            if app_id != line.app_id {
                spend::update_line_app(conn, id, &line.line_id, app_id)?;
            }
        }
        let object = ("matching_rule", rule_id.to_string());
        Ok(self.audit(conn, "spend.rule_removed", object, &json!({}))?)
    }
}

/// The names of apps.
///
/// # Errors
/// When the database refuses.
pub fn app_names(
    conn: &mut DbConnection,
    organization_id: OrganizationId,
    ids: impl IntoIterator<Item = AppId>,
) -> Result<BTreeMap<AppId, String>, StoreError> {
    let ids: BTreeSet<AppId> = ids.into_iter().collect();
    let ids: Vec<AppId> = ids.into_iter().collect();
    let mut names = BTreeMap::new();
    for ids in ids.chunks(1_000) {
        let found = apps::find_all(conn, organization_id, ids)?;
        names.extend(found.into_iter().map(|(id, it)| (id, it.name)));
    }
    Ok(names)
}

//! Spend: lines, the accounts that count, and the rules that say which app a line is for (T23 to T25).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::licenses::app_of;
use crate::db::{AppId, DbConnection, MatchingRuleId, OrganizationId};
use crate::extract::{Csv, Json, Reader, Writer};
use crate::money::{Amount, is_currency};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::sources::record::Rejected;
use crate::sources::table::{self, Table, TableError};
use crate::store::audit::{self, Object};
use crate::store::spend::{self, MatchingRuleRow, SpendLineRow};
use crate::store::{StoreError, apps};

/// How a CSV of lines is read.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LinesQuery {
    /// Such as `windows-1252`.
    charset: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct LinesAnswer {
    n_accepted: usize,
    n_rejected: usize,
    rejected: Vec<Rejected>,
}

/// Adds lines from a CSV with the columns `id`, `account`, `description`, `amount`, `currency`, `date`
/// and, for parts of a main item, `parent`. A line with the id of another replaces it.
///
/// # Errors
/// [`ApiError::Invalid`] for a table without these columns.
#[utoipa::path(
    post, path = "/v1/spend/lines", tag = "spend", operation_id = "add_spend_lines",
    params(LinesQuery),
    request_body(content = String, content_type = "text/csv", description = "The columns `id`, `account`, `description`, `amount`, `currency`, `date` and, for parts of a main item, `parent`."),
    responses((status = 200, description = "What became of each line.", body = LinesAnswer)),
    security(("api_key" = ["admin"]))
)]
pub async fn add_lines(
    collector: Data<Collector>,
    writer: Writer,
    Query(query): Query<LinesQuery>,
    Csv(body): Csv,
) -> Result<HttpResponse, ApiError> {
    let invalid = |error: TableError| ApiError::Invalid(error.to_string());
    let parsed = table::parse(&body, query.charset.as_deref()).map_err(invalid)?;
    let (lines, rejected) = read_lines(parsed).map_err(invalid)?;
    let (n_accepted, now) = (lines.len(), collector.clock.now());
    let added = collector.db.write(move |conn| {
        let id = writer.organization_id;
        let rules = spend::list_rules(conn, id)?;
        for mut line in lines {
            line.app_id = matched(&line.description, &rules);
            spend::put_line(conn, id, &line)?;
        }
        let object = Object { kind: "spend", id: "lines".to_owned() };
        let detail = json!({ "n_lines": n_accepted });
        audit::insert(conn, id, &writer.actor, "spend.lines_added", &object, &detail, now)
    });
    added.await.map_err(|error: StoreError| ApiError::from(error))?;
    let n_rejected = rejected.len();
    Ok(HttpResponse::Ok().json(LinesAnswer { n_accepted, n_rejected, rejected }))
}

fn read_lines(parsed: Table) -> Result<(Vec<SpendLineRow>, Vec<Rejected>), TableError> {
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

/// The app of the oldest rule whose text the description holds.
fn matched(description: &str, rules: &[MatchingRuleRow]) -> Option<AppId> {
    let description = description.to_lowercase();
    rules.iter().find(|it| description.contains(&it.pattern)).map(|it| it.app_id)
}

/// Replaces the accounts whose lines count; an empty list lets all count.
///
/// # Errors
/// [`ApiError::Invalid`].
#[utoipa::path(
    put, path = "/v1/spend/accounts", tag = "spend", operation_id = "put_spend_accounts",
    request_body(content = Vec<String>, description = "The accounts that count; none lets all count."),
    responses((status = 200, description = "Replaced.", body = Vec<String>)),
    security(("api_key" = ["admin"]))
)]
pub async fn put_accounts(
    collector: Data<Collector>,
    writer: Writer,
    Json(accounts): Json<BTreeSet<String>>,
) -> Result<HttpResponse, ApiError> {
    if 1_000 < accounts.len() || accounts.iter().any(|it| it.is_empty() || 200 < it.len()) {
        let detail = "at most 1,000 accounts, each with 1 to 200 bytes";
        return Err(ApiError::Invalid(detail.to_owned()));
    }
    let (now, all) = (collector.clock.now(), accounts.iter().cloned().collect::<Vec<_>>());
    let replaced = collector.db.write(move |conn| {
        let id = writer.organization_id;
        spend::replace_accounts(conn, id, &all, now)?;
        let object = Object { kind: "spend", id: "accounts".to_owned() };
        let detail = json!({ "accounts": all });
        audit::insert(conn, id, &writer.actor, "spend.accounts_changed", &object, &detail, now)
    });
    replaced.await.map_err(|error: StoreError| ApiError::from(error))?;
    Ok(HttpResponse::Ok().json(accounts))
}

/// A rule to add or to try.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(examples(json!({ "pattern": "slack technologies", "app": "slack", "preview": true })))]
#[serde(deny_unknown_fields)]
pub struct NewRule {
    /// Text that a description holds, in any case.
    pattern: String,
    /// A slug, a site or an id.
    app: String,
    /// Only say what it would match.
    #[serde(default)]
    #[schema(required = false)]
    preview: bool,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct RuleAnswer {
    /// None for a preview.
    matching_rule_id: Option<MatchingRuleId>,
    /// Lines that had no app and have one by the rule.
    n_matched: usize,
    /// At most a hundred of them.
    lines: Vec<SpendLine>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct SpendLine {
    line_id: String,
    description: String,
    amount: Amount,
    currency: String,
    spent_on: NaiveDate,
}

/// Adds a rule, which applies to all past lines at once; or says which it would match (T25).
///
/// # Errors
/// [`ApiError::Invalid`] and, for a pattern that there is, [`ApiError::Conflict`].
#[utoipa::path(
    post, path = "/v1/spend/rules", tag = "spend", operation_id = "create_spend_rule",
    request_body = NewRule,
    responses(
        (status = 200, description = "Added, or what it would match.", body = RuleAnswer),
        (status = 409, description = "There is such a rule.")
    ),
    security(("api_key" = ["admin"]))
)]
pub async fn create_rule(
    collector: Data<Collector>,
    writer: Writer,
    Json(new): Json<NewRule>,
) -> Result<HttpResponse, ApiError> {
    let pattern = new.pattern.trim().to_lowercase();
    if !(2..=200).contains(&pattern.chars().count()) {
        return Err(ApiError::Invalid("pattern has 2 to 200 characters".to_owned()));
    }
    let (now, callers) = (collector.clock.now(), collector.callers.clone());
    let answer = collector.db.write(move |conn| {
        let id = writer.organization_id;
        let organization = callers.organization(conn, id)?;
        let app_id = app_of(conn, &organization, &new.app, now)?;
        let mut rules = spend::list_rules(conn, id)?;
        if rules.iter().any(|it| it.pattern == pattern) {
            return Err(ApiError::Conflict(format!("there is a rule for {pattern:?} already")));
        }
        let rule = MatchingRuleRow {
            matching_rule_id: MatchingRuleId::new(now),
            pattern,
            app_id,
            created_at: now.naive_utc(),
        };
        rules.push(rule.clone());
        let is_new =
            |it: &SpendLineRow| it.app_id.is_none() && matched(&it.description, &rules).is_some();
        let lines: Vec<SpendLineRow> =
            spend::list_lines(conn, id)?.into_iter().filter(is_new).collect();
        if !new.preview {
            spend::insert_rule(conn, id, &rule)?;
            for line in &lines {
                spend::update_line_app(conn, id, &line.line_id, Some(app_id))?;
            }
            let object = Object { kind: "matching_rule", id: rule.matching_rule_id.to_string() };
            let detail = json!({ "pattern": rule.pattern, "n_matched": lines.len() });
            audit::insert(conn, id, &writer.actor, "spend.rule_added", &object, &detail, now)?;
        }
        Ok(RuleAnswer {
            matching_rule_id: (!new.preview).then_some(rule.matching_rule_id),
            n_matched: lines.len(),
            lines: lines.into_iter().take(100).map(line_item).collect(),
        })
    });
    Ok(HttpResponse::Ok().json(answer.await?))
}

fn line_item(it: SpendLineRow) -> SpendLine {
    SpendLine {
        line_id: it.line_id,
        description: it.description,
        amount: Amount::from_e4(it.amount_e4),
        currency: it.currency,
        spent_on: it.spent_on,
    }
}

/// Takes a rule away; the remaining rules apply to all lines again.
///
/// # Errors
/// [`ApiError::NotFound`].
#[utoipa::path(
    delete, path = "/v1/spend/rules/{rule}", tag = "spend", operation_id = "remove_spend_rule",
    params(("rule" = MatchingRuleId, Path, description = "The rule.")),
    responses((status = 204, description = "Taken away.")),
    security(("api_key" = ["admin"]))
)]
pub async fn remove_rule(
    collector: Data<Collector>,
    writer: Writer,
    id: Path<MatchingRuleId>,
) -> Result<HttpResponse, ApiError> {
    let (now, rule_id) = (collector.clock.now(), id.into_inner());
    let removed = collector.db.write(move |conn| {
        let id = writer.organization_id;
        if !spend::delete_rule(conn, id, rule_id)? {
            return Err(ApiError::NotFound);
        }
        rematch(conn, id)?;
        let object = Object { kind: "matching_rule", id: rule_id.to_string() };
        let action = "spend.rule_removed";
        Ok(audit::insert(conn, id, &writer.actor, action, &object, &json!({}), now)?)
    });
    removed.await?;
    Ok(HttpResponse::NoContent().finish())
}

fn rematch(conn: &mut DbConnection, organization_id: OrganizationId) -> Result<(), StoreError> {
    let rules = spend::list_rules(conn, organization_id)?;
    for line in spend::list_lines(conn, organization_id)? {
        let app_id = matched(&line.description, &rules);
        if app_id != line.app_id {
            spend::update_line_app(conn, organization_id, &line.line_id, app_id)?;
        }
    }
    Ok(())
}

/// What is spent.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
struct SpendTotal {
    n_lines: usize,
    n_matched: usize,
    /// Matched lines of a hundred, by count; none without lines.
    match_rate_percent: Option<usize>,
    by_currency: BTreeMap<String, CurrencyTotal>,
    /// Lines of accounts that do not count.
    n_other_accounts: usize,
    /// Parts of main items, which count with these (T23).
    n_parts: usize,
}

/// What is spent in one currency.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
struct CurrencyTotal {
    amount: Amount,
    matched: Amount,
    /// Matched amount of a hundred; none for an amount of 0.
    match_rate_percent: Option<i64>,
    /// By app.
    apps: BTreeMap<String, Amount>,
}

/// Totals, with the share of lines that a rule has matched, by count and by amount (T24). Parts of a
/// main item and accounts that do not count are left out (T23).
///
/// # Errors
/// When the database refuses.
#[utoipa::path(
    get, path = "/v1/spend", tag = "spend", operation_id = "show_spend",
    responses((status = 200, description = "Totals.", body = SpendTotal)),
    security(("api_key" = ["read"]))
)]
pub async fn show(collector: Data<Collector>, reader: Reader) -> Result<HttpResponse, ApiError> {
    let total = collector.db.run(move |conn| {
        let id = reader.organization_id;
        let accounts: HashSet<String> = spend::list_accounts(conn, id)?.into_iter().collect();
        let lines = spend::list_lines(conn, id)?;
        let ids: BTreeSet<AppId> = lines.iter().filter_map(|it| it.app_id).collect();
        let names = apps::find_all(conn, id, &ids.into_iter().collect::<Vec<_>>())?;
        let mut total = SpendTotal::default();
        for line in lines {
            if !accounts.is_empty() && !accounts.contains(&line.account) {
                total.n_other_accounts += 1;
                continue;
            }
            if line.parent_line_id.is_some() {
                total.n_parts += 1;
                continue;
            }
            let amount = Amount::from_e4(line.amount_e4);
            let of = total.by_currency.entry(line.currency).or_default();
            total.n_lines += 1;
            of.amount = of.amount.plus(amount);
            if let Some(app) = line.app_id.and_then(|it| names.get(&it)) {
                total.n_matched += 1;
                of.matched = of.matched.plus(amount);
                let of_app = of.apps.entry(app.name.clone()).or_default();
                *of_app = of_app.plus(amount);
            }
        }
        total.match_rate_percent = (total.n_matched * 100).checked_div(total.n_lines);
        for of in total.by_currency.values_mut() {
            let matched = of.matched.times(100).e4();
            of.match_rate_percent = matched.checked_div(of.amount.e4());
        }
        Ok::<_, StoreError>(total)
    });
    let total = total.await.map_err(ApiError::from)?;
    Ok(HttpResponse::Ok().json(total))
}

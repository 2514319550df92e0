//! Spend: lines, the accounts that count, and the rules that say which app a line is for (T23 to T25).

use std::collections::{BTreeMap, BTreeSet};

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::find_apps;
use super::openapi::words;
use crate::db::{AppId, DbConnection, MatchingRuleId, OrganizationId};
use crate::extract::{Csv, Json, Reader, Writer};
use crate::lists::{
    Ask, Filter, Key, List, ListSpec, Part, Takes, answer, bytes_of, field_names, fill,
    list_params, words_of,
};
use crate::money::Amount;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::sources::record::Rejected;
use crate::sources::table::{self, TableError};
use crate::spend::{Change, Terms, Totals, app_names, read_lines};
use crate::store::lists::spend_lines::{self as list_spend_lines, Order};
use crate::store::spend::{self, SpendLineRow};
use crate::store::word::{SpendState, Word};
use crate::store::{Page, StoreError};
use crate::veil::Veil;

fn change(writer: Writer, now: DateTime<Utc>) -> Change {
    Change { organization_id: writer.organization_id, actor: writer.actor, now }
}

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
    let n_accepted = lines.len();
    let change = change(writer, collector.clock.now());
    let added = collector.db.write(move |conn| change.add_lines(conn, lines));
    added.await.map_err(ApiError::from)?;
    let n_rejected = rejected.len();
    Ok(HttpResponse::Ok().json(LinesAnswer { n_accepted, n_rejected, rejected }))
}

/// One line, as the list shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "line_id": "2026-10/4711",
    "parent_line_id": null,
    "account": "4900",
    "description": "SLACK TECHNOLOGIES LIMITED",
    "amount": "1000.10",
    "currency": "EUR",
    "spent_on": "2026-10-01",
    "app_id": "019ab0c2-5a00-7000-8000-000000000002",
    "app": "Slack",
    "state": "matched"
})))]
pub struct SpendLineItem {
    pub(crate) line_id: String,
    /// The main item that it is a part of.
    pub(crate) parent_line_id: Option<String>,
    /// Which account was charged.
    pub(crate) account: String,
    pub(crate) description: String,
    pub(crate) amount: Amount,
    pub(crate) currency: String,
    pub(crate) spent_on: NaiveDate,
    /// By the oldest rule that matches; none where no rule does.
    pub(crate) app_id: Option<AppId>,
    pub(crate) app: Option<String>,
    /// Whether it counts, and whether a rule has matched it.
    #[schema(schema_with = words::<SpendState>)]
    pub(crate) state: Word<SpendState>,
}

/// The list, for the API and for its page.
pub static SPEND_LINES: ListSpec = ListSpec {
    name: "spend-lines",
    filters: &[
        Filter {
            name: "state",
            takes: Takes::Words(words_of::<SpendState>),
            about: "That count and are matched or not, or that do not count, and why.",
        },
        Filter {
            name: "app",
            takes: Takes::Texts("slack"),
            about: "For these apps: slugs, discovered sites or ids.",
        },
        Filter {
            name: "rule",
            takes: Takes::Texts("019ab0c2-5a00-7000-8000-00000000000b"),
            about: "Matched by these rules, by their ids.",
        },
        Filter { name: "account", takes: Takes::Texts("4900"), about: "Of these accounts." },
        Filter { name: "currency", takes: Takes::Texts("EUR"), about: "In these currencies." },
        Filter {
            name: "text",
            takes: Takes::Text("slack"),
            about: "Whose description holds this text, in any case.",
        },
        Filter { name: "spent_after", takes: Takes::Day, about: "On this day or later." },
        Filter { name: "spent_before", takes: Takes::Day, about: "Before this day." },
    ],
    sorts: &["-spent_on", "amount", "line_id"],
    fields: field_names::<SpendLineItem>,
};
list_params!(SpendLinesParams, SPEND_LINES);

/// Lines, the newest first.
#[utoipa::path(
    get, path = "/v1/spend/lines", tag = "spend", operation_id = "list_spend_lines",
    params(SpendLinesParams),
    responses((status = 200, description = "Lines.", body = List<SpendLineItem>)),
    security(("api_key" = ["read"]))
)]
pub async fn list_lines(
    collector: Data<Collector>,
    reader: Reader,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let ask = Ask::read(&SPEND_LINES, &request)?;
    let id = reader.organization_id;
    answer(&collector.db, &request, ask, move |conn, ask| read_part(conn, id, ask)).await
}

/// Lines that are read in one step, where not all that are read are wanted.
const STEP: i64 = 1_000;

/// The part of the list that is asked for.
///
/// # Errors
/// [`ApiError::Invalid`] for a cursor that is none of this list's.
pub fn read_part(
    conn: &mut DbConnection,
    id: OrganizationId,
    ask: &Ask,
) -> Result<Part<SpendLineItem>, ApiError> {
    let (terms, veil) = (Terms::read(conn, id)?, Veil::of(conn, id)?);
    let apps = find_apps(conn, id, ask)?.map(|it| terms.with_sources(&it));
    let filter = list_spend_lines::Filter {
        apps,
        accounts: ask.texts("account"),
        currencies: ask.texts("currency"),
        spent_after: ask.day("spent_after"),
        spent_before: ask.day("spent_before"),
    };
    let states = ask.words::<SpendState>("state");
    let rules = ask.texts("rule");
    let text = ask.text("text").map(str::to_lowercase);
    let is_wanted = |it: &SpendLineRow| {
        let is_by = |rules: &Vec<String>| {
            let rule = terms.rule(&it.description).map(|it| it.matching_rule_id.to_string());
            rule.is_some_and(|it| rules.contains(&it))
        };
        states.as_ref().is_none_or(|any| any.contains(&terms.state(it)))
            && rules.as_ref().is_none_or(is_by)
            && text
                .as_ref()
                .is_none_or(|text| veil.cover_text(&it.description).to_lowercase().contains(text))
    };
    let step = if states.is_some() || rules.is_some() || text.is_some() { STEP } else { 1 };
    let is_descending = ask.sort.is_descending;
    let read = |conn: &mut DbConnection, order, limit: i64| {
        list_spend_lines::list(conn, id, &filter, order, is_descending, limit.max(step))
    };
    let part = match ask.sort.by {
        "amount" => wanted(
            ask,
            is_wanted,
            |it| (it.amount_e4, it.line_id.clone()),
            |page| read(conn, Order::Amount(page.after), page.limit),
        )?,
        "line_id" => wanted(
            ask,
            is_wanted,
            |it| it.line_id.clone(),
            |page| read(conn, Order::Id(page.after), page.limit),
        )?,
        _ => wanted(
            ask,
            is_wanted,
            |it| (it.spent_on, it.line_id.clone()),
            |page| read(conn, Order::Day(page.after), page.limit),
        )?,
    };
    let names = app_names(conn, id, part.items.iter().filter_map(|it| terms.app(it)))?;
    Ok(part.map(|it| {
        let (app_id, state) = (terms.app(&it), terms.state(&it));
        SpendLineItem {
            app: app_id.and_then(|it| names.get(&it).cloned()),
            app_id,
            state: Word(state),
            amount: Amount::from_e4(it.amount_e4),
            line_id: it.line_id,
            parent_line_id: it.parent_line_id,
            account: veil.cover_text(&it.account),
            description: veil.cover_text(&it.description),
            currency: it.currency,
            spent_on: it.spent_on,
        }
    }))
}

fn wanted<K: Key + Clone>(
    ask: &Ask,
    is_wanted: impl Fn(&SpendLineRow) -> bool,
    key: impl Fn(&SpendLineRow) -> K,
    mut read: impl FnMut(Page<K>) -> Result<Vec<SpendLineRow>, StoreError>,
) -> Result<Part<SpendLineRow>, ApiError> {
    let rows = fill(ask.page::<K>()?, |page| {
        let rows = read(page)?;
        let keyed = |it: SpendLineRow| (key(&it), is_wanted(&it).then_some(it));
        Ok::<_, StoreError>(rows.into_iter().map(keyed).collect())
    })?;
    Ok(Part::cut(rows, ask, |it| bytes_of(&key(it))))
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
    let change = change(writer, collector.clock.now());
    let replaced = collector.db.write(move |conn| {
        change.replace_accounts(conn, &accounts)?;
        Ok::<_, ApiError>(accounts)
    });
    Ok(HttpResponse::Ok().json(replaced.await?))
}

/// The accounts whose lines count; none lets all count.
#[utoipa::path(
    get, path = "/v1/spend/accounts", tag = "spend", operation_id = "list_spend_accounts",
    responses((status = 200, description = "The accounts.", body = Vec<String>)),
    security(("api_key" = ["read"]))
)]
pub async fn list_accounts(
    collector: Data<Collector>,
    reader: Reader,
) -> Result<HttpResponse, ApiError> {
    let found = collector.db.run(move |conn| spend::list_accounts(conn, reader.organization_id));
    Ok(HttpResponse::Ok().json(found.await.map_err(ApiError::from)?))
}

/// One rule.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "matching_rule_id": "019ab0c2-5a00-7000-8000-00000000000b",
    "pattern": "slack technologies",
    "app_id": "019ab0c2-5a00-7000-8000-000000000002",
    "created_at": "2026-11-23T09:00:00Z"
})))]
struct RuleItem {
    matching_rule_id: MatchingRuleId,
    /// Lower-case text that a description holds.
    pattern: String,
    app_id: AppId,
    created_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
struct RulesAnswer {
    items: Vec<RuleItem>,
}

/// All rules, oldest first: of several that match a line the oldest counts.
#[utoipa::path(
    get, path = "/v1/spend/rules", tag = "spend", operation_id = "list_spend_rules",
    responses((status = 200, description = "All rules.", body = RulesAnswer)),
    security(("api_key" = ["read"]))
)]
pub async fn list_rules(
    collector: Data<Collector>,
    reader: Reader,
) -> Result<HttpResponse, ApiError> {
    let found = collector.db.run(move |conn| {
        let veil = Veil::of(conn, reader.organization_id)?;
        let mut rules = spend::list_rules(conn, reader.organization_id)?;
        rules.iter_mut().for_each(|it| it.pattern = veil.cover_text(&it.pattern));
        Ok::<_, StoreError>(rules)
    });
    let item = |it: spend::MatchingRuleRow| RuleItem {
        matching_rule_id: it.matching_rule_id,
        pattern: it.pattern,
        app_id: it.app_id,
        created_at: it.created_at.and_utc(),
    };
    let items = found.await.map_err(ApiError::from)?.into_iter().map(item).collect();
    Ok(HttpResponse::Ok().json(RulesAnswer { items }))
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
    let change = change(writer, collector.clock.now());
    let answer = collector.db.write(move |conn| {
        let mut matched = change.add_rule(conn, &new.pattern, &new.app, new.preview)?;
        let veil = Veil::of(conn, change.organization_id)?;
        matched.lines.iter_mut().for_each(|it| it.description = veil.cover_text(&it.description));
        Ok::<_, ApiError>(RuleAnswer {
            matching_rule_id: (!new.preview).then_some(matched.rule.matching_rule_id),
            n_matched: matched.lines.len(),
            lines: matched.lines.into_iter().take(100).map(line_item).collect(),
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
    let change = change(writer, collector.clock.now());
    collector.db.write(move |conn| change.remove_rule(conn, id.into_inner())).await?;
    Ok(HttpResponse::NoContent().finish())
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
        let terms = Terms::read(conn, id)?;
        let totals = Totals::of(&terms, &spend::list_lines(conn, id)?);
        let names = app_names(conn, id, totals.lines_by_app.keys().copied())?;
        Ok::<_, StoreError>(SpendTotal::new(totals, &names))
    });
    let total = total.await.map_err(ApiError::from)?;
    Ok(HttpResponse::Ok().json(total))
}

impl SpendTotal {
    fn new(totals: Totals, names: &BTreeMap<AppId, String>) -> SpendTotal {
        let n = |n: i64| usize::try_from(n).unwrap_or(0);
        let of_currency = |(code, it): (String, crate::spend::CurrencyTotal)| {
            let match_rate_percent = it.match_rate_percent();
            let mut apps: BTreeMap<String, Amount> = BTreeMap::new();
            for (app_id, amount) in it.apps {
                let name = names.get(&app_id).cloned().unwrap_or_default();
                let of_app = apps.entry(name).or_default();
                *of_app = of_app.plus(amount);
            }
            let (amount, matched) = (it.amount, it.matched);
            (code, CurrencyTotal { amount, matched, match_rate_percent, apps })
        };
        SpendTotal {
            n_lines: n(totals.n_lines),
            n_matched: n(totals.n_matched),
            match_rate_percent: totals.match_rate_percent().map(n),
            n_other_accounts: n(totals.n_other_accounts),
            n_parts: n(totals.n_parts),
            by_currency: totals.by_currency.into_iter().map(of_currency).collect(),
        }
    }
}

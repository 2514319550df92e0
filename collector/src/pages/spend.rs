//! Spend: what was paid, for which app, and the rules that say so (T23 to T25). Counts and lines are those
//! of the API.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use actix_multipart::form::MultipartForm;
use actix_multipart::form::bytes::Bytes;
use actix_multipart::form::text::Text;
use actix_web::web::{Data, Form, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;

use super::answer::{self, PageError};
use super::caller::Caller;
use super::columns::{Column, Columns};
use super::filters::{self, Choice};
use super::frame::CallerFrame;
use super::imports::rejected_table;
use super::list::{self, Days, Pager, Wanted};
use super::saved_views::SavedViews;
use super::table::{Kind, Table, Value};
use super::upload::optional;
use super::words::{self, Calendar};
use crate::api::spend::{SPEND_LINES, SpendLineItem, read_part};
use crate::clock::Clock;
use crate::db::{AppId, DbConnection, MatchingRuleId, OrganizationId};
use crate::money::Amount;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::sources::table::{self, TableError};
use crate::spend::{Change, CurrencyTotal, Terms, Totals, app_names, read_lines};
use crate::store::spend::{self, SpendLineRow};
use crate::store::word::SpendState;
use crate::store::{StoreError, organizations};
use crate::veil::Veil;

/// Where this page is.
pub const PATH: &str = "/spend";
/// Where its lines are.
pub const LINES_PATH: &str = "/spend/lines";

/// A list of lines.
fn lines(query: &[(&str, &str)]) -> String {
    filters::link(LINES_PATH, query)
}

fn amount(amount: Amount, currency: &str) -> String {
    format!("{amount} {currency}")
}

/// Of a hundred.
fn rate(percent: Option<i64>) -> Value {
    Value::maybe(percent.map(|it| format!("{it} %")))
}

#[derive(Template)]
#[template(path = "spend.html")]
struct SpendPage {
    title: &'static str,
    caller: CallerFrame,
    lead: String,
    left_out: Vec<(String, String)>,
    has_lines: bool,
    rates: Table,
    apps: Table,
    rules: Vec<RuleLine>,
    accounts: Table,
    /// One a line, for the form.
    accounts_text: String,
    /// For the form of a new rule.
    pattern: String,
    names: Vec<String>,
}

struct RuleLine {
    id: String,
    pattern: String,
    app: String,
    app_href: String,
    lines: String,
    lines_href: String,
    since: words::Cell,
}

/// What the form of a new rule begins with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowQuery {
    pattern: Option<String>,
}

/// What the page is made of.
struct Book {
    terms: Terms,
    lines: Vec<SpendLineRow>,
    totals: Totals,
    names: BTreeMap<AppId, String>,
    veil: Veil,
}

impl Book {
    fn read(conn: &mut DbConnection, id: OrganizationId) -> Result<Book, StoreError> {
        let terms = Terms::read(conn, id)?;
        let lines = spend::list_lines(conn, id)?;
        let totals = Totals::of(&terms, &lines);
        let ids = totals.lines_by_app.keys().chain(terms.rules.iter().map(|it| &it.app_id));
        let names = app_names(conn, id, ids.copied().collect::<Vec<_>>())?;
        Ok(Book { terms, lines, totals, names, veil: Veil::of(conn, id)? })
    }

    fn name(&self, app_id: AppId) -> String {
        self.names.get(&app_id).cloned().unwrap_or_default()
    }

    /// The match rate by count and, in each currency, by amount (T24).
    fn rates_table(&self) -> Table {
        let columns = [
            Kind::Text("Counted by"),
            Kind::Number("Spent"),
            Kind::Number("Matched to an app"),
            Kind::Number("Not matched"),
            Kind::Number("Match rate"),
        ];
        let totals = &self.totals;
        let counting = "matched,unmatched";
        let by_count = vec![
            Value::text("Lines"),
            Value::number(totals.n_lines).to(lines(&[("state", counting)])),
            Value::number(totals.n_matched).to(lines(&[("state", "matched")])),
            Value::number(totals.n_lines - totals.n_matched).to(lines(&[("state", "unmatched")])),
            rate(totals.match_rate_percent()),
        ];
        let by_amount = |(code, it): (&String, &CurrencyTotal)| {
            let list = |state: &str| lines(&[("state", state), ("currency", code)]);
            let rest = Amount::from_e4(it.amount.e4().saturating_sub(it.matched.e4()));
            vec![
                Value::text(format!("Amount in {code}")),
                Value::text(amount(it.amount, code)).to(list(counting)),
                Value::text(amount(it.matched, code)).to(list("matched")),
                Value::text(amount(rest, code)).to(list("unmatched")),
                rate(it.match_rate_percent()),
            ]
        };
        Table::new("rates", &columns, "No line of spend is here.")
            .with(std::iter::once(by_count).chain(totals.by_currency.iter().map(by_amount)))
    }

    fn apps_table(&self) -> Table {
        let columns = [Kind::Text("App"), Kind::Number("Lines"), Kind::Number("Spent")];
        let spent = |id: &AppId| -> Vec<(Amount, &str)> {
            let all = self.totals.by_currency.iter();
            all.filter_map(|(code, it)| Some((*it.apps.get(id)?, code.as_str()))).collect()
        };
        let mut apps: Vec<(&AppId, &i64)> = self.totals.lines_by_app.iter().collect();
        // Amounts of different currencies are not compared; the one with the largest comes first.
        apps.sort_by_cached_key(|(id, _)| {
            (Reverse(spent(id).iter().map(|it| it.0).max()), self.name(**id))
        });
        let row = |(id, n): (&AppId, &i64)| {
            let of_app = id.to_string();
            let spent: Vec<String> =
                spent(id).into_iter().map(|(it, code)| amount(it, code)).collect();
            let list = lines(&[("state", "matched"), ("app", &of_app)]);
            vec![
                Value::text(self.name(*id)).to(format!("/apps/{id}")),
                Value::number(*n).to(list.clone()),
                Value::text(spent.join(", ")).to(list),
            ]
        };
        let empty = "No line is matched to an app. A rule below does that, for all lines at once.";
        Table::new("apps", &columns, empty).with(apps.into_iter().map(row))
    }

    fn accounts_table(&self) -> Table {
        let mut accounts: BTreeMap<&str, i64> =
            self.terms.accounts.iter().map(|it| (it.as_str(), 0)).collect();
        for line in &self.lines {
            *accounts.entry(&line.account).or_default() += 1;
        }
        let columns = [Kind::Text("Account"), Kind::Number("Lines"), Kind::Text("Counts")];
        let row = |(account, n): (&str, i64)| {
            let counts = self.terms.accounts.is_empty() || self.terms.accounts.contains(account);
            let name = if account.is_empty() { "(none)" } else { account };
            let n_lines = Value::number(n);
            vec![
                Value::text(name),
                // A filter that is empty is none, so the lines without an account have no list.
                if account.is_empty() || n == 0 {
                    n_lines
                } else {
                    n_lines.to(lines(&[("account", account)]))
                },
                if counts {
                    Value::badge("active", "yes").under("in the sums")
                } else {
                    Value::badge("unknown", "no").under("in no sum")
                },
            ]
        };
        Table::new("accounts", &columns, "No line is here, so there is no account.")
            .with(accounts.into_iter().map(row))
    }

    fn rule_lines(&self, calendar: &Calendar) -> Vec<RuleLine> {
        let mut counts: BTreeMap<MatchingRuleId, i64> = BTreeMap::new();
        for line in self.lines.iter().filter(|it| it.app_id.is_some()) {
            if let Some(rule) = self.terms.rule(&line.description) {
                *counts.entry(rule.matching_rule_id).or_default() += 1;
            }
        }
        let line = |it: &spend::MatchingRuleRow| RuleLine {
            id: it.matching_rule_id.to_string(),
            pattern: self.veil.cover_text(&it.pattern),
            app: self.name(it.app_id),
            app_href: format!("/apps/{}", it.app_id),
            lines: words::number(counts.get(&it.matching_rule_id).copied().unwrap_or(0)),
            lines_href: lines(&[("rule", &it.matching_rule_id.to_string())]),
            since: words::Cell::At(calendar.moment(it.created_at.and_utc())),
        };
        self.terms.rules.iter().map(line).collect()
    }

    /// What no sum counts, with where it is.
    fn left_out(&self) -> Vec<(String, String)> {
        let totals = &self.totals;
        let all = [
            ("part", totals.n_parts, "part", "of main items (rule T23)"),
            ("other_account", totals.n_other_accounts, "line", "of other accounts"),
        ];
        let left = all.into_iter().filter(|it| it.1 != 0);
        left.map(|(state, n, unit, of)| {
            (format!("{} {of}", words::count(n, unit)), lines(&[("state", state)]))
        })
        .collect()
    }
}

/// `GET` the sums, the match rate, and what decides them.
///
/// # Errors
/// When nobody is signed in or the database refuses.
pub async fn show(
    caller: Caller,
    Query(query): Query<ShowQuery>,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let (id, now) = (caller.organization_id(), collector.clock.now());
    let found = collector.db.run(move |conn| {
        let organization = organizations::find(conn, id)?.ok_or(ApiError::NotFound)?;
        let book = Book::read(conn, id)?;
        let known = crate::store::apps::list_names(conn, id)?;
        Ok::<_, ApiError>((organization, book, known))
    });
    let (organization, book, names) = found.await?;
    let calendar = Calendar::new(organization.time_zone, now);
    let accounts: Vec<&str> = book.terms.accounts.iter().map(String::as_str).collect();
    answer::page(&SpendPage {
        title: "Spend",
        lead: format!("{} count.", words::count(book.totals.n_lines, "line")),
        left_out: book.left_out(),
        has_lines: !book.lines.is_empty(),
        rates: book.rates_table(),
        apps: book.apps_table(),
        rules: book.rule_lines(&calendar),
        accounts: book.accounts_table(),
        accounts_text: accounts.join("\n"),
        pattern: query.pattern.unwrap_or_default().chars().take(200).collect(),
        names,
        caller: CallerFrame::new(&caller, &organization, PATH),
    })
}

/// The columns of the list.
pub(super) const COLUMNS: &[Column] = &[
    ("description", "Description"),
    ("day", "Day"),
    ("account", "Account"),
    ("amount", "Amount"),
    ("app", "App"),
    ("state", "State"),
];

const STATES: [(&str, &str); 6] = [
    ("", "any state"),
    ("matched,unmatched", "all that count"),
    ("matched", "matched to an app"),
    ("unmatched", "not matched"),
    ("part", "part of a main item"),
    ("other_account", "other account"),
];

const SORTS: [(&str, &str); 4] = [
    ("-spent_on", "newest first"),
    ("spent_on", "oldest first"),
    ("-amount", "largest first"),
    ("amount", "smallest first"),
];

#[derive(Template)]
#[template(path = "spend_lines.html")]
struct LinesPage {
    title: &'static str,
    caller: CallerFrame,
    saved_views: SavedViews,
    columns: Columns,
    text: String,
    states: Vec<Choice>,
    sorts: Vec<Choice>,
    sizes: Vec<Choice>,
    days: Days,
    /// Filters that have no control, kept.
    kept: Vec<(&'static str, String)>,
    is_filtered: bool,
    table: Table,
    pager: Pager,
    csv: String,
    json: String,
}

/// `GET` the lines behind a number; with `format=csv` or `format=json` all of them as a file.
///
/// # Errors
/// When nobody is signed in, a filter names nothing that can be, or the database refuses.
pub async fn list(
    caller: Caller,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let page = (LINES_PATH, COLUMNS, "line");
    let (organization, wanted) =
        list::open(&caller, &collector, &request, &SPEND_LINES, page, read_part).await?;
    let list = match wanted {
        Wanted::File(file) => return Ok(file),
        Wanted::Page(list) => list,
    };
    let caller_frame = CallerFrame::new(&caller, &organization, PATH);
    let saved_views = SavedViews::load(&caller, &collector, &request).await?;
    let days = list.days("spent");
    answer::page(&LinesPage {
        saved_views,
        title: "Lines of spend",
        text: list.filter("text"),
        states: filters::choices(&STATES, &list.filter("state")),
        sorts: filters::choices(&SORTS, &list.sort),
        kept: list.kept(&["text", "state"], &days),
        days,
        sizes: list.sizes,
        is_filtered: !list.filters.is_empty(),
        table: lines_table(&list.items, caller_frame.may_change).only(&list.columns),
        columns: list.columns,
        pager: list.pager,
        csv: list.csv,
        json: list.json,
        caller: caller_frame,
    })
}

fn lines_table(items: &[SpendLineItem], may_change: bool) -> Table {
    let columns = [
        Kind::Text("Description"),
        Kind::When("Day"),
        Kind::Text("Account"),
        Kind::Number("Amount"),
        Kind::Text("App"),
        Kind::Text("State"),
    ];
    let row = |it: &SpendLineItem| {
        let app = match (&it.app, it.app_id) {
            (Some(name), Some(id)) => Value::text(name.clone()).to(format!("/apps/{id}")),
            _ if may_change && it.state.0 == SpendState::Unmatched => {
                let pattern: String = it.description.chars().take(200).collect();
                let form = filters::link(PATH, &[("pattern", &pattern)]);
                Value::text("Make a rule").to(format!("{form}#new-rule"))
            }
            _ => Value::new(words::Cell::None),
        };
        vec![
            Value::text(it.description.clone()).under(it.line_id.clone()),
            Value::text(it.spent_on.format("%-d %b %Y").to_string()),
            Value::maybe((!it.account.is_empty()).then(|| it.account.clone())),
            Value::text(amount(it.amount, &it.currency)),
            app,
            state_badge(it),
        ]
    };
    Table::new("lines", &columns, "No line fits. Take a filter away.").with(items.iter().map(row))
}

fn state_badge(it: &SpendLineItem) -> Value {
    match it.state.0 {
        SpendState::Matched => Value::badge("active", "matched").to(format!("{PATH}#rules")),
        SpendState::Unmatched => {
            Value::badge("inactive", "not matched").under("no rule holds for it")
        }
        SpendState::Part => {
            let of = it.parent_line_id.as_deref().unwrap_or_default();
            Value::badge("unknown", "part").under(format!("counts with {of}"))
        }
        SpendState::OtherAccount => {
            Value::badge("unknown", "other account").under("does not count")
        }
    }
}

/// What is spent for one app: for its page.
///
/// # Errors
/// When the database refuses.
pub fn app_table(
    conn: &mut DbConnection,
    id: OrganizationId,
    app_id: AppId,
) -> Result<Table, StoreError> {
    let terms = Terms::read(conn, id)?;
    let of_app = spend::list_lines_of_apps(conn, id, &terms.with_sources(&[app_id]))?;
    let totals = Totals::of(&terms, &of_app);
    let columns = [
        Kind::Text("In"),
        Kind::Number("Lines"),
        Kind::Number("Spent"),
        Kind::Text("First day"),
        Kind::Text("Last day"),
    ];
    let text = app_id.to_string();
    let row = |(code, it): (&String, &CurrencyTotal)| {
        let counting = of_app
            .iter()
            .filter(|it| terms.state(it) == SpendState::Matched && it.currency == *code);
        let days = || counting.clone().map(|it| it.spent_on);
        let day = |it: Option<chrono::NaiveDate>| {
            Value::maybe(it.map(|it| it.format("%-d %b %Y").to_string()))
        };
        let list = lines(&[("state", "matched"), ("app", &text), ("currency", code)]);
        vec![
            Value::text(code.clone()),
            Value::number(i64::try_from(counting.clone().count()).unwrap_or(i64::MAX))
                .to(list.clone()),
            Value::text(amount(it.amount, code)).to(list),
            day(days().min()),
            day(days().max()),
        ]
    };
    let empty = "No line of spend is matched to this app.";
    Ok(Table::new("spend", &columns, empty).with(totals.by_currency.iter().map(row)))
}

fn change(caller: &Caller, clock: &Clock) -> Change {
    let organization_id = caller.organization_id();
    Change { organization_id, actor: caller.actor(), now: clock.now() }
}

/// The form with the lines.
#[derive(Debug, MultipartForm)]
#[multipart(deny_unknown_fields)]
pub struct LinesForm {
    #[multipart(limit = "1KiB")]
    form_token: Text<String>,
    #[multipart(limit = "1KiB")]
    charset: Option<Text<String>>,
    #[multipart(limit = "32MiB")]
    file: Bytes,
}

#[derive(Template)]
#[template(path = "spend_added.html")]
struct AddedPage {
    title: &'static str,
    caller: CallerFrame,
    lead: String,
    rejected: Table,
    further: Option<String>,
}

/// `POST` lines, as CSV: answers what became of each row.
///
/// # Errors
/// When the form is not ours, the person may not, or the table lacks a column.
pub async fn add_lines(
    caller: Caller,
    request: HttpRequest,
    collector: Data<Collector>,
    form: MultipartForm<LinesForm>,
) -> Result<HttpResponse, PageError> {
    let form = form.into_inner();
    caller.check_change(&request, &form.form_token)?;
    let invalid = |error: TableError| ApiError::Invalid(error.to_string());
    let charset = form.charset.and_then(|it| optional(&it));
    let parsed = table::parse(&form.file.data, charset.as_deref()).map_err(invalid)?;
    let (read, rejected) = read_lines(parsed).map_err(invalid)?;
    let organization = caller.organization(&collector.db).await?;
    let change = change(&caller, &collector.clock);
    let n_taken = i64::try_from(read.len()).unwrap_or(i64::MAX);
    collector.db.write(move |conn| change.add_lines(conn, read)).await?;
    let taken = words::count(n_taken, "line");
    let n_rejected = i64::try_from(rejected.len()).unwrap_or(i64::MAX);
    let named = rejected.get(..rejected.len().min(MAX_NAMED)).unwrap_or_default();
    answer::page(&AddedPage {
        title: "Lines uploaded",
        caller: CallerFrame::new(&caller, &organization, PATH),
        lead: match n_rejected {
            0 => format!("{taken} taken, none refused."),
            n => format!("{taken} taken, {} refused; what was good counts.", words::number(n)),
        },
        rejected: rejected_table(named),
        further: (named.len() < rejected.len()).then(|| {
            let n = words::number(i64::try_from(MAX_NAMED).unwrap_or(i64::MAX));
            format!("Named are the first {n} of {}.", words::number(n_rejected))
        }),
    })
}

/// Refused rows that a page names.
const MAX_NAMED: usize = 1_000;

/// The accounts that count, one a line.
#[derive(Deserialize)]
pub struct AccountsForm {
    form_token: String,
    accounts: String,
}

/// `POST`: replaces the accounts that count; none lets all count.
///
/// # Errors
/// When the form is not ours, the person may not, or there are too many.
pub async fn set_accounts(
    caller: Caller,
    form: Form<AccountsForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let accounts = form.accounts.lines().filter_map(optional).collect();
    let change = change(&caller, &collector.clock);
    collector.db.write(move |conn| change.replace_accounts(conn, &accounts)).await?;
    Ok(answer::redirect("/spend#accounts"))
}

/// A rule to try, or to keep.
#[derive(Deserialize)]
pub struct RuleForm {
    form_token: String,
    pattern: String,
    app: String,
    /// The lines were shown, and it is to be kept.
    keep: Option<String>,
}

#[derive(Template)]
#[template(path = "spend_rule.html")]
struct RulePage {
    title: &'static str,
    caller: CallerFrame,
    lead: String,
    pattern: String,
    app: String,
    table: Table,
    further: Option<String>,
}

/// `POST` a rule: first shows the lines that it would match, then keeps it (T25).
///
/// # Errors
/// When the form is not ours, the person may not, or the pattern or the app is none.
pub async fn add_rule(
    caller: Caller,
    form: Form<RuleForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let RuleForm { pattern, app, keep, .. } = form.into_inner();
    let change = change(&caller, &collector.clock);
    if keep.is_some() {
        collector.db.write(move |conn| change.add_rule(conn, &pattern, &app, false)).await?;
        return Ok(answer::redirect("/spend#rules"));
    }
    let organization = caller.organization(&collector.db).await?;
    let id = organization.organization_id;
    let found = collector.db.write(move |conn| {
        let mut matched = change.add_rule(conn, &pattern, &app, true)?;
        let veil = Veil::of(conn, id)?;
        matched.lines.iter_mut().for_each(|it| it.description = veil.cover_text(&it.description));
        let terms = Terms::read(conn, id)?;
        let name = app_names(conn, id, [matched.rule.app_id])?.into_values().next();
        Ok::<_, ApiError>((matched, terms, name.unwrap_or_default()))
    });
    let (matched, terms, name) = found.await?;
    let totals = Totals::of(&terms, &matched.lines);
    let sums: Vec<String> =
        totals.by_currency.iter().map(|(code, it)| amount(it.amount, code)).collect();
    let sums = if sums.is_empty() { String::new() } else { format!(", {}", sums.join(" and ")) };
    let n_lines = i64::try_from(matched.lines.len()).unwrap_or(i64::MAX);
    let n_idle = n_lines - totals.n_lines;
    let mut lead =
        format!("{} without an app would be {name}’s{sums}.", words::count(n_lines, "line"));
    if n_idle != 0 {
        lead.push_str(&format!(
            " {} of them: parts of main items or lines of other accounts, which no sum counts.",
            words::number(n_idle)
        ));
    }
    let shown = matched.lines.get(..matched.lines.len().min(MAX_PREVIEWED)).unwrap_or_default();
    answer::page(&RulePage {
        title: "A matching rule",
        caller: CallerFrame::new(&caller, &organization, PATH),
        lead,
        table: preview_table(shown),
        further: (shown.len() < matched.lines.len()).then(|| {
            let n = words::number(i64::try_from(MAX_PREVIEWED).unwrap_or(i64::MAX));
            format!("Shown are the first {n} of {}.", words::number(n_lines))
        }),
        app: matched.rule.app_id.to_string(),
        pattern: matched.rule.pattern,
    })
}

/// Lines that a preview shows.
const MAX_PREVIEWED: usize = 100;

fn preview_table(shown: &[SpendLineRow]) -> Table {
    let columns = [
        Kind::Text("Description"),
        Kind::When("Day"),
        Kind::Text("Account"),
        Kind::Number("Amount"),
    ];
    let row = |it: &SpendLineRow| {
        vec![
            Value::text(it.description.clone()).under(it.line_id.clone()),
            Value::text(it.spent_on.format("%-d %b %Y").to_string()),
            Value::maybe((!it.account.is_empty()).then(|| it.account.clone())),
            Value::text(amount(Amount::from_e4(it.amount_e4), &it.currency)),
        ]
    };
    let empty =
        "No line without an app holds this text. The rule would match lines that come later.";
    Table::new("preview", &columns, empty).with(shown.iter().map(row))
}

/// The one field of the button beside a rule.
#[derive(Deserialize)]
pub struct RemoveForm {
    form_token: String,
}

/// `POST`: takes a rule away; the others apply to all lines again.
///
/// # Errors
/// When the form is not ours, the person may not, or there is no such rule.
pub async fn remove_rule(
    caller: Caller,
    path: Path<String>,
    form: Form<RemoveForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let rule_id: MatchingRuleId = path.parse().map_err(|_| ApiError::NotFound)?;
    let change = change(&caller, &collector.clock);
    collector.db.write(move |conn| change.remove_rule(conn, rule_id)).await?;
    Ok(answer::redirect("/spend#rules"))
}

//! Rolling out: the package that this collector serves, the keys that enroll, and the policies that carry
//! both, filled in.
//!
//! A key's text is known only where it was just made or typed in, so the files are filled in on the page
//! that answers that, and downloads carry the key back in a form, never in an address.

use std::collections::HashMap;

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::{Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::answer::{self, PageError};
use super::caller::Caller;
use super::filters::{self, Choice};
use super::frame::CallerFrame;
use super::words::{self, Calendar, Cell};
use crate::api::enrollment_keys::{check_days, check_name, ended};
use crate::api::rollout::check_key;
use crate::db::EnrollmentKeyId;
use crate::identity::keys;
use crate::installations::{self as states, State};
use crate::package::{ExtensionVersion, Package};
use crate::problem::ApiError;
use crate::rollout::{File, Rollout, UPDATES_PATH};
use crate::server::Collector;
use crate::settings::{self, Change};
use crate::store::enrollment_keys::{self, EnrollmentKeyRow};
use crate::store::organizations::{self, Organization};
use crate::store::{Page, StoreError, installations};
use crate::veil::Veil;

/// Where this page is.
pub const PATH: &str = "/rollout";
/// Valid keys that are shown; each link to one person is one of them.
const MAX_KEYS: i64 = 50;
/// What stands in the files while no key is chosen.
const NO_KEY: &str = "ENROLLMENT-KEY";
/// How long an old key may go on.
const OVERLAPS: [(&str, &str); 4] =
    [("7", "in 7 days"), ("1", "in 1 day"), ("30", "in 30 days"), ("90", "in 90 days")];

#[derive(Template)]
#[template(path = "rollout.html")]
struct RolloutPage {
    title: &'static str,
    caller: CallerFrame,
    package: Option<PackageView>,
    key: Option<ShownKey>,
    keys: Vec<KeyRow>,
    cut: Option<String>,
    overlaps: Vec<Choice>,
    files: Vec<FileView>,
    minimum: String,
    n_outdated: i64,
    newest: Option<String>,
}

/// What browsers get here.
struct PackageView {
    id: String,
    version: String,
    size: String,
    sha256: String,
    update_url: String,
    /// Why browsers with it could not report.
    trouble: Option<String>,
}

/// A key that was just made or typed in.
#[derive(Clone)]
struct ShownKey {
    text: String,
    /// What is special about it; none for one that was typed in.
    news: Option<String>,
}

struct KeyRow {
    id: EnrollmentKeyId,
    name: String,
    hint: String,
    created: Cell,
    ends: Cell,
    enrolled: Cell,
}

struct FileView {
    file: File,
    title: &'static str,
    place: &'static str,
    text: String,
}

/// Where a file goes, in the words of whoever puts it there.
fn place(file: File) -> (&'static str, &'static str) {
    match file {
        File::GoogleAdmin => (
            "Google Admin console",
            "Devices, Chrome, Apps and extensions: add the extension by its id from the update address \
             above, choose “Force install and pin”, and upload this as its policy.",
        ),
        File::WindowsRegistry => (
            "Windows, registry",
            "Chrome and Edge; import it, or deploy its values. Windows installs extensions from outside \
             the stores on machines that are joined to a domain or enrolled.",
        ),
        File::GroupPolicy => (
            "Windows, group policy",
            "The same as values for the administrative templates (ADMX) of Chrome and Edge. Where the \
             template’s setting is in use already, add this extension’s entry to it.",
        ),
        File::Mac => (
            "macOS",
            "A configuration profile for Chrome and Edge; distribute it with your device management.",
        ),
        File::Linux => (
            "Linux, Chrome and Chromium",
            "Save it in /etc/opt/chrome/policies/managed/ (Chromium: /etc/chromium/policies/managed/). \
             Browsers read it within seconds.",
        ),
        File::LinuxEdge => ("Linux, Edge", "Save it in /etc/opt/edge/policies/managed/."),
    }
}

/// Everything of the page that is read.
struct Found {
    organization: Organization,
    keys: Vec<EnrollmentKeyRow>,
    enrolled: HashMap<EnrollmentKeyId, DateTime<Utc>>,
    n_outdated: i64,
}

async fn load(caller: &Caller, collector: &Collector) -> Result<Found, PageError> {
    let (id, now) = (caller.organization_id(), collector.clock.now());
    let found = collector.db.run(move |conn| {
        let organization = organizations::find(conn, id)?.ok_or(ApiError::NotFound)?;
        // Without a minimum nothing is outdated.
        let rows = match organization.minimum_extension_version {
            Some(_) => installations::list(conn, id, Page::first(i64::MAX))?,
            None => Vec::new(),
        };
        let is_outdated = |it: &&_| states::state(it, &organization, now) == State::Outdated;
        let n_outdated = i64::try_from(rows.iter().filter(is_outdated).count());
        let veil = Veil::of(conn, id)?;
        let mut keys = enrollment_keys::list_valid(conn, id, now, MAX_KEYS + 1)?;
        keys.iter_mut().for_each(|it| it.name = veil.cover_text(&it.name));
        Ok::<_, ApiError>(Found {
            keys,
            enrolled: installations::newest_enrollments(conn, id)?,
            n_outdated: n_outdated.unwrap_or(i64::MAX),
            organization,
        })
    });
    Ok(found.await?)
}

async fn answer(
    caller: &Caller,
    collector: &Collector,
    request: &HttpRequest,
    key: Option<ShownKey>,
) -> Result<HttpResponse, PageError> {
    let Found { organization, mut keys, enrolled, n_outdated } = load(caller, collector).await?;
    let calendar = Calendar::new(organization.time_zone, collector.clock.now());
    let origin = collector.origin(request);
    let is_cut = MAX_KEYS < i64::try_from(keys.len()).unwrap_or(i64::MAX);
    keys.truncate(usize::try_from(MAX_KEYS).unwrap_or(usize::MAX));
    let at = |it: Option<DateTime<Utc>>| Cell::at(it.map(|it| calendar.moment(it)));
    let row = |it: &EnrollmentKeyRow| KeyRow {
        id: it.enrollment_key_id,
        name: it.name.clone(),
        hint: it.hint.clone(),
        created: at(Some(it.created_at.and_utc())),
        ends: at(it.expires_at.map(|it| it.and_utc())),
        enrolled: at(enrolled.get(&it.enrollment_key_id).copied()),
    };
    let package = collector.package.as_deref();
    let files = package.map_or_else(Vec::new, |package| {
        let text = key.as_ref().map_or(NO_KEY, |it| it.text.as_str());
        let rollout = rollout(&organization, package, &origin, text);
        let view = |file: File| {
            let (title, place) = place(file);
            FileView { file, title, place, text: rollout.text(file) }
        };
        File::ALL.into_iter().map(view).collect()
    });
    answer::page(&RolloutPage {
        title: "Rollout",
        caller: CallerFrame::new(caller, &organization, PATH),
        package: package.map(|it| package_view(it, &origin)),
        key,
        keys: keys.iter().map(row).collect(),
        cut: is_cut.then(|| format!("Shown are the {MAX_KEYS} newest; the API lists all.")),
        overlaps: filters::choices(&OVERLAPS, "7"),
        files,
        minimum: organization.minimum_extension_version.clone().unwrap_or_default(),
        n_outdated,
        newest: newest(package, &organization),
    })
}

fn package_view(package: &Package, origin: &str) -> PackageView {
    let trouble = (!package.may_talk_to(origin)).then(|| {
        format!(
            "This package was built for another collector: browsers with it cannot report to {origin}. \
             Build it without --collector, or with this address."
        )
    });
    PackageView {
        id: package.extension_id.clone(),
        version: package.version.clone(),
        size: format!(
            "{} KiB",
            words::number(i64::try_from(package.bytes.len().div_ceil(1024)).unwrap_or(i64::MAX))
        ),
        sha256: package.sha256.clone(),
        update_url: format!("{origin}{UPDATES_PATH}"),
        trouble,
    }
}

/// The version that is served, where the limit would make even it outdated.
fn newest(package: Option<&Package>, organization: &Organization) -> Option<String> {
    let minimum = organization.minimum_extension_version.as_deref()?;
    let minimum: ExtensionVersion = minimum.parse().ok()?;
    package.filter(|it| it.number() < minimum).map(|it| it.version.clone())
}

fn rollout(organization: &Organization, package: &Package, origin: &str, key: &str) -> Rollout {
    let update_url = format!("{origin}{UPDATES_PATH}");
    Rollout::new(organization, &package.extension_id, &update_url, origin, key)
}

/// `GET` the page.
///
/// # Errors
/// When nobody is signed in or the database refuses.
pub async fn show(
    caller: Caller,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    answer(&caller, &collector, &request, None).await
}

/// A key that the admin has kept.
#[derive(Deserialize)]
pub struct FillForm {
    form_token: String,
    enrollment_key: String,
}

/// `POST`: the page with the files filled in.
///
/// # Errors
/// When the form is not ours, the person may not, or the key enrolls nobody.
pub async fn fill_in(
    caller: Caller,
    form: Form<FillForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let text = checked_key(&caller, &form, &request, &collector).await?;
    answer(&caller, &collector, &request, Some(ShownKey { text, news: None })).await
}

/// `POST`: one of the files, to save.
///
/// # Errors
/// As [`fill_in`]; [`ApiError::NotFound`] for another name, or where no package is served.
pub async fn download(
    caller: Caller,
    name: Path<String>,
    form: Form<FillForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    let key = checked_key(&caller, &form, &request, &collector).await?;
    let file = File::named(&name).ok_or(ApiError::NotFound)?;
    let package = collector.package.as_deref().ok_or(ApiError::NotFound)?;
    let organization = caller.organization(&collector.db).await?;
    let origin = collector.origin(&request);
    let text = rollout(&organization, package, &origin, &key).text(file);
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, file.media_type()))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", file.name())))
        .body(file.encode(&text)))
}

async fn checked_key(
    caller: &Caller,
    form: &FillForm,
    request: &HttpRequest,
    collector: &Collector,
) -> Result<String, PageError> {
    caller.check_change(request, &form.form_token)?;
    let (id, now) = (caller.organization_id(), collector.clock.now());
    let key = form.enrollment_key.trim().to_owned();
    let checked = key.clone();
    collector.db.run(move |conn| check_key(conn, id, &checked, now)).await?;
    Ok(key)
}

/// What a new key is for.
#[derive(Deserialize)]
pub struct KeyForm {
    form_token: String,
    name: String,
}

/// `POST`: makes a key, and shows it this once, with the files filled in.
///
/// # Errors
/// When the form is not ours, the person may not, or nobody could read the name.
pub async fn create_key(
    caller: Caller,
    form: Form<KeyForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let name = check_name(&form.name)?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let made = collector
        .db
        .write(move |conn| keys::create_enrollment_key(conn, id, &name, None, &actor, now));
    let (_, token) = made.await.map_err(|error: StoreError| ApiError::from(error))?;
    let news = Some("It does not end by itself.".to_owned());
    let key = ShownKey { text: token.text().to_owned(), news };
    answer(&caller, &collector, &request, Some(key)).await
}

/// How long the old key goes on.
#[derive(Deserialize)]
pub struct RotationForm {
    form_token: String,
    overlap_days: i64,
}

/// `POST`: makes a key that takes another's place, and shows it this once, with the files filled in.
///
/// # Errors
/// When the form is not ours, the person may not, or the old key is not there or has ended.
pub async fn rotate_key(
    caller: Caller,
    key: Path<String>,
    form: Form<RotationForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let old: EnrollmentKeyId = key.parse().map_err(|_| ApiError::NotFound)?;
    let overlap: TimeDelta = check_days("overlap_days", form.overlap_days, 0)?;
    let organization = caller.organization(&collector.db).await?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let rotated = collector
        .db
        .write(move |conn| keys::rotate_enrollment_key(conn, id, old, overlap, &actor, now));
    let rotated = rotated.await.map_err(|error: StoreError| ApiError::from(error))?;
    let rotation = rotated.ok_or_else(ended)?;
    let calendar = Calendar::new(organization.time_zone, now);
    let until = calendar.full_moment(rotation.old_ends_at).text;
    let news = Some(format!("The key before still enrolls until {until}."));
    let key = ShownKey { text: rotation.token.text().to_owned(), news };
    answer(&caller, &collector, &request, Some(key)).await
}

/// The one field of a button.
#[derive(Deserialize)]
pub struct ButtonForm {
    form_token: String,
}

/// `POST`: takes a key back. Browsers that it enrolled stay.
///
/// # Errors
/// When the form is not ours, the person may not, or there is no key to take.
pub async fn revoke_key(
    caller: Caller,
    key: Path<String>,
    form: Form<ButtonForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let key: EnrollmentKeyId = key.parse().map_err(|_| ApiError::NotFound)?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let revoked =
        collector.db.write(move |conn| keys::revoke_enrollment_key(conn, id, key, &actor, now));
    let revoked = revoked.await.map_err(|error: StoreError| ApiError::from(error))?;
    if !revoked {
        return Err(ApiError::NotFound.into());
    }
    Ok(answer::redirect(PATH))
}

/// Below which version an extension is outdated; empty for no limit.
#[derive(Deserialize)]
pub struct MinimumForm {
    form_token: String,
    version: String,
}

/// `POST`: sets the oldest version that is wanted.
///
/// # Errors
/// When the form is not ours, the person may not, or it is no version.
pub async fn set_minimum(
    caller: Caller,
    form: Form<MinimumForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_change(&request, &form.form_token)?;
    let version = settings::check_minimum_version(&form.version)
        .map_err(|error| ApiError::Invalid(error.to_string()))?;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let changed = collector.db.write(move |conn| {
        let before = organizations::find(conn, id)?.ok_or(ApiError::NotFound)?;
        let change = Change { minimum_extension_version: Some(version), ..Change::default() };
        settings::change(conn, &before, &change, &actor, now)?;
        Ok::<_, ApiError>(())
    });
    changed.await?;
    collector.callers.forget_all();
    Ok(answer::redirect(PATH))
}

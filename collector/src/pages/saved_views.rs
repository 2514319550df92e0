//! What stands above every list: the views that were saved of it, and the form that saves another.

use actix_web::web::{Data, Form, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;

use super::answer::{self, PageError};
use super::caller::Caller;
use crate::db::SavedViewId;
use crate::problem::ApiError;
use crate::server::Collector;
use crate::views::{self, MAX_NAME, NewView};

/// The saved views of one list.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(path = "saved_views.html")]
pub struct SavedViews {
    form_token: String,
    may_share: bool,
    /// The page that is shown.
    path: String,
    /// What is shown and could be saved; empty for the whole list.
    query: String,
    max_name: usize,
    views: Vec<View>,
}

// The template has escaped what is in it.
impl askama::filters::HtmlSafe for SavedViews {}

#[derive(Clone, Debug, PartialEq, Eq)]
struct View {
    id: SavedViewId,
    name: String,
    href: String,
    is_here: bool,
    is_shared: bool,
    may_remove: bool,
}

impl SavedViews {
    /// What was saved of the list of the page that is asked for, which is one of [`views::LISTS`].
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn load(
        caller: &Caller,
        collector: &Collector,
        request: &HttpRequest,
    ) -> Result<SavedViews, PageError> {
        let (id, admin_id) = (caller.organization_id(), caller.admin.admin_id);
        let rows = collector.db.run(move |conn| views::list(conn, id, Some(admin_id))).await?;
        let query = views::kept(request.query_string());
        let path = request.path();
        let list = views::list_at(path).unwrap_or_default();
        let may_share = caller.may_change();
        let views = rows.into_iter().filter(|it| it.list_path == list).map(|it| View {
            id: it.saved_view_id,
            href: format!("{path}?{}", it.query),
            is_here: it.query == query,
            is_shared: it.admin_id.is_none(),
            may_remove: may_share || it.admin_id.is_some(),
            name: it.name,
        });
        Ok(SavedViews {
            form_token: caller.form_token(),
            may_share,
            path: path.to_owned(),
            max_name: MAX_NAME,
            views: views.collect(),
            query,
        })
    }

    fn has_removable(&self) -> bool {
        self.views.iter().any(|it| it.may_remove)
    }

    /// What is shown is a view already.
    fn is_saved(&self) -> bool {
        self.views.iter().any(|it| it.is_here)
    }
}

/// A view to be.
#[derive(Deserialize)]
pub struct SaveForm {
    form_token: String,
    list: String,
    query: String,
    name: String,
    #[serde(default)]
    shared: String,
}

/// `POST`: saves what a list shows, for oneself or for all.
///
/// # Errors
/// When the form is not ours, it cannot be a view, or somebody who may only read saves for all.
pub async fn create(
    caller: Caller,
    form: Form<SaveForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_form(&request, &form.form_token)?;
    let is_shared = form.shared == "true";
    if is_shared && !caller.may_change() {
        return Err(ApiError::MayOnlyRead.into());
    }
    let owner = (!is_shared).then_some(caller.admin.admin_id);
    let new = NewView::check(&form.list, &form.name, &form.query, owner)?;
    let path = form.into_inner().list;
    let (id, actor, now) = (caller.organization_id(), caller.actor(), collector.clock.now());
    let saved = collector.db.write(move |conn| views::create(conn, id, new, &actor, now)).await?;
    Ok(answer::redirect_to(&format!("{path}?{}", saved.query)))
}

/// The button beside a view, and the page that it stands on.
#[derive(Deserialize)]
pub struct RemoveForm {
    form_token: String,
    list: String,
}

/// `POST`: takes a view away, and leads back to the page.
///
/// # Errors
/// When the form is not ours, there is no such view or list, or the view is everybody's and the person may only
/// read.
pub async fn remove(
    caller: Caller,
    path: Path<String>,
    form: Form<RemoveForm>,
    request: HttpRequest,
    collector: Data<Collector>,
) -> Result<HttpResponse, PageError> {
    caller.check_form(&request, &form.form_token)?;
    let view: SavedViewId = path.parse().map_err(|_| ApiError::NotFound)?;
    let page = form.into_inner().list;
    views::list_at(&page).ok_or(ApiError::NotFound)?;
    let (id, owner) = (caller.organization_id(), Some(caller.admin.admin_id));
    let (may_change, actor, now) = (caller.may_change(), caller.actor(), collector.clock.now());
    let removed = collector
        .db
        .write(move |conn| views::remove(conn, id, view, owner, may_change, &actor, now));
    removed.await?;
    Ok(answer::redirect_to(&page))
}

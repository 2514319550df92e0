//! What the collector tells an installation.

use actix_web::HttpResponse;
use actix_web::web::Data;
use sha2::{Digest, Sha256};
use shared::wire::{Configuration, IdentityMethod, Mode};

use crate::catalog;
use crate::extract::Installation;
use crate::server::Collector;
use crate::store::organizations::Organization;

/// The organization's settings as far as a browser needs them.
#[utoipa::path(
    get, path = "/v1/configuration", tag = "extension", operation_id = "show_configuration",
    responses((status = 200, description = "The settings.", body = super::openapi::wire::Configuration)),
    security(("installation" = []))
)]
pub async fn show(collector: Data<Collector>, installation: Installation) -> HttpResponse {
    let caller = installation.caller;
    let sends_mail = collector.sends_mail();
    HttpResponse::Ok().json(configuration_of(&caller.organization, caller.mode(), sends_mail))
}

/// The configuration of an installation in this mode. Its version is a hash of all the rest, so that
/// whatever changes, browsers fetch it again, and two collectors agree.
pub(super) fn configuration_of(
    organization: &Organization,
    mode: Mode,
    sends_mail: bool,
) -> Configuration {
    let provider = organization.identity_provider.as_ref().map(|_| IdentityMethod::Oidc);
    let mail = sends_mail.then_some(IdentityMethod::MagicLink);
    let mut configuration = Configuration {
        version: String::new(),
        organization_name: organization.name.clone(),
        mode,
        work_domains: organization.work_domains.clone(),
        sign_in_methods: provider.into_iter().chain(mail).collect(),
        identity_provider: organization.identity_provider.clone(),
        deny_sites: organization.deny_sites.clone(),
        unknown_sites: organization.unknown_sites,
        site_rules: organization.site_rules.iter().cloned().collect(),
        catalog_version: catalog::version().to_owned(),
        flush_seconds: organization.flush_seconds,
        heartbeat_seconds: organization.heartbeat_seconds,
        help_contact: organization.help_contact.clone(),
    };
    let text = serde_json::to_string(&configuration).unwrap_or_default();
    let digest = Sha256::digest(text.as_bytes());
    configuration.version = digest.iter().take(8).map(|it| format!("{it:02x}")).collect();
    configuration
}

//! What the collector tells an installation.

use actix_web::HttpResponse;
use sha2::{Digest, Sha256};
use shared::wire::{Configuration, Mode};

use crate::catalog;
use crate::extract::Installation;
use crate::store::organizations::Organization;

/// The organization's settings as far as a browser needs them.
pub async fn show(installation: Installation) -> HttpResponse {
    let caller = installation.caller;
    HttpResponse::Ok().json(configuration_of(&caller.organization, caller.mode()))
}

/// The configuration of an installation in this mode. Its version is a hash of all the rest, so that
/// whatever changes, browsers fetch it again, and two collectors agree.
pub(super) fn configuration_of(organization: &Organization, mode: Mode) -> Configuration {
    let mut configuration = Configuration {
        version: String::new(),
        organization_name: organization.name.clone(),
        mode,
        work_domains: organization.work_domains.clone(),
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

//! All addresses, on one screen.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{
    Data, PayloadConfig, ServiceConfig, delete, get, patch, post, put, resource, scope, to,
};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, Resource};
use shared::wire;

use crate::api::sources::MAX_PAGE_BYTES;
use crate::extract::{Allowance, BodyLimit};
use crate::problem::ApiError;
use crate::server::Collector;
use crate::sources::table::MAX_CSV_BYTES;
use crate::{api, pages};

/// Adds every address to an app.
pub fn configure(app: &mut ServiceConfig) {
    app.service(at("/health/live").route(get().to(api::health::live)))
        .service(at("/health/ready").route(get().to(api::health::ready)))
        .service(at("/metrics").route(get().to(api::health::metrics)))
        .service(browsers_at(wire::ENROLL_PATH).route(post().to(api::enroll::create)))
        .service(browsers_at(wire::HEARTBEATS_PATH).route(post().to(api::heartbeats::create)))
        .service(browsers_at(wire::CONFIGURATION_PATH).route(get().to(api::configuration::show)))
        .service(browsers_at(wire::CATALOG_PATH).route(get().to(api::catalog::show)))
        .service(browsers_at(wire::BATCHES_PATH).route(post().to(api::batches::create)))
        .service(browsers_at(wire::SIGN_INS_PATH).route(post().to(api::sign_ins::start)))
        .service(browsers_at(wire::SIGN_IN_MAILS_PATH).route(post().to(api::sign_ins::mail)))
        .service(browsers_at(wire::SIGN_IN_PROOFS_PATH).route(post().to(api::sign_ins::prove)))
        .service(browsers_at(wire::SIGN_OUTS_PATH).route(post().to(api::sign_ins::remove)))
        .service(at("/v1/user-apps").route(get().to(api::user_apps::list)))
        .service(at("/v1/users").route(get().to(api::users::list)))
        .service(at("/v1/users/lookups").route(post().to(api::users::look_up)))
        .service(
            takes(at("/v1/users/table"), MAX_CSV_BYTES)
                .route(get().to(api::user_table::show))
                .route(put().to(api::user_table::put)),
        )
        .service(
            at("/v1/users/merges")
                .route(get().to(api::merges::list))
                .route(post().to(api::merges::create)),
        )
        .service(at("/v1/users/merges/{user}").route(delete().to(api::merges::remove)))
        .service(at("/v1/users/{user}/reveals").route(post().to(api::users::reveal)))
        .service(at("/v1/users/{user}/exports").route(post().to(api::users::export)))
        .service(at("/v1/users/{user}/erasures").route(post().to(api::users::erase)))
        .service(at("/v1/offboardings").route(get().to(api::offboardings::list)))
        .service(
            at("/v1/users/{user}/offboarding")
                .route(get().to(api::offboardings::show))
                .route(put().to(api::offboardings::put)),
        )
        .service(
            at("/v1/users/{user}/offboarding/steps").route(put().to(api::offboardings::put_steps)),
        )
        .service(
            at("/v1/apps")
                .route(get().to(api::apps::list))
                .route(post().to(api::discoveries::create_app)),
        )
        .service(
            at("/v1/apps/{app_id}/catalog-file").route(get().to(api::discoveries::catalog_file)),
        )
        .service(
            at("/v1/apps/{app_id}/closure")
                .route(put().to(api::apps::close))
                .route(delete().to(api::apps::reopen)),
        )
        .service(at("/v1/discoveries").route(get().to(api::discoveries::list)))
        .service(at("/v1/discoveries/decisions").route(post().to(api::discoveries::decide)))
        .service(
            at("/v1/mappings")
                .route(get().to(api::discoveries::list_mappings))
                .route(post().to(api::discoveries::create_mappings)),
        )
        .service(at("/v1/installations").route(get().to(api::installations::list)))
        .service(at("/v1/activities").route(get().to(api::activities::list)))
        .service(at("/v1/usage-days").route(get().to(api::usage_days::list)))
        .service(at("/openapi.json").route(get().to(api::openapi::show)))
        .configure(rollout_routes)
        .configure(source_routes)
        .configure(number_routes)
        .configure(administration_routes)
        .configure(one_routes)
        // Last, since it takes every address that nothing above has taken.
        .service(
            scope("")
                .wrap(from_fn(pages::columns::tidy))
                .wrap(pages::answer::headers())
                .app_data(pages::form_config())
                .service(at("/").route(get().to(pages::overview::show)))
                .service(
                    at("/apps")
                        .route(get().to(pages::apps::list))
                        .route(post().to(pages::apps::change_many)),
                )
                .service(at("/apps/{app}").route(get().to(pages::apps::show)))
                .service(at("/apps/{app}/closure").route(post().to(pages::apps::close)))
                .service(at("/users").route(get().to(pages::users::list)))
                .service(at("/users/changes").route(post().to(pages::users::change_many)))
                .service(at("/users/lookups").route(post().to(pages::users::look_up)))
                .service(
                    at(pages::offboarding::PATH)
                        .route(get().to(pages::offboarding::list))
                        .route(post().to(pages::offboarding::change_many)),
                )
                .configure(user_table_pages)
                .service(at("/users/{user}").route(get().to(pages::users::show)))
                .service(
                    at("/users/{user}/offboarding").route(post().to(pages::offboarding::set_state)),
                )
                .service(
                    at("/users/{user}/offboarding/steps")
                        .route(post().to(pages::offboarding::confirm)),
                )
                .service(at("/users/{user}/kind").route(post().to(pages::users::set_kind)))
                .service(at("/users/{user}/reveals").route(post().to(pages::users::reveal)))
                .service(at("/users/{user}/merge").route(post().to(pages::merges::create)))
                .service(at("/users/{user}/part").route(post().to(pages::merges::undo)))
                .service(at(pages::user_app_list::PATH).route(get().to(pages::user_app_list::list)))
                .service(
                    at("/user-apps/statuses").route(post().to(pages::user_app_list::change_many)),
                )
                .service(at("/user-apps/{user_app}").route(get().to(pages::explain::show)))
                .service(at(pages::activities::PATH).route(get().to(pages::activities::list)))
                .configure(number_pages)
                .service(
                    at("/admins")
                        .route(get().to(pages::admins::list))
                        .route(post().to(pages::admins::create)),
                )
                .service(at("/admins/{admin}").route(post().to(pages::admins::update)))
                .service(at("/admin-sign-in").route(post().to(pages::admins::set_rules)))
                .service(at("/sessions/{session}/end").route(post().to(pages::admins::end_session)))
                .service(
                    at("/sign-in")
                        .route(get().to(pages::sign_in::show))
                        .route(post().to(pages::sign_in::create)),
                )
                .service(
                    at(pages::sign_in::CODE_PATH)
                        .route(get().to(pages::sign_in::show_code))
                        .route(post().to(pages::sign_in::create_by_code)),
                )
                .service(
                    at(pages::provider_sign_in::PATH)
                        .route(get().to(pages::provider_sign_in::start)),
                )
                .service(at("/sign-out").route(post().to(pages::sign_in::remove)))
                .configure(account_pages)
                .service(
                    at("/discoveries")
                        .route(get().to(pages::discoveries::show))
                        .route(post().to(pages::discoveries::decide)),
                )
                .service(at("/own-apps").route(post().to(pages::discoveries::create_app)))
                .service(
                    at("/own-apps/{app_id}/catalog-file")
                        .route(get().to(pages::discoveries::catalog_file)),
                )
                .service(at("/discovery-limits").route(post().to(pages::discoveries::set_limits)))
                .service(at(api::sign_ins::START_PATH).route(get().to(pages::connect::start)))
                .service(at(api::sign_ins::CALLBACK_PATH).route(get().to(pages::connect::callback)))
                .service(at("/connect/link/{link}").route(get().to(pages::connect::show_link)))
                .service(at("/connect/opt-outs").route(post().to(pages::connect::opt_out)))
                .service(
                    at(pages::installations::PATH)
                        .route(get().to(pages::installations::show))
                        .route(post().to(pages::installations::act)),
                )
                .service(at("/installations.csv").route(get().to(pages::installations::csv)))
                .service(at("/installations.json").route(get().to(pages::installations::json)))
                .service(
                    at(pages::mailings::PATH)
                        .route(get().to(pages::mailings::list))
                        .route(post().to(pages::mailings::create)),
                )
                .service(at("/mailings/preview").route(post().to(pages::mailings::preview)))
                .service(at("/mailings/{mailing_id}").route(get().to(pages::mailings::show)))
                .service(
                    at(pages::all_settings::PATH)
                        .route(get().to(pages::all_settings::show))
                        .route(post().to(pages::all_settings::change)),
                )
                .service(at(pages::settings::PATH).route(get().to(pages::settings::show)))
                .service(at("/mode").route(post().to(pages::settings::set_mode)))
                .service(at("/identity-provider").route(post().to(pages::settings::set_provider)))
                .service(
                    at("/identity-provider/removal")
                        .route(post().to(pages::settings::remove_provider)),
                )
                .service(
                    at(pages::api_keys::PATH)
                        .route(get().to(pages::api_keys::list))
                        .route(post().to(pages::api_keys::create)),
                )
                .service(at("/api-keys/{api_key}/end").route(post().to(pages::api_keys::end)))
                .service(
                    at(pages::webhooks::PATH)
                        .route(get().to(pages::webhooks::show))
                        .route(post().to(pages::webhooks::create)),
                )
                .service(at("/webhooks/{webhook}").route(post().to(pages::webhooks::update)))
                .service(
                    at("/webhooks/{webhook}/secret-rotations")
                        .route(post().to(pages::webhooks::rotate_secret)),
                )
                .service(
                    at("/webhook-deliveries/redeliveries")
                        .route(post().to(pages::webhooks::redeliver_many)),
                )
                .service(
                    at("/webhook-deliveries/{delivery}/redeliveries")
                        .route(post().to(pages::webhooks::redeliver)),
                )
                .service(at("/views").route(post().to(pages::saved_views::create)))
                .service(at("/views/{view}/removal").route(post().to(pages::saved_views::remove)))
                .service(at(pages::audit::PATH).route(get().to(pages::audit::list)))
                .service(at(pages::docs::PATH).route(get().to(pages::docs::show)))
                .service(at("/enroll").route(get().to(pages::enrollment::show)))
                .service(at("/enrollment-links").route(post().to(pages::enrollment::create_link)))
                .service(
                    at(pages::rollout::PATH)
                        .route(get().to(pages::rollout::show))
                        .route(post().to(pages::rollout::fill_in)),
                )
                .service(at("/rollout/files/{file}").route(post().to(pages::rollout::download)))
                .service(at("/enrollment-keys").route(post().to(pages::rollout::create_key)))
                .service(
                    at("/enrollment-keys/{key}/rotation")
                        .route(post().to(pages::rollout::rotate_key)),
                )
                .service(
                    at("/enrollment-keys/{key}/revocation")
                        .route(post().to(pages::rollout::revoke_key)),
                )
                .service(at("/minimum-version").route(post().to(pages::rollout::set_minimum)))
                .service(at(pages::package::UPDATES_PATH).route(get().to(pages::package::updates)))
                .service(at(pages::package::PACKAGE_PATH).route(get().to(pages::package::show)))
                .service(
                    at(pages::assets::STYLESHEET_PATH).route(get().to(pages::assets::stylesheet)),
                )
                .service(at("/assets/tiles/{tile}").route(get().to(pages::tiles::show)))
                .service(at(pages::assets::SCRIPT_PATH).route(get().to(pages::assets::script)))
                .service(at(pages::assets::ICON_PATH).route(get().to(pages::assets::icon))),
        )
        .default_service(to(not_found));
}

/// What everybody who is signed in has of their own.
fn account_pages(app: &mut ServiceConfig) {
    app.service(at(pages::account::PATH).route(get().to(pages::account::show)))
        .service(
            at(pages::account::FACTOR_PATH)
                .route(get().to(pages::account::show_factor))
                .route(post().to(pages::account::begin_factor)),
        )
        .service(
            at("/account/second-factor/confirmation")
                .route(post().to(pages::account::confirm_factor)),
        )
        .service(
            at("/account/second-factor/removal").route(post().to(pages::account::disable_factor)),
        )
        .service(at("/account/recovery-codes").route(post().to(pages::account::renew_codes)))
        .service(at("/account/password").route(post().to(pages::account::change_password)))
        .service(at("/account/sessions/end-others").route(post().to(pages::account::end_others)))
        .service(
            at("/account/sessions/{session}/end").route(post().to(pages::account::end_session)),
        );
}

/// What browsers become known by.
fn rollout_routes(app: &mut ServiceConfig) {
    app.service(
        at("/v1/enrollment-keys")
            .route(get().to(api::enrollment_keys::list))
            .route(post().to(api::enrollment_keys::create)),
    )
    .service(at("/v1/enrollment-keys/{key}").route(delete().to(api::enrollment_keys::remove)))
    .service(
        at("/v1/enrollment-keys/{key}/rotations").route(post().to(api::enrollment_keys::rotate)),
    )
    .service(at("/v1/enrollment-links").route(post().to(api::enrollment_links::create)))
    .service(at("/v1/users/mail-opt-outs").route(put().to(api::mail_opt_outs::put)))
    .service(at("/v1/installations/changes").route(put().to(api::installations::change)))
    .service(
        at("/v1/installations/{installation}/token-renewals")
            .route(post().to(api::installations::demand_renewal)),
    )
    .service(at("/v1/rollout-files").route(post().to(api::rollout::create)))
    .service(
        at("/v1/mailings")
            .route(get().to(api::mailings::list))
            .route(post().to(api::mailings::create)),
    )
    .service(at("/v1/mailings/{mailing}").route(get().to(api::mailings::show)))
    .service(at("/v1/mailings/{mailing}/messages").route(get().to(api::mailings::list_messages)));
}

/// Settings, keys, and what was changed by whom.
fn administration_routes(app: &mut ServiceConfig) {
    app.service(at("/v1/audit").route(get().to(api::audit::list)))
        .service(
            at("/v1/settings")
                .route(get().to(api::settings::show))
                .route(patch().to(api::settings::update)),
        )
        .service(at("/v1/admins").route(get().to(api::admins::list)))
        .service(
            at("/v1/admins/{admin}")
                .route(get().to(api::admins::show))
                .route(patch().to(api::admins::update)),
        )
        .service(
            at("/v1/identity-provider")
                .route(get().to(api::identity_provider::show))
                .route(put().to(api::identity_provider::put))
                .route(delete().to(api::identity_provider::remove)),
        )
        .service(
            at("/v1/api-keys")
                .route(get().to(api::api_keys::list))
                .route(post().to(api::api_keys::create)),
        )
        .service(at("/v1/api-keys/{api_key}").route(delete().to(api::api_keys::remove)))
        .service(
            at("/v1/views").route(get().to(api::views::list)).route(post().to(api::views::create)),
        )
        .service(at("/v1/views/{view}").route(delete().to(api::views::remove)))
        .service(
            at("/v1/webhooks")
                .route(get().to(api::webhooks::list))
                .route(post().to(api::webhooks::create)),
        )
        .service(
            at("/v1/webhooks/{webhook}")
                .route(get().to(api::webhooks::show))
                .route(patch().to(api::webhooks::update))
                .route(delete().to(api::webhooks::remove)),
        )
        .service(at("/v1/webhooks/{webhook}/test-events").route(post().to(api::webhooks::test)))
        .service(
            at("/v1/webhooks/{webhook}/secret-rotations")
                .route(post().to(api::webhooks::rotate_secret)),
        )
        .service(at("/v1/webhook-deliveries").route(get().to(api::webhooks::list_deliveries)))
        .service(
            at("/v1/webhook-deliveries/{delivery}/redeliveries")
                .route(post().to(api::webhooks::redeliver)),
        );
}

/// Single rows. After what has a word in the place of the id.
fn one_routes(app: &mut ServiceConfig) {
    app.service(at("/v1/users/{user}").route(get().to(api::users::show)))
        .service(at("/v1/apps/{app}").route(get().to(api::apps::show)))
        .service(at("/v1/user-apps/{user_app}").route(get().to(api::user_apps::show)))
        .service(at("/v1/discoveries/{site}").route(get().to(api::discoveries::show)))
        .service(at("/v1/installations/{installation}").route(get().to(api::installations::show)))
        .service(at("/v1/licenses/{license}").route(get().to(api::licenses::show)));
}

/// Numbers and what explains them.
fn number_routes(app: &mut ServiceConfig) {
    app.service(at("/v1/user-apps/statuses").route(put().to(api::statuses::put)))
        .service(at("/v1/users/kinds").route(put().to(api::user_kinds::put)))
        .service(
            at("/v1/user-apps/{user_app}/explain").route(get().to(api::explain::show_user_app)),
        )
        .service(at("/v1/user-apps/{user_app}/usage").route(get().to(api::usage::show_user_app)))
        .service(at("/v1/apps/{app}/counts").route(get().to(api::usage::show_app)))
        .service(
            at("/v1/licenses")
                .route(get().to(api::licenses::list))
                .route(put().to(api::licenses::put)),
        )
        .service(
            at("/v1/license-assignments")
                .route(get().to(api::licenses::list_assignments))
                .route(put().to(api::licenses::put_assignment)),
        )
        .service(
            at("/v1/license-assignments/{assignment}/explain")
                .route(get().to(api::explain::show_license)),
        )
        .service(at("/v1/reports/unused-licenses").route(get().to(api::licenses::unused)))
        .service(
            at("/v1/reports/password-sign-ins").route(get().to(api::reports::password_sign_ins)),
        )
        .service(at("/v1/reports/users-by-type").route(get().to(api::reports::users_by_type)))
        .service(at("/v1/reports/overview").route(get().to(api::reports::overview)))
        .service(at("/v1/reports/coverage").route(get().to(api::reports::coverage)))
        .service(at("/v1/reports/coverage/people").route(get().to(api::reports::coverage_people)))
        .service(at("/v1/reports/trends").route(get().to(api::reports::trends)))
        .service(
            at("/v1/thresholds")
                .route(get().to(api::thresholds::list))
                .route(put().to(api::thresholds::put)),
        )
        .service(at("/v1/thresholds/simulate").route(post().to(api::thresholds::simulate_change)))
        .service(
            at("/v1/reassessments/{reassessment}")
                .route(get().to(api::thresholds::show_reassessment)),
        )
        .service(
            takes(at("/v1/validation"), MAX_CSV_BYTES)
                .route(get().to(api::validation::list))
                .route(put().to(api::validation::put)),
        )
        .service(at("/v1/validation/summary").route(get().to(api::validation::summary)))
        .service(at("/v1/spend").route(get().to(api::spend::show)))
        .service(
            takes(at("/v1/spend/lines"), MAX_CSV_BYTES)
                .route(get().to(api::spend::list_lines))
                .route(post().to(api::spend::add_lines)),
        )
        .service(
            at("/v1/spend/accounts")
                .route(get().to(api::spend::list_accounts))
                .route(put().to(api::spend::put_accounts)),
        )
        .service(
            at("/v1/spend/rules")
                .route(get().to(api::spend::list_rules))
                .route(post().to(api::spend::create_rule)),
        )
        .service(at("/v1/spend/rules/{rule}").route(delete().to(api::spend::remove_rule)));
}

/// Users in a spreadsheet. Before the pages of single users, whose addresses take any last part.
fn user_table_pages(app: &mut ServiceConfig) {
    app.service(
        at(pages::user_table::PATH)
            .route(get().to(pages::user_table::show))
            .route(post().to(pages::user_table::create)),
    )
    .service(at("/users/table.csv").route(get().to(pages::user_table::csv)));
}

/// Pages of numbers, of what feeds them, and of what they are measured by.
fn number_pages(app: &mut ServiceConfig) {
    app.app_data(pages::upload::config())
        .service(at(pages::licenses::PATH).route(get().to(pages::licenses::show)))
        .service(
            at("/licenses/assignments")
                .route(get().to(pages::licenses::list))
                .route(post().to(pages::licenses::end_many)),
        )
        .service(
            at(pages::spend::PATH)
                .route(get().to(pages::spend::show))
                .route(post().to(pages::spend::add_lines)),
        )
        .service(at(pages::spend::LINES_PATH).route(get().to(pages::spend::list)))
        .service(at("/spend/accounts").route(post().to(pages::spend::set_accounts)))
        .service(at("/spend/rules").route(post().to(pages::spend::add_rule)))
        .service(at("/spend/rules/{rule}/removal").route(post().to(pages::spend::remove_rule)))
        .service(
            at(pages::limits::PATH)
                .route(get().to(pages::limits::show))
                .route(post().to(pages::limits::save)),
        )
        .service(
            at(pages::validation::PATH)
                .route(get().to(pages::validation::show))
                .route(post().to(pages::validation::create)),
        )
        .service(
            at(pages::imports::PATH)
                .route(get().to(pages::imports::show))
                .route(post().to(pages::imports::create)),
        )
        .service(
            at(pages::sources::PATH)
                .route(get().to(pages::sources::list))
                .route(post().to(pages::sources::create)),
        )
        .service(
            at("/sources/{source}")
                .route(get().to(pages::sources::show))
                .route(post().to(pages::sources::update)),
        )
        .service(at("/sources/{source}/connection").route(post().to(pages::sources::connect)))
        .service(at("/sources/{source}/fields").route(post().to(pages::sources::map_fields)))
        .service(at("/sources/{source}/keys").route(post().to(pages::sources::create_key)))
        .service(
            at("/sources/{source}/uploads/{session}").route(post().to(pages::sources::decide)),
        );
}

/// Where sources are kept and fed. Their uploads are longer than a browser's.
fn source_routes(app: &mut ServiceConfig) {
    app.service(
        at("/v1/sources")
            .route(get().to(api::sources::list))
            .route(post().to(api::sources::create)),
    )
    .service(
        at("/v1/sources/{source}")
            .route(get().to(api::sources::show))
            .route(patch().to(api::sources::update)),
    )
    .service(at("/v1/sources/{source}/accounts").route(get().to(api::source_accounts::list)))
    .service(at("/v1/sources/{source}/effect").route(get().to(api::source_accounts::show_effect)))
    .service(at("/v1/sync-sessions").route(get().to(api::sync_sessions::list)))
    .service(at("/v1/sync-sessions/{session}").route(get().to(api::sync_sessions::show)))
    .service(at("/v1/sources/{source}/keys").route(post().to(api::sources::create_key)))
    .service(
        at("/v1/sources/{source}/field-mappings")
            .route(get().to(api::sources::show_field_mappings))
            .route(put().to(api::sources::put_field_mappings)),
    )
    .service(
        takes(at("/v1/sources/{source}/facts"), MAX_PAGE_BYTES)
            .route(post().to(api::sources::add_facts)),
    )
    .service(
        takes(at("/v1/sources/{source}/csv"), MAX_CSV_BYTES)
            .route(post().to(api::sources::add_csv)),
    )
    .service(
        at("/v1/sources/{source}/sync-sessions").route(post().to(api::sources::create_session)),
    )
    .service(
        at("/v1/sources/{source}/sync-sessions/{session}")
            .route(get().to(api::sources::show_session))
            .route(delete().to(api::sources::remove_session)),
    )
    .service(
        takes(at("/v1/sources/{source}/sync-sessions/{session}/pages/{page}"), MAX_PAGE_BYTES)
            .route(put().to(api::sources::put_page)),
    )
    .service(
        at("/v1/sources/{source}/sync-sessions/{session}/finish")
            .route(post().to(api::sources::finish_session)),
    );
}

/// An address that names what it does not take, tells an API key how much it may still ask, and notes changes.
pub fn at(
    path: &str,
) -> Resource<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    browsers_at(path).wrap(from_fn(state_allowance)).wrap(from_fn(note_change))
}

/// An address that only browsers with the extension call: their reports are no change by somebody.
fn browsers_at(path: &str) -> Resource {
    resource(path).default_service(to(method_not_allowed))
}

/// What was assessed before a change holds no longer. What was refused has changed nothing.
async fn note_change(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let is_change = !request.method().is_safe();
    let collector = request.app_data::<Data<Collector>>().filter(|_| is_change).cloned();
    let answer = next.call(request).await;
    let is_refused = answer.as_ref().is_ok_and(|it| it.status().is_client_error());
    if let Some(collector) = collector.filter(|_| !is_refused) {
        collector.figures.note_change();
    }
    answer
}

/// The headers of draft-ietf-httpapi-ratelimit-headers-07, which replace the many `X-RateLimit-*` that no
/// document defines; a refusal also has `Retry-After`.
async fn state_allowance(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let mut answer = next.call(request).await?.map_into_boxed_body();
    let allowance = answer.request().extensions().get::<Allowance>().copied();
    if let Some(Allowance { n_left, rate }) = allowance {
        let every = rate.every.num_milliseconds();
        let missing = i64::from(rate.burst.saturating_sub(n_left));
        let full_in_seconds = (missing * every + 999) / 1_000;
        for (name, value) in [
            ("ratelimit-limit", i64::from(rate.burst)),
            ("ratelimit-remaining", i64::from(n_left)),
            ("ratelimit-reset", full_in_seconds),
        ] {
            answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
    }
    Ok(answer)
}

/// An address that takes longer bodies than browsers send.
fn takes<T>(resource: Resource<T>, n_bytes: usize) -> Resource<T>
where
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<BoxBody>,
            Error = actix_web::Error,
            InitError = (),
        >,
{
    resource.app_data(PayloadConfig::new(n_bytes)).app_data(BodyLimit(n_bytes))
}

async fn method_not_allowed(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::MethodNotAllowed(request.method().to_string()))
}

async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound)
}

//! Opens what a collector needs and serves it: with `main`, the only place that knows sockets.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::{Data, PathConfig, PayloadConfig, QueryConfig, ServiceConfig};
use actix_web::{App, HttpRequest, HttpServer};
use anyhow::Context;
use shared::wire::MAX_BODY_BYTES;
use tokio::sync::Notify;

use crate::activity;
use crate::api::enroll::EnrollLimits;
use crate::api::sign_ins::SignInLimits;
use crate::callers::Callers;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::PublicUrl;
use crate::db::{self, ApiKeyId, Db};
use crate::figures::Figures;
use crate::identity::admins::SignIns;
use crate::identity::oidc;
use crate::ingest::Intake;
use crate::limits::{Buckets, Rate};
use crate::mail::queue::{self, Post};
use crate::package::{self, Package};
use crate::problem::ApiError;
use crate::refusals::RefusalLimits;
use crate::retention::{Deleted, Keeper};
use crate::routes;
use crate::seal::Sealer;
use crate::telemetry::Metrics;
use crate::webhooks::addresses::Networks;
use crate::webhooks::courier::Courier;
use crate::webhooks::delivery;

/// An open collector: what all threads share. Cheap to clone.
#[derive(Clone)]
pub struct Collector {
    /// The pool of connections.
    pub db: Db,
    /// Where the time comes from.
    pub clock: Clock,
    /// Figures for operators.
    pub metrics: Metrics,
    /// Which installations are calling.
    pub callers: Arc<Callers>,
    /// Takes batches in.
    pub intake: Intake,
    /// How often enrollments may be tried.
    pub enroll_limits: Arc<EnrollLimits>,
    /// How often an API key may ask.
    pub api_limits: Arc<Buckets<ApiKeyId>>,
    /// What sign-ins of admins share.
    pub sign_ins: SignIns,
    /// Counts over whole organizations.
    pub figures: Arc<Figures>,
    /// Told when a change leaves work that should not wait for the next sweep.
    pub work: Arc<Notify>,
    /// How often people may try to sign in from an installation.
    pub sign_in_limits: Arc<SignInLimits>,
    /// Asks identity providers.
    pub asker: oidc::Asker,
    /// Where browsers and people reach this collector.
    pub public_url: Option<PublicUrl>,
    /// Seals secrets that are stored.
    pub sealer: Sealer,
    /// How mail leaves.
    pub post: Post,
    /// How events leave for webhooks.
    pub courier: Courier,
    /// The extension's package, where this collector serves one.
    pub package: Option<Arc<Package>>,
    /// How many refused tokens are noted.
    pub refusal_limits: Arc<RefusalLimits>,
}

impl Collector {
    /// Migrates the database and opens everything.
    ///
    /// # Errors
    /// When the database cannot be reached or migrated.
    pub fn open(config: &Config, clock: Clock) -> anyhow::Result<Collector> {
        let url = &config.database.database_url;
        let names = db::migrate(url).with_context(|| format!("could not migrate {url}"))?;
        if !names.is_empty() {
            tracing::info!(migrations = names.join(","), "migrated the database");
        }
        let db = Db::open(url, config.database_connections)
            .with_context(|| format!("could not open {url}"))?;
        let metrics = Metrics::new()?;
        let intake = Intake::start(url, config.writers, &metrics)
            .with_context(|| format!("could not open {url} for writing"))?;
        let package = config.extension.as_deref().map(package::load).transpose()?;
        let mailer = config.mail.mailer()?;
        Ok(Collector {
            db,
            callers: Arc::new(Callers::new(clock.clone())),
            clock,
            metrics,
            intake,
            enroll_limits: Arc::default(),
            api_limits: Arc::new(Buckets::new(Rate::per_minute(config.api_requests_per_minute))),
            sign_ins: SignIns::default(),
            figures: Arc::default(),
            work: Arc::default(),
            sign_in_limits: Arc::default(),
            asker: oidc::Asker::default(),
            public_url: config.reached_at(),
            sealer: Sealer::new(config.key_file.clone()),
            post: Post::new(mailer),
            courier: Courier::new(Networks::new(&config.webhook_networks)),
            package: package.map(Arc::new),
            refusal_limits: Arc::default(),
        })
    }

    /// Where browsers reach this collector: as it was told, or else where this request did.
    #[must_use]
    pub fn origin(&self, request: &HttpRequest) -> String {
        self.public_url.as_ref().map_or_else(
            || {
                let connection = request.connection_info();
                format!("{}://{}", connection.scheme(), connection.host())
            },
            ToString::to_string,
        )
    }

    /// People can be sent links.
    #[must_use]
    pub fn sends_mail(&self) -> bool {
        self.post.is_set_up() && self.public_url.is_some()
    }

    /// Adds everything to an actix app: data, limits and addresses.
    pub fn configure(&self, app: &mut ServiceConfig) {
        app.app_data(PayloadConfig::new(MAX_BODY_BYTES))
            .app_data(QueryConfig::default().error_handler(|error, _| {
                ApiError::Invalid(format!("the query is not what this address takes: {error}"))
                    .into()
            }))
            .app_data(PathConfig::default().error_handler(|_, _| ApiError::NotFound.into()))
            .app_data(Data::new(self.db.clone()))
            .app_data(Data::new(self.clock.clone()))
            .app_data(Data::new(self.sign_ins.clone()))
            .app_data(Data::new(self.clone()))
            .configure(routes::configure);
    }
}

/// Serves until the process is told to stop; requests that are in then are answered first.
///
/// # Errors
/// When the socket cannot be bound or the database cannot be opened.
pub async fn serve(config: &Config, clock: Clock) -> anyhow::Result<()> {
    let collector = Collector::open(config, clock)?;
    let listener = TcpListener::bind(config.listen)
        .with_context(|| format!("could not listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    tracing::info!(
        listen = %address,
        database = %config.database.database_url,
        "Rollcall's collector listens on http://{address}"
    );
    let sweeps = actix_web::rt::spawn(sweep_regularly(
        collector.clone(),
        Duration::from_secs(config.sweep_seconds),
    ));
    let counts = actix_web::rt::spawn(count_regularly(collector.clone()));
    let deletions = actix_web::rt::spawn(delete_regularly(collector.clone()));
    start(&collector, listener, config.workers)?.await?;
    sweeps.abort();
    counts.abort();
    deletions.abort();
    // All requests are answered; nothing waits, and the writers end.
    collector.intake.close();
    Ok(())
}

/// Starts to serve an open collector on a bound socket. The answer is a future that ends when the
/// server does, and has a handle to stop it.
///
/// # Errors
/// When the server cannot be started.
pub fn start(
    collector: &Collector,
    listener: TcpListener,
    workers: usize,
) -> std::io::Result<Server> {
    actix_web::rt::spawn(queue::run(collector.clone()));
    actix_web::rt::spawn(delivery::run(collector.clone()));
    let collector = collector.clone();
    let mut server = HttpServer::new(move || {
        let collector = collector.clone();
        App::new().configure(move |app| collector.configure(app))
    })
    // Requests in flight wait for at most one commit of a group.
    .shutdown_timeout(10);
    if 0 < workers {
        server = server.workers(workers);
    }
    Ok(server.listen(listener)?.run())
}

/// How often it is looked whether counts are old.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// Counts large organizations ahead of who looks, again and again.
async fn count_regularly(collector: Collector) {
    loop {
        if let Err(error) = collector.figures.refresh(&collector.db, collector.clock.now()).await {
            tracing::warn!(%error, "a count ended early; the next one starts anew");
        }
        tokio::time::sleep(COUNT_EVERY).await;
    }
}

/// How often what is too old is deleted.
const DELETE_EVERY: Duration = Duration::from_secs(60 * 60);

/// Deletes what is too old, again and again.
async fn delete_regularly(collector: Collector) {
    let mut keeper = Keeper::default();
    loop {
        match keeper.run(&collector).await {
            Ok(deleted) if deleted != Deleted::default() => tracing::info!(
                retention.n_activities = deleted.n_activities,
                retention.n_usage_days = deleted.n_usage_days,
                "deleted what is older than it is kept"
            ),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "a deletion by age ended early; the next one goes on")
            }
        }
        tokio::time::sleep(DELETE_EVERY).await;
    }
}

/// Writes down what changes with time alone, again and again.
async fn sweep_regularly(collector: Collector, every: Duration) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = collector.work.notified() => {}
        }
        if let Err(error) = activity::reassess_requested(&collector).await {
            tracing::warn!(%error, "a reassessment stopped; the next sweep goes on with it");
        }
        match activity::sweep(&collector).await {
            Ok(swept) if 0 < swept.n_changed => tracing::info!(
                sweep.n_changed = swept.n_changed,
                "wrote {} changes of status down",
                swept.n_changed
            ),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "a sweep ended early; the next one goes on"),
        }
    }
}

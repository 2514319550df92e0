//! Logs and figures. Neither ever holds a token, an address of a person, a site, or a label that names
//! an organization or an installation.

use std::io::IsTerminal;

use anyhow::Context;
use prometheus::{Encoder, Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Starts logging to standard error.
///
/// # Errors
/// When the filter cannot be read or logging was started before.
pub fn start_logging(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log)
        .with_context(|| format!("{:?} is not a filter for logs", config.log))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match config.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("could not start logging: {error}"))
}

/// Figures for operators, at `/metrics`.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// Batches by `result`: `accepted`, `duplicate`, `reused`, `refused`, `overloaded`, `failed`.
    pub batches: IntCounterVec,
    /// Events by `result`: `accepted`, or the code of a rejection.
    pub events: IntCounterVec,
    /// Bytes of batches that wait for a writer.
    pub queue_bytes: IntGauge,
    /// Batches per commit.
    pub group_batches: Histogram,
    /// Seconds from the first statement of a group to its commit.
    pub commit_seconds: Histogram,
    /// User-apps that the sweep assessed, by `result`: `changed`, `unchanged`.
    pub swept: IntCounterVec,
    /// Tries of webhooks, by `result`: `delivered`, `failed`, or `queued` for another try.
    pub webhook_deliveries: IntCounterVec,
}

impl Metrics {
    /// Figures that start at zero.
    ///
    /// # Errors
    /// Never with the names below; the library checks them at run time.
    pub fn new() -> Result<Metrics, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str| -> Result<IntCounterVec, prometheus::Error> {
            let counters = IntCounterVec::new(Opts::new(name, help), &["result"])?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let histogram = |name: &str, help: &str, buckets: Vec<f64>| {
            let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?;
            registry.register(Box::new(histogram.clone()))?;
            Ok::<_, prometheus::Error>(histogram)
        };
        let queue_bytes =
            IntGauge::new("rollcall_queue_bytes", "Bytes of batches that wait for a writer.")?;
        registry.register(Box::new(queue_bytes.clone()))?;
        Ok(Metrics {
            batches: counters("rollcall_batches_total", "Batches by what became of them.")?,
            events: counters("rollcall_events_total", "Events by what became of them.")?,
            queue_bytes,
            group_batches: histogram(
                "rollcall_group_batches",
                "Batches per commit.",
                prometheus::exponential_buckets(1.0, 2.0, 9)?,
            )?,
            commit_seconds: histogram(
                "rollcall_commit_seconds",
                "Seconds per group from its first statement to its commit.",
                prometheus::exponential_buckets(0.000_5, 2.0, 14)?,
            )?,
            swept: counters("rollcall_swept_total", "User-apps that the sweep assessed.")?,
            webhook_deliveries: counters(
                "rollcall_webhook_deliveries_total",
                "Tries to deliver an event to a webhook.",
            )?,
            registry,
        })
    }

    /// All figures in Prometheus' text format.
    ///
    /// # Errors
    /// When a figure cannot be written as text.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        prometheus::TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }
}

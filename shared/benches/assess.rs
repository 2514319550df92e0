//! What one assessment costs: below 1 µs a user-app.

use std::hint::black_box;

use chrono::{DateTime, TimeDelta, Utc};
use criterion::{Criterion, criterion_group, criterion_main};
use shared::activity::{Facts, SourceFacts, SourceKind, Thresholds, assess};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).expect("a moment of the year 2026")
}

fn measure(c: &mut Criterion) {
    let used = |kind, days| SourceFacts {
        last_visit_at: Some(now() - TimeDelta::days(days)),
        ..SourceFacts::new(kind)
    };
    let stale_at = Some(now() + TimeDelta::days(1));
    let four = [
        used(SourceKind::Extension, 3),
        used(SourceKind::Sso, 5),
        used(SourceKind::DirectIntegration, 9),
        SourceFacts { stale_at, ..used(SourceKind::Directory, 1) },
    ];
    for (name, sources) in [("one source", &four[..1]), ("four sources", &four[..])] {
        c.bench_function(&format!("assess {name}"), |b| {
            b.iter(|| {
                let facts = Facts { sources: black_box(sources), last_heartbeat_at: None };
                assess(facts, Thresholds::default(), black_box(now()))
            });
        });
    }
}

criterion_group!(benches, measure);
criterion_main!(benches);

//! What one lookup costs, beside what others need for less: `psl` finds the registrable domain only, a
//! plain `HashMap` knows hosts but no paths, `adblock` matches rules of another kind.
//!
//! The same 2,000 hosts in one run: half of the catalog's own rules, half unknown, since most pages that a
//! browser visits are. At most 150 ns per host; the figures are per pass over all hosts. `cargo xtask bench
//! browser` looks the same hosts up in WebAssembly.

use std::collections::HashMap;
use std::hint::black_box;

use adblock::Engine;
use adblock::lists::{FilterSet, ParseOptions};
use adblock::request::Request;
use collector::catalog::{catalog, snapshot};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use probe::N_HOSTS;
use shared::catalog::Catalog;
use shared::hostname::Hostname;

fn lookups(c: &mut Criterion) {
    let hosts = probe::hosts(catalog());
    let texts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let mut group = c.benchmark_group("one host");
    group.throughput(Throughput::Elements(u64::try_from(hosts.len()).unwrap_or(u64::MAX)));

    let catalog = catalog();
    group.bench_function("lookup", |b| {
        b.iter(|| hosts.iter().filter(|it| catalog.lookup(black_box(it), "/").is_some()).count());
    });
    group.bench_function("lookup and registrable domain", |b| {
        b.iter(|| {
            let is_known = |it: &&Hostname| {
                catalog.lookup(black_box(it), "/").is_some()
                    || catalog.registrable_domain(it).is_some()
            };
            hosts.iter().filter(is_known).count()
        });
    });
    group.bench_function("psl, the registrable domain only", |b| {
        b.iter(|| texts.iter().filter(|it| psl::domain_str(black_box(it)).is_some()).count());
    });
    // What a table of names costs without paths, exceptions and usual names.
    let table: HashMap<&str, usize> = texts
        .iter()
        .take(N_HOSTS / 2)
        .enumerate()
        .filter_map(|(at, it)| Some((it.split_once('.')?.1, at)))
        .collect();
    group.bench_function("HashMap, every suffix", |b| {
        let find = |host: &Hostname| host.suffixes().find_map(|it| table.get(it).copied());
        b.iter(|| hosts.iter().filter(|it| find(black_box(it)).is_some()).count());
    });
    let rules: Vec<String> = table.keys().map(|it| format!("||{it}^")).collect();
    let mut filters = FilterSet::new(false);
    filters.add_filter_list(rules.join("\n"), ParseOptions::default());
    let engine = Engine::new_with_filter_set(filters);
    let urls: Vec<String> = texts.iter().map(|it| format!("https://{it}/")).collect();
    group.bench_function("adblock, a rule per domain", |b| {
        b.iter(|| {
            let is_matched = |url: &&String| {
                Request::new(url, "https://source.example/", "document", "GET")
                    .is_ok_and(|it| engine.check_network_request(&it).should_block())
            };
            urls.iter().filter(is_matched).count()
        });
    });
    group.finish();

    c.bench_function("load the snapshot", |b| {
        b.iter_batched(
            snapshot,
            |text| Catalog::from_snapshot(black_box(text)).map(|it| it.apps().len()),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, lookups);
criterion_main!(benches);

//! What one decision about a form costs: at most 0.2 ms.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use shared::forms::{FieldSketch, FormSketch, PageSketch, Sketch, classify};

const LINES: &str = include_str!("../../tests/corpus/forms/logins.jsonl");

fn decide(c: &mut Criterion) {
    let committed: Vec<Sketch> = LINES
        .lines()
        .map(|it| serde_json::from_str(it).expect("a committed case is a sketch"))
        .collect();
    c.bench_function("classify 48 sign-ins", |b| {
        b.iter(|| committed.iter().map(|it| classify(black_box(it)).p).sum::<f32>());
    });

    // As much as the caps let through.
    let text = "Enter your e-mail address and choose a password to register for our service ";
    let field = FieldSketch {
        kind: "text".to_owned(),
        name: "registration[email_address]".to_owned(),
        id: "registration_email_address".to_owned(),
        label: text.to_owned(),
        ph: text.to_owned(),
        ..FieldSketch::default()
    };
    let largest = Sketch {
        page: PageSketch {
            title: text.repeat(3),
            h1: vec![text.to_owned(); 2],
            ..PageSketch::default()
        },
        form: FormSketch {
            text: text.repeat(9),
            prev: text.repeat(9),
            heads: vec![text.to_owned(); 6],
            fields: vec![field; 60],
            ..FormSketch::default()
        },
    }
    .capped();
    c.bench_function("classify the largest form", |b| b.iter(|| classify(black_box(&largest))));
}

criterion_group!(benches, decide);
criterion_main!(benches);

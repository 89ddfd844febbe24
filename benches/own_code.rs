//! What our own code costs beside a cluster: reading a reply, reading and linting a scenario.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use model::{Asked, Body, Library, Reply, lint, read};
use serde_json::json;

fn replies(c: &mut Criterion) {
    let message =
        "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false";
    let denied = Reply::Http {
        code: 403,
        body: Body::Json(json!({"kind": "Status", "reason": "Forbidden", "message": message})),
        warnings: Vec::new(),
    };
    c.bench_function("read a denial", |b| b.iter(|| read(Asked::Api, black_box(&denied))));
}

fn scenarios(c: &mut Criterion) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    c.bench_function("read every scenario", |b| b.iter(|| Library::open(black_box(&folder))));
    let Ok(library) = Library::open(&folder) else { return };
    c.bench_function("lint every scenario", |b| b.iter(|| library.scenarios.iter().map(lint).count()));
}

criterion_group!(benches, replies, scenarios);
criterion_main!(benches);

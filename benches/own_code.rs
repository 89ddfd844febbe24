//! What our own code costs beside a cluster: reading a reply, reading and linting a scenario, and what the oracles say.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use model::{Asked, Body, Library, Reply, lint, read};
use oracle::generate::{self, values};
use oracle::network::{Network, World};
use oracle::pod_security::{Level, Version, violations};
use serde_json::json;

fn replies(c: &mut Criterion) {
    let message = "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false";
    let denied = Reply::Http {
        code: 403,
        body: Body::Json(json!({"kind": "Status", "reason": "Forbidden", "message": message})),
        warnings: Vec::new(),
    };
    c.bench_function("read a denial", |b| {
        b.iter(|| read(Asked::Change, black_box(&denied)))
    });
}

fn scenarios(c: &mut Criterion) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    c.bench_function("read every scenario", |b| {
        b.iter(|| Library::open(black_box(&folder)))
    });
    let Ok(library) = Library::open(&folder) else {
        return;
    };
    c.bench_function("lint every scenario", |b| {
        b.iter(|| library.scenarios.iter().map(lint).count())
    });
}

/// How many cases of each kind; an element is one cell, pod or request.
const CASES: usize = 50;

fn oracles(c: &mut Criterion) {
    let mut group = c.benchmark_group("oracle");
    let world = generate::network::cast(2);
    let probes = generate::network::probes(&world);
    let sets = values(&generate::network::policies(&world), 0, CASES);
    let with = |policies| {
        Network::new(World {
            policies,
            ..world.clone()
        })
    };
    let networks: Vec<Network> = sets
        .iter()
        .cloned()
        .filter_map(|policies| with(policies).ok())
        .collect();
    let cells = || {
        networks
            .iter()
            .flat_map(|network| probes.iter().map(|probe| network.decide(black_box(probe))))
    };
    group.throughput(Throughput::Elements((networks.len() * probes.len()) as u64));
    group.bench_function("cells of network policies", |b| {
        b.iter(|| cells().flatten().filter(|cell| cell.reached()).count())
    });
    group.throughput(Throughput::Elements(sets.len() as u64));
    group.bench_function("sets of network policies read", |b| {
        b.iter(|| sets.iter().cloned().map(with).filter(Result::is_ok).count())
    });
    let pods = values(&generate::pod_security::pod(), 0, CASES);
    let found = || {
        pods.iter()
            .map(|pod| violations(black_box(pod), Level::Restricted, Version::Latest, 36).len())
    };
    group.bench_function("pods", |b| b.iter(|| found().sum::<usize>()));
    let cases = values(&generate::rbac::case(20), 0, CASES);
    group.throughput(Throughput::Elements(
        cases.iter().map(|case| case.asked.len() as u64).sum(),
    ));
    let granted = |case: &generate::rbac::Case| {
        let allowed =
            |(user, request): &_| oracle::rbac::allows(black_box(&case.world), user, request);
        case.asked
            .iter()
            .map(allowed)
            .filter(|found| matches!(found, Ok(Some(_))))
            .count()
    };
    group.bench_function("requests", |b| {
        b.iter(|| cases.iter().map(granted).sum::<usize>())
    });
    group.finish();
}

criterion_group!(benches, replies, scenarios, oracles);
criterion_main!(benches);

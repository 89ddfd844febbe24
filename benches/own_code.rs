//! What our own code costs beside a cluster: reading a reply, reading and linting a scenario, and
//! what the oracles say.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use model::{ApiReply, ReplyBody, ReplyContext, ScenarioLibrary, lint_scenario, read_reply};
use oracle::generate::{self, case_values};
use oracle::network::{NetworkRules, NetworkWorld};
use oracle::pod_security::{ReleaseVersion, SecurityLevel, find_violations};
use serde_json::json;

fn replies(c: &mut Criterion) {
    let message = "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false";
    let denied = ApiReply::Http {
        code: 403,
        body: ReplyBody::Json(json!({"kind": "Status", "reason": "Forbidden", "message": message})),
        warnings: Vec::new(),
    };
    c.bench_function("read a denial", |b| {
        b.iter(|| read_reply(ReplyContext::Change, black_box(&denied)))
    });
}

fn scenarios(c: &mut Criterion) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    c.bench_function("read every scenario", |b| {
        b.iter(|| ScenarioLibrary::open(black_box(&folder)))
    });
    let Ok(library) = ScenarioLibrary::open(&folder) else {
        return;
    };
    c.bench_function("lint every scenario", |b| {
        b.iter(|| library.scenarios.iter().map(lint_scenario).count())
    });
}

/// How many cases of each kind; an element is one cell, pod or request.
const CASE_COUNT: usize = 50;

fn oracles(c: &mut Criterion) {
    let mut group = c.benchmark_group("oracle");
    let world = generate::network::pod_cast(2);
    let probes = generate::network::all_probes(&world);
    let sets = case_values(&generate::network::policy_set(&world), 0, CASE_COUNT);
    let with = |policies| {
        NetworkRules::new(NetworkWorld {
            policies,
            ..world.clone()
        })
    };
    let networks: Vec<NetworkRules> = sets
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
    let pods = case_values(&generate::pod_security::any_pod(), 0, CASE_COUNT);
    let found = || {
        pods.iter().map(|pod| {
            find_violations(
                black_box(pod),
                SecurityLevel::Restricted,
                ReleaseVersion::Latest,
                36,
            )
            .len()
        })
    };
    group.bench_function("pods", |b| b.iter(|| found().sum::<usize>()));
    let cases = case_values(&generate::rbac::rbac_case(20), 0, CASE_COUNT);
    group.throughput(Throughput::Elements(
        cases.iter().map(|case| case.asked.len() as u64).sum(),
    ));
    let granted = |case: &generate::rbac::RbacCase| {
        let allowed =
            |(user, request): &_| oracle::rbac::find_grant(black_box(&case.world), user, request);
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

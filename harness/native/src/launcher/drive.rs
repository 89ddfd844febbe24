//! The start of a box, step by step.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::claim::Claim;
use super::family::{Family, Stop};
use super::layout::layout;
use super::ready::Readiness;
use super::report;
use super::services::Watches;
use crate::config::{self, Blueprint};
use crate::net::Addresses;
use crate::node::Node;
use crate::pki::{ADMIN, Authority, Pki};
use crate::places::{HOME, WORK};
use crate::protocol::{Event, Order, Purpose, Ready, Report, Request};
use crate::seed::{self, Seed};
use crate::{ProcessCommand, Progress, kubeconfig, needed, runc};
use components::Component;
use enforcer::Api;

const SHORT: Duration = Duration::from_secs(30);

/// What is measured and told while a start goes on.
pub(super) struct StartupTrace {
    pub(super) start: Instant,
    pub(super) milestones: Vec<(String, Duration)>,
}

impl StartupTrace {
    pub(super) fn begin() -> Self {
        Self {
            start: Instant::now(),
            milestones: Vec::new(),
        }
    }

    pub(super) fn milestone(&mut self, name: &str) {
        self.milestone_at(name, self.start.elapsed());
    }

    pub(super) fn milestone_at(&mut self, name: &str, at: Duration) {
        self.milestones.push((name.to_owned(), at));
        report(&Report::Progress(Progress::Milestone {
            name: name.to_owned(),
            at,
        }));
    }
}

/// Tells of a process that was started.
pub(super) fn started(process: &str) {
    report(&Report::Progress(Progress::Started {
        process: process.to_owned(),
    }));
}

/// Starts the box; returns when it can be used, or for a seed, when the seed is kept. The administrator's client of its
/// API server comes with it.
pub(super) fn start(
    request: &Request,
    claim: &mut Claim,
    family: &mut Family,
    trace: &mut StartupTrace,
) -> Result<(Ready, Api), Stop> {
    let kubernetes = components::kubernetes(&request.cluster.kubernetes)?;
    let seed = match &request.purpose {
        Purpose::Use => Seed::find(
            &claim.cache,
            kubernetes,
            &request.cluster,
            request.first_state.as_deref(),
        ),
        Purpose::Seed(_) => None,
    };
    let middle = family.begin(&claim.name, claim.dir.join("logs"))?;
    let authority = seed
        .as_ref()
        .map_or_else(Authority::new, |seed| Ok(seed.authority.clone()))?;
    family.expect(
        "the namespaces",
        SHORT,
        |event| matches!(event, Event::Unshared),
        &mut started,
    )?;
    let addresses = Addresses::join(&claim.name, middle)?;
    claim.addresses = Some(addresses.clone());
    let pki = Pki::new(authority, addresses.inside, request.cluster.nodes)?;
    let blueprint = Blueprint {
        cluster: &request.cluster,
        addresses: &addresses,
        pki: &pki,
        cgroup_root: &claim.group.kubelet_root,
        confined: runc::is_needed(),
    };
    family.order(&Order::SetUp(Box::new(layout(
        claim,
        &blueprint,
        seed.as_ref(),
    )?)))?;
    for process in blueprint.first() {
        family.spawn(process)?;
    }
    family.expect(
        "the box's inside",
        SHORT,
        |event| matches!(event, Event::SetUp),
        &mut started,
    )?;
    trace.milestone("inside");
    let mut watches = Watches::begin(&request.cluster, addresses.inside, pki.ca(), trace.start)?;
    let kubeconfig = write_kubeconfig(claim, &blueprint)?;
    let api = Api::new(
        &server(&blueprint),
        pki.ca(),
        Some(pki.identity(ADMIN).ok_or_else(no_admin)?),
    )?;
    let nodes = Node::all(request.cluster.nodes).collect();
    let mut readiness = Readiness {
        api: api.clone(),
        family,
        trace,
        nodes,
        work: claim.dir.join(WORK),
    };
    readiness.reach(&blueprint, seed.is_some())?;
    watches.end(readiness.family, readiness.trace)?;
    match &request.purpose {
        Purpose::Seed(objects) => {
            readiness.settle(objects)?;
            harvest(claim, kubernetes, request, &pki, readiness)?;
        }
        Purpose::Use => readiness.watch_on(),
    }
    Ok((
        ready(request, claim, family, &blueprint, kubeconfig, trace)?,
        api,
    ))
}

/// What there is to know of a box that is up.
fn ready(
    request: &Request,
    claim: &Claim,
    family: &Family,
    blueprint: &Blueprint,
    kubeconfig: PathBuf,
    trace: &StartupTrace,
) -> Result<Ready, Stop> {
    let logs = claim.dir.join("logs");
    let shown: Vec<&str> = needed::shown(&claim.cache, &request.cluster)?
        .iter()
        .map(|component| component.name)
        .collect();
    Ok(Ready {
        kubeconfig,
        server: server(blueprint),
        audit_log: request
            .cluster
            .audit
            .has_log()
            .then(|| logs.join("audit.jsonl")),
        logs,
        cgroups: claim.group.dirs().to_vec(),
        kubernetes: components::kubernetes(&request.cluster.kubernetes)?
            .version
            .to_owned(),
        work: claim.dir.join(WORK),
        address: blueprint.addresses.inside.into(),
        ca: blueprint.pki.ca().to_owned(),
        rekor_key: request
            .cluster
            .has_sigstore()
            .then(|| blueprint.pki.log_key()),
        enforcing: blueprint.enforcing().map(Node::name).collect(),
        init: family
            .init
            .ok_or_else(|| Stop::Failed("the box has no first process".into()))?,
        path: config::path(&shown),
        milestones: trace.milestones.clone(),
    })
}

fn no_admin() -> Stop {
    Stop::Failed("the box has no administrator".into())
}

fn server(blueprint: &Blueprint) -> String {
    format!("https://{}:6443", blueprint.addresses.inside)
}

fn write_kubeconfig(claim: &Claim, blueprint: &Blueprint) -> Result<PathBuf, Stop> {
    let admin = blueprint.pki.identity(ADMIN).ok_or_else(no_admin)?;
    let path = claim.dir.join("kubeconfig");
    let text = kubeconfig::render(&server(blueprint), blueprint.pki.ca(), admin);
    components::cache::write_atomically(&path, text.as_bytes())?;
    Ok(path)
}

/// Stops everything gently, etcd last, and keeps its data as a seed.
fn harvest(
    claim: &Claim,
    kubernetes: &Component,
    request: &Request,
    pki: &Pki,
    readiness: Readiness,
) -> Result<(), Stop> {
    let family = &mut *readiness.family;
    let nodes = Node::all(request.cluster.nodes);
    let on_nodes = nodes
        .clone()
        .flat_map(|node| ["kubelet", "kube-proxy"].map(|name| node.own(name)));
    let scheduler = nodes.take(1).map(|_| "kube-scheduler".to_owned());
    let central = ["kube-controller-manager", "kube-apiserver", "etcd"].map(str::to_owned);
    for process in on_nodes.chain(scheduler).chain(central) {
        family.control(&process, ProcessCommand::Stop)?;
        family.expect_end(&process, 3 * SHORT, &mut started)?;
    }
    let home = PathBuf::from(HOME);
    family.order(&Order::Copy {
        from: home.join("etcd"),
        to: home.join("seed/etcd"),
    })?;
    family.expect(
        "the seed's copy",
        SHORT,
        |event| matches!(event, Event::Copied),
        &mut started,
    )?;
    let place = Seed::place(
        &claim.cache,
        kubernetes,
        &request.cluster,
        request.first_state.as_deref(),
    );
    seed::keep(&claim.dir.join("seed"), &place, pki.authority())?;
    Ok(())
}

//! The start of a box, step by step.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::claim::Claim;
use super::family::{Family, Stop};
use super::ready::Readiness;
use super::report;
use super::services::Watches;
use crate::api::Api;
use crate::components::{self, Component};
use crate::config::{self, Blueprint, DOOR_PORT, HOME, OURSELVES};
use crate::enter::WORK;
use crate::net::Addresses;
use crate::pki::{ADMIN, Authority, Pki};
use crate::protocol::{Bind, Event, Layout, Order, Purpose, Ready, Report, Request};
use crate::seed::{self, Seed};
use crate::{Error, Progress, kubeconfig, runc};

const SHORT: Duration = Duration::from_secs(30);

/// What is measured and told while a start goes on.
pub(super) struct Story {
    pub(super) start: Instant,
    pub(super) milestones: Vec<(String, Duration)>,
}

impl Story {
    pub(super) fn begin() -> Self {
        Self { start: Instant::now(), milestones: Vec::new() }
    }

    pub(super) fn milestone(&mut self, name: &str) {
        self.milestone_at(name, self.start.elapsed());
    }

    pub(super) fn milestone_at(&mut self, name: &str, at: Duration) {
        self.milestones.push((name.to_owned(), at));
        report(&Report::Progress(Progress::Milestone { name: name.to_owned(), at }));
    }
}

/// Tells of a process that was started.
pub(super) fn started(process: &str) {
    report(&Report::Progress(Progress::Started { process: process.to_owned() }));
}

/// Starts the box; returns when it can be used, or for a seed, when the seed is kept.
pub(super) fn start(
    request: &Request,
    claim: &mut Claim,
    family: &mut Family,
    story: &mut Story,
) -> Result<Ready, Stop> {
    let shown = claim.cache.shown(&request.shape)?;
    let kubernetes = components::kubernetes(&request.shape.kubernetes)?;
    let seed = match request.purpose {
        Purpose::Use => Seed::find(&claim.cache, kubernetes, &request.shape),
        Purpose::Seed => None,
    };
    let logs = claim.dir.join("logs");
    let middle = family.begin(&claim.name, logs.clone())?;
    let authority = seed.as_ref().map_or_else(Authority::new, |seed| Ok(seed.authority.clone()))?;
    family.expect("the namespaces", SHORT, |event| matches!(event, Event::Unshared), &mut started)?;
    let addresses = Addresses::join(&claim.name, middle)?;
    claim.addresses = Some(addresses.clone());
    let pki = Pki::new(authority, addresses.inside)?;
    let blueprint = Blueprint {
        shape: &request.shape,
        addresses: &addresses,
        pki: &pki,
        cgroup_root: &claim.group.kubelet_root,
        confined: runc::is_needed(),
    };
    family.order(&Order::SetUp(Box::new(layout(claim, &shown, &blueprint, seed.as_ref())?)))?;
    for process in blueprint.first() {
        family.order(&Order::Spawn(process))?;
    }
    let mut watches = Watches::begin(&request.shape, addresses.inside, pki.ca(), story.start)?;
    family.expect("the box's inside", SHORT, |event| matches!(event, Event::SetUp), &mut started)?;
    story.milestone("inside");
    let (server, kubeconfig) = write_kubeconfig(claim, &blueprint)?;
    let api = Api::new(&server, pki.ca(), Some(pki.identity(ADMIN).ok_or_else(no_admin)?))?;
    let mut readiness = Readiness { api, family, story, nodes: request.shape.nodes };
    readiness.reach(&blueprint, seed.is_some())?;
    watches.end(readiness.family, readiness.story)?;
    match request.purpose {
        Purpose::Seed => harvest(claim, kubernetes, request, &pki, readiness)?,
        Purpose::Use => readiness.watch_on(),
    }
    let audit = request.shape.audit.as_ref().is_some_and(|audit| audit.log);
    Ok(Ready {
        kubeconfig,
        server,
        audit_log: audit.then(|| logs.join("audit.jsonl")),
        logs,
        cgroups: claim.group.dirs().to_vec(),
        kubernetes: kubernetes.version.to_owned(),
        work: claim.dir.join(WORK),
        address: addresses.inside.into(),
        ca: pki.ca().to_owned(),
        rekor_key: request.shape.has_sigstore().then(|| pki.log_key()),
        init: family.init.ok_or_else(|| Stop::Failed("the box has no first process".into()))?,
        path: config::path(&shown.iter().map(|component| component.name).collect::<Vec<_>>()),
        milestones: story.milestones.clone(),
    })
}

fn no_admin() -> Stop {
    Stop::Failed("the box has no administrator".into())
}

fn write_kubeconfig(claim: &Claim, blueprint: &Blueprint) -> Result<(String, PathBuf), Stop> {
    let server = format!("https://{}:6443", blueprint.addresses.inside);
    let admin = blueprint.pki.identity(ADMIN).ok_or_else(no_admin)?;
    let path = claim.dir.join("kubeconfig");
    crate::cache::write_atomically(&path, kubeconfig::render(&server, blueprint.pki.ca(), admin).as_bytes())?;
    Ok((server, path))
}

fn layout(claim: &Claim, shown: &[&Component], blueprint: &Blueprint, seed: Option<&Seed>) -> Result<Layout, Error> {
    let cache = &claim.cache;
    let bind = |from: PathBuf, to: &str, read_only| Bind { from, to: to.into(), read_only };
    let program = std::env::current_exe().map_err(Error::system("find this program"))?;
    let mut binds = vec![bind(cache.probe_image()?, "images", true), bind(program.clone(), OURSELVES, true)];
    if blueprint.confined {
        binds.push(bind(program, &format!("bin/{}", runc::NAME), true));
    }
    for component in shown {
        for part in [components::BIN, components::DATA].into_iter().take(1 + usize::from(component.has_data())) {
            let from = cache.component_dir(component).join(part);
            binds.push(bind(from, &format!("{part}/{}", component.name), true));
        }
    }
    for shared in ["logs", "seed", WORK] {
        crate::cache::private_dir(&claim.dir.join(shared))?;
        binds.push(bind(claim.dir.join(shared), shared, false));
    }
    let mut doors = vec![SocketAddr::from(([127, 0, 0, 1], DOOR_PORT))];
    doors.extend(blueprint.first_service());
    Ok(Layout {
        stage: claim.dir.join("root"),
        host_name: "gauntlet".into(),
        binds,
        copies: seed.map(|seed| (seed.etcd(), "etcd".into())).into_iter().collect(),
        files: blueprint.files()?,
        outside: blueprint.outside(),
        network: blueprint.addresses.inside_commands(doors.len() > 1),
        doors,
    })
}

/// Stops everything gently, etcd last, and keeps its data as a seed.
fn harvest(
    claim: &Claim,
    kubernetes: &Component,
    request: &Request,
    pki: &Pki,
    mut readiness: Readiness,
) -> Result<(), Stop> {
    readiness.settle()?;
    let family = &mut *readiness.family;
    let nodes: &[&str] = if request.shape.nodes > 0 { &["kubelet", "kube-proxy", "kube-scheduler"] } else { &[] };
    for process in nodes.iter().chain(&["kube-controller-manager", "kube-apiserver", "etcd"]) {
        family.order(&Order::Stop { process: (*process).to_owned() })?;
        family.expect_end(process, 3 * SHORT, &mut started)?;
    }
    let home = PathBuf::from(HOME);
    family.order(&Order::Copy { from: home.join("etcd"), to: home.join("seed/etcd") })?;
    family.expect("the seed's copy", SHORT, |event| matches!(event, Event::Copied), &mut started)?;
    let place = Seed::place(&claim.cache, kubernetes, &request.shape);
    seed::keep(&claim.dir.join("seed"), &place, pki.authority())?;
    Ok(())
}

//! The start of a box, step by step.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use model::ProcessChange;

use super::init_connection::{InitConnection, StartAborted};
use super::layout::box_layout;
use super::ready::BoxReadiness;
use super::reservation::BoxReservation;
use super::send_report;
use super::services::ServiceWatches;
use crate::config::{self, BoxBlueprint};
use crate::net::BoxAddresses;
use crate::node::BoxNode;
use crate::pki::{ADMIN_CLIENT, BoxPki, FRONT_PROXY, PkiAuthority};
use crate::places::{BOX_HOME, WORK_FOLDER};
use crate::protocol::{
    InitOrder, InitReport, LauncherReport, LauncherRequest, ReadyBox, StartPurpose,
};
use crate::template::{self, ClusterTemplate};
use crate::{BoxProgress, kubeconfig, needed, runc};
use components::PinnedComponent;
use enforcer::BoxApi;

const STEP_WITHIN: Duration = Duration::from_secs(30);

/// What is measured and reported during a start.
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
        send_report(&LauncherReport::Progress(BoxProgress::Milestone {
            name: name.to_owned(),
            at,
        }));
    }
}

/// Tells of a process that was started.
pub(super) fn report_started(process: &str) {
    send_report(&LauncherReport::Progress(BoxProgress::Started {
        process: process.to_owned(),
    }));
}

/// Starts the box; returns when it can be used, or for a template, when the template is kept. The
/// administrator's client of its API server comes with it.
pub(super) fn start_box(
    request: &LauncherRequest,
    reservation: &mut BoxReservation,
    connection: &mut InitConnection,
    trace: &mut StartupTrace,
) -> Result<(ReadyBox, BoxApi), StartAborted> {
    let kubernetes = components::kubernetes_component(&request.cluster.kubernetes)?;
    let template = match &request.purpose {
        StartPurpose::Use => ClusterTemplate::find_template(
            &reservation.cache,
            kubernetes,
            &request.cluster,
            request.first_state.as_deref(),
        ),
        StartPurpose::MakeTemplate(_) => None,
    };
    let holder = connection.start_holder(&reservation.name, reservation.dir.join("logs"))?;
    let authority = template
        .as_ref()
        .map_or_else(PkiAuthority::new, |template| Ok(template.authority.clone()))?;
    connection.expect_event(
        "the namespaces",
        STEP_WITHIN,
        |event| matches!(event, InitReport::Unshared),
        &mut report_started,
    )?;
    let addresses = BoxAddresses::join_network(&reservation.name, holder)?;
    reservation.addresses = Some(addresses.clone());
    let pki = BoxPki::new(authority, addresses.inside, request.cluster.nodes)?;
    let blueprint = BoxBlueprint {
        cluster: &request.cluster,
        addresses: &addresses,
        pki: &pki,
        cgroup_root: &reservation.group.kubelet_root,
        confined: runc::is_needed(),
    };
    connection.send_order(&InitOrder::SetUp(Box::new(box_layout(
        reservation,
        &blueprint,
        template.as_ref(),
    )?)))?;
    for process in blueprint.first_processes() {
        connection.spawn_process(process)?;
    }
    connection.expect_event(
        "the box's inside",
        STEP_WITHIN,
        |event| matches!(event, InitReport::SetUp),
        &mut report_started,
    )?;
    trace.milestone("inside");
    let mut watches =
        ServiceWatches::begin_watches(&request.cluster, addresses.inside, pki.ca(), trace.start)?;
    let kubeconfig = write_kubeconfig(reservation, &blueprint, "kubeconfig", ADMIN_CLIENT)?;
    let proxy = write_kubeconfig(
        reservation,
        &blueprint,
        "front-proxy.kubeconfig",
        FRONT_PROXY,
    )?;
    let api = BoxApi::new(
        &apiserver_url(&blueprint),
        pki.ca(),
        Some(
            pki.identity_of(ADMIN_CLIENT)
                .ok_or_else(|| no_identity(ADMIN_CLIENT))?,
        ),
    )?;
    let nodes = BoxNode::all_nodes(request.cluster.nodes).collect();
    let mut readiness = BoxReadiness {
        api: api.clone(),
        connection,
        trace,
        nodes,
        work: reservation.dir.join(WORK_FOLDER),
    };
    readiness.reach_ready(&blueprint, template.is_some())?;
    watches.await_answers(readiness.connection, readiness.trace)?;
    match &request.purpose {
        StartPurpose::MakeTemplate(objects) => {
            readiness.settle_first_start(objects)?;
            save_template(reservation, kubernetes, request, &pki, readiness)?;
        }
        StartPurpose::Use => readiness.watch_on(),
    }
    Ok((
        ready_report(
            request,
            reservation,
            connection,
            &blueprint,
            [kubeconfig, proxy],
            trace,
        )?,
        api,
    ))
}

/// What there is to know of a box that is up.
fn ready_report(
    request: &LauncherRequest,
    reservation: &BoxReservation,
    connection: &InitConnection,
    blueprint: &BoxBlueprint,
    [kubeconfig, front_proxy]: [PathBuf; 2],
    trace: &StartupTrace,
) -> Result<ReadyBox, StartAborted> {
    let logs = reservation.dir.join("logs");
    let shown: Vec<&str> = needed::shown_programs(&reservation.cache, &request.cluster)?
        .iter()
        .map(|component| component.name)
        .collect();
    Ok(ReadyBox {
        kubeconfig,
        front_proxy,
        server: apiserver_url(blueprint),
        audit_log: request
            .cluster
            .audit
            .has_log()
            .then(|| logs.join("audit.jsonl")),
        logs,
        cgroups: reservation.group.dirs().to_vec(),
        kubernetes: components::kubernetes_component(&request.cluster.kubernetes)?
            .version
            .to_owned(),
        work: reservation.dir.join(WORK_FOLDER),
        address: blueprint.addresses.inside.into(),
        ca: blueprint.pki.ca().to_owned(),
        rekor_key: request
            .cluster
            .has_sigstore()
            .then(|| blueprint.pki.log_key()),
        enforcing: blueprint.enforcing().map(BoxNode::name).collect(),
        init: connection
            .init
            .ok_or_else(|| StartAborted::Failed("the box has no first process".into()))?,
        path: config::program_path(&shown),
        milestones: trace.milestones.clone(),
    })
}

fn no_identity(name: &str) -> StartAborted {
    StartAborted::Failed(format!("the box has no certificate of `{name}`"))
}

fn apiserver_url(blueprint: &BoxBlueprint) -> String {
    format!("https://{}:6443", blueprint.addresses.inside)
}

fn write_kubeconfig(
    reservation: &BoxReservation,
    blueprint: &BoxBlueprint,
    file: &str,
    identity: &str,
) -> Result<PathBuf, StartAborted> {
    let pki = &blueprint.pki;
    let identity = pki
        .identity_of(identity)
        .ok_or_else(|| no_identity(identity))?;
    let path = reservation.dir.join(file);
    let text = kubeconfig::render_kubeconfig(&apiserver_url(blueprint), pki.ca(), identity);
    components::cache::write_atomically(&path, text.as_bytes())?;
    Ok(path)
}

/// Stops everything gently, etcd last, and keeps its data as a template.
fn save_template(
    reservation: &BoxReservation,
    kubernetes: &PinnedComponent,
    request: &LauncherRequest,
    pki: &BoxPki,
    readiness: BoxReadiness,
) -> Result<(), StartAborted> {
    let connection = &mut *readiness.connection;
    let nodes = BoxNode::all_nodes(request.cluster.nodes);
    let on_nodes = nodes
        .clone()
        .flat_map(|node| ["kubelet", "kube-proxy"].map(|name| node.own_name(name)));
    let scheduler = nodes.take(1).map(|_| "kube-scheduler".to_owned());
    let central = ["kube-controller-manager", "kube-apiserver", "etcd"].map(str::to_owned);
    for process in on_nodes.chain(scheduler).chain(central) {
        connection.control_process(&ProcessChange::Stop(process.clone()))?;
        connection.expect_end(&process, 3 * STEP_WITHIN, &mut report_started)?;
    }
    let home = PathBuf::from(BOX_HOME);
    connection.send_order(&InitOrder::Copy {
        from: home.join("etcd"),
        to: home.join("template/etcd"),
    })?;
    connection.expect_event(
        "the template's copy",
        STEP_WITHIN,
        |event| matches!(event, InitReport::Copied),
        &mut report_started,
    )?;
    let place = ClusterTemplate::template_path(
        &reservation.cache,
        kubernetes,
        &request.cluster,
        request.first_state.as_deref(),
    );
    template::keep_template(
        &reservation.dir.join("template"),
        &place,
        pki.authority_of(),
    )?;
    Ok(())
}

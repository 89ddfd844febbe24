//! When a box can be used: what is asked, in which order, and what is started once the API server
//! answers.

mod looks;

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use error_chain::error_chain;
use model::FirstObject;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use wait::WaitLook;

use super::drive::{StartupTrace, report_started};
use super::init_connection::{InitConnection, LauncherEvent, StartAborted};
use crate::config::{
    API_SERVER, BoxBlueprint, IMAGE_IMPORT, issuer_is_open, open_issuer, policy_reader,
};
use crate::node::BoxNode;
use crate::places;
use crate::process::BoxProcess;
use crate::protocol::{InitOrder, InitReport};
use enforcer::BoxApi;
use enforcer::read_report;
use looks::{
    apiserver_answers, in_force, knows_its_roles, make_object, node_is_ready, object_exists,
};

const READY_WITHIN: Duration = Duration::from_secs(120);

const READYZ_PATH: &str = "/readyz";
const READYZ_MILESTONE: &str = "readyz";

/// How long an API server that was started again is looked at.
const WATCHED_FOR: Duration = Duration::from_secs(600);

pub(super) struct BoxReadiness<'a> {
    pub(super) api: BoxApi,
    pub(super) connection: &'a mut InitConnection,
    pub(super) trace: &'a mut StartupTrace,
    pub(super) nodes: Vec<BoxNode>,
    /// The folder that the box shares with the host.
    pub(super) work: PathBuf,
}

impl BoxReadiness<'_> {
    /// Starts the rest, and waits until the box can be used. Without a template the roles take a
    /// while to be made, and the controller manager would give up at the gate: then the rest starts
    /// after it has opened.
    pub(super) fn reach_ready(
        &mut self,
        blueprint: &BoxBlueprint,
        from_template: bool,
    ) -> Result<(), StartAborted> {
        let since = rfc3339_now();
        self.wait_until("the API server to answer", |api| {
            apiserver_answers(api, "/livez/ping")
        })?;
        self.trace.milestone("api-answers");
        if from_template {
            self.spawn_processes(blueprint.second_processes())?;
        }
        self.wait_until("the API server to be usable", |api| {
            apiserver_answers(
                api,
                if from_template {
                    places::READYZ_FROM_TEMPLATE
                } else {
                    READYZ_PATH
                },
            )
        })?;
        self.trace.milestone(if from_template {
            "api-usable"
        } else {
            READYZ_MILESTONE
        });
        if !from_template {
            self.register_nodes(blueprint)?;
        }
        self.connection
            .send_order(&InitOrder::ApiGate { open: true })?;
        if !from_template {
            self.connection
                .send_order(&InitOrder::LateApiGate { open: true })?;
            self.spawn_processes(blueprint.second_processes())?;
        }
        self.start_enforcers(blueprint)?;
        if blueprint.cluster.has_sigstore() {
            self.open_issuer(blueprint)?;
        }
        self.wait_until("the ServiceAccount `default`", |api| {
            object_exists(api, "/api/v1/namespaces/default/serviceaccounts/default")
        })?;
        self.trace.milestone("default-serviceaccount");
        self.wait_for_nodes(&since)?;
        self.wait_enforced(blueprint.enforcing())
    }

    /// Starts the enforcers of NetworkPolicy, after what gives them the right to read.
    fn start_enforcers(&mut self, blueprint: &BoxBlueprint) -> Result<(), StartAborted> {
        let enforcers = blueprint.enforcer_processes();
        if !enforcers.is_empty() {
            for (path, object) in policy_reader() {
                self.wait_until("the enforcers' rights", |api| {
                    make_object(api, &path, &object)
                })?;
            }
            self.spawn_processes(enforcers)?;
        }
        Ok(())
    }

    /// Waits until these nodes have reported what they enforce.
    fn wait_enforced(&mut self, nodes: impl Iterator<Item = BoxNode>) -> Result<(), StartAborted> {
        let mut any = false;
        for node in nodes.map(BoxNode::name) {
            let work = self.work.clone();
            self.wait_until("network policies to be enforced", |_| {
                match read_report(&work, &node) {
                    Ok(Some(_)) => WaitLook::Ready(()),
                    Ok(None) => WaitLook::NotYet(format!("{node} has not reported yet")),
                    Err(why) => WaitLook::NotYet(error_chain(&why)),
                }
            })?;
            any = true;
        }
        if any {
            self.trace.milestone("network-policy");
        }
        Ok(())
    }

    /// Waits until every node has the test image and says that it is Ready.
    fn wait_for_nodes(&mut self, since: &str) -> Result<(), StartAborted> {
        for node in &self.nodes {
            self.connection.expect_end(
                &node.own_name(IMAGE_IMPORT),
                READY_WITHIN,
                &mut report_started,
            )?;
        }
        let nodes = std::mem::take(&mut self.nodes);
        if nodes.is_empty() {
            return Ok(());
        }
        self.trace.milestone("image");
        for node in nodes {
            let name = node.name();
            self.wait_until(&format!("`{name}` to be Ready"), |api| {
                node_is_ready(api, &name, since)
            })?;
        }
        self.trace.milestone("node-ready");
        Ok(())
    }

    /// Makes the nodes' objects, each with the part of the pods' addresses that its network plugin
    /// uses: the controller manager would give them out in the order in which the nodes come.
    fn register_nodes(&mut self, blueprint: &BoxBlueprint) -> Result<(), StartAborted> {
        let mut nodes = blueprint
            .nodes()
            .map(|node| registered_node(node, blueprint.cluster.dual_stack));
        nodes.try_for_each(|node| {
            self.wait_until("a node to be made", |api| {
                make_object(api, "/api/v1/nodes", &node)
            })
        })
    }

    /// Lets everybody read what Fulcio asks the cluster for, and starts Fulcio, which asks once and
    /// never again.
    fn open_issuer(&mut self, blueprint: &BoxBlueprint) -> Result<(), StartAborted> {
        let (path, binding) = open_issuer();
        self.wait_until("the issuer's keys to be opened", |api| {
            make_object(api, path, &binding)
        })?;
        let anybody = self.api.without_identity(blueprint.pki.ca())?;
        let name = "the issuer's keys to be open";
        self.connection
            .look_until(name, READY_WITHIN, &mut report_started, || {
                apiserver_answers(&anybody, issuer_is_open())
            })?;
        self.spawn_processes(blueprint.third_processes())
    }

    fn spawn_processes(&mut self, processes: Vec<BoxProcess>) -> Result<(), StartAborted> {
        processes
            .into_iter()
            .try_for_each(|process| self.connection.spawn_process(process))
    }

    /// Goes on looking at `/readyz` after a start from a template, which does not wait for all of
    /// it. The late gate opens then.
    pub(super) fn watch_on(&self) {
        if !self
            .trace
            .milestones
            .iter()
            .any(|(name, _)| name == READYZ_MILESTONE)
        {
            watch_beside(
                &self.api,
                self.connection,
                READY_WITHIN,
                LauncherEvent::Reached(READYZ_MILESTONE),
                |api| apiserver_answers(api, READYZ_PATH),
            );
        }
    }

    /// Waits until a first start has made everything that a later one should find, `more` included.
    pub(super) fn settle_first_start(&mut self, more: &[FirstObject]) -> Result<(), StartAborted> {
        for FirstObject {
            collection, object, ..
        } in more
        {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            self.wait_until(&format!("`{name}` to be made"), |api| {
                make_object(api, collection, object)
            })?;
        }
        for path in more.iter().filter_map(|object| object.in_force.as_deref()) {
            self.wait_until(&format!("`{path}` to be in force"), |api| {
                in_force(api, path)
            })?;
        }
        let namespaces = more
            .iter()
            .filter(|more| more.object["kind"] == "Namespace");
        let namespaces = namespaces.filter_map(|more| more.object["metadata"]["name"].as_str());
        for namespace in ["default", "kube-node-lease", "kube-public", "kube-system"]
            .into_iter()
            .chain(namespaces)
        {
            for object in ["serviceaccounts/default", "configmaps/kube-root-ca.crt"] {
                let path = format!("/api/v1/namespaces/{namespace}/{object}");
                self.wait_until(&format!("`{object}` in `{namespace}`"), |api| {
                    object_exists(api, &path)
                })?;
            }
        }
        let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/admin";
        self.wait_until("the aggregated role `admin`", |api| {
            match api.existing_object(path) {
                Ok(role)
                    if role["rules"]
                        .as_array()
                        .is_some_and(|rules| !rules.is_empty()) =>
                {
                    WaitLook::Ready(())
                }
                Ok(_) => WaitLook::NotYet("it has no rules".into()),
                Err(why) => WaitLook::NotYet(error_chain(&why)),
            }
        })
    }

    fn wait_until<T>(
        &mut self,
        name: &str,
        mut look: impl FnMut(&BoxApi) -> WaitLook<T>,
    ) -> Result<T, StartAborted> {
        let api = &self.api;
        self.connection
            .look_until(name, READY_WITHIN, &mut report_started, || look(api))
    }
}

/// Shuts the components' gate when the API server has ended, and opens it when the next one knows
/// its roles: before, it forbids everything, at which a controller manager that is starting gives
/// up. `/readyz` cannot be asked for that: an API server that has lost the key of a single Secret
/// is never ready.
pub(super) fn steer_api_gate(
    event: &InitReport,
    api: &BoxApi,
    connection: &mut InitConnection,
) -> Result<(), StartAborted> {
    match event {
        InitReport::Exited { process, .. } if process == API_SERVER => {
            connection.send_order(&InitOrder::ApiGate { open: false })?;
            connection.send_order(&InitOrder::LateApiGate { open: false })
        }
        InitReport::Started { process, .. } if process == API_SERVER => {
            watch_beside(
                api,
                connection,
                WATCHED_FOR,
                LauncherEvent::Usable,
                knows_its_roles,
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Looks beside everything else, and says so once it has found what it looks for.
fn watch_beside(
    api: &BoxApi,
    connection: &InitConnection,
    within: Duration,
    then: LauncherEvent,
    look: impl Fn(&BoxApi) -> WaitLook<()> + Send + 'static,
) {
    let (api, to_main) = (api.clone(), connection.to_main());
    thread::spawn(move || {
        let every = Duration::from_millis(20);
        if wait::wait_until("the API server to be ready", within, every, || look(&api)).is_ok() {
            let _ = to_main.send(then);
        }
    });
}

/// A node before its kubelet has said anything.
fn registered_node(node: BoxNode, dual_stack: bool) -> Value {
    let pods: Vec<String> = std::iter::once(node.pod_range())
        .chain(dual_stack.then(|| node.pods_6()))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": node.name() },
        "spec": { "podCIDR": node.pod_range(), "podCIDRs": pods },
    })
}

fn rfc3339_now() -> String {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(0)
        .unwrap_or(now)
        .format(&Rfc3339)
        .unwrap_or_default()
}

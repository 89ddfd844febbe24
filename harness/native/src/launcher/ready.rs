//! When a box can be used: what is asked, in which order, and what is started once the API server answers.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use wait::Look;

use super::drive::{StartupTrace, started};
use super::family::{Family, Stop, Word};
use crate::config::{
    API_SERVER, Blueprint, IMAGE_IMPORT, issuer_is_open, open_issuer, policy_reader,
};
use crate::error::chain;
use crate::node::Node;
use crate::places;
use crate::process::Process;
use crate::protocol::{Event, Order};
use crate::spec::FirstObject;
use enforcer::in_force as network_policy;
use enforcer::{Api, first_line};

const PATIENCE: Duration = Duration::from_secs(120);

const READYZ: &str = "/readyz";
const READYZ_MILESTONE: &str = "readyz";

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

/// How long an API server that was started again is looked at.
const LONG: Duration = Duration::from_secs(600);

pub(super) struct Readiness<'a> {
    pub(super) api: Api,
    pub(super) family: &'a mut Family,
    pub(super) trace: &'a mut StartupTrace,
    pub(super) nodes: Vec<Node>,
    /// The folder that the box shares with the host.
    pub(super) work: PathBuf,
}

impl Readiness<'_> {
    /// Starts the rest, and waits until the box can be used. Without a seed the roles take a while to be made, and the
    /// controller manager would give up at the door: then the rest starts after it has opened.
    pub(super) fn reach(&mut self, blueprint: &Blueprint, seeded: bool) -> Result<(), Stop> {
        let since = now();
        self.wait("the API server to answer", |api| {
            answers(api, "/livez/ping")
        })?;
        self.trace.milestone("api-answers");
        if seeded {
            self.spawn(blueprint.second())?;
        }
        self.wait("the API server to be usable", |api| {
            answers(
                api,
                if seeded {
                    places::READYZ_SEEDED
                } else {
                    READYZ
                },
            )
        })?;
        self.trace.milestone(if seeded {
            "api-usable"
        } else {
            READYZ_MILESTONE
        });
        if !seeded {
            self.register(blueprint)?;
        }
        self.family.order(&Order::ApiGate { open: true })?;
        if !seeded {
            self.family.order(&Order::LateApiGate { open: true })?;
            self.spawn(blueprint.second())?;
        }
        self.enforcers(blueprint)?;
        if blueprint.cluster.has_sigstore() {
            self.open_issuer(blueprint)?;
        }
        self.wait("the ServiceAccount `default`", |api| {
            exists(api, "/api/v1/namespaces/default/serviceaccounts/default")
        })?;
        self.trace.milestone("default-serviceaccount");
        self.nodes(&since)?;
        self.enforced(blueprint.enforcing())
    }

    /// Starts the enforcers of NetworkPolicy, after what gives them the right to read.
    fn enforcers(&mut self, blueprint: &Blueprint) -> Result<(), Stop> {
        let enforcers = blueprint.enforcers();
        if !enforcers.is_empty() {
            for (path, object) in policy_reader() {
                self.wait("the enforcers' rights", |api| made(api, &path, &object))?;
            }
            self.spawn(enforcers)?;
        }
        Ok(())
    }

    /// Waits until these nodes have told what they enforce.
    fn enforced(&mut self, nodes: impl Iterator<Item = Node>) -> Result<(), Stop> {
        let mut any = false;
        for node in nodes.map(Node::name) {
            let work = self.work.clone();
            self.wait(
                "network policies to be enforced",
                |_| match network_policy(&work, &node) {
                    Ok(Some(_)) => Look::Ready(()),
                    Ok(None) => Look::NotYet(format!("{node} has not said anything")),
                    Err(why) => Look::NotYet(chain(&why)),
                },
            )?;
            any = true;
        }
        if any {
            self.trace.milestone("network-policy");
        }
        Ok(())
    }

    /// Waits until every node has the test image and says that it is Ready.
    fn nodes(&mut self, since: &str) -> Result<(), Stop> {
        for node in &self.nodes {
            self.family
                .expect_end(&node.own(IMAGE_IMPORT), PATIENCE, &mut started)?;
        }
        let nodes = std::mem::take(&mut self.nodes);
        if nodes.is_empty() {
            return Ok(());
        }
        self.trace.milestone("image");
        for node in nodes {
            let name = node.name();
            self.wait(&format!("`{name}` to be Ready"), |api| {
                node_is_ready(api, &name, since)
            })?;
        }
        self.trace.milestone("node-ready");
        Ok(())
    }

    /// Makes the nodes' objects, each with the part of the pods' addresses that its network plugin uses: the controller
    /// manager would give them out in the order in which the nodes come.
    fn register(&mut self, blueprint: &Blueprint) -> Result<(), Stop> {
        let mut nodes = blueprint
            .nodes()
            .map(|node| registered(node, blueprint.cluster.dual_stack));
        nodes.try_for_each(|node| {
            self.wait("a node to be made", |api| made(api, "/api/v1/nodes", &node))
        })
    }

    /// Lets everybody read what Fulcio asks the cluster for, and starts Fulcio, which asks once and never again.
    fn open_issuer(&mut self, blueprint: &Blueprint) -> Result<(), Stop> {
        let (path, binding) = open_issuer();
        self.wait("the issuer's keys to be opened", |api| {
            made(api, path, &binding)
        })?;
        let anybody = self.api.without_identity(blueprint.pki.ca())?;
        let name = "the issuer's keys to be open";
        self.family.look(name, PATIENCE, &mut started, || {
            answers(&anybody, issuer_is_open())
        })?;
        self.spawn(blueprint.third())
    }

    fn spawn(&mut self, processes: Vec<Process>) -> Result<(), Stop> {
        processes
            .into_iter()
            .try_for_each(|process| self.family.spawn(process))
    }

    /// Goes on looking at `/readyz` after a seeded start, which does not wait for all of it. The late door opens then.
    pub(super) fn watch_on(&self) {
        if !self
            .trace
            .milestones
            .iter()
            .any(|(name, _)| name == READYZ_MILESTONE)
        {
            watch(
                &self.api,
                self.family,
                PATIENCE,
                Word::Reached(READYZ_MILESTONE),
                |api| answers(api, READYZ),
            );
        }
    }

    /// Waits until a first start has made everything that a later one should find, `more` included.
    pub(super) fn settle(&mut self, more: &[FirstObject]) -> Result<(), Stop> {
        for FirstObject {
            collection, object, ..
        } in more
        {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            self.wait(&format!("`{name}` to be made"), |api| {
                made(api, collection, object)
            })?;
        }
        for path in more.iter().filter_map(|object| object.in_force.as_deref()) {
            self.wait(&format!("`{path}` to be in force"), |api| {
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
                self.wait(&format!("`{object}` in `{namespace}`"), |api| {
                    exists(api, &path)
                })?;
            }
        }
        let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/admin";
        self.wait("the aggregated role `admin`", |api| {
            match api.object(path) {
                Ok(role)
                    if role["rules"]
                        .as_array()
                        .is_some_and(|rules| !rules.is_empty()) =>
                {
                    Look::Ready(())
                }
                Ok(_) => Look::NotYet("it has no rules".into()),
                Err(why) => Look::NotYet(why),
            }
        })
    }

    fn wait<T>(&mut self, name: &str, mut look: impl FnMut(&Api) -> Look<T>) -> Result<T, Stop> {
        let api = &self.api;
        self.family.look(name, PATIENCE, &mut started, || look(api))
    }
}

/// Shuts the components' door when the API server has ended, and opens it when the next one knows its roles: before, it
/// forbids everything, at which a controller manager that is starting gives up. `/readyz` cannot be asked for that: an
/// API server that has lost the key of a single Secret is never ready.
pub(super) fn mind_the_door(event: &Event, api: &Api, family: &mut Family) -> Result<(), Stop> {
    match event {
        Event::Exited { process, .. } if process == API_SERVER => {
            family.order(&Order::ApiGate { open: false })?;
            family.order(&Order::LateApiGate { open: false })
        }
        Event::Started { process, .. } if process == API_SERVER => {
            watch(api, family, LONG, Word::Usable, knows_its_roles);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Looks beside everything else, and says so once it has found what it looks for.
fn watch(
    api: &Api,
    family: &Family,
    within: Duration,
    then: Word,
    look: impl Fn(&Api) -> Look<()> + Send + 'static,
) {
    let (api, to_main) = (api.clone(), family.to_main());
    thread::spawn(move || {
        let every = Duration::from_millis(20);
        if wait::until("the API server to be ready", within, every, || look(&api)).is_ok() {
            let _ = to_main.send(then);
        }
    });
}

/// Whether the API server has read its roles and bindings, those of the cluster and those of a namespace.
fn knows_its_roles(api: &Api) -> Look<()> {
    let attributes = [
        json!({ "verb": "list", "resource": "namespaces" }),
        json!({ "verb": "get", "resource": "configmaps", "namespace": "kube-system",
            "name": "extension-apiserver-authentication" }),
    ];
    let reviews =
        attributes.map(|attributes| review("system:kube-controller-manager", &attributes));
    let not_yet = reviews
        .iter()
        .map(|review| api.post(REVIEWS, review))
        .find_map(|answer| match answer {
            Ok((201, body)) if allows(&body) => None,
            Ok((status, body)) => Some(format!("status {status}: {}", first_line(&body))),
            Err(why) => Some(why),
        });
    not_yet.map_or(Look::Ready(()), Look::NotYet)
}

fn review(user: &str, attributes: &Value) -> Value {
    json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": { "user": user, "resourceAttributes": attributes },
    })
}

fn allows(body: &str) -> bool {
    serde_json::from_str::<Value>(body).is_ok_and(|review| review["status"]["allowed"] == true)
}

fn answers(api: &Api, path: &str) -> Look<()> {
    match api.get(path) {
        Ok((200, _)) => Look::Ready(()),
        Ok((status, body)) => Look::NotYet(format!("status {status}: {}", first_line(&body))),
        Err(why) => Look::NotYet(why),
    }
}

/// Makes an object, unless it is there.
fn made(api: &Api, collection: &str, object: &Value) -> Look<()> {
    match api.post(collection, object) {
        Ok((201 | 409, _)) => Look::Ready(()),
        Ok((status, body)) => Look::NotYet(format!("status {status}: {}", first_line(&body))),
        Err(why) => Look::NotYet(why),
    }
}

/// Whether what is at `path` is served; a Deployment has to have its pods besides.
fn in_force(api: &Api, path: &str) -> Look<()> {
    match api.object(path) {
        Ok(object)
            if object["kind"] == "Deployment"
                && object["status"]["replicas"] != object["spec"]["replicas"] =>
        {
            Look::NotYet("it has no pods yet".into())
        }
        Ok(_) => Look::Ready(()),
        Err(why) => Look::NotYet(why),
    }
}

fn exists(api: &Api, path: &str) -> Look<()> {
    match api.object(path) {
        Ok(_) => Look::Ready(()),
        Err(why) => Look::NotYet(why),
    }
}

/// Whether this start's kubelet says that the node is Ready: a seed holds what an earlier one said.
fn node_is_ready(api: &Api, name: &str, since: &str) -> Look<()> {
    let node = match api.object(&format!("/api/v1/nodes/{name}")) {
        Ok(node) => node,
        Err(why) => return Look::NotYet(why),
    };
    let conditions = node["status"]["conditions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    match conditions
        .iter()
        .find(|condition| condition["type"] == "Ready")
    {
        Some(ready) if ready["status"] == "True" && fresh_since(ready, since) => Look::Ready(()),
        Some(ready) => Look::NotYet(format!("{}: {}", ready["reason"], ready["message"])),
        None => Look::NotYet("it has not said".into()),
    }
}

/// A node before its kubelet has said anything.
fn registered(node: Node, dual_stack: bool) -> Value {
    let pods: Vec<String> = std::iter::once(node.pods())
        .chain(dual_stack.then(|| node.pods_6()))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": node.name() },
        "spec": { "podCIDR": node.pods(), "podCIDRs": pods },
    })
}

/// Whether a condition was written at `since` (RFC 3339, UTC, whole seconds) or later.
pub(super) fn fresh_since(condition: &Value, since: &str) -> bool {
    condition["lastHeartbeatTime"]
        .as_str()
        .is_some_and(|at| at >= since)
}

fn now() -> String {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(0)
        .unwrap_or(now)
        .format(&Rfc3339)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_start_said_is_not_fresh() {
        let condition = json!({ "lastHeartbeatTime": "2026-01-02T03:04:05Z" });
        assert!(fresh_since(&condition, "2026-01-02T03:04:05Z"));
        assert!(!fresh_since(&condition, "2026-01-02T03:04:06Z"));
        assert!(!fresh_since(&json!({}), "2026-01-02T03:04:05Z"));
        assert_eq!(now().len(), "2026-01-02T03:04:05Z".len());
    }
}

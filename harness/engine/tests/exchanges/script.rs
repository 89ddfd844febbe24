//! An API server that answers from a script. In what is asked, the random names of a run are
//! replaced: a world's namespace by `$(namespace)`, the sentinels' by `$(sentinels)`; in what is
//! answered they are put back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use cluster::Cluster;
use futures::future::BoxFuture;
use regex::{NoExpand, Regex};
use serde::Deserialize;
use serde_json::{Value, json};

use super::server::{Answerer, ApiRequest, attach_cluster, start_server};

/// A request, and the answers to it: in turn, the last one again and again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exchange {
    /// Method and path, without the query.
    pub(crate) ask: String,
    pub(crate) replies: Vec<Reply>,
}

/// An answer. Without a body it is the request's own, or what an API server says of what is not
/// there.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    /// How many times in a row.
    #[serde(default = "once")]
    pub(crate) times: usize,
    #[serde(default)]
    pub(crate) body: Option<Value>,
}

fn once() -> usize {
    1
}

/// What the server serves: group, plural, kind, and whether it is in namespaces.
const KINDS: [(&str, &str, &str, bool); 11] = [
    ("", "pods", "Pod", true),
    ("", "secrets", "Secret", true),
    ("", "configmaps", "ConfigMap", true),
    ("apps", "statefulsets", "StatefulSet", true),
    ("batch", "jobs", "Job", true),
    ("rbac.authorization.k8s.io", "roles", "Role", true),
    (
        "rbac.authorization.k8s.io",
        "rolebindings",
        "RoleBinding",
        true,
    ),
    (
        "rbac.authorization.k8s.io",
        "clusterroles",
        "ClusterRole",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
        "ValidatingAdmissionPolicy",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        false,
    ),
];

/// What a cluster makes in every namespace.
const WITH_EACH_NAMESPACE: [&str; 2] = ["/serviceaccounts/default", "/configmaps/kube-root-ca.crt"];

/// What any server says, where a script says nothing else.
pub(crate) fn usual(ask: &str) -> Option<Value> {
    Some(match ask {
        "GET /version" => json!({"gitVersion": "v1.36.3"}),
        "GET /api/v1/nodes" => json!({"items": []}),
        "GET /api" => discovery(true),
        "GET /apis" => discovery(false),
        _ if ask.starts_with("GET ")
            && WITH_EACH_NAMESPACE.iter().any(|end| ask.ends_with(end)) =>
        {
            json!({})
        }
        _ => return None,
    })
}

/// The kinds of the core group, or all others.
fn discovery(core: bool) -> Value {
    let kinds = KINDS.iter().filter(|(group, ..)| group.is_empty() == core).map(|(group, plural, kind, namespaced)| {
        let scope = if *namespaced { "Namespaced" } else { "Cluster" };
        let resource = json!({"resource": plural, "responseKind": {"kind": kind}, "scope": scope});
        json!({"metadata": {"name": group}, "versions": [{"version": "v1", "resources": [resource]}]})
    });
    json!({"kind": "APIGroupDiscoveryList", "items": kinds.collect::<Vec<_>>()})
}

/// The random names of a run: what stands in the script, and what was asked.
type Names = BTreeMap<&'static str, String>;

/// A server that runs until its runtime ends.
pub(crate) struct ApiServer {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    exchanges: Vec<(Exchange, usize)>,
    /// Those that were asked last: an answer can name what its request does not.
    names: Names,
    asked: Vec<String>,
    unknown: Vec<String>,
}

impl ApiServer {
    pub(crate) async fn start(exchanges: Vec<Exchange>) -> Self {
        let exchanges = exchanges.into_iter().map(|exchange| (exchange, 0));
        let script = Arc::new(Mutex::new(Script {
            exchanges: exchanges.collect(),
            ..Script::default()
        }));
        let address = start_server(Arc::new(Arc::clone(&script))).await;
        Self { address, script }
    }

    /// The cluster that it is, with its kubeconfig in this folder.
    pub(crate) async fn cluster(&self, folder: &Path) -> Cluster {
        attach_cluster(self.address, folder).await
    }

    /// What it was asked, in order, each as it stands in a script.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.script.lock().unwrap().asked.clone()
    }

    /// What it was asked without an answer in the script, and the answers that it never gave.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let script = self.script.lock().unwrap();
        let unknown = script
            .unknown
            .iter()
            .map(|ask| format!("not in the script: {ask}"));
        let unused = script
            .exchanges
            .iter()
            .filter(|(exchange, count)| *count <= exchange.before_last());
        let unused = unused.map(|(exchange, count)| {
            let (ask, wanted) = (&exchange.ask, exchange.before_last() + 1);
            format!("asked {count} times, and not {wanted} times: {ask}")
        });
        unknown.chain(unused).collect()
    }
}

impl Answerer for Arc<Mutex<Script>> {
    fn answer<'a>(&'a self, request: &'a ApiRequest) -> BoxFuture<'a, (u16, Value)> {
        let answer = self.lock().unwrap().answer(&request.ask(), &request.body);
        Box::pin(async { answer })
    }
}

impl Reply {
    /// One with this code, once, and without a body of its own.
    pub(crate) fn of_code(code: u16) -> Self {
        Self {
            code,
            times: 1,
            body: None,
        }
    }
}

impl Exchange {
    /// How many times it is asked before the last reply comes.
    fn before_last(&self) -> usize {
        let replies = self.replies.iter().rev().skip(1);
        replies.map(|reply| reply.times).sum()
    }

    /// The reply to the request after this many; the last one again and again.
    fn reply_after(&self, mut count: usize) -> &Reply {
        let found = self.replies.iter().find(|reply| {
            let is_it = count < reply.times;
            count = count.saturating_sub(reply.times);
            is_it
        });
        found.or(self.replies.last()).unwrap()
    }
}

impl Script {
    fn answer(&mut self, ask: &str, body: &Value) -> (u16, Value) {
        self.names.extend(names(&format!("{ask} {body}")));
        let ask = without_random_names(ask);
        self.asked.push(ask.clone());
        if let Some((exchange, count)) = self
            .exchanges
            .iter_mut()
            .find(|(exchange, _)| exchange.ask == ask)
        {
            let reply = exchange.reply_after(*count);
            *count += 1;
            let told = reply
                .body
                .clone()
                .unwrap_or_else(|| usual_body(reply.code, body));
            let told = self
                .names
                .iter()
                .fold(told.to_string(), |told, (name, text)| {
                    told.replace(name, text)
                });
            return (reply.code, serde_json::from_str(&told).unwrap());
        }
        if let Some(told) = usual(&ask) {
            return (200, told);
        }
        self.unknown.push(ask.clone());
        (
            500,
            json!({"kind": "Status", "message": format!("not in the script: {ask}")}),
        )
    }
}

fn usual_body(code: u16, sent: &Value) -> Value {
    match code {
        404 => {
            json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404, "message": "not found"})
        }
        _ if sent.is_null() => json!({"kind": "Status", "status": "Success"}),
        _ => sent.clone(),
    }
}

/// The random names of a run, as they stand in a script and as they are made.
const RANDOM: [(&str, &str); 2] = [
    ("$(sentinels)", "gauntlet-sentinel-[a-z0-9]{6}"),
    ("$(namespace)", "gauntlet-[a-z0-9]{10}"),
];

/// A text as it stands in a script.
pub(crate) fn without_random_names(text: &str) -> String {
    RANDOM
        .iter()
        .fold(text.to_owned(), |text, (name, pattern)| {
            let pattern = Regex::new(pattern).unwrap();
            pattern.replace_all(&text, NoExpand(name)).into_owned()
        })
}

/// The random names in a text.
fn names(text: &str) -> Names {
    let found = RANDOM.iter().filter_map(|(name, pattern)| {
        let found = Regex::new(pattern).unwrap().find(text)?;
        Some((*name, found.as_str().to_owned()))
    });
    found.collect()
}

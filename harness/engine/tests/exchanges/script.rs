//! An API server that answers from a script. In what is asked, the random names of a run are
//! replaced: a world's namespace by `$(namespace)`, the sentinels' by `$(sentinels)`; in what is
//! answered they are put back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use cluster::Cluster;
use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

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
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    #[serde(default)]
    pub(crate) body: Option<Value>,
}

/// What the server serves: group, plural, kind, and whether it is in namespaces.
const KINDS: [(&str, &str, &str, bool); 9] = [
    ("", "pods", "Pod", true),
    ("", "secrets", "Secret", true),
    ("", "configmaps", "ConfigMap", true),
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

/// What any server says, where a script says nothing else.
fn usual(ask: &str) -> Option<Value> {
    Some(match ask {
        "GET /version" => json!({"gitVersion": "v1.36.3"}),
        "GET /api/v1/nodes" => json!({"items": []}),
        "GET /api" => discovery(true),
        "GET /apis" => discovery(false),
        "GET /api/v1/namespaces/$(namespace)/serviceaccounts/default"
        | "GET /api/v1/namespaces/$(namespace)/configmaps/kube-root-ca.crt" => json!({}),
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

/// The names of one request: what stands in the script, and what was asked.
type Names = BTreeMap<&'static str, String>;

/// A server that runs until its runtime ends.
pub(crate) struct ApiServer {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

struct Script {
    exchanges: Vec<(Exchange, usize)>,
    asked: Vec<String>,
    unknown: Vec<String>,
}

impl ApiServer {
    pub(crate) async fn start(exchanges: Vec<Exchange>) -> Self {
        let exchanges = exchanges
            .into_iter()
            .map(|exchange| (exchange, 0))
            .collect();
        let script = Arc::new(Mutex::new(Script {
            exchanges,
            asked: Vec::new(),
            unknown: Vec::new(),
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, script }
    }

    /// The cluster that it is, with its kubeconfig in this folder.
    pub(crate) async fn cluster(&self, folder: &Path) -> Cluster {
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "script",
            "clusters": [{"name": "script", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "script", "user": {}}],
            "contexts": [{"name": "script", "context": {"cluster": "script", "user": "script"}}],
        });
        let path = folder.join("kubeconfig");
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        Cluster::attach_existing(Some(&path), None, true)
            .await
            .unwrap()
    }

    /// What it was asked, in order, each as it stands in a script.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.script.lock().unwrap().asked.clone()
    }

    /// What it was asked without an answer in the script, and what it was not asked.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let script = self.script.lock().unwrap();
        let unknown = script
            .unknown
            .iter()
            .map(|ask| format!("not in the script: {ask}"));
        let unused = script.exchanges.iter().filter(|(_, count)| *count == 0);
        unknown
            .chain(unused.map(|(exchange, _)| format!("never asked: {}", exchange.ask)))
            .collect()
    }
}

/// Answers one connection's requests.
async fn serve(stream: TcpStream, script: Arc<Mutex<Script>>) {
    let mut stream = BufReader::new(stream);
    while let Some((ask, body)) = request(&mut stream).await {
        let (code, reply) = script.lock().unwrap().answer(&ask, &body);
        let reply = reply.to_string();
        let head = format!(
            "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            reply.len()
        );
        if stream
            .get_mut()
            .write_all(format!("{head}{reply}").as_bytes())
            .await
            .is_err()
        {
            return;
        }
    }
}

/// Method and path of the next request, without the query, and its body.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, Value)> {
    let (mut first, mut length) = (String::new(), 0);
    stream.read_line(&mut first).await.ok()?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some(count) = line.to_lowercase().strip_prefix("content-length:") {
            length = count.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let mut words = first.split_whitespace();
    let (method, path) = (words.next()?, words.next()?);
    let path = path.split('?').next().unwrap_or(path);
    Some((
        format!("{method} {path}"),
        serde_json::from_slice(&body).unwrap_or_default(),
    ))
}

impl Script {
    fn answer(&mut self, ask: &str, body: &Value) -> (u16, Value) {
        let names = names(&format!("{ask} {body}"));
        let ask = without_random_names(ask);
        self.asked.push(ask.clone());
        if let Some((exchange, count)) = self
            .exchanges
            .iter_mut()
            .find(|(exchange, _)| exchange.ask == ask)
        {
            let reply = &exchange.replies[(*count).min(exchange.replies.len() - 1)];
            *count += 1;
            let told = reply
                .body
                .clone()
                .unwrap_or_else(|| usual_body(reply.code, body));
            let told = names.iter().fold(told.to_string(), |told, (name, text)| {
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

/// A text as it stands in a script.
pub(crate) fn without_random_names(text: &str) -> String {
    names(text)
        .iter()
        .fold(text.to_owned(), |text, (name, found)| {
            text.replace(found, name)
        })
}

/// The random names in a text.
fn names(text: &str) -> Names {
    let find = |pattern: &str| {
        Regex::new(pattern)
            .unwrap()
            .find(text)
            .map(|found| found.as_str().to_owned())
    };
    let found = [
        ("$(sentinels)", find("gauntlet-canary-[a-z0-9]{6}")),
        ("$(namespace)", find("gauntlet-[a-z0-9]{10}")),
    ];
    found
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?)))
        .collect()
}

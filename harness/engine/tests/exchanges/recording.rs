//! Exchanges with a real cluster, taken down for later: a request goes on to it, and its reply is
//! kept. What differs from one recording to the next is replaced, and what nobody reads is left
//! out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use api::{ApiCall, ApiCaller};
use cluster::Cluster;
use futures::FutureExt;
use futures::future::BoxFuture;
use model::{ApiReply, ReplyBody};
use regex::{Captures, Regex};
use serde_json::{Value, json};

use crate::script::{Exchange, Reply, usual, without_random_names};
use crate::server::{Answerer, ApiRequest, attach_cluster, start_server};

/// Fields of objects that say nothing here, and are others each time.
const DROPPED: [&str; 2] = ["managedFields", "selfLink"];

/// How the names of headers begin that say as whom somebody asks; all others are the client's own.
const IMPERSONATION: &str = "impersonate-";

/// How many times in a row the same answer is kept: how long a wait takes differs each time.
const MOST_TIMES: usize = 3;

/// What differs each time and need not be told apart, and what stands for it.
const SETTLED: [(&str, &str); 2] = [
    (
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
        "2026-01-01T00:00:00Z",
    ),
    ("(kube-api-access)-[a-z0-9]{5}", "$1"),
];

/// What is told apart by its number: identities, and pods that a controller named.
const NUMBERED: [(&str, &str); 2] = [
    ("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "uid"),
    (
        "[bcdfghj-np-tv-xz24-9]{8,10}-[bcdfghj-np-tv-xz24-9]{5}\\b",
        "pod",
    ),
];

/// A server that asks a cluster, and keeps what it said.
pub(crate) struct RecordingServer {
    address: SocketAddr,
    recording: Arc<Recording>,
}

struct Recording {
    caller: ApiCaller,
    taken: Mutex<Vec<(String, Reply)>>,
}

impl RecordingServer {
    /// One that asks the cluster of this kubeconfig, whose context says that it is disposable.
    pub(crate) async fn start(kubeconfig: &Path) -> Self {
        let cluster = Cluster::attach_existing(Some(kubeconfig), None, false)
            .await
            .unwrap();
        let recording = Arc::new(Recording {
            caller: ApiCaller::new(cluster.admin_client().clone(), "gauntlet-recording"),
            taken: Mutex::default(),
        });
        let address = start_server(Arc::new(Arc::clone(&recording))).await;
        Self { address, recording }
    }

    /// The cluster that it is, with its kubeconfig in this folder.
    pub(crate) async fn cluster(&self, folder: &Path) -> Cluster {
        attach_cluster(self.address, folder).await
    }

    /// What it was asked, in order, each as it stands in a script.
    pub(crate) fn asked(&self) -> Vec<String> {
        let taken = self.recording.taken.lock().unwrap();
        taken.iter().map(|(ask, _)| ask.clone()).collect()
    }

    /// All of it, what is served first and the rest in the order of the first requests, as it
    /// stands in a script. Of the kinds that are served, those stay that `text` names.
    pub(crate) fn exchanges(&self, text: &str) -> Vec<Exchange> {
        let (mut exchanges, mut ids) = (Vec::<Exchange>::new(), StableIds::default());
        for (ask, reply) in self.recording.taken.lock().unwrap().iter() {
            let body = reply.body.clone().unwrap_or_default().to_string();
            let mut body: Value = serde_json::from_str(&without_random_names(&body)).unwrap();
            if body["kind"] == "APIGroupDiscoveryList" {
                keep_served(&mut body, text);
            } else if usual(ask).is_some() {
                continue;
            } else if body["kind"] == "PodList" && !ask.contains("$(") {
                keep_names(&mut body);
            } else if body["kind"] == "ClusterRoleList" {
                keep_own(&mut body);
            }
            // A list says when it was read, which nobody asks.
            if body["items"].is_array() {
                body["metadata"] = json!({});
            }
            ids.settle_value(&mut body);
            let reply = Reply {
                body: Some(body),
                ..*reply
            };
            match exchanges.iter_mut().find(|known| known.ask == *ask) {
                Some(known) => known.add_reply(reply),
                None => exchanges.push(Exchange {
                    ask: ask.clone(),
                    replies: vec![reply],
                }),
            }
        }
        // Both halves of what is served are asked for at a time.
        let turn = |known: &Exchange| {
            ["GET /api", "GET /apis"]
                .iter()
                .position(|ask| *ask == known.ask)
        };
        exchanges.sort_by_key(|known| turn(known).unwrap_or(2));
        exchanges
    }
}

impl Answerer for Arc<Recording> {
    /// Passes a request on, as administrator or as whom it impersonates.
    fn answer<'a>(&'a self, request: &'a ApiRequest) -> BoxFuture<'a, (u16, Value)> {
        self.pass_on(request).boxed()
    }
}

impl Recording {
    async fn pass_on(&self, request: &ApiRequest) -> (u16, Value) {
        assert!(
            request.header("authorization").next().is_none(),
            "a recording passes on no token"
        );
        let headers = request.headers.iter();
        let as_whom = headers.filter(|(name, _)| name.starts_with(IMPERSONATION));
        // Media types are given to a call for good; these are few.
        let media = |name| &*request.header(name).next().unwrap_or("").to_owned().leak();
        let caller = ApiCaller {
            headers: as_whom.cloned().collect(),
            ..self.caller.clone()
        };
        let body = (!request.body.is_null()).then(|| (media("content-type"), request.body.clone()));
        let call = ApiCall {
            method: request.method.parse().unwrap(),
            body,
            accept: media("accept"),
            ..ApiCall::get(&request.path)
        };
        let reply = caller.ask_once(&call).await.unwrap();
        let (code, body) = match reply {
            ApiReply::Http { code, body, .. } => (code, body),
            ApiReply::Transport { fault } => panic!("{fault}"),
        };
        let body = match body {
            ReplyBody::Json(body) => body,
            ReplyBody::Text(text) => text.into(),
        };
        let mut kept = body.clone();
        // What is tried and not stored has another identity each time.
        if request.path.contains("dryRun=All")
            && let Some(metadata) = kept["metadata"].as_object_mut()
        {
            metadata.shift_remove("uid");
        }
        let kept = Reply {
            body: Some(kept),
            ..Reply::of_code(code)
        };
        let ask = without_random_names(&request.ask());
        self.taken.lock().unwrap().push((ask, kept));
        (code, body)
    }
}

impl Exchange {
    fn add_reply(&mut self, reply: Reply) {
        match self.replies.last_mut() {
            Some(last) if (last.code, &last.body) == (reply.code, &reply.body) => {
                last.times = MOST_TIMES.min(last.times + 1);
            }
            _ => self.replies.push(reply),
        }
    }
}

/// Leaves of what is served the kinds that a text names, with or without capitals.
fn keep_served(list: &mut Value, text: &str) {
    let text = text.to_lowercase();
    let is_part = |c: char| c.is_alphanumeric() || "-$()".contains(c);
    let words: BTreeSet<&str> = text.split(|c: char| !is_part(c)).collect();
    let is_named = |kind: &&Value| {
        let names = [&kind["responseKind"]["kind"], &kind["resource"]];
        let names = names.map(|name| name.as_str().unwrap_or_default().to_lowercase());
        names.iter().any(|name| words.contains(name.as_str()))
    };
    let mut kept = Vec::new();
    for group in items_of(&list["items"]) {
        for version in items_of(&group["versions"]) {
            let named = items_of(&version["resources"]).iter().filter(is_named);
            let named: Vec<Value> = named.map(served_kind).collect();
            if !named.is_empty() {
                let version = json!({"version": version["version"], "resources": named});
                let metadata = json!({"name": group["metadata"]["name"]});
                kept.push(json!({"metadata": metadata, "versions": [version]}));
            }
        }
    }
    *list = json!({"kind": list["kind"], "items": kept});
}

/// Leaves of the objects in a list their names.
fn keep_names(list: &mut Value) {
    let names = items_of(&list["items"]).iter();
    let names = names.map(|item| json!({"metadata": {"name": item["metadata"]["name"]}}));
    list["items"] = names.collect();
}

/// Leaves of a list the objects that are named after a world or its sentinels.
fn keep_own(list: &mut Value) {
    let own = items_of(&list["items"]).iter();
    let own = own.filter(|item| {
        item["metadata"]["name"]
            .as_str()
            .is_some_and(|name| name.contains("$("))
    });
    list["items"] = own.cloned().collect();
}

fn served_kind(kind: &Value) -> Value {
    let name = &kind["responseKind"]["kind"];
    json!({"resource": kind["resource"], "responseKind": {"kind": name}, "scope": kind["scope"]})
}

fn items_of(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What stands for identities and versions, in the order in which they were first seen: what was
/// the same stays the same.
#[derive(Default)]
struct StableIds {
    ids: BTreeMap<String, usize>,
    versions: BTreeMap<String, usize>,
}

impl StableIds {
    /// Takes from a body what is random or of its moment.
    fn settle_value(&mut self, body: &mut Value) {
        match body {
            Value::Object(fields) => {
                fields.retain(|name, _| !DROPPED.contains(&name.as_str()));
                for (name, value) in fields {
                    match value {
                        Value::String(text) if name == "resourceVersion" => {
                            *text = number_of(&mut self.versions, text).to_string();
                        }
                        other => self.settle_value(other),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.settle_value(item)),
            Value::String(text) => *text = self.settle_text(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn settle_text(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (pattern, with) in SETTLED {
            let pattern = Regex::new(pattern).unwrap();
            text = pattern.replace_all(&text, with).into_owned();
        }
        for (pattern, what) in NUMBERED {
            let number =
                |found: &Captures<'_>| format!("{what}-{}", number_of(&mut self.ids, &found[0]));
            let pattern = Regex::new(pattern).unwrap();
            text = pattern.replace_all(&text, number).into_owned();
        }
        text
    }
}

/// The number of one that may have been seen before.
fn number_of(known: &mut BTreeMap<String, usize>, one: &str) -> usize {
    let next = known.len() + 1;
    *known.entry(one.to_owned()).or_insert(next)
}

/// Puts exchanges in the place of those at the end of a file.
pub(crate) fn write_exchanges(path: &Path, exchanges: &[Exchange]) {
    let text = std::fs::read_to_string(path).unwrap();
    let (head, _) = text.split_once("\nexchanges:").unwrap();
    let mut text = format!("{head}\nexchanges:\n");
    for Exchange { ask, replies } in exchanges {
        text += &format!("  - ask: {ask}\n    replies:\n");
        for Reply { code, times, body } in replies {
            let times = match times {
                1 => String::new(),
                more => format!(" times: {more},"),
            };
            let body = body.as_ref().unwrap_or(&Value::Null);
            text += &format!("      - {{code: {code},{times} body: {body}}}\n");
        }
    }
    std::fs::write(path, text).unwrap();
}

//! One world of one scenario: its namespace, its controls, its steps, its end.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use artifact::Image;
use indexmap::IndexMap;
use kube::Client;
use model::{
    Action, Answer, Cell, CellStatus, ImageName, Isolation, Loaded, Manifest, Names, Reply, Step, Verdict, WorldOutcome,
};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::Error;
use crate::actions::Tried;
use crate::actions::keeping::Rotation;
use crate::canaries::Planted;
use crate::conversation::Conversations;
use crate::discovery::{Resource, resource_of};
use crate::identity::Token;
use crate::lab::Lab;
use crate::request::{Call, code, encode, json as json_of, taken};
use crate::seen::Beginning;
use crate::settle::{Touch, acts_at_once, anchor, bound_tokens, settle};
use crate::turns::Turn;
use crate::wait::{Look, Wait, Waiter};
use crate::workshop::Order;
use crate::{Event, learn, random};

/// A world while it is tried.
pub(crate) struct World<'a> {
    pub(crate) lab: &'a Lab<'a>,
    pub(crate) scenario: &'a Loaded,
    pub(crate) name: &'a str,
    pub(crate) names: Names,
    pub(crate) waiter: Waiter,
    /// Its own namespace first, then those that it made besides.
    pub(crate) namespaces: Vec<String>,
    /// What it made that goes with none of its namespaces, by path, in order.
    pub(crate) made: Vec<String>,
    /// What was written and is in force.
    pub(crate) history: Vec<Touch>,
    /// What was written since.
    pub(crate) fresh: Vec<Touch>,
    /// Clients of ServiceAccounts.
    pub(crate) accounts: HashMap<Token, Client>,
    /// The replies to earlier steps.
    pub(crate) replies: HashMap<String, Reply>,
    /// What commands in pods said, by step.
    pub(crate) outputs: HashMap<String, Vec<u8>>,
    /// What probes in pods are asked over.
    pub(crate) conversations: Conversations,
    /// What became of rotations, by step.
    pub(crate) rotations: HashMap<String, Rotation>,
    /// Whether its API server goes on trying to open what is stored: it was not ready when it was last started.
    pub(crate) unready: bool,
    /// How many Secrets `fill` has made.
    pub(crate) filled: u16,
    /// The values that must never be shown.
    pub(crate) planted: Planted,
    pub(crate) beginning: Beginning,
    /// The images that were built.
    pub(crate) images: HashMap<ImageName, Arc<Image>>,
    /// How many signatures of each kind it has had that are made once for all.
    pub(crate) ordered: HashMap<Order, usize>,
    /// When the last short-lived certificate expires.
    pub(crate) over: Option<OffsetDateTime>,
    /// Its turn to do something.
    pub(crate) turn: Turn,
    /// Whether this is the second time that it is tried.
    pub(crate) again: bool,
}

impl<'a> World<'a> {
    pub(crate) fn new(lab: &'a Lab<'a>, scenario: &'a Loaded, name: &'a str) -> Self {
        let facts = lab.cluster.facts();
        let namespace = format!("gauntlet-{}", random::name(10));
        let install = scenario.scenario.worlds.get(name).map(|world| scenario.scenario.install(world));
        let (registry, front) = learn::addresses(&install.unwrap_or_default());
        let names = Names {
            namespace: namespace.clone(),
            nodes: facts.nodes.clone(),
            probe: facts.probe_image.clone(),
            registry: registry.into(),
            front: front.into(),
            ..Names::default()
        };
        let planted = lab.planted.of(&namespace);
        let waiter = Waiter {
            id: scenario.id.clone(),
            world: name.into(),
            events: lab.events.clone(),
            planted: planted.clone(),
        };
        Self {
            lab,
            scenario,
            name,
            names,
            waiter,
            namespaces: vec![namespace],
            made: Vec::new(),
            history: Vec::new(),
            fresh: Vec::new(),
            accounts: HashMap::new(),
            replies: HashMap::new(),
            outputs: HashMap::new(),
            conversations: Conversations::default(),
            rotations: HashMap::new(),
            unready: false,
            filled: 0,
            planted,
            beginning: Beginning::default(),
            images: HashMap::new(),
            ordered: HashMap::new(),
            over: None,
            turn: Turn::default(),
            again: false,
        }
    }

    /// Tries it from beginning to end, and tidies up.
    pub(crate) async fn run(mut self) -> WorldOutcome {
        let (id, world) = (self.scenario.id.clone(), self.name.to_owned());
        let namespace = self.namespace().to_owned();
        self.lab.tell(Event::WorldStarted { id: id.clone(), world: world.clone(), namespace });
        let lacking = self.missing_node().filter(|_| self.lab.cluster.toolbox().is_none());
        let outcome = match (lacking, self.set_up().await) {
            (Some(node), _) => WorldOutcome::Skipped { why: lacks(&node) },
            (None, Ok(())) => self.steps().await,
            (None, Err(why)) => {
                let why = self.planted.conceal(&why.in_one_line());
                self.evidence("set-up", &why, None).await;
                WorldOutcome::Broken { why }
            }
        };
        for what in self.tidy().await {
            let what = self.planted.conceal(&what);
            self.lab.tell(Event::LeftBehind { id: id.clone(), world: world.clone(), what });
        }
        self.lab.tell(Event::WorldDone { id, world, outcome: outcome.clone() });
        outcome
    }

    /// Its own namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.names.namespace
    }

    pub(crate) fn fill(&self, text: &str) -> String {
        self.names.fill(text)
    }

    /// The namespace of a step's names.
    pub(crate) fn namespace_of(&self, step: &Step) -> String {
        step.namespace.as_ref().map_or_else(|| self.namespace().to_owned(), |name| self.fill(name))
    }

    async fn set_up(&mut self) -> Result<(), Error> {
        if let Some(node) = self.missing_node() {
            return Err(Error::unsupported(lacks(&node)));
        }
        self.begin().await;
        let files =
            self.scenario.scenario.worlds.get(self.name).map(|world| world.apply.as_slice()).unwrap_or_default();
        let mut manifests = Vec::new();
        for file in files {
            manifests.extend(
                self.scenario
                    .manifests
                    .get(file)
                    .ok_or_else(|| Error::scenario(format!("there is no file `{file}`")))?,
            );
        }
        let (own, others): (Vec<&Manifest>, Vec<&Manifest>) =
            manifests.into_iter().partition(|one| one.kind() == "Namespace" && one.name() == "$(namespace)");
        self.make_namespace(own.first().map(|one| self.names.fill_value(&one.object))).await?;
        for manifest in others {
            self.learn(&manifest.object.to_string()).await?;
            let object = self.names.fill_value(&manifest.object);
            self.apply(&object).await?;
        }
        self.settle().await?;
        self.scrape().await
    }

    /// A node that the scenario names by its number, and that the cluster lacks.
    fn missing_node(&self) -> Option<String> {
        let manifests = self.scenario.manifests.values().flatten().map(|manifest| manifest.object.to_string());
        let missing = manifests.chain([self.scenario.text.clone()]).flat_map(|text| self.names.missing(&text));
        missing.into_iter().find(|name| name == "node" || name.starts_with("node:"))
    }

    async fn make_namespace(&mut self, manifest: Option<Value>) -> Result<(), Error> {
        let mut object = manifest.unwrap_or_else(|| json!({"apiVersion": "v1", "kind": "Namespace"}));
        object["metadata"]["name"] = Value::from(self.namespace());
        let (area, name) = self.scenario.id.split_once('/').unwrap_or(("", &self.scenario.id));
        object["metadata"]["labels"]["gauntlet.dev/scenario"] = Value::from(label(&format!("{area}.{name}")));
        object["metadata"]["labels"]["gauntlet.dev/world"] = Value::from(label(self.name));
        let reply = self.lab.own.send(Call::post("/api/v1/namespaces", object)).await.reply;
        if !taken(&reply) {
            return Err(Error::refused("the world's namespace could not be made", &reply));
        }
        let namespace = self.namespace().to_owned();
        self.account_in(&namespace).await
    }

    /// Pods need the ServiceAccount `default` and the cluster's certificates, which controllers make.
    async fn account_in(&self, namespace: &str) -> Result<(), Error> {
        let what = format!("the ServiceAccount default and the ConfigMap kube-root-ca.crt of {namespace}");
        let wait = Wait { what: &what, within: Duration::from_secs(30), every: Duration::from_millis(15) };
        let home = format!("/api/v1/namespaces/{}", encode(namespace));
        let account = format!("{home}/serviceaccounts/default");
        let certificates = format!("{home}/configmaps/kube-root-ca.crt");
        let own = &self.lab.own;
        self.waiter
            .until(wait, async || {
                match tokio::try_join!(own.fetch(account.as_str()), own.fetch(certificates.as_str())) {
                    Ok(_) => Look::Found(()),
                    Err(said) => Look::from(said),
                }
            })
            .await
    }

    /// Applies one manifest of the set-up, as administrator.
    async fn apply(&mut self, object: &Value) -> Result<(), Error> {
        self.anchor(object).await;
        let resource = resource_of(&self.lab.discovery, &self.lab.own, object).await?;
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or(self.namespace()).to_owned();
        if acts_at_once(&resource) {
            self.settle().await?;
        }
        let call = match object["metadata"]["name"].as_str() {
            Some(name) => Call::apply(&resource.object(&namespace, name), object.clone()),
            None => Call::post(resource.collection(Some(&namespace)), object.clone()),
        };
        let reply = self.lab.own.send(call).await.reply;
        if !taken(&reply) {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            return Err(Error::refused(format!("the set-up's {} `{name}` was not taken", resource.kind), &reply));
        }
        let is_needed_now = resource.kind == "CustomResourceDefinition" || acts_at_once(&resource);
        self.wrote(&resource, &namespace, &reply);
        if resource.kind == "Namespace"
            && let Some(name) = object["metadata"]["name"].as_str()
        {
            self.account_in(name).await?;
        }
        if is_needed_now { self.settle().await } else { Ok(()) }
    }

    /// Prepares for a policy with parameters; one whose type the server does not know needs nothing.
    pub(crate) async fn anchor(&self, object: &Value) {
        let _ = anchor(&self.lab.canaries, object).await;
    }

    /// Remembers what a request wrote: for the wait until it is in force, and for the world's end.
    pub(crate) fn wrote(&mut self, resource: &Resource, namespace: &str, reply: &Reply) {
        let (Some(object), Some(code)) = (json_of(reply), code(reply)) else { return };
        let Some(name) = object["metadata"]["name"].as_str() else { return };
        let touch = Touch {
            resource: resource.clone(),
            namespace: namespace.into(),
            name: name.into(),
            object: Some(object.clone()),
        };
        let known = model::object_kind(&resource.api_version(), &resource.kind);
        if known.is_some_and(|kind| kind.isolation == Isolation::Question) {
            return; // it is not stored
        }
        match (resource.kind.as_str(), code) {
            ("Namespace", 201) => return self.namespaces.push(name.into()),
            (_, 201) if !resource.namespaced || !self.namespaces.iter().any(|own| own == namespace) => {
                self.made.push(touch.path());
            }
            _ => {}
        }
        self.fresh.push(touch);
    }

    /// Waits until everything that was written is in force.
    pub(crate) async fn settle(&mut self) -> Result<(), Error> {
        let fresh = std::mem::take(&mut self.fresh);
        let canaries = &self.lab.canaries;
        let mut settled = settle(canaries, self.lab.cluster.toolbox(), &self.waiter, &fresh, &self.history).await;
        if settled.is_ok() && fresh.iter().any(|touch| self.accounts.keys().any(|token| token.ends_with(touch))) {
            settled = bound_tokens(canaries, &self.waiter).await;
        }
        self.history.extend(fresh);
        settled
    }

    async fn steps(&mut self) -> WorldOutcome {
        let mut steps = Vec::new();
        for step in self.scenario.scenario.steps_in(self.name) {
            let Some(intended) = step.intended(self.name) else {
                return WorldOutcome::Broken { why: format!("step `{}` intends nothing here", step.id) };
            };
            steps.push((step, intended));
        }
        let mut cells = IndexMap::new();
        let mut lost: Option<String> = None;
        for run in steps.chunk_by(|(one, _), (next, _)| only_looks(one) && only_looks(next)) {
            let mut tried = if run.len() > 1 && lost.is_none() { self.looks(run).await } else { VecDeque::new() };
            for (step, intended) in run {
                let mut cell = match (&lost, tried.pop_front()) {
                    (Some(why), _) => unreached(intended, why),
                    (None, Some((tried, took))) => self.noted(step, intended, tried, took).await,
                    (None, None) => self.cell(step, intended).await,
                };
                if lost.is_none()
                    && let Err(why) = self.settle().await
                {
                    let why = why.in_one_line();
                    cell.verdict = Verdict::broken(why.clone());
                    lost = Some(why);
                }
                let (id, world) = (self.scenario.id.clone(), self.name.to_owned());
                self.lab.tell(Event::CellDone { id, world, step: step.id.clone(), cell: cell.clone() });
                let is_found = self.lab.options.evidence.is_none() && cell.status() != CellStatus::Passed;
                cells.insert(step.id.clone(), cell);
                if is_found {
                    return WorldOutcome::Tried(cells);
                }
            }
        }
        WorldOutcome::Tried(cells)
    }

    /// Takes steps that only look, all at a time: most of them wait for what does not come.
    async fn looks(&mut self, run: &[(&Step, &Answer)]) -> VecDeque<(Result<Tried, Error>, Duration)> {
        let steps: Vec<&Step> = run.iter().map(|(step, _)| *step).collect();
        let (mut turn, turns) = (std::mem::take(&mut self.turn), &self.lab.turns);
        let tried = turn.resting(turns, self.reach_all(&steps)).await;
        self.turn = turn;
        tried.into()
    }
}

/// Whether a step changes nothing that another such step could find.
fn only_looks(step: &Step) -> bool {
    matches!(step.action, Action::Reach(_))
}

/// A step that comes after a control that never came into force.
fn unreached(intended: &model::Answer, why: &str) -> Cell {
    let verdict = Verdict::broken(format!("not tried, because an earlier step has no effect yet: {why}"));
    Cell { intended: intended.clone(), verdict, second: None, detail: model::Detail::default(), millis: 0.0 }
}

/// `text` as the value of a label: at most 63 characters, the last one a letter or digit.
fn label(text: &str) -> String {
    let short: String = text.chars().take(63).collect();
    short.trim_end_matches(['-', '.', '_']).to_owned()
}

fn lacks(node: &str) -> String {
    format!("the scenario names `$({node})`, and this cluster does not have it")
}

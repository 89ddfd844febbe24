//! Taking one step: what it sends, and what is recorded of the reply.

mod agent;
pub(crate) mod exec;
mod image;
pub(crate) mod keeping;
mod node;
mod objects;
mod pods;
mod reads;
mod wire;

use std::time::{Duration, Instant};

use model::{Action, Answer, By, Cell, CellStatus, Detail, Reply, Step, Verdict};

use crate::discovery::Resource;
use crate::request::{Exchange, json as json_of};
use crate::settle::Touch;
use crate::world::World;

/// A step that was taken.
pub(crate) struct Tried {
    pub(crate) verdict: Verdict,
    pub(crate) detail: Detail,
    /// The request that decided it, where it was one.
    pub(crate) exchange: Option<Exchange>,
}

/// What a target's name stands for here.
struct Object {
    resource: Resource,
    namespace: String,
    name: String,
}

impl Tried {
    /// What an exchange says by itself.
    fn of(exchange: Exchange) -> Self {
        let verdict = model::read(exchange.call.asked, &exchange.reply);
        Self { verdict, detail: detail(&exchange.reply), exchange: Some(exchange) }
    }

    /// An answer without a request of its own.
    pub(crate) fn answer(answer: Answer) -> Self {
        Self { verdict: answer.into(), detail: Detail::default(), exchange: None }
    }

    pub(crate) fn fact(mut self, key: &str, value: impl Into<String>) -> Self {
        self.detail.facts.insert(key.into(), value.into());
        self
    }

    /// A time that was measured: to the millisecond, and never compared with another run's.
    pub(crate) fn figure(self, key: &str, took: Duration) -> Self {
        self.fact(key, format!("{:.3}s", took.as_secs_f64()))
    }

    /// What it says of whether an API server that it started goes on trying; nothing where it started none.
    ///
    /// One that cannot open what is stored, or whose KMS plugin does not answer, lists its Secrets again and again: its
    /// calls come by the clock, and none of them belongs to a request.
    fn goes_on_trying(&self, action: &Action) -> Option<bool> {
        let starts = match action {
            Action::Process(process) => process.name() == keeping::API_SERVER,
            Action::Encrypt(_) | Action::Restore(_) => true,
            _ => false,
        };
        let unready = self.detail.facts.contains_key(keeping::NOT_READY);
        (starts && self.verdict == Answer::Running.into()).then_some(unready)
    }

    fn taken(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| crate::request::taken(&exchange.reply))
    }
}

impl World<'_> {
    /// Takes a step and records it; evidence is gathered at once where it is not as intended.
    pub(crate) async fn cell(&mut self, step: &Step, intended: &Answer) -> Cell {
        let mark = self.begin_count(step).await;
        let calls = self.kms_calls();
        let start = Instant::now();
        let mut tried = self.take(step).await;
        let elapsed = start.elapsed();
        if let (Some(mark), Ok(taken)) = (mark, &mut tried) {
            for (name, counted) in self.count_since(&mark).await {
                taken.detail.facts.insert(name.into(), counted);
            }
        }
        if let Ok(taken) = &mut tried {
            if let Some(unready) = taken.goes_on_trying(&step.action) {
                self.unready = unready;
            }
            let is_counted = taken.exchange.is_some() && !self.unready;
            if let (Some(before), Some(now), true) = (calls, self.kms_calls(), is_counted) {
                taken.detail.facts.insert(keeping::KMS_CALLS.into(), now.since(before));
            }
        }
        self.noted(step, intended, tried, elapsed).await
    }

    /// Records what came of a step that was taken.
    pub(crate) async fn noted(
        &mut self,
        step: &Step,
        intended: &Answer,
        tried: Result<Tried, String>,
        elapsed: Duration,
    ) -> Cell {
        let mut tried = tried.unwrap_or_else(|why| Tried {
            verdict: Verdict::broken(why),
            detail: Detail::default(),
            exchange: None,
        });
        self.planted.conceal_detail(&mut tried.detail);
        let verdict = self.unfilled(tried.verdict);
        let took = tried.exchange.as_ref().map_or(elapsed, |exchange| exchange.took);
        let millis = took.as_secs_f64() * 1000.0;
        let cell = Cell { intended: intended.clone(), verdict, second: None, detail: tried.detail, millis };
        if cell.status() != CellStatus::Passed {
            let why = format!("intended: {intended}\nseen: {}", cell.verdict);
            self.evidence(&step.id, &why, tried.exchange.as_ref()).await;
        }
        if let Some(exchange) = tried.exchange {
            self.replies.insert(step.id.clone(), exchange.reply);
        }
        cell
    }

    /// A verdict in the scenario's own terms: the refuser's name with `$(namespace)` where the world's namespace stands.
    fn unfilled(&self, mut verdict: Verdict) -> Verdict {
        if let Verdict::Answered(Answer::Denied { by } | Answer::Refused { by }) = &mut verdict
            && let By::Policy(name)
            | By::Webhook(name)
            | By::FailingClosed(name)
            | By::Engine { policy: name, .. }
            | By::Quota(name) = by
        {
            *name = name.replace(self.namespace(), "$(namespace)");
        }
        if let Verdict::Broken { why } = &mut verdict {
            *why = self.planted.conceal(why);
        }
        verdict
    }

    /// Takes a step; where it only waits for what comes about by itself, other worlds may do something meanwhile.
    async fn take(&mut self, step: &Step) -> Result<Tried, String> {
        self.learn_for(step).await?;
        self.outlive(&step.action).await?;
        if !waits(&step.action) {
            return self.act(step).await;
        }
        let (mut turn, turns) = (std::mem::take(&mut self.turn), &self.lab.turns);
        let tried = turn.resting(turns, self.act(step)).await;
        self.turn = turn;
        tried
    }

    async fn act(&mut self, step: &Step) -> Result<Tried, String> {
        match &step.action {
            Action::Create(file) => self.create(step, file).await,
            Action::Apply(file) => self.apply_step(step, file).await,
            Action::Update(file) => self.update(step, file).await,
            Action::Patch { target, kind, subresource, with } => {
                self.patch(step, target, *kind, subresource.as_deref(), with).await
            }
            Action::Delete(target) => self.delete(step, target).await,
            Action::Label { target, set } => self.label(step, target, set).await,
            Action::Scale { target, replicas } => self.scale(step, target, *replicas).await,
            Action::Get(target) => self.get(step, target).await,
            Action::List { resource, all_namespaces, fields, watch } => {
                self.list(step, resource, *all_namespaces, fields.as_deref(), *watch).await
            }
            Action::Path(path) => self.path(step, path).await,
            Action::Token { serviceaccount, audiences, bound_to } => {
                self.token(step, serviceaccount, audiences, bound_to.as_deref()).await
            }
            Action::Evict(pod) => self.evict(step, pod).await,
            Action::Exec { pod, command, unrecorded } => self.exec(step, pod, command, *unrecorded).await,
            Action::EphemeralContainer { pod, with } => self.ephemeral_container(step, pod, with).await,
            Action::Bind { pod, node } => self.bind(step, pod, node).await,
            Action::Started(target) => self.started(step, target).await,
            Action::Reach(_) => match self.reach_all(&[step]).await.pop() {
                Some((tried, _)) => tried,
                None => Err("nothing came of the step".into()),
            },
            Action::Hold(hold) => self.hold(step, hold).await,
            Action::Held(held) => self.held(step, held).await,
            Action::Seen(record) => self.seen(step, record).await,
            Action::Build(build) => self.build(build).await,
            Action::Push(image) => self.push(image).await,
            Action::Copy(copy) => self.copy(copy).await,
            Action::Tamper(tamper) => self.tamper(tamper).await,
            Action::Spoil(spoil) => self.spoil(spoil).await,
            Action::Sbom(sbom) => self.sbom(sbom).await,
            Action::Scan(scan) => self.scan(scan).await,
            Action::Attach(attach) => self.attach(attach).await,
            Action::Sign(sign) => self.sign(sign).await,
            Action::Attest(attest) => self.attest(step, attest).await,
            Action::Verify(verify) => self.verify(verify).await,
            Action::Store(target) => self.store(step, target).await,
            Action::Encrypt(encrypt) => self.encrypt(encrypt).await,
            Action::Rewrite(rewrite) => self.rewrite(rewrite).await,
            Action::Fill(count) => self.fill_up(step, *count).await,
            Action::Survey => self.survey(step).await,
            Action::Process(process) => self.process(process).await,
            Action::Node(node) => self.node(node),
            Action::Kms(kms) => self.set_kms(kms),
            Action::Transplant(transplant) => self.transplant(step, transplant).await,
            Action::Snapshot(name) => self.snapshot(name).await,
            Action::Restore(name) => self.restore(name).await,
            Action::Rotate(rotate) => self.rotate(step, rotate).await,
            Action::Followed(followed) => self.followed(followed),
            Action::Agent(look) => self.agent(step, look).await,
            Action::Delivered(wanted) => self.delivered(step, wanted).await,
        }
    }

    /// The object that a target names in this step.
    async fn object(&self, step: &Step, target: &model::Target) -> Result<Object, String> {
        let resource = self.lab.discovery.called(&self.lab.own, &target.kind).await?;
        Ok(Object { resource, namespace: self.namespace_of(step), name: self.fill(&target.name) })
    }

    /// The only object of a manifest file, filled in.
    fn manifest(&self, file: &str) -> Result<serde_json::Value, String> {
        let manifest = self.scenario.single(file).ok_or_else(|| format!("`{file}` does not hold one object"))?;
        Ok(self.names.fill_value(&manifest.object))
    }

    /// Sends a request that writes, as the step's identity.
    async fn write(&mut self, step: &Step, object: &Object, call: crate::request::Call) -> Result<Tried, String> {
        let who = self.who(step.identity.as_ref()).await?;
        let tried = Tried::of(who.send(call.dry(step.dry_run)).await);
        if tried.taken()
            && !step.dry_run
            && let Some(exchange) = &tried.exchange
        {
            self.wrote(&object.resource, &object.namespace, &exchange.reply);
        }
        Ok(tried)
    }
}

impl Object {
    fn path(&self) -> String {
        self.resource.object(&self.namespace, &self.name)
    }

    fn gone(&self) -> Touch {
        Touch {
            resource: self.resource.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            object: None,
        }
    }
}

/// Whether an action is mostly a wait for what others do by themselves, or do not.
pub(crate) fn waits(action: &Action) -> bool {
    matches!(action, Action::Agent(_) | Action::Delivered(_) | Action::Reach(_))
}

/// What every reply is recorded with.
fn detail(reply: &Reply) -> Detail {
    let Reply::Http { code, warnings, body } = reply else { return Detail::default() };
    let status = json_of(reply).filter(|body| body["kind"] == "Status" && *code >= 300);
    let field = |name: &str| status.and_then(|status| status[name].as_str()).map(str::to_owned);
    let text = match body {
        model::Body::Text(text) if *code >= 300 => Some(text.trim().chars().take(400).collect()),
        _ => None,
    };
    Detail {
        code: Some(*code),
        reason: field("reason"),
        message: field("message").or(text),
        warnings: warnings.clone(),
        ..Detail::default()
    }
}

#[cfg(test)]
mod tests {
    use model::Process;

    use super::*;

    #[test]
    fn an_api_server_that_is_not_ready_goes_on_trying() {
        let restart = |name: &str| Action::Process(Process::Restart(name.into()));
        let begun = || Tried::answer(Answer::Running);
        let unready = || begun().fact(keeping::NOT_READY, "kms-providers");
        assert_eq!(begun().goes_on_trying(&restart(keeping::API_SERVER)), Some(false));
        assert_eq!(unready().goes_on_trying(&restart(keeping::API_SERVER)), Some(true));
        assert_eq!(unready().goes_on_trying(&Action::Restore("monday".into())), Some(true));
        assert_eq!(begun().goes_on_trying(&restart("kms-a")), None);
        assert_eq!(Tried::answer(Answer::Stopped).goes_on_trying(&restart(keeping::API_SERVER)), None);
        assert_eq!(begun().goes_on_trying(&Action::Survey), None);
    }
}

//! Taking one step: what it sends, and what is recorded of the reply.

mod agent;
mod context;
pub(crate) mod exec;
mod image;
pub(crate) mod keeping;
mod node;
mod objects;
mod pods;
mod reads;
mod wire;

use std::time::Duration;

use api::{Exchange, json as json_of};
use model::{Action, Answer, Detail, Reply, Verdict};

use crate::Error;
use crate::discovery::Resource;
use crate::settle::WriteRecord;

pub(crate) use context::StepContext;
pub(crate) use image::registry_meter;
pub(crate) use keeping::kms_meter;
pub(crate) use wire::reach_all;

/// A step that was taken.
pub(crate) struct Observation {
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

impl Observation {
    /// What an exchange says by itself.
    fn of(exchange: Exchange) -> Self {
        let verdict = model::read(exchange.call.asked, &exchange.reply);
        Self {
            verdict,
            detail: detail(&exchange.reply),
            exchange: Some(exchange),
        }
    }

    /// An answer without a request of its own.
    pub(crate) fn answer(answer: Answer) -> Self {
        Self {
            verdict: answer.into(),
            detail: Detail::default(),
            exchange: None,
        }
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
    pub(crate) fn retries_storage(&self, action: &Action) -> Option<bool> {
        let starts = match action {
            Action::Process(process) => process.name() == keeping::API_SERVER,
            Action::Encrypt(_) | Action::Restore(_) => true,
            _ => false,
        };
        let unready = self.detail.facts.contains_key(keeping::NOT_READY);
        (starts && self.verdict == Answer::Running.into()).then_some(unready)
    }

    fn taken(&self) -> bool {
        self.exchange
            .as_ref()
            .is_some_and(|exchange| api::taken(&exchange.reply))
    }
}

/// Takes a step.
pub(crate) async fn act(cx: &mut StepContext<'_, '_>) -> Result<Observation, Error> {
    match cx.step.action {
        Action::Create(file) => objects::create(cx, file).await,
        Action::Apply(file) => objects::apply_step(cx, file).await,
        Action::Update(file) => objects::update(cx, file).await,
        Action::Patch {
            target,
            kind,
            subresource,
            with,
        } => objects::patch(cx, target, *kind, subresource.as_deref(), with).await,
        Action::Delete(target) => objects::delete(cx, target).await,
        Action::Label { target, set } => objects::label(cx, target, set).await,
        Action::Scale { target, replicas } => objects::scale(cx, target, *replicas).await,
        Action::Get(target) => reads::get(cx, target).await,
        Action::List {
            resource,
            all_namespaces,
            fields,
            watch,
        } => reads::list(cx, resource, *all_namespaces, fields.as_deref(), *watch).await,
        Action::Path(path) => reads::path(cx, path).await,
        Action::Token {
            serviceaccount,
            audiences,
            bound_to,
        } => pods::token(cx, serviceaccount, audiences, bound_to.as_deref()).await,
        Action::Evict(pod) => pods::evict(cx, pod).await,
        Action::Exec {
            pod,
            command,
            unrecorded,
        } => exec::exec(cx, pod, command, *unrecorded).await,
        Action::EphemeralContainer { pod, with } => pods::ephemeral_container(cx, pod, with).await,
        Action::Bind { pod, node } => pods::bind(cx, pod, node).await,
        Action::Started(target) => crate::started::started(cx, target).await,
        Action::Reach(_) => match wire::reach_all(cx.world, &[cx.step]).await.pop() {
            Some((tried, _)) => tried,
            None => Err(Error::scenario("nothing came of the step")),
        },
        Action::Hold(hold) => wire::hold(cx, hold).await,
        Action::Held(held) => wire::held(cx, held).await,
        Action::Seen(record) => crate::seen::seen(cx, record).await,
        Action::Build(build) => image::build(cx, build).await,
        Action::Push(image) => image::push(cx, image).await,
        Action::Copy(copy) => image::copy(cx, copy).await,
        Action::Tamper(tamper) => image::tamper(cx, tamper).await,
        Action::Spoil(spoil) => image::spoil(cx, spoil).await,
        Action::Sbom(sbom) => image::sbom(cx, sbom).await,
        Action::Scan(scan) => image::scan(cx, scan).await,
        Action::Attach(attach) => image::attach(cx, attach).await,
        Action::Sign(sign) => image::sign(cx, sign).await,
        Action::Attest(attest) => image::attest(cx, attest).await,
        Action::Verify(verify) => image::verify(cx, verify).await,
        Action::Store(target) => keeping::store(cx, target).await,
        Action::Encrypt(encrypt) => keeping::encrypt(cx, encrypt).await,
        Action::Rewrite(rewrite) => keeping::rewrite(cx, rewrite).await,
        Action::Fill(count) => keeping::fill_up(cx, *count).await,
        Action::Survey => keeping::survey(cx).await,
        Action::Process(process) => keeping::process(cx, process).await,
        Action::Node(node) => node::node(cx, node),
        Action::Kms(kms) => keeping::set_kms(cx, kms),
        Action::Transplant(transplant) => keeping::transplant(cx, transplant).await,
        Action::Snapshot(name) => keeping::snapshot(cx, name).await,
        Action::Restore(name) => keeping::restore(cx, name).await,
        Action::Rotate(rotate) => keeping::rotate(cx, rotate).await,
        Action::Followed(followed) => keeping::followed(cx, followed),
        Action::Agent(look) => agent::agent(cx, look).await,
        Action::Delivered(wanted) => agent::delivered(cx, wanted).await,
    }
}

impl Object {
    fn path(&self) -> String {
        self.resource.object(&self.namespace, &self.name)
    }

    fn gone(&self) -> WriteRecord {
        WriteRecord {
            resource: self.resource.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            object: None,
        }
    }
}

/// Whether an action is mostly a wait for what others do by themselves, or do not.
pub(crate) fn waits(action: &Action) -> bool {
    matches!(
        action,
        Action::Agent(_) | Action::Delivered(_) | Action::Reach(_)
    )
}

/// What every reply is recorded with.
fn detail(reply: &Reply) -> Detail {
    let Reply::Http {
        code,
        warnings,
        body,
    } = reply
    else {
        return Detail::default();
    };
    let status = json_of(reply).filter(|body| body["kind"] == "Status" && *code >= 300);
    let field = |name: &str| {
        status
            .and_then(|status| status[name].as_str())
            .map(str::to_owned)
    };
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
    fn an_api_server_that_is_not_ready_retries_storage() {
        let restart = |name: &str| Action::Process(Process::Restart(name.into()));
        let begun = || Observation::answer(Answer::Running);
        let unready = || begun().fact(keeping::NOT_READY, "kms-providers");
        assert_eq!(
            begun().retries_storage(&restart(keeping::API_SERVER)),
            Some(false)
        );
        assert_eq!(
            unready().retries_storage(&restart(keeping::API_SERVER)),
            Some(true)
        );
        assert_eq!(
            unready().retries_storage(&Action::Restore("monday".into())),
            Some(true)
        );
        assert_eq!(begun().retries_storage(&restart("kms-a")), None);
        assert_eq!(
            Observation::answer(Answer::Stopped).retries_storage(&restart(keeping::API_SERVER)),
            None
        );
        assert_eq!(begun().retries_storage(&Action::Survey), None);
    }
}

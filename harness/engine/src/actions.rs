//! Taking one step: what it sends, and what is recorded of the reply.

mod agent;
mod context;
pub(crate) mod exec;
mod image;
mod node;
mod objects;
mod pods;
mod reads;
pub(crate) mod storage;
mod streams;
mod wire;

use std::time::Duration;

use api::{ApiExchange, reply_json as json_of};
use model::{Action, Answer, AnswerDetail, ApiReply, Figure, FigureName, Verdict};

use crate::Error;
use crate::barriers::WriteRecord;
use crate::discovery::ApiResource;

pub(crate) use context::StepContext;
pub(crate) use image::registry_meter;
pub(crate) use storage::kms_meter;
pub(crate) use wire::reach_all;

/// A step that was taken.
pub(crate) struct Observation {
    pub(crate) verdict: Verdict,
    pub(crate) detail: AnswerDetail,
    /// The request that decided it, where it was one.
    pub(crate) exchange: Option<ApiExchange>,
}

/// What a target's name stands for here.
pub(crate) struct TargetObject {
    pub(crate) resource: ApiResource,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Observation {
    /// What an exchange says by itself.
    fn from_exchange(exchange: ApiExchange) -> Self {
        let verdict = model::read_reply(exchange.call.asked, &exchange.reply);
        Self {
            verdict,
            detail: reply_detail(&exchange.reply),
            exchange: Some(exchange),
        }
    }

    /// An answer without a request.
    pub(crate) fn from_answer(answer: Answer) -> Self {
        Self {
            verdict: answer.into(),
            detail: AnswerDetail::default(),
            exchange: None,
        }
    }

    pub(crate) fn with_fact(mut self, key: &str, value: impl Into<String>) -> Self {
        self.detail.facts.insert(key.into(), value.into());
        self
    }

    /// Something that was measured, and is never compared with another run's.
    pub(crate) fn with_figure(mut self, name: FigureName, figure: Figure) -> Self {
        self.detail.figures.insert(name, figure);
        self
    }

    /// A time that was measured.
    pub(crate) fn time(self, name: FigureName, time: Duration) -> Self {
        self.with_figure(name, Figure::Seconds(time))
    }

    /// A number of things that were counted.
    pub(crate) fn count(self, name: FigureName, number: u64) -> Self {
        self.with_figure(name, Figure::Count(number))
    }

    /// What it says of whether an API server that it started goes on trying; nothing where it
    /// started none.
    ///
    /// One that cannot open what is stored, or whose KMS plugin does not answer, lists its Secrets
    /// again and again: its calls come by the clock, and none of them belongs to a request.
    pub(crate) fn retries_storage(&self, action: &Action) -> Option<bool> {
        let unready = self.detail.facts.contains_key(storage::NOT_READY);
        let runs = [Answer::Running, Answer::Reloaded].map(Verdict::from);
        (action.facts().starts_api_server() && runs.contains(&self.verdict)).then_some(unready)
    }

    fn was_taken(&self) -> bool {
        self.exchange
            .as_ref()
            .is_some_and(|exchange| api::was_taken(&exchange.reply))
    }
}

/// Takes a step.
pub(crate) async fn take_action(cx: &mut StepContext<'_, '_>) -> Result<Observation, Error> {
    match cx.step.action {
        Action::Create(file) => objects::create_object(cx, file).await,
        Action::Apply(file) => objects::apply_step(cx, file).await,
        Action::Update(file) => objects::update_object(cx, file).await,
        Action::Patch {
            target,
            kind,
            subresource,
            with,
        } => objects::patch_object(cx, target, *kind, subresource.as_deref(), with).await,
        Action::UpdateSubresource {
            target,
            subresource,
            with,
        } => objects::update_subresource(cx, target, subresource, with).await,
        Action::Delete(target) => objects::delete_object(cx, target, false).await,
        Action::DeleteCollection(target) => objects::delete_object(cx, target, true).await,
        Action::DeleteLabelled { kind, labels } => objects::delete_labelled(cx, kind, labels).await,
        Action::Label { target, set } => objects::label_object(cx, target, set).await,
        Action::Scale { target, replicas } => objects::scale_object(cx, target, *replicas).await,
        Action::Get(target) => reads::get_object(cx, target).await,
        Action::List {
            resource,
            all_namespaces,
            fields,
            labels,
            watch,
        } => {
            let selectors = [
                ("fieldSelector", fields.as_deref()),
                ("labelSelector", labels.as_deref()),
            ];
            reads::list_objects(cx, resource, *all_namespaces, selectors, *watch).await
        }
        Action::Path(path) => reads::list_path(cx, path).await,
        Action::Token {
            serviceaccount,
            audiences,
            bound_to,
        } => pods::request_token(cx, serviceaccount, audiences, bound_to.as_deref()).await,
        Action::Evict(pod) => pods::evict_pod(cx, pod).await,
        Action::Exec {
            pod,
            command,
            unrecorded,
        } => exec::exec_in_pod(cx, pod, command, *unrecorded).await,
        Action::AttachPod(attach) => streams::attach_pod(cx, attach).await,
        Action::PortForward(forward) => streams::forward_port(cx, forward).await,
        Action::EphemeralContainer { pod, with } => pods::ephemeral_container(cx, pod, with).await,
        Action::Bind { pod, node, labels } => pods::bind_pod(cx, pod, node, labels).await,
        Action::WaitRunning(target) => crate::started::wait_started(cx, target).await,
        Action::Reach(_) => match wire::reach_all(cx.world, &[cx.step]).await.pop() {
            Some((tried, _)) => tried,
            None => Err(Error::scenario("the step had no answer")),
        },
        Action::OpenConnection(hold) => wire::open_held(cx, hold).await,
        Action::CheckConnection(held) => wire::use_held(cx, held).await,
        Action::LookFor(record) => crate::observe::look_in_record(cx, record).await,
        Action::Build(build) => image::build_image(cx, build).await,
        Action::Push(image) => image::push_image(cx, image).await,
        Action::Copy(copy) => image::copy_image(cx, copy).await,
        Action::Index(index) => image::index_images(cx, index).await,
        Action::Tamper(tamper) => image::tamper_image(cx, tamper).await,
        Action::Corrupt(spoil) => image::spoil_attached(cx, spoil).await,
        Action::Sbom(sbom) => image::write_sbom(cx, sbom).await,
        Action::Scan(scan) => image::scan_image(cx, scan).await,
        Action::Attach(attach) => image::attach_sbom(cx, attach).await,
        Action::Sign(sign) => image::sign_image(cx, sign).await,
        Action::Attest(attest) => image::attest_image(cx, attest).await,
        Action::Verify(verify) => image::verify_image(cx, verify).await,
        Action::ReadEtcdValue(target) => storage::read_stored(cx, target).await,
        Action::SetEncryption(encrypt) => storage::encrypt_storage(cx, encrypt).await,
        Action::RewriteSecrets(rewrite) => storage::rewrite_secrets(cx, rewrite).await,
        Action::CreateSecrets(count) => storage::fill_up(cx, *count).await,
        Action::CheckSecrets => storage::survey_secrets(cx).await,
        Action::Process(process) => storage::command_process(cx, process).await,
        Action::Node(node) => node::command_node(cx, node),
        Action::Kms(kms) => storage::set_kms(cx, kms),
        Action::CopyEtcdValue(transplant) => storage::transplant_object(cx, transplant).await,
        Action::Snapshot(name) => storage::save_snapshot(cx, name).await,
        Action::Restore(name) => storage::restore_snapshot(cx, name).await,
        Action::Rotate(rotate) => storage::rotate_secret(cx, rotate).await,
        Action::CheckPropagation(followed) => storage::place_followed(cx, followed),
        Action::CheckAgent(look) => agent::look_at_agents(cx, look).await,
        Action::CheckDelivery(wanted) => agent::count_delivered(cx, wanted).await,
    }
}

impl TargetObject {
    fn path(&self) -> String {
        self.resource.object_path(&self.namespace, &self.name)
    }

    fn deletion_record(&self) -> WriteRecord {
        WriteRecord {
            resource: self.resource.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            object: None,
        }
    }
}

/// Whether an action is mostly a wait for what others do by themselves, or do not.
pub(crate) fn mostly_waits(action: &Action) -> bool {
    matches!(
        action,
        Action::CheckAgent(_) | Action::CheckDelivery(_) | Action::Reach(_)
    )
}

/// What every reply is recorded with.
fn reply_detail(reply: &ApiReply) -> AnswerDetail {
    let ApiReply::Http {
        code,
        warnings,
        body,
    } = reply
    else {
        return AnswerDetail::default();
    };
    let status = json_of(reply).filter(|body| body["kind"] == "Status" && *code >= 300);
    let field = |name: &str| {
        status
            .and_then(|status| status[name].as_str())
            .map(str::to_owned)
    };
    let text = match body {
        model::ReplyBody::Text(text) if *code >= 300 => {
            Some(text.trim().chars().take(400).collect())
        }
        _ => None,
    };
    AnswerDetail {
        code: Some(*code),
        reason: field("reason"),
        message: field("message").or(text),
        warnings: warnings.clone(),
        ..AnswerDetail::default()
    }
}

#[cfg(test)]
mod tests {
    use model::ProcessChange;

    use super::*;

    #[test]
    fn an_api_server_that_is_not_ready_retries_storage() {
        let restart = |name: &str| Action::Process(ProcessChange::Restart(name.into()));
        let begun = || Observation::from_answer(Answer::Running);
        let unready = || begun().with_fact(storage::NOT_READY, "kms-providers");
        assert_eq!(
            begun().retries_storage(&restart(model::API_SERVER)),
            Some(false)
        );
        assert_eq!(
            unready().retries_storage(&restart(model::API_SERVER)),
            Some(true)
        );
        assert_eq!(
            unready().retries_storage(&Action::Restore("monday".into())),
            Some(true)
        );
        assert_eq!(begun().retries_storage(&restart("kms-a")), None);
        assert_eq!(
            Observation::from_answer(Answer::Stopped).retries_storage(&restart(model::API_SERVER)),
            None
        );
        assert_eq!(begun().retries_storage(&Action::CheckSecrets), None);
    }
}

//! Signatures by a key and bills of materials, made once for all worlds that would get the same.
//!
//! The tool makes the first one, in the world that asks for it first, and every other world gets
//! that: the very bytes, put where the tool would have put them. None of them names the world
//! except in the repository's path: in a signature of the older format (`docker-reference`) and in
//! a statement (its subject's name). No verifier compares it: cosign's claim verifiers look at the
//! digest alone (`pkg/cosign/verifiers.go`), Kyverno and policy-controller use those. A policy of a
//! scenario could, so worlds of one whose manifests speak of it make their own.

use std::sync::Arc;

use artifact::OciRegistry;
use model::{Answer, AnswerDetail, Verdict};
use serde_json::Value;

use super::CosignCall;
use super::build::RegistryAnswer;
use crate::Error;
use crate::actions::Observation;
use crate::workshop::{SignedProduct, SigningOrder};
use crate::world::{LiveWorld, WorldCase};

/// Words of policies that look at the repository's path in what is signed.
const IDENTITY_FIELDS: [&str; 2] = ["docker-reference", "subject"];

/// What the namespace in an order is replaced by.
const NAMESPACE_MARK: &str = "$(namespace)";

/// A signature to be made: the tool's call, the image, and what goes into it where that is the same
/// for other worlds.
pub(super) struct SigningTask {
    pub(super) call: CosignCall,
    pub(super) repository: String,
    pub(super) digest: String,
    pub(super) order: Option<SigningOrder>,
}

impl LiveWorld<'_> {
    /// Whether what this world makes can be made once: a second look makes everything again.
    pub(super) fn shares_product(&self) -> bool {
        !self.again
    }

    /// An order with its number, where its product is one to share.
    pub(super) fn number_order(&mut self, order: SigningOrder) -> Option<SigningOrder> {
        (self.shares_product() && !looks_at_paths(&self.case))
            .then(|| self.memory.number_order(order))
    }

    /// The name of an image in an order.
    pub(super) fn unnamed_image(&self, reference: &str) -> String {
        reference.replace(self.namespace(), NAMESPACE_MARK)
    }

    /// Signs with the tool, or attaches what it made of the same before.
    pub(super) async fn sign_once(&self, making: SigningTask) -> Result<Observation, Error> {
        let Some(order) = making.order.clone() else {
            return self.run_cosign(making.call).await;
        };
        let place = self.run.options.workshop.signatures.place_for(order);
        let mut own = None;
        let signed = place
            .get_or_try_init(async || {
                let (tried, signed) = self.make_or_take(&making).await;
                own = Some(tried);
                signed.ok_or(())
            })
            .await;
        match (own, signed) {
            (Some(tried), _) => tried,
            (None, Ok(signed)) if self.give_pieces(&making, signed).await => Ok(Observation {
                verdict: Answer::Done.into(),
                detail: signed.detail.clone(),
                exchange: None,
            }),
            (None, Ok(_) | Err(())) => self.run_cosign(making.call).await,
        }
    }

    /// Runs the tool, and takes what it attached, where that is one whole piece and nothing names
    /// this world.
    async fn make_or_take(
        &self,
        making: &SigningTask,
    ) -> (Result<Observation, Error>, Option<SignedProduct>) {
        let at = || (making.repository.clone(), making.digest.clone());
        let (repository, digest) = at();
        let before = self
            .look_up(move |registry| registry.attached_pieces(&repository, &digest))
            .await;
        let tried = match self.run_cosign(making.call.clone()).await {
            Ok(tried) => tried,
            Err(why) => return (Err(why), None),
        };
        let made = tried.verdict == Verdict::from(Answer::Done)
            && !names_namespace(&tried.detail, self.namespace());
        let Some(before) = before.filter(|_| made) else {
            return (Ok(tried), None);
        };
        let (repository, digest) = at();
        let piece = self
            .look_up(move |registry| registry.take_piece(&repository, &digest, &before))
            .await
            .flatten();
        let signed = piece.map(|piece| SignedProduct {
            piece: Arc::new(piece),
            detail: tried.detail.clone(),
        });
        (Ok(tried), signed)
    }

    /// Attaches what another world had made; false where the tool has to do it.
    async fn give_pieces(&self, making: &SigningTask, signed: &SignedProduct) -> bool {
        let (repository, digest) = (making.repository.clone(), making.digest.clone());
        let piece = Arc::clone(&signed.piece);
        self.look_up(move |registry| registry.give_piece(&repository, &digest, &piece))
            .await
            .unwrap_or(false)
    }

    /// Asks the registry something that the tool asks as well: what it does not answer is left to
    /// the tool to tell.
    async fn look_up<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&OciRegistry) -> Result<T, artifact::Error> + Send + 'static,
    ) -> Option<T> {
        let given: Result<RegistryAnswer<T>, Error> = self.ask_registry(ask).await;
        given.ok()?.ok()
    }
}

/// Whether anything that is recorded names this namespace.
pub(super) fn names_namespace(detail: &AnswerDetail, namespace: &str) -> bool {
    detail
        .facts
        .values()
        .chain(&detail.message)
        .chain(&detail.warnings)
        .any(|text| text.contains(namespace))
}

/// Whether a manifest of the scenario says something of the repository's path in what is signed.
fn looks_at_paths(case: &WorldCase<'_>) -> bool {
    case.manifests()
        .any(|manifest| speaks_of_paths(&manifest.object))
}

fn speaks_of_paths(value: &Value) -> bool {
    match value {
        Value::String(text) => IDENTITY_FIELDS.iter().any(|word| text.contains(word)),
        Value::Array(items) => items.iter().any(speaks_of_paths),
        Value::Object(fields) => fields.values().any(speaks_of_paths),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_recorded_names_a_world_or_not() {
        let detail = |key: &str, text: &str| {
            Observation::from_answer(Answer::Done)
                .with_fact(key, text)
                .detail
        };
        assert!(!names_namespace(&detail("exit", "0"), "gauntlet-a"));
        assert!(names_namespace(
            &detail("cosign", "WARNING: registry.box:5000/gauntlet-a/app"),
            "gauntlet-a"
        ));
        let warned = AnswerDetail {
            warnings: vec!["gauntlet-a".into()],
            ..AnswerDetail::default()
        };
        assert!(names_namespace(&warned, "gauntlet-a") && !names_namespace(&warned, "gauntlet-b"));
    }

    #[test]
    fn policies_that_look_at_paths_are_found() {
        let policy =
            |text: &str| json!({"spec": {"policies": [{"policy": {"type": "cue", "data": text}}]}});
        assert!(speaks_of_paths(&policy(
            "critical: identity: \"docker-reference\": =~\"^registry\""
        )));
        assert!(speaks_of_paths(&policy(
            "subject: [{name: \"registry.box:5000/x\"}]"
        )));
        assert!(!speaks_of_paths(&policy("predicate: {}")));
        assert!(!speaks_of_paths(
            &json!({"keyless": {"identities": [{"subject": "https://kubernetes.io/x"}]}})
        ));
    }
}

//! Asking the probe in a pod, over a conversation that stays open: to begin one costs a process, or
//! the way into a container; a question over it costs nothing.
//!
//! In a box it goes through a socket in the container's network, which a command that stays
//! answers. In any other cluster, and where nothing answers there, it is one `exec` of
//! `probe converse`.
//!
//! A conversation gives answers or none. A lost one is not a verdict: the question is asked once
//! more over a new one, if that was not new already, and then it is broken.

mod talk;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use api::{REPLIES_WITHIN, percent_encode};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use probe_protocol::{ProbeAnswer, ProbeReport, ProbeRequest};
use serde_json::Value;
use tokio::sync::Mutex;
use wait::TimedOut;

use crate::Error;
use crate::actions::exec;
use crate::world::LiveWorld;
use talk::{NoAnswer, ProbeConversation};
use wire::LineWire;

/// The conversations of a world, by the container; they end with it.
#[derive(Default)]
pub(crate) struct ProbeConversations(Lock<HashMap<String, Arc<Mutex<Option<ProbeConversation>>>>>);

impl ProbeConversations {
    /// The place of a container's conversation. Its holder keeps others from beginning the same
    /// one.
    fn conversation_place(&self, of: &str) -> Arc<Mutex<Option<ProbeConversation>>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(of.to_owned()).or_default())
    }
}

/// A pod whose probe can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProbePod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    uid: String,
    /// The name of the container that holds the probe, where others are beside it.
    pub(crate) holder: Option<String>,
    /// The id of that container, or of the only one, if it runs.
    container: Option<String>,
}

impl ProbePod {
    /// What an object says of it. Of several containers, the first with the probe's image holds it.
    pub(crate) fn from_pod(pod: &Value, image: &str) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let containers = list_of(&pod["spec"]["containers"]);
        let holder = containers
            .iter()
            .filter(|_| containers.len() > 1)
            .find(|one| one["image"] == image)
            .map(|one| text(&one["name"]));
        let status = match list_of(&pod["status"]["containerStatuses"]) {
            [only] => Some(only),
            several => several
                .iter()
                .find(|one| holder.is_some() && one["name"].as_str() == holder.as_deref()),
        };
        let running = status.filter(|status| status["state"]["running"].is_object());
        let container = running.and_then(|status| status["containerID"].as_str());
        Self {
            holder,
            namespace: text(&pod["metadata"]["namespace"]),
            name: text(&pod["metadata"]["name"]),
            uid: text(&pod["metadata"]["uid"]),
            container: container
                .and_then(|id| id.split_once("://"))
                .map(|(_, id)| id.to_owned()),
        }
    }

    /// What tells it from every other, and from itself after its container was started again.
    fn key(&self) -> String {
        format!(
            "{}/{}",
            self.uid,
            self.container.as_deref().unwrap_or_default()
        )
    }
}

fn list_of(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// An answer to something else than was asked.
pub(crate) fn unfit(answer: &ProbeAnswer) -> Error {
    Error::unexpected(format!("the probe answered something else: {answer:?}"))
}

impl LiveWorld<'_> {
    /// The pod of this name, as it is now.
    pub(crate) async fn probe_pod(&self, namespace: &str, name: &str) -> Result<ProbePod, Error> {
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}",
            percent_encode(namespace),
            percent_encode(name)
        );
        Ok(self.probe_in(&self.run.own.fetch_body(path).await?))
    }

    /// The probe in a pod of which this is known.
    pub(crate) fn probe_in(&self, pod: &Value) -> ProbePod {
        ProbePod::from_pod(pod, &self.run.cluster.facts().probe_image)
    }

    /// What the probe in a pod answers to a question within this time, and while it is busy as long
    /// as any request may take. `seen` is told what it sees meanwhile.
    pub(crate) async fn ask_probe(
        &self,
        pod: &ProbePod,
        ask: ProbeRequest,
        within: Duration,
        seen: impl FnMut(ProbeReport),
    ) -> Result<ProbeAnswer, Error> {
        let within = within + REPLIES_WITHIN;
        let late = || TimedOut::unseen("the probe to answer", within).into();
        tokio::time::timeout(within, self.ask_twice(pod, ask, seen))
            .await
            .map_err(|_| late())
            .flatten()
    }

    async fn ask_twice(
        &self,
        pod: &ProbePod,
        ask: ProbeRequest,
        mut seen: impl FnMut(ProbeReport),
    ) -> Result<ProbeAnswer, Error> {
        let mut is_last = false;
        loop {
            let (conversation, is_new) = self.open_conversation(pod).await?;
            match conversation.ask_question(ask.clone(), &mut seen).await {
                Ok(answer) => return Ok(answer),
                Err(NoAnswer::Fault(why)) => return Err(Error::unexpected(why)),
                Err(NoAnswer::Lost(why)) if is_new || is_last => {
                    return Err(why.during_task("the conversation with the probe was lost"));
                }
                Err(NoAnswer::Lost(_)) => is_last = true,
            }
        }
    }

    /// The pod's conversation, and whether it was begun for this.
    async fn open_conversation(&self, pod: &ProbePod) -> Result<(ProbeConversation, bool), Error> {
        let place = self.conversations.conversation_place(&pod.key());
        let mut held = place.lock().await;
        if let Some(conversation) = held.as_ref().filter(|conversation| conversation.is_open()) {
            return Ok((conversation.clone(), false));
        }
        let begun = match self.way_in(pod)? {
            Some(conversation) => conversation,
            None => self.command_in(pod).await?,
        };
        *held = Some(begun.clone());
        Ok((begun, true))
    }

    /// Over the container's own socket, where there is a way to it.
    fn way_in(&self, pod: &ProbePod) -> Result<Option<ProbeConversation>, Error> {
        let (Some(host_access), Some(container)) = (self.run.cluster.host_access(), &pod.container)
        else {
            return Ok(None);
        };
        let Some(stream) = host_access.connect_probe(&pod.uid, container)? else {
            return Ok(None);
        };
        let wire = LineWire::<TokioIo<Upgraded>>::over_socket(stream)
            .map_err(|why| Error::io("cannot ask the probe", why))?;
        Ok(Some(ProbeConversation::begin_task(wire)))
    }

    /// Over a command that is started for it.
    async fn command_in(&self, pod: &ProbePod) -> Result<ProbeConversation, Error> {
        let call = exec::run_in_pod(pod, &["/probe", "converse"]).with_query("stdin", "true");
        match exec::open_streams(&self.run.own, &call, exec::COMMAND_PROTOCOL).await? {
            Ok(socket) => Ok(ProbeConversation::begin_task(LineWire::over_exec(socket))),
            Err(reply) => Err(Error::unexpected_reply(&reply)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_container_is_asked_while_it_runs() {
        let pod = |statuses: Value| {
            let metadata = json!({"namespace": "ns", "name": "web", "uid": "u-1"});
            ProbePod::from_pod(
                &json!({"metadata": metadata, "status": {"containerStatuses": statuses}}),
                "probe:1",
            )
        };
        let running = json!({"containerID": "containerd://abc", "state": {"running": {}}});
        let ended = json!({"containerID": "containerd://abc", "state": {"terminated": {}}});
        assert_eq!(pod(json!([running])).container.as_deref(), Some("abc"));
        assert_eq!(pod(json!([running])).key(), "u-1/abc");
        for statuses in [
            json!([ended]),
            json!([running, running]),
            json!([]),
            Value::Null,
        ] {
            assert_eq!(pod(statuses.clone()).container, None, "{statuses}");
        }
    }

    /// What is beside the probe answers nothing.
    #[test]
    fn of_several_containers_the_one_with_the_probe_is_asked() {
        let container = |name: &str, image: &str| json!({"name": name, "image": image});
        let status = |name: &str| json!({"name": name, "containerID": format!("containerd://{name}"), "state": {"running": {}}});
        let asked = |containers: Value| {
            let pod = json!({
                "spec": {"containers": containers},
                "status": {"containerStatuses": [status("app"), status("side")]},
            });
            let asked = ProbePod::from_pod(&pod, "probe:1");
            (asked.holder, asked.container)
        };
        let side = asked(json!([
            container("app", "other:1"),
            container("side", "probe:1")
        ]));
        assert_eq!(side, (Some("side".into()), Some("side".into())));
        let both = asked(json!([
            container("app", "probe:1"),
            container("side", "probe:1")
        ]));
        assert_eq!(both.0.as_deref(), Some("app"));
        let none = asked(json!([
            container("app", "other:1"),
            container("side", "other:1")
        ]));
        assert_eq!(none, (None, None));
    }
}

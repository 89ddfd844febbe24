//! Asking the probe in a pod, over a conversation that stays open: to begin one costs a process, or the way into a
//! container; a question over it costs nothing.
//!
//! In a box of our own it goes through a socket in the container's network, which a command that stays answers. In any
//! other cluster, and where nothing answers there, it is one `exec` of `probe converse`.
//!
//! A conversation gives answers or none. A lost one is no verdict: the question is asked once more over a new one, if
//! that was not new already, and then it is broken.

mod talk;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use api::{DEADLINE, encode};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use probe_protocol::{ProbeAnswer, ProbeReport, Request};
use serde_json::Value;
use tokio::sync::Mutex;
use wait::TimedOut;

use crate::Error;
use crate::actions::exec;
use crate::world::World;
use talk::{Conversation, Unanswered};
use wire::Wire;

/// The conversations of a world, by the container; they end with it.
#[derive(Default)]
pub(crate) struct Conversations(Lock<HashMap<String, Arc<Mutex<Option<Conversation>>>>>);

impl Conversations {
    /// The place of a container's conversation. Who holds it keeps others from beginning the same one.
    fn place(&self, of: &str) -> Arc<Mutex<Option<Conversation>>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(of.to_owned()).or_default())
    }
}

/// A pod whose probe can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Teller {
    pub(crate) namespace: String,
    pub(crate) name: String,
    uid: String,
    /// The id of its only container, if that runs.
    container: Option<String>,
}

impl Teller {
    /// What an object says of it.
    pub(crate) fn of(pod: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let statuses = pod["status"]["containerStatuses"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let container = match statuses {
            [only] if only["state"]["running"].is_object() => only["containerID"].as_str(),
            _ => None,
        };
        Self {
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

/// An answer to something else than was asked.
pub(crate) fn unfit(answer: &ProbeAnswer) -> Error {
    Error::unexpected(format!("the probe answered something else: {answer:?}"))
}

impl World<'_> {
    /// The pod of this name, as it is now.
    pub(crate) async fn teller(&self, namespace: &str, name: &str) -> Result<Teller, Error> {
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}",
            encode(namespace),
            encode(name)
        );
        Ok(Teller::of(&self.lab.own.fetch(path).await?))
    }

    /// What the probe in a pod answers to a question within this time, and while it is busy as long as any request may
    /// take. `seen` is told what it sees meanwhile.
    pub(crate) async fn asked(
        &self,
        pod: &Teller,
        ask: Request,
        within: Duration,
        seen: impl FnMut(ProbeReport),
    ) -> Result<ProbeAnswer, Error> {
        let within = within + DEADLINE;
        let late = || TimedOut::unseen("the probe to answer", within).into();
        tokio::time::timeout(within, self.asked_twice(pod, ask, seen))
            .await
            .map_err(|_| late())
            .flatten()
    }

    async fn asked_twice(
        &self,
        pod: &Teller,
        ask: Request,
        mut seen: impl FnMut(ProbeReport),
    ) -> Result<ProbeAnswer, Error> {
        let mut is_last = false;
        loop {
            let (conversation, is_new) = self.conversation(pod).await?;
            match conversation.ask(ask.clone(), &mut seen).await {
                Ok(answer) => return Ok(answer),
                Err(Unanswered::Fault(why)) => return Err(Error::unexpected(why)),
                Err(Unanswered::Lost(why)) if is_new || is_last => {
                    return Err(why.during("the conversation with the probe was lost"));
                }
                Err(Unanswered::Lost(_)) => is_last = true,
            }
        }
    }

    /// The pod's conversation, and whether it was begun for this.
    async fn conversation(&self, pod: &Teller) -> Result<(Conversation, bool), Error> {
        let place = self.conversations.place(&pod.key());
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
    fn way_in(&self, pod: &Teller) -> Result<Option<Conversation>, Error> {
        let (Some(host_access), Some(container)) = (self.lab.cluster.host_access(), &pod.container)
        else {
            return Ok(None);
        };
        let Some(stream) = host_access.probe(&pod.uid, container)? else {
            return Ok(None);
        };
        let wire = Wire::<TokioIo<Upgraded>>::socket(stream)
            .map_err(|why| Error::io("cannot ask the probe", why))?;
        Ok(Some(Conversation::begin(wire)))
    }

    /// Over a command that is started for it.
    async fn command_in(&self, pod: &Teller) -> Result<Conversation, Error> {
        let call =
            exec::call(&pod.namespace, &pod.name, &["/probe", "converse"]).query("stdin", "true");
        match exec::open(&self.lab.own, &call).await? {
            Ok(socket) => Ok(Conversation::begin(Wire::command(socket))),
            Err(reply) => Err(Error::reply(&reply)),
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
            Teller::of(&json!({"metadata": metadata, "status": {"containerStatuses": statuses}}))
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
}

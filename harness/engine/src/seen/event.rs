//! The cluster's events about objects of the world's namespaces.

use std::time::{Duration, Instant};

use api::{Call, encode, taken};
use model::{Answer, EventMatch};
use serde_json::{Value, json};

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::random;
use crate::wait::{Look, Wait};
use crate::world::World;

/// How long controllers get to say something, before it is said that they did not.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn seen_event(
    cx: &StepContext<'_, '_>,
    wanted: &EventMatch,
) -> Result<Observation, Error> {
    let (reason, part) = (
        cx.fill(&wanted.reason),
        wanted.contains.as_ref().map(|text| cx.fill(text)),
    );
    let marker = cx.world.mark().await?;
    let start = Instant::now();
    let wait = Wait {
        what: "events to be recorded",
        within: PATIENCE * 2,
        every: Duration::from_millis(100),
    };
    cx.world
        .waiter
        .until(wait, async || {
            let events = match cx.world.events().await {
                Ok(events) => events,
                Err(said) => return Look::from(said),
            };
            if let Some(event) = events
                .iter()
                .find(|event| is(event, &reason, part.as_deref()))
            {
                let message = event["message"].as_str().unwrap_or_default();
                return Look::Ready(Observation::answer(Answer::Seen).fact("event", message));
            }
            let recording = events
                .iter()
                .any(|event| event["metadata"]["name"] == marker.as_str());
            match (recording, start.elapsed() >= PATIENCE) {
                (true, true) => Look::Ready(Observation::answer(Answer::Unseen)),
                (true, false) => Look::NotYet(format!("{} other events", events.len())),
                (false, _) => Look::NotYet("not even our own event".into()),
            }
        })
        .await
}

impl World<'_> {
    /// Waits until events can be read back, and for as long as controllers get to say something.
    pub(super) async fn events_have_come(&self) -> Result<(), Error> {
        let marker = self.mark().await?;
        let start = Instant::now();
        let wait = Wait {
            what: "events to be recorded",
            within: PATIENCE * 2,
            every: Duration::from_millis(100),
        };
        self.waiter
            .until(wait, async || match self.events().await {
                Err(said) => Look::from(said),
                Ok(events)
                    if events
                        .iter()
                        .any(|event| event["metadata"]["name"] == marker.as_str()) =>
                {
                    if start.elapsed() >= PATIENCE {
                        Look::Ready(())
                    } else {
                        Look::NotYet("more may come".into())
                    }
                }
                Ok(_) => Look::NotYet("not even our own event".into()),
            })
            .await
    }

    /// Every event of the world's namespaces.
    pub(crate) async fn events(&self) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        for namespace in self.namespaces.all() {
            let list = self
                .lab
                .own
                .fetch(format!("/api/v1/namespaces/{}/events", encode(namespace)))
                .await?;
            all.extend(list["items"].as_array().cloned().unwrap_or_default());
        }
        Ok(all)
    }

    /// Writes an event of our own, to see that events can be read back.
    async fn mark(&self) -> Result<String, Error> {
        let name = format!("gauntlet-canary-{}", random::name(6));
        let namespace = self.namespace();
        let event = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": name},
            "involvedObject": {"apiVersion": "v1", "kind": "Namespace", "name": namespace, "namespace": namespace},
            "reason": "GauntletCanary", "message": "this shows that events can be read back", "type": "Normal",
        });
        let call = Call::post(
            format!("/api/v1/namespaces/{}/events", encode(namespace)),
            event,
        );
        let reply = self.lab.own.send(call).await.reply;
        if taken(&reply) {
            Ok(name)
        } else {
            Err(Error::refused("an event of our own was not taken", &reply))
        }
    }
}

fn is(event: &Value, reason: &str, part: Option<&str>) -> bool {
    let message = event["message"].as_str().unwrap_or_default();
    event["reason"] == reason && part.is_none_or(|part| message.contains(part))
}

//! The cluster's events about objects of the world's namespaces.

use std::time::{Duration, Instant};

use api::{ApiCall, percent_encode, was_taken};
use model::{Answer, EventMatch};
use serde_json::{Value, json};

use super::CONTROLLERS_WITHIN;
use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::random;
use crate::wait::{ConditionWait, WaitLook};
use crate::world::LiveWorld;

pub(super) async fn seen_event(
    cx: &StepContext<'_, '_>,
    wanted: &EventMatch,
) -> Result<Observation, Error> {
    let (reason, part) = (
        cx.fill_text(&wanted.reason),
        wanted.contains.as_ref().map(|text| cx.fill_text(text)),
    );
    let marker = cx.world.write_marker().await?;
    let (start, patience) = (Instant::now(), cx.world.within(CONTROLLERS_WITHIN));
    let wait = ConditionWait {
        what: "events to be recorded",
        within: patience * 2,
        every: Duration::from_millis(100),
    };
    cx.world
        .waiter
        .wait_until(wait, async || {
            let events = match cx.world.namespace_events().await {
                Ok(events) => events,
                Err(said) => return WaitLook::from(said),
            };
            if let Some(event) = events
                .iter()
                .find(|event| event_matches(event, &reason, part.as_deref()))
            {
                let message = event["message"].as_str().unwrap_or_default();
                return WaitLook::Ready(
                    Observation::from_answer(Answer::Found).with_fact("event", message),
                );
            }
            let recording = events
                .iter()
                .any(|event| event["metadata"]["name"] == marker.as_str());
            match (recording, start.elapsed() >= patience) {
                (true, true) => WaitLook::Ready(Observation::from_answer(Answer::Absent)),
                (true, false) => WaitLook::NotYet(format!("{} other events", events.len())),
                (false, _) => WaitLook::NotYet("not even our own event".into()),
            }
        })
        .await
}

impl LiveWorld<'_> {
    /// Waits until events can be read back, and for as long as controllers get to say something.
    pub(super) async fn events_have_come(&self) -> Result<(), Error> {
        let marker = self.write_marker().await?;
        let start = Instant::now();
        let wait = ConditionWait {
            what: "events to be recorded",
            within: CONTROLLERS_WITHIN * 2,
            every: Duration::from_millis(100),
        };
        self.waiter
            .wait_until(wait, async || match self.namespace_events().await {
                Err(said) => WaitLook::from(said),
                Ok(events)
                    if events
                        .iter()
                        .any(|event| event["metadata"]["name"] == marker.as_str()) =>
                {
                    if start.elapsed() >= CONTROLLERS_WITHIN {
                        WaitLook::Ready(())
                    } else {
                        WaitLook::NotYet("more may come".into())
                    }
                }
                Ok(_) => WaitLook::NotYet("not even our own event".into()),
            })
            .await
    }

    /// What was waited for in vain, with the last warning among the events: it often says why.
    pub(crate) async fn with_last_warning(&self, why: Error) -> Error {
        let Error::TimedOut(mut late) = why else {
            return why;
        };
        let events = self.namespace_events().await.unwrap_or_default();
        let warning = last_warning(&events).map(|warning| self.planted.conceal_values(&warning));
        late.last_seen = match (late.last_seen, warning) {
            (Some(seen), Some(warning)) => Some(format!("{seen}; {warning}")),
            (seen, warning) => seen.or(warning),
        };
        Error::TimedOut(late)
    }

    /// Every event of the world's namespaces.
    pub(crate) async fn namespace_events(&self) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        for namespace in self.namespaces.all() {
            let list = self
                .run
                .own
                .fetch_body(format!(
                    "/api/v1/namespaces/{}/events",
                    percent_encode(namespace)
                ))
                .await?;
            all.extend(list["items"].as_array().cloned().unwrap_or_default());
        }
        Ok(all)
    }

    /// Writes a marker event, to see that events can be read back.
    async fn write_marker(&self) -> Result<String, Error> {
        let name = format!("gauntlet-sentinel-{}", random::random_name(6));
        let namespace = self.namespace();
        let event = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": name},
            "involvedObject": {"apiVersion": "v1", "kind": "Namespace", "name": namespace, "namespace": namespace},
            "reason": "GauntletCanary", "message": "this shows that events can be read back", "type": "Normal",
        });
        let call = ApiCall::post(
            format!("/api/v1/namespaces/{}/events", percent_encode(namespace)),
            event,
        );
        let reply = self.run.own.send_call(call).await.reply;
        if was_taken(&reply) {
            Ok(name)
        } else {
            Err(Error::refused_reply(
                "the API server did not take the marker event",
                &reply,
            ))
        }
    }
}

/// The warning that was written last, in words.
fn last_warning(events: &[Value]) -> Option<String> {
    let version = |event: &&Value| {
        let version = event["metadata"]["resourceVersion"].as_str();
        version.and_then(|version| version.parse::<u64>().ok())
    };
    let warnings = events.iter().filter(|event| event["type"] == "Warning");
    let last = warnings.max_by_key(version)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = &last["involvedObject"];
    Some(format!(
        "last warning, of {} {}: {}: {}",
        text(&of["kind"]),
        text(&of["name"]),
        text(&last["reason"]),
        text(&last["message"]),
    ))
}

fn event_matches(event: &Value, reason: &str, part: Option<&str>) -> bool {
    let message = event["message"].as_str().unwrap_or_default();
    event["reason"] == reason && part.is_none_or(|part| message.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_that_was_written_last_is_told() {
        let event = |version: &str, kind: &str, reason: &str| {
            json!({"metadata": {"resourceVersion": version}, "type": kind, "reason": reason, "message": "m",
                "involvedObject": {"kind": "Pod", "name": "a"}})
        };
        let events = [
            event("9", "Warning", "Failed"),
            event("10", "Warning", "FailedMount"),
            event("11", "Normal", "Pulled"),
        ];
        assert_eq!(
            last_warning(&events).as_deref(),
            Some("last warning, of Pod a: FailedMount: m")
        );
        assert_eq!(last_warning(&events[2..]), None);
    }
}

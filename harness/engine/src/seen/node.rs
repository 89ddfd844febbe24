//! What the API server says about a node.

use std::time::{Duration, Instant};

use api::{Call, json, said};
use model::{Answer, NodeMatch};
use serde_json::Value;

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::wait::{Look, Wait};

/// The controller manager gives a silent node 50 s, where nothing else is asked for, and looks every 5 s.
const PATIENCE: Duration = Duration::from_secs(70);

const EVERY: Duration = Duration::from_millis(100);

pub(super) async fn seen_node(
    cx: &StepContext<'_, '_>,
    wanted: &NodeMatch,
) -> Result<Observation, Error> {
    let (name, word) = (cx.fill(&wanted.name), wanted.ready.word());
    let (start, what) = (Instant::now(), format!("`{name}` to be {word} as Ready"));
    let path = format!("/api/v1/nodes/{name}");
    let wait = Wait {
        what: &what,
        within: PATIENCE * 2,
        every: EVERY,
    };
    cx.world
        .waiter
        .until(wait, async || {
            let reply = cx.world.lab.own.send(Call::get(&path)).await.reply;
            let Some(ready) = json(&reply).and_then(ready) else {
                return Look::NotYet(said(&reply));
            };
            if ready["status"] == word {
                let reason = ready["reason"].as_str().unwrap_or_default();
                let tried = Observation::answer(Answer::Seen).fact("reason", reason);
                return Look::Ready(tried.figure("after", start.elapsed()));
            }
            if start.elapsed() < PATIENCE {
                return Look::NotYet(ready["status"].to_string());
            }
            Look::Ready(Observation::answer(Answer::Unseen))
        })
        .await
}

/// A node's condition `Ready`.
fn ready(node: &Value) -> Option<&Value> {
    node["status"]["conditions"]
        .as_array()?
        .iter()
        .find(|condition| condition["type"] == "Ready")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_condition_is_found_among_others() {
        let conditions = json!([{"type": "DiskPressure", "status": "False"}, {"type": "Ready", "status": "Unknown"}]);
        assert_eq!(
            ready(&json!({"status": {"conditions": conditions}})).unwrap()["status"],
            "Unknown"
        );
        assert_eq!(ready(&json!({"kind": "Status", "status": "Failure"})), None);
    }
}

//! What the API server says about a node.

use std::time::{Duration, Instant};

use api::{ApiCall, reply_json, reply_message};
use model::{Answer, FigureName, NodeMatch};
use serde_json::Value;

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::wait::{ConditionWait, WaitLook};

/// The controller manager gives a silent node 50 s, where nothing else is asked for, and looks
/// every 5 s.
const READY_WITHIN: Duration = Duration::from_secs(70);

const POLL_INTERVAL: Duration = Duration::from_millis(100);

pub(super) async fn seen_node(
    cx: &StepContext<'_, '_>,
    wanted: &NodeMatch,
) -> Result<Observation, Error> {
    let (name, word) = (cx.fill_text(&wanted.name), wanted.ready.word());
    let (start, what) = (Instant::now(), format!("`{name}` to be {word} as Ready"));
    let patience = cx.world.within(READY_WITHIN);
    let path = format!("/api/v1/nodes/{name}");
    let wait = ConditionWait {
        what: &what,
        within: patience * 2,
        every: POLL_INTERVAL,
    };
    cx.world
        .waiter
        .wait_until(wait, async || {
            let reply = cx.world.run.own.send_call(ApiCall::get(&path)).await.reply;
            let Some(ready) = reply_json(&reply).and_then(node_ready) else {
                return WaitLook::NotYet(reply_message(&reply));
            };
            if ready["status"] == word {
                let reason = ready["reason"].as_str().unwrap_or_default();
                let tried = Observation::from_answer(Answer::Found).with_fact("reason", reason);
                return WaitLook::Ready(tried.time(FigureName::FoundAfter, start.elapsed()));
            }
            if start.elapsed() < patience {
                return WaitLook::NotYet(ready["status"].to_string());
            }
            WaitLook::Ready(Observation::from_answer(Answer::Absent))
        })
        .await
}

/// A node's condition `Ready`.
fn node_ready(node: &Value) -> Option<&Value> {
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
            node_ready(&json!({"status": {"conditions": conditions}})).unwrap()["status"],
            "Unknown"
        );
        assert_eq!(
            node_ready(&json!({"kind": "Status", "status": "Failure"})),
            None
        );
    }
}

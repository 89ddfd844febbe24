//! Policies that delete by a schedule. The cleanup controller learns of them by a watch a kind, in
//! order, and says of each when it last went by it. So one that is due every second, and was gone by,
//! shows that those before it are scheduled. When each is due, and what it deletes then, is for the
//! step that looks for it to wait for.

use futures::FutureExt;
use serde_json::{Value, json};
use wait::WaitLook;

use super::sentinel::match_constraints;
use super::{PolicyContent, PolicyType};
use crate::Error;
use crate::barrier::{BarrierSite, SENTINEL_LABEL, within_barrier_time};

/// Every second: seconds stand first where there are seven fields.
const EVERY_SECOND: &str = "* * * * * * *";

/// Waits until the sentinel was gone by.
pub(super) async fn wait_until_run(
    site: &dyn BarrierSite,
    kind: PolicyType,
    name: &str,
) -> Result<(), Error> {
    let path = format!("{}/{name}", kind.path(site.namespace()));
    let look = async || {
        let policy = site.fetch_object(&path).await?;
        Ok(WaitLook::when(was_run(&policy), || {
            format!("its status {}", policy["status"])
        }))
    };
    let wait = within_barrier_time("Kyverno's cleanup controller to go by a policy", 100);
    site.wait_until(wait, &mut || look().boxed_local()).await
}

/// Whether a policy was gone by.
pub(in crate::kyverno) fn was_run(policy: &Value) -> bool {
    let last = policy["status"]["lastExecutionTime"].as_str();
    last.is_some_and(|last| !last.is_empty())
}

/// A policy that is for ConfigMaps with a label of its own, and deletes none.
pub(super) fn deletion_spec(kind: PolicyType, namespace: &str, name: &str) -> Value {
    let mut constraints = match_constraints(kind, namespace, "", "configmaps");
    constraints["objectSelector"] = json!({"matchLabels": {SENTINEL_LABEL: name}});
    json!({
        "schedule": EVERY_SECOND,
        "matchConstraints": constraints,
        "conditions": [{"name": "never", "expression": "false"}],
    })
}

/// The policy of the trial.
pub(in crate::kyverno) fn deleting_policy(namespace: &str, name: &str) -> Value {
    let kind = PolicyContent::Deletions.cluster_kind();
    super::sentinel::sentinel_policy(kind, namespace, name, deletion_spec(kind, namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_was_gone_by_once_it_says_when() {
        assert!(was_run(
            &json!({"status": {"lastExecutionTime": "2026-01-01T00:00:00Z"}})
        ));
        for status in [json!({}), json!({"lastExecutionTime": null})] {
            assert!(!was_run(&json!({"status": status})));
        }
    }
}

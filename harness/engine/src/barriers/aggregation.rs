//! Waiting for ClusterRoles that gather the rules of others, which a controller of several workers
//! does: in no order that a sentinel of ours could stand at the end of.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};
use serde_json::Value;

use super::rbac::RBAC_API;
use super::sentinels::{IN_FORCE_WITHIN, SentinelObjects};
use crate::Error;
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

/// As whom the controller writes: `pkg/controller/clusterroleaggregation` of Kubernetes 1.36.
const AGGREGATION_CONTROLLER: &str = "clusterrole-aggregation-controller";

/// Waits until every role that gathers has what it gathers.
pub(super) async fn wait_for_aggregation(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
) -> Result<(), Error> {
    let wait = ConditionWait {
        what: "aggregated ClusterRoles to have the rules of their parts",
        within: IN_FORCE_WITHIN,
        every: Duration::from_millis(10),
    };
    let look = async || match sentinels
        .own()
        .fetch_body(format!("{RBAC_API}/clusterroles"))
        .await
    {
        Ok(list) => match find_unsettled(list["items"].as_array().map_or(&[], Vec::as_slice)) {
            None => WaitLook::Ready(()),
            Some(name) => WaitLook::NotYet(format!("ClusterRole {name} has others")),
        },
        Err(said) => WaitLook::from(Error::from(said)),
    };
    waiter.wait_until(wait, look).await
}

/// The first role that the controller has still to write.
fn find_unsettled(roles: &[Value]) -> Option<&str> {
    let unsettled = roles
        .iter()
        .find(|role| !role["aggregationRule"].is_null() && !is_settled(role, roles))?;
    Some(unsettled["metadata"]["name"].as_str().unwrap_or("?"))
}

fn is_settled(role: &Value, roles: &[Value]) -> bool {
    let Some(selectors) = read_selectors(role) else {
        return false;
    };
    let name = &role["metadata"]["name"];
    let parts = roles.iter().filter(|other| {
        let labels =
            serde_json::from_value(other["metadata"]["labels"].clone()).unwrap_or_default();
        other["metadata"]["name"] != *name
            && selectors.iter().any(|selector| selector.matches(&labels))
    });
    let gathered: Vec<&Value> = parts.flat_map(rules).collect();
    let own: Vec<&Value> = rules(role).collect();
    if gathered.is_empty() {
        // An empty list counts as a missing field, so that what somebody else wrote stays.
        return own.is_empty() || !wrote_rules(role);
    }
    gathered.iter().all(|rule| own.contains(rule)) && own.iter().all(|rule| gathered.contains(rule))
}

fn rules(role: &Value) -> impl Iterator<Item = &Value> {
    role["rules"].as_array().into_iter().flatten()
}

/// None where one of them is not valid; an API server takes no such role.
fn read_selectors(role: &Value) -> Option<Vec<Selector>> {
    let selectors = role["aggregationRule"]["clusterRoleSelectors"].as_array();
    selectors
        .into_iter()
        .flatten()
        .map(|selector| {
            let selector: LabelSelector = serde_json::from_value(selector.clone()).ok()?;
            Selector::try_from(selector).ok()
        })
        .collect()
}

fn wrote_rules(role: &Value) -> bool {
    let managers = role["metadata"]["managedFields"].as_array();
    managers.into_iter().flatten().any(|entry| {
        entry["manager"] == AGGREGATION_CONTROLLER && !entry["fieldsV1"]["f:rules"].is_null()
    })
}

#[cfg(test)]
mod tests {
    use super::find_unsettled;
    use serde_json::{Value, json};

    fn whole(rules: &Value, managed: &Value) -> Value {
        json!({
            "metadata": {"name": "whole", "labels": {"part-of": "whole"}, "managedFields": managed},
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"part-of": "whole"}}]},
            "rules": rules,
        })
    }

    fn part(name: &str, resource: &str) -> Value {
        json!({
            "metadata": {"name": name, "labels": {"part-of": "whole"}},
            "rules": [rule(resource)],
        })
    }

    fn rule(resource: &str) -> Value {
        json!({"apiGroups": [""], "resources": [resource], "verbs": ["get"]})
    }

    #[test]
    fn a_role_is_settled_when_it_has_the_rules_of_all_its_parts() {
        let parts = [part("a", "pods"), part("b", "secrets")];
        for (rules, settled) in [
            (json!([rule("pods"), rule("secrets")]), true),
            (json!([rule("secrets"), rule("pods")]), true),
            (json!([rule("pods")]), false),
            (Value::Null, false),
            // A part was taken away.
            (json!([rule("pods"), rule("secrets"), rule("nodes")]), false),
        ] {
            let [a, b] = parts.clone();
            let roles = [a, whole(&rules, &Value::Null), b];
            let unsettled = find_unsettled(&roles);
            assert_eq!(unsettled, (!settled).then_some("whole"), "{rules}");
        }
    }

    #[test]
    fn without_parts_only_what_the_controller_wrote_has_to_go() {
        let by = |manager: &str| json!([{"manager": manager, "fieldsV1": {"f:rules": {}}}]);
        let rules = json!([rule("pods")]);
        let settled = |role| find_unsettled(&[role]).is_none();
        assert!(settled(whole(&rules, &by("kubectl"))));
        assert!(!settled(whole(
            &rules,
            &by("clusterrole-aggregation-controller")
        )));
        assert!(settled(whole(
            &json!([]),
            &by("clusterrole-aggregation-controller")
        )));
    }

    #[test]
    fn a_selector_that_cannot_be_read_is_not_taken_as_settled() {
        let mut role = whole(&Value::Null, &Value::Null);
        role["aggregationRule"]["clusterRoleSelectors"] =
            json!([{"matchExpressions": [{"key": "a", "operator": "Like"}]}]);
        assert_eq!(find_unsettled(&[role]), Some("whole"));
    }
}

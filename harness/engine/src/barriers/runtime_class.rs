//! RuntimeClasses that are changed or deleted: a pod that names one that was just deleted may still
//! be admitted.

use serde_json::{Value, json};

use super::dry_pod::DryPod;
use super::plan::WriteRecord;
use super::sentinels::SentinelObjects;

/// The pod that shows what is known of a class, in the sentinels' namespace.
pub(super) fn class_look(sentinels: &SentinelObjects, record: &WriteRecord) -> DryPod {
    DryPod {
        pods: format!("/api/v1/namespaces/{}/pods", sentinels.namespace()),
        pod: json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": sentinels.fresh_name()},
            "spec": {"runtimeClassName": record.name, "containers": [{"name": "c", "image": "none"}]},
        }),
        is_given,
    }
}

/// Whether a pod got what its class says that it costs, and where it goes.
fn is_given(class: &Value, pod: &Value) -> bool {
    let wanted = class["scheduling"]["nodeSelector"].as_object();
    let mut places = wanted.into_iter().flatten();
    class["overhead"]["podFixed"] == pod["spec"]["overhead"]
        && places.all(|(label, value)| pod["spec"]["nodeSelector"][label] == *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_shows_what_its_class_says() {
        let pod = |overhead: Value| json!({"spec": {"overhead": overhead, "nodeSelector": {"gpu": "yes"}}});
        let cost = json!({"cpu": "10m"});
        let class =
            json!({"overhead": {"podFixed": cost}, "scheduling": {"nodeSelector": {"gpu": "yes"}}});
        assert!(is_given(&class, &pod(cost.clone())));
        assert!(!is_given(&class, &pod(json!({"cpu": "20m"}))));
        assert!(!is_given(&json!({"handler": "runc"}), &pod(cost)));
        let elsewhere = json!({"scheduling": {"nodeSelector": {"gpu": "no"}}});
        assert!(!is_given(&elsewhere, &pod(Value::Null)));
    }
}

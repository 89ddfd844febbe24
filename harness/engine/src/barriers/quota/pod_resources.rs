//! What a pod asks for as a whole (kubernetes 1.36 `component-helpers/resource/helpers.go`, as the
//! quota controller calls it).

use std::collections::BTreeMap;

use serde_json::Value;

use super::quantity::ExactQuantity;
use super::usage::read_amount;
use crate::Error;

/// Amounts by the resource's name.
pub(super) type ResourceAmounts = BTreeMap<String, ExactQuantity>;

/// What a pod requests.
///
/// # Errors
/// When an amount cannot be read.
pub(super) fn pod_requests(pod: &Value) -> Result<ResourceAmounts, Error> {
    let mut requests = add_up_containers(pod, "requests")?;
    override_by_pod(&mut requests, &pod["spec"]["resources"]["requests"])?;
    for (name, amount) in read_amounts(&pod["spec"]["overhead"])? {
        add_amount(&mut requests, name, amount);
    }
    Ok(requests)
}

/// What limits a pod. What running it costs counts where there is a limit.
///
/// # Errors
/// When an amount cannot be read.
pub(super) fn pod_limits(pod: &Value) -> Result<ResourceAmounts, Error> {
    let mut limits = add_up_containers(pod, "limits")?;
    override_by_pod(&mut limits, &pod["spec"]["resources"]["limits"])?;
    for (name, amount) in read_amounts(&pod["spec"]["overhead"])? {
        if let Some(limit) = limits.get_mut(&name).filter(|limit| !limit.is_zero()) {
            *limit = limit.add(amount);
        }
    }
    Ok(limits)
}

/// Containers run side by side, and sidecars beside them; the other init containers one by one,
/// beside the sidecars that came before.
fn add_up_containers(pod: &Value, of: &str) -> Result<ResourceAmounts, Error> {
    let list = |name: &str| pod["spec"][name].as_array().into_iter().flatten();
    let mut sum = ResourceAmounts::new();
    for container in list("containers") {
        add_amounts(&mut sum, container_amounts(pod, container, of, true)?);
    }
    let (mut sidecars, mut beginning) = (ResourceAmounts::new(), ResourceAmounts::new());
    for container in list("initContainers") {
        let stays = container["restartPolicy"] == "Always";
        let own = container_amounts(pod, container, of, stays)?;
        let mut meanwhile = sidecars.clone();
        add_amounts(&mut meanwhile, own.clone());
        if stays {
            add_amounts(&mut sum, own);
            sidecars.clone_from(&meanwhile);
        }
        raise_to(&mut beginning, meanwhile);
    }
    raise_to(&mut sum, beginning);
    Ok(sum)
}

/// What a container states, and what it has while it is resized.
fn container_amounts(
    pod: &Value,
    container: &Value,
    of: &str,
    is_resizable: bool,
) -> Result<ResourceAmounts, Error> {
    let stated = read_amounts(&container["resources"][of])?;
    let statuses = ["containerStatuses", "initContainerStatuses"].into_iter();
    let status = statuses
        .filter_map(|list| pod["status"][list].as_array())
        .flatten()
        .find(|status| status["name"] == container["name"])
        .filter(|status| is_resizable && status["resources"].is_object());
    let Some(status) = status else {
        return Ok(stated);
    };
    let mut amounts = read_amounts(&status["resources"][of])?;
    if of == "requests" {
        raise_to(&mut amounts, read_amounts(&status["allocatedResources"])?);
    }
    if !is_resize_infeasible(pod) {
        raise_to(&mut amounts, stated);
    }
    Ok(amounts)
}

fn is_resize_infeasible(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let mut pending = conditions.filter(|one| one["type"] == "PodResizePending");
    pending
        .next()
        .is_some_and(|one| one["reason"] == "Infeasible")
}

/// What is stated for the pod as a whole counts instead.
fn override_by_pod(amounts: &mut ResourceAmounts, stated: &Value) -> Result<(), Error> {
    let whole = read_amounts(stated)?.into_iter();
    amounts.extend(whole.filter(|(name, _)| {
        ["cpu", "memory"].contains(&name.as_str()) || name.starts_with("hugepages-")
    }));
    Ok(())
}

fn read_amounts(stated: &Value) -> Result<ResourceAmounts, Error> {
    let stated = stated.as_object().into_iter().flatten();
    stated
        .map(|(name, amount)| Ok((name.clone(), read_amount(name, amount)?)))
        .collect()
}

fn add_amounts(sum: &mut ResourceAmounts, amounts: ResourceAmounts) {
    for (name, amount) in amounts {
        add_amount(sum, name, amount);
    }
}

fn add_amount(sum: &mut ResourceAmounts, name: String, amount: ExactQuantity) {
    let own = sum.entry(name).or_default();
    *own = own.add(amount);
}

fn raise_to(amounts: &mut ResourceAmounts, others: ResourceAmounts) {
    for (name, amount) in others {
        let own = amounts.entry(name).or_default();
        *own = amount.max(*own);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cpu(amounts: &ResourceAmounts) -> Option<ExactQuantity> {
        amounts.get("cpu").copied()
    }

    fn exact(text: &str) -> Option<ExactQuantity> {
        ExactQuantity::read(&json!(text))
    }

    fn asking(name: &str, cpu: &str) -> Value {
        json!({"name": name, "resources": {"requests": {"cpu": cpu}}})
    }

    #[test]
    fn containers_add_up_and_the_largest_beginning_counts() {
        let mut pod = json!({"spec": {"containers": [asking("a", "10m"), asking("b", "20m")]}});
        assert_eq!(cpu(&pod_requests(&pod).unwrap()), exact("30m"));
        pod["spec"]["initContainers"] = json!([asking("first", "50m")]);
        assert_eq!(cpu(&pod_requests(&pod).unwrap()), exact("50m"));
        let mut sidecar = asking("side", "5m");
        sidecar["restartPolicy"] = json!("Always");
        pod["spec"]["initContainers"] = json!([sidecar.clone(), asking("first", "50m")]);
        assert_eq!(cpu(&pod_requests(&pod).unwrap()), exact("55m"));
        pod["spec"]["initContainers"] = json!([asking("first", "20m"), sidecar]);
        assert_eq!(cpu(&pod_requests(&pod).unwrap()), exact("35m"));
    }

    #[test]
    fn the_pods_own_amounts_come_first_and_overhead_is_added() {
        let pod = json!({"spec": {
            "containers": [{"name": "a", "resources": {"requests": {"cpu": "10m"}, "limits": {"cpu": "10m"}}}],
            "resources": {"requests": {"cpu": "70m"}}, "overhead": {"cpu": "1m", "memory": "1Mi"},
        }});
        let requests = pod_requests(&pod).unwrap();
        assert_eq!(cpu(&requests), exact("71m"));
        assert_eq!(requests.get("memory").copied(), exact("1Mi"));
        let limits = pod_limits(&pod).unwrap();
        assert_eq!(cpu(&limits), exact("11m"));
        assert_eq!(limits.get("memory"), None);
    }

    #[test]
    fn while_it_is_resized_the_most_counts() {
        let mut pod = json!({
            "spec": {"containers": [asking("a", "10m")]},
            "status": {"containerStatuses": [{"name": "a", "resources": {"requests": {"cpu": "30m"}}, "allocatedResources": {"cpu": "20m"}}]},
        });
        assert_eq!(cpu(&pod_requests(&pod).unwrap()), exact("30m"));
        pod["spec"]["containers"][0] = asking("a", "90m");
        assert_eq!(cpu(&pod_requests(&pod).unwrap()), exact("90m"));
        pod["status"]["conditions"] = json!([{"type": "PodResizePending", "reason": "Infeasible"}]);
        assert_eq!(cpu(&pod_requests(&pod).unwrap()), exact("30m"));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let pod = json!({"spec": {"containers": [asking("a", "many")]}});
        assert!(pod_requests(&pod).is_err());
    }
}

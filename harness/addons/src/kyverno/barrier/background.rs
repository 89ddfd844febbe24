//! Rules that generate and rules that change what exists: the background controller does by them what
//! another controller asks for. It learns of policies by a watch a kind, in order, and goes by what
//! it has learned. So a policy of the same kind that has generated something shows that it has those
//! before it. What it generates for an object is for the step that looks for it to wait for.

use std::cell::Cell;

use api::{ApiCall, was_taken};
use futures::FutureExt;
use serde_json::{Value, json};
use wait::WaitLook;

use super::sentinel::{match_constraints, matched_resources, sentinel_policy};
use super::{PolicyContent, PolicyType};
use crate::Error;
use crate::barrier::{BarrierSite, WrittenObject, not_yet, within_barrier_time};

/// Waits until the background controller has the policies of this kind that it has something to do
/// with, and no longer has those that were deleted.
pub(super) async fn wait_for_background(
    site: &dyn BarrierSite,
    kind: PolicyType,
    written: &[WrittenObject<'_>],
    history: &[WrittenObject<'_>],
) -> Result<(), Error> {
    if kind.content != PolicyContent::Rules || !concerns_background(kind, written, history) {
        return Ok(());
    }
    let name = site.sentinel_name();
    let made = made_name(&name);
    let (policies, configmaps) = (kind.path(site.namespace()), configmaps(site.namespace()));
    site.make_part(&configmaps, trigger(&name)).await?;
    site.make_part(&policies, generating_rules(kind, site.namespace(), &name))
        .await?;
    let path = format!("{configmaps}/{made}");
    let look = async || is_made(site, &path).await;
    let wait = within_barrier_time("Kyverno's background controller to know its policies", 100);
    let proved = site.wait_until(wait, &mut || look().boxed_local()).await;
    let parts = [&name, &made].map(|name| format!("{configmaps}/{name}"));
    site.remove_objects(
        [format!("{policies}/{name}")]
            .into_iter()
            .chain(parts)
            .collect(),
    );
    proved
}

/// Whether one of these policies has, or had, something for the background controller.
fn concerns_background(
    kind: PolicyType,
    written: &[WrittenObject<'_>],
    history: &[WrittenObject<'_>],
) -> bool {
    written.iter().filter(|one| kind.is_of(one)).any(|one| {
        let earlier = history.iter().filter(|past| past.path == one.path);
        let mut versions = earlier.chain([one]).filter_map(|past| past.object);
        versions.any(works_in_background)
    })
}

/// Whether a policy has a rule that generates or changes what exists.
fn works_in_background(policy: &Value) -> bool {
    let rules = policy["spec"]["rules"].as_array();
    let mut rules = rules.into_iter().flatten();
    rules.any(|rule| !rule["generate"].is_null() || !rule["mutate"]["targets"].is_null())
}

/// Makes objects until one of them has had something generated: the API server has to know the
/// webhook that asks for it.
pub(super) async fn wait_until_generated(site: &dyn BarrierSite, name: &str) -> Result<(), Error> {
    let configmaps = configmaps(site.namespace());
    let path = format!("{configmaps}/{}", made_name(name));
    let tries = Cell::new(0);
    let look = async || {
        tries.set(tries.get() + 1);
        let body = trigger(&format!("{name}-{}", tries.get()));
        let reply = site.send_as_admin(ApiCall::post(&configmaps, body)).await;
        if was_taken(&reply) {
            is_made(site, &path).await
        } else {
            Ok(WaitLook::NotYet(not_yet(&reply)))
        }
    };
    let wait = within_barrier_time("Kyverno to generate by a policy", 400);
    let proved = site.wait_until(wait, &mut || look().boxed_local()).await;
    let triggers = (1..=tries.get()).map(|one| format!("{configmaps}/{name}-{one}"));
    site.remove_objects(triggers.chain([path]).collect());
    proved
}

/// Whether something was generated.
async fn is_made(site: &dyn BarrierSite, path: &str) -> Result<WaitLook<()>, Error> {
    let reply = site.send_as_admin(ApiCall::get(path)).await;
    Ok(WaitLook::when(was_taken(&reply), || {
        "nothing is generated yet".into()
    }))
}

/// The name of what is generated.
pub(in crate::kyverno) fn made_name(name: &str) -> String {
    format!("{name}-made")
}

fn configmaps(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps")
}

/// What something is generated for.
pub(in crate::kyverno) fn trigger(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

/// A ClusterPolicy that generates a ConfigMap for the one of its own name, which is there.
pub(in crate::kyverno) fn generating_cluster_policy(namespace: &str, name: &str) -> Value {
    generating_rules(PolicyContent::Rules.cluster_kind(), namespace, name)
}

fn generating_rules(kind: PolicyType, namespace: &str, name: &str) -> Value {
    let mut resources = matched_resources(kind, namespace, "ConfigMap");
    resources["names"] = json!([name]);
    let generate = json!({
        "generateExisting": true, "synchronize": false, "apiVersion": "v1", "kind": "ConfigMap",
        "name": made_name(name), "namespace": namespace, "data": {"data": {"made": "yes"}},
    });
    let rule = json!({"name": "sentinel", "match": {"any": [{"resources": resources}]}, "generate": generate});
    sentinel_policy(kind, namespace, name, json!({"rules": [rule]}))
}

/// A policy that generates a ConfigMap for each that is made with a name that begins like its own.
pub(super) fn generation_spec(kind: PolicyType, namespace: &str, name: &str) -> Value {
    let made = made_name(name);
    let object = format!(
        "{{\"apiVersion\": dyn(\"v1\"), \"kind\": dyn(\"ConfigMap\"), \
         \"metadata\": dyn({{\"name\": \"{made}\", \"namespace\": \"{namespace}\"}}), \"data\": dyn({{\"made\": \"yes\"}})}}"
    );
    let place = if kind.namespaced {
        String::new()
    } else {
        format!("\"{namespace}\", ")
    };
    let own = format!(
        "object.metadata.name.startsWith(\"{name}-\") && object.metadata.name != \"{made}\""
    );
    json!({
        "matchConstraints": match_constraints(kind, namespace, "", "configmaps"),
        "matchConditions": [{"name": "own", "expression": own}],
        "generate": [{"expression": format!("generator.apply({place}[{object}])")}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(object: Option<&Value>) -> WrittenObject<'_> {
        WrittenObject {
            group: "kyverno.io",
            kind: "ClusterPolicy",
            namespace: "",
            name: "p",
            path: "/p".into(),
            object,
        }
    }

    #[test]
    fn a_policy_that_generates_or_did_concerns_the_background_controller() {
        let rules = |rule: Value| json!({"spec": {"rules": [{"validate": {}}, rule]}});
        let generates = rules(json!({"generate": {}}));
        let changes = rules(json!({"mutate": {"targets": []}}));
        let validates = rules(json!({"mutate": {"foreach": []}}));
        let kind = PolicyContent::Rules.cluster_kind();
        let concerns = |now: Option<&Value>, past: &Value| {
            concerns_background(kind, &[written(now)], &[written(Some(past))])
        };
        assert!(concerns(Some(&generates), &validates));
        assert!(concerns(Some(&changes), &validates));
        assert!(
            concerns(None, &generates),
            "it may have to take back what it made"
        );
        assert!(!concerns(None, &validates) && !concerns(Some(&validates), &validates));
    }
}

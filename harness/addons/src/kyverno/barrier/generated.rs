//! Policies that Kyverno turns into an admission policy of Kubernetes' own: from then on the API
//! server decides by it, and Kyverno is no longer asked. Between the two nobody refuses, so there
//! is more to wait for than Kyverno's word.

use futures::FutureExt;
use model::{Answer, Refuser, ReplyContext, Verdict};
use serde_json::{Value, json};
use wait::WaitLook;

use super::{PolicyContent, PolicyType};
use crate::Error;
use crate::barrier::{BarrierSite, SENTINEL_LABEL, WrittenObject, not_yet, within_barrier_time};

/// Kubernetes' own kind of policy, and what binds it.
const POLICIES_PATH: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
const BINDINGS_PATH: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";

/// Whether a policy says that an admission policy stands for it.
pub(super) fn is_generated(object: &Value) -> bool {
    let status = &object["status"];
    status["generated"] == true || status["validatingadmissionpolicy"]["generated"] == true
}

/// Waits until admission policies stand for the policies of this kind that ask for it, and are gone
/// with those that were deleted.
pub(super) async fn wait_for_admission_policies(
    site: &dyn BarrierSite,
    kind: PolicyType,
    written: &[WrittenObject<'_>],
    history: &[WrittenObject<'_>],
) -> Result<(), Error> {
    let mut is_concerned = false;
    for one in written.iter().filter(|one| kind.is_of(one)) {
        let earlier = history.iter().filter(|past| past.path == one.path);
        let mut versions = earlier.chain([one]).filter_map(|past| past.object);
        if !versions.any(|object| asks_for_it(kind, object)) {
            continue;
        }
        is_concerned = true;
        match one.object {
            Some(object) if asks_for_it(kind, object) => {
                site.own_status(one, is_decided).await?;
            }
            Some(_) | None => wait_until_gone(site, kind, one.name).await?,
        }
    }
    if is_concerned {
        wait_for_api_server(site).await?;
    }
    Ok(())
}

/// Whether a policy is to become an admission policy, as far as its text says.
fn asks_for_it(kind: PolicyType, object: &Value) -> bool {
    let spec = &object["spec"];
    match kind.content {
        PolicyContent::Rules => {
            let rules = spec["rules"].as_array().map(Vec::as_slice);
            let only = rules.filter(|_| !kind.namespaced).unwrap_or_default();
            matches!(only, [rule] if rule["validate"].get("cel").is_some())
        }
        PolicyContent::Validations => {
            !kind.namespaced && spec["autogen"]["validatingAdmissionPolicy"]["enabled"] == true
        }
        // The lint refuses a mutating policy that asks for one; the others cannot.
        PolicyContent::Images
        | PolicyContent::Mutations
        | PolicyContent::Generations
        | PolicyContent::Deletions => false,
    }
}

/// Whether Kyverno has made the admission policy, or said that it does not.
fn is_decided(object: &Value) -> bool {
    let said = &object["status"]["validatingadmissionpolicy"]["message"];
    let for_workloads = object["status"]["autogen"]["configs"].as_object();
    is_generated(object)
        || said.as_str().is_some_and(|said| !said.is_empty())
        || for_workloads.is_some_and(|all| !all.is_empty())
}

async fn wait_until_gone(
    site: &dyn BarrierSite,
    kind: PolicyType,
    name: &str,
) -> Result<(), Error> {
    let stem = match kind.content {
        PolicyContent::Rules => "cpol",
        PolicyContent::Validations => "vpol",
        // None becomes one.
        PolicyContent::Images
        | PolicyContent::Mutations
        | PolicyContent::Generations
        | PolicyContent::Deletions => return Ok(()),
    };
    let what = format!("the admission policy {stem}-{name} to be gone");
    let list = format!("{POLICIES_PATH}?fieldSelector=metadata.name%3D{stem}-{name}");
    let look = async || {
        let found = site.fetch_object(&list).await?;
        let left = found["items"].as_array().map_or(1, Vec::len);
        Ok(WaitLook::when(left == 0, || "it is still there".into()))
    };
    site.wait_until(within_barrier_time(&what, 40), &mut || look().boxed_local())
        .await
}

/// The API server learns of admission policies in order: one of ours that refuses shows that those
/// before it count.
async fn wait_for_api_server(site: &dyn BarrierSite) -> Result<(), Error> {
    let name = site.sentinel_name();
    for (collection, object) in sentinel_objects(site.namespace(), &name) {
        site.make_part(collection, object).await?;
    }
    let look = async || {
        let reply = site.try_lease(&name).await;
        let is_ours = match model::read_reply(ReplyContext::Change, &reply) {
            Verdict::Answered(Answer::Denied {
                by: Refuser::Policy(by),
            }) => by == name,
            _ => false,
        };
        Ok(WaitLook::when(is_ours, || not_yet(&reply)))
    };
    let what = "admission policies that Kyverno made to be in force";
    let proved = site
        .wait_until(within_barrier_time(what, 40), &mut || look().boxed_local())
        .await;
    site.remove_objects(vec![
        format!("{BINDINGS_PATH}/{name}"),
        format!("{POLICIES_PATH}/{name}"),
    ]);
    proved
}

/// An admission policy that refuses the Lease of its own name in this namespace, and its binding.
fn sentinel_objects(namespace: &str, name: &str) -> [(&'static str, Value); 2] {
    let lease = json!({"apiGroups": ["coordination.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE"],
        "resources": ["leases"]});
    let own = json!({
        "resourceRules": [lease],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "objectSelector": {"matchLabels": {SENTINEL_LABEL: name}},
    });
    let object = |kind: &str, spec: Value| json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let validations = json!([{"expression": "false", "message": "a sentinel"}]);
    let policy =
        json!({"failurePolicy": "Fail", "matchConstraints": own, "validations": validations});
    let binding = json!({"policyName": name, "validationActions": ["Deny"]});
    [
        (POLICIES_PATH, object("ValidatingAdmissionPolicy", policy)),
        (
            BINDINGS_PATH,
            object("ValidatingAdmissionPolicyBinding", binding),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::POLICY_TYPES;
    use super::*;

    fn kind(name: &str) -> PolicyType {
        POLICY_TYPES
            .into_iter()
            .find(|kind| kind.kind == name)
            .unwrap()
    }

    #[test]
    fn one_rule_in_cel_becomes_an_admission_policy() {
        let rules = |rules: Value| json!({"spec": {"rules": rules}});
        let cel = json!({"validate": {"cel": {"expressions": []}}});
        assert!(asks_for_it(kind("ClusterPolicy"), &rules(json!([cel]))));
        assert!(!asks_for_it(
            kind("ClusterPolicy"),
            &rules(json!([cel, cel]))
        ));
        assert!(!asks_for_it(kind("Policy"), &rules(json!([cel]))));
        let deny = json!({"validate": {"deny": {}}});
        assert!(!asks_for_it(kind("ClusterPolicy"), &rules(json!([deny]))));
    }

    #[test]
    fn a_validating_policy_becomes_one_where_it_says_so() {
        let asking = json!({"spec": {"autogen": {"validatingAdmissionPolicy": {"enabled": true}}}});
        assert!(asks_for_it(kind("ValidatingPolicy"), &asking));
        assert!(!asks_for_it(kind("NamespacedValidatingPolicy"), &asking));
        assert!(!asks_for_it(kind("ValidatingPolicy"), &json!({"spec": {}})));
    }

    #[test]
    fn kyverno_says_what_it_decided() {
        assert!(!is_decided(&json!({"status": {}})));
        assert!(is_decided(&json!({"status": {"generated": true}})));
        let said =
            |said: Value| is_decided(&json!({"status": {"validatingadmissionpolicy": said}}));
        assert!(said(
            json!({"generated": false, "message": "skip generating"})
        ));
        assert!(said(json!({"generated": true, "message": ""})));
        assert!(!said(json!({"generated": false, "message": ""})));
    }
}

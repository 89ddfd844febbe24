//! The sentinels: policies that stay in their namespace, each with an object that it alone is for.

use serde_json::{Value, json};

use super::background::generation_spec;
use super::deleting::deletion_spec;
use super::{PolicyContent, PolicyType};
use crate::barrier::SENTINEL_LABEL;

/// The label by which a sentinel that mutates shows itself.
pub(super) const CHANGED_LABEL: &str = "gauntlet.dev/mutated";

/// The sentinels of a kind of policy. Rules need two, one for each pass.
pub(super) fn sentinel_definitions(kind: PolicyType, namespace: &str, name: &str) -> Vec<Value> {
    let own = |name: &str, spec: Value| sentinel_policy(kind, namespace, name, spec);
    match kind.content {
        PolicyContent::Rules => {
            let seen = image_rule(name, &matched_resources(kind, namespace, "Pod"));
            let leases = refusing_rule(name, &matched_resources(kind, namespace, "Lease"));
            vec![
                own(name, rules_spec(&seen)),
                own(&checked_name(name), rules_spec(&leases)),
            ]
        }
        PolicyContent::Images => vec![own(name, image_validation_spec(kind, namespace, name))],
        PolicyContent::Validations => vec![own(name, validation_spec(kind, namespace, name))],
        PolicyContent::Mutations => vec![own(name, mutation_spec(kind, namespace, name))],
        PolicyContent::Generations => vec![own(name, generation_spec(kind, namespace, name))],
        PolicyContent::Deletions => vec![own(name, deletion_spec(kind, namespace, name))],
    }
}

/// The name of the sentinel that shows the pass that validates.
pub(super) fn checked_name(name: &str) -> String {
    format!("{name}-checked")
}

pub(super) fn sentinel_policy(kind: PolicyType, namespace: &str, name: &str, spec: Value) -> Value {
    let mut policy = json!({
        "apiVersion": kind.content.version(), "kind": kind.kind, "metadata": {"name": name}, "spec": spec,
    });
    if kind.namespaced {
        policy["metadata"]["namespace"] = Value::from(namespace);
    }
    policy
}

pub(super) fn rules_spec(rule: &Value) -> Value {
    json!({"background": false, "webhookConfiguration": {"failurePolicy": "Fail"}, "rules": [rule]})
}

/// A rule that refuses the Lease of this name.
pub(super) fn refusing_rule(name: &str, resources: &Value) -> Value {
    let denial = json!({"failureAction": "Enforce", "message": "a sentinel", "deny": {}});
    let mut rule = json!({"name": "sentinel", "match": {"any": [{"resources": resources}]}, "validate": denial});
    rule["match"]["any"][0]["resources"]["names"] = json!([name]);
    rule
}

pub(super) fn matched_resources(kind: PolicyType, namespace: &str, what: &str) -> Value {
    let mut resources = json!({"kinds": [what]});
    if !kind.namespaced {
        resources["namespaces"] = json!([namespace]);
    }
    resources
}

/// A rule that refuses images that no registry has.
fn image_rule(name: &str, resources: &Value) -> Value {
    let entry = json!({"keys": {"publicKeys": SENTINEL_KEY, "rekor": {"ignoreTlog": true}, "ctlog": {"ignoreSCT": true}}});
    let images = json!([{
        "type": "SigstoreBundle", "failureAction": "Enforce",
        "imageReferences": [format!("127.0.0.1:1/{name}/*")], "attestors": [{"entries": [entry]}],
    }]);
    json!({"name": "sentinel", "match": {"any": [{"resources": resources}]}, "verifyImages": images})
}

/// What is matched: one resource of a group, when it is made in the sentinels' namespace.
pub(super) fn match_constraints(
    kind: PolicyType,
    namespace: &str,
    group: &str,
    resource: &str,
) -> Value {
    let mut constraints = json!({"resourceRules": [
        {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]},
    ]});
    if !kind.namespaced {
        constraints["namespaceSelector"] =
            json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    }
    constraints
}

/// The sentinel's own Lease.
fn match_lease(kind: PolicyType, namespace: &str, name: &str) -> Value {
    let mut constraints = match_constraints(kind, namespace, "coordination.k8s.io", "leases");
    constraints["objectSelector"] = json!({"matchLabels": {SENTINEL_LABEL: name}});
    constraints
}

pub(super) fn image_validation_spec(kind: PolicyType, namespace: &str, name: &str) -> Value {
    let cosign = json!({"key": {"data": SENTINEL_KEY}, "ctlog": {"insecureIgnoreTlog": true, "insecureIgnoreSCT": true}});
    json!({
        "failurePolicy": "Fail", "validationActions": ["Deny"],
        "matchConstraints": match_constraints(kind, namespace, "batch", "jobs"),
        "matchImageReferences": [{"glob": format!("127.0.0.1:1/{name}/*")}],
        "images": [{"name": "all", "expression": "object.spec.template.spec.containers.map(c, c.image)"}],
        "attestors": [{"name": "nobody", "cosign": cosign}],
        "validations": [{
            "expression": "images.all.map(image, verifyImageSignatures(image, [attestors.nobody])).all(n, n > 0)",
            "message": "a sentinel",
        }],
    })
}

pub(super) fn validation_spec(kind: PolicyType, namespace: &str, name: &str) -> Value {
    json!({
        "failurePolicy": "Fail", "validationActions": ["Deny"], "evaluation": {"background": {"enabled": false}},
        "matchConstraints": match_lease(kind, namespace, name),
        "validations": [{"expression": "false", "message": "a sentinel"}],
    })
}

/// It applies a configuration: for that, Kyverno also has to know what the API server serves.
fn mutation_spec(kind: PolicyType, namespace: &str, name: &str) -> Value {
    let expression =
        format!("Object{{metadata: Object.metadata{{labels: {{\"{CHANGED_LABEL}\": \"yes\"}}}}}}");
    json!({
        "failurePolicy": "Fail", "evaluation": {"background": {"enabled": false}},
        "matchConstraints": match_lease(kind, namespace, name),
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
    })
}

/// A public key that nothing is signed with.
const SENTINEL_KEY: &str = "-----BEGIN PUBLIC SENTINEL_KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE3FoDf2IKtMVdCIvBRwYnR7PbYTRG\n\
    biqhcWZTp2Tc/v7NklVF5VBDozSLB8eykdM0RzBLhXoz99rz1X+lQHcMnw==\n\
    -----END PUBLIC SENTINEL_KEY-----\n";

//! Canaries for Kyverno. It learns of its policies by a watch a kind, in order; it then writes the webhook configurations
//! that its policies need, and only when it has does a policy say that it is ready and count. So two things are waited for:
//! the word of each policy that was written, and a canary of the same kind that already refuses in both passes, the one
//! that changes objects and the one that validates them.
//!
//! A Job shows it: nothing of it is created, it needs no ServiceAccount, and policies for pods are for Jobs as well.

use std::time::Duration;

use model::{Answer, Asked, By, Reply, Verdict};
use serde_json::{Value, json};

use super::canaries::{Canaries, LABEL, PATIENCE, not_yet};
use super::plan::Touch;
use super::status;
use crate::Error;
use crate::request::Call;
use crate::wait::{Look, Wait, Waiter};

const OLD: &str = "kyverno.io/v1";
const NEW: &str = "policies.kyverno.io/v1";

/// A kind of policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    kind: &'static str,
    version: &'static str,
    plural: &'static str,
    namespaced: bool,
}

const KINDS: [Kind; 4] = [
    Kind { kind: "ClusterPolicy", version: OLD, plural: "clusterpolicies", namespaced: false },
    Kind { kind: "Policy", version: OLD, plural: "policies", namespaced: true },
    Kind { kind: "ImageValidatingPolicy", version: NEW, plural: "imagevalidatingpolicies", namespaced: false },
    Kind {
        kind: "NamespacedImageValidatingPolicy",
        version: NEW,
        plural: "namespacedimagevalidatingpolicies",
        namespaced: true,
    },
];

/// The kinds of policy among `touches`.
pub(super) fn concerned(touches: &[Touch]) -> Vec<Kind> {
    KINDS.into_iter().filter(|kind| touches.iter().any(|touch| kind.is_of(touch))).collect()
}

impl Kind {
    fn is_of(self, touch: &Touch) -> bool {
        touch.resource.kind == self.kind && touch.resource.group.ends_with("kyverno.io")
    }

    fn path(self, namespace: &str) -> String {
        let Self { version, plural, .. } = self;
        if self.namespaced {
            format!("/apis/{version}/namespaces/{namespace}/{plural}")
        } else {
            format!("/apis/{version}/{plural}")
        }
    }
}

/// Waits until every policy of this kind in `touches` counts, or no longer does.
pub(super) async fn policies(canaries: &Canaries, waiter: &Waiter, kind: Kind, touches: &[Touch]) -> Result<(), Error> {
    say_ready(canaries, waiter, kind, touches).await?;
    let name = canaries.name();
    let path = kind.path(canaries.namespace());
    let mut paths = Vec::new();
    for policy in definitions(kind, canaries.namespace(), &name) {
        canaries.make(&path, policy.clone()).await?;
        paths.push(format!("{path}/{}", policy["metadata"]["name"].as_str().unwrap_or_default()));
    }
    let proved = proved(canaries, waiter, kind, &name).await;
    canaries.remove(paths);
    proved?;
    say_ready(canaries, waiter, kind, touches).await
}

/// Each of the two webhook configurations says in turn whether it has a policy already, and may take back what the other
/// one said; a status that changes empties what Kyverno remembers of the policy's images. So this is asked again once a
/// canary has shown that both have it.
async fn say_ready(canaries: &Canaries, waiter: &Waiter, kind: Kind, touches: &[Touch]) -> Result<(), Error> {
    for touch in touches.iter().filter(|touch| kind.is_of(touch) && touch.object.is_some()) {
        status::own(canaries.own(), waiter, touch, is_ready).await?;
    }
    Ok(())
}

/// Whether a Kyverno policy that looks at namespaces' labels itself was written in this world.
pub(super) fn reads_labels(touches: &[Touch]) -> bool {
    touches.iter().any(|touch| KINDS.iter().any(|kind| kind.version == OLD && kind.is_of(touch)))
}

/// Kyverno learns of namespaces' labels by a watch of its own.
pub(super) async fn namespace_labels(canaries: &Canaries, waiter: &Waiter) -> Result<(), Error> {
    let name = canaries.name();
    let label = format!("{LABEL}-{}", name.rsplit('-').next().unwrap_or_default());
    let mut rule = refusing(&name, &json!({"kinds": ["Lease"]}));
    rule["match"]["any"][0]["resources"]["namespaceSelector"] = json!({"matchLabels": {&label: "yes"}});
    let [cluster_policy, ..] = KINDS;
    let path = cluster_policy.path(canaries.namespace());
    canaries.make(&path, policy(cluster_policy, canaries.namespace(), &name, old_spec(&rule))).await?;
    canaries.mark(&label).await?;
    let wait = Wait { what: "Kyverno to know the labels", within: PATIENCE, every: Duration::from_millis(30) };
    let known = waiter
        .until(wait, async || {
            let reply = canaries.probe(&name).await;
            if refused(&reply, &name) { Look::Found(()) } else { Look::Not(not_yet(&reply)) }
        })
        .await;
    canaries.remove(vec![format!("{path}/{name}")]);
    known
}

async fn proved(canaries: &Canaries, waiter: &Waiter, kind: Kind, name: &str) -> Result<(), Error> {
    let wait = Wait { what: "Kyverno's policies to be in force", within: PATIENCE, every: Duration::from_millis(30) };
    waiter
        .until(wait, async || {
            let changing = job(canaries, &format!("127.0.0.1:1/{name}/none:1")).await;
            if !refused(&changing, name) {
                return Look::Not(not_yet(&changing));
            }
            let (by, validating) = if kind.version == OLD {
                (checked(name), canaries.probe(name).await)
            } else {
                let digest = "0".repeat(64);
                (name.to_owned(), job(canaries, &format!("127.0.0.1:1/{name}/none@sha256:{digest}")).await)
            };
            if refused(&validating, &by) { Look::Found(()) } else { Look::Not(not_yet(&validating)) }
        })
        .await
}

/// Whether a policy says of itself that it counts.
fn is_ready(object: &Value) -> bool {
    let status = &object["status"];
    let ready = |conditions: &Value| {
        conditions.as_array().is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
    };
    status["conditionStatus"]["ready"] == true || ready(&status["conditions"])
}

fn refused(reply: &Reply, name: &str) -> bool {
    matches!(
        model::read(Asked::Api, reply),
        Verdict::Answered(Answer::Denied { by: By::Kyverno(by) }) if by == name
    )
}

/// Tries a Job with this image, without storing it.
async fn job(canaries: &Canaries, image: &str) -> Reply {
    let body = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "canary"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "none", "image": image}]}}},
    });
    let path = format!("/apis/batch/v1/namespaces/{}/jobs", canaries.namespace());
    canaries.own().send(Call::post(path, body).dry(true)).await.reply
}

fn checked(name: &str) -> String {
    format!("{name}-checked")
}

/// The canary: a policy for images that no registry has.
fn definitions(kind: Kind, namespace: &str, name: &str) -> Vec<Value> {
    if kind.version == NEW {
        return vec![policy(kind, namespace, name, image_validating(kind, namespace, name))];
    }
    let matching = |what: &str| {
        let mut resources = json!({"kinds": [what]});
        if !kind.namespaced {
            resources["namespaces"] = json!([namespace]);
        }
        resources
    };
    let entry = json!({"keys": {"publicKeys": KEY, "rekor": {"ignoreTlog": true}, "ctlog": {"ignoreSCT": true}}});
    let images = json!([{
        "type": "SigstoreBundle", "failureAction": "Enforce",
        "imageReferences": [format!("127.0.0.1:1/{name}/*")], "attestors": [{"entries": [entry]}],
    }]);
    let pods = json!({"any": [{"resources": matching("Pod")}]});
    let seen = json!({"name": "canary", "match": pods, "verifyImages": images});
    vec![
        policy(kind, namespace, name, old_spec(&seen)),
        policy(kind, namespace, &checked(name), old_spec(&refusing(name, &matching("Lease")))),
    ]
}

fn policy(kind: Kind, namespace: &str, name: &str, spec: Value) -> Value {
    let mut policy = json!({"apiVersion": kind.version, "kind": kind.kind, "metadata": {"name": name}, "spec": spec});
    if kind.namespaced {
        policy["metadata"]["namespace"] = Value::from(namespace);
    }
    policy
}

fn old_spec(rule: &Value) -> Value {
    json!({"background": false, "webhookConfiguration": {"failurePolicy": "Fail"}, "rules": [rule]})
}

/// A rule that refuses the Lease of this name.
fn refusing(name: &str, resources: &Value) -> Value {
    let denial = json!({"failureAction": "Enforce", "message": "a canary", "deny": {}});
    let mut rule = json!({"name": "canary", "match": {"any": [{"resources": resources}]}, "validate": denial});
    rule["match"]["any"][0]["resources"]["names"] = json!([name]);
    rule
}

fn image_validating(kind: Kind, namespace: &str, name: &str) -> Value {
    let mut constraints = json!({"resourceRules": [
        {"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]},
    ]});
    if !kind.namespaced {
        constraints["namespaceSelector"] = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    }
    let cosign = json!({"key": {"data": KEY}, "ctlog": {"insecureIgnoreTlog": true, "insecureIgnoreSCT": true}});
    json!({
        "failurePolicy": "Fail", "validationActions": ["Deny"], "matchConstraints": constraints,
        "matchImageReferences": [{"glob": format!("127.0.0.1:1/{name}/*")}],
        "images": [{"name": "all", "expression": "object.spec.template.spec.containers.map(c, c.image)"}],
        "attestors": [{"name": "nobody", "cosign": cosign}],
        "validations": [{
            "expression": "images.all.map(image, verifyImageSignatures(image, [attestors.nobody])).all(n, n > 0)",
            "message": "a canary",
        }],
    })
}

/// A public key that nothing is signed with.
const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE3FoDf2IKtMVdCIvBRwYnR7PbYTRG\n\
    biqhcWZTp2Tc/v7NklVF5VBDozSLB8eykdM0RzBLhXoz99rz1X+lQHcMnw==\n\
    -----END PUBLIC KEY-----\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_speaks_for_itself_in_one_of_two_ways() {
        assert!(is_ready(&json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})));
        assert!(is_ready(&json!({"status": {"conditionStatus": {"ready": true}}})));
        assert!(!is_ready(&json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}})));
        assert!(!is_ready(&json!({"status": {"conditionStatus": {"ready": false}}})));
        assert!(!is_ready(&json!({})));
    }

    #[test]
    fn a_canary_stays_in_its_namespace() {
        for kind in KINDS {
            for policy in definitions(kind, "gauntlet-canary", "c-1") {
                let text = policy.to_string();
                assert!(text.contains("\"gauntlet-canary\""), "{text}");
                assert_eq!(policy["metadata"]["namespace"].is_string(), kind.namespaced);
            }
        }
    }
}

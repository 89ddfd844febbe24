//! What shows that Kyverno's policies are in force. It learns of its policies by a watch a kind, in
//! order; it then writes the webhook configurations that its policies need, and only when it has
//! does a policy say that it is ready and count. So two things are waited for: the word of each
//! policy that was written, and a sentinel of the same kind that already refuses in both passes,
//! the one that changes objects and the one that validates them.
//!
//! A Job shows it: nothing of it is created, it needs no ServiceAccount, and policies for pods are
//! for Jobs as well.

use api::condition_status;
use futures::FutureExt;
use model::addons::kyverno::ADDON;
use serde_json::{Value, json};
use wait::WaitLook;

use crate::barrier::{
    BarrierSite, SENTINEL_LABEL, WrittenObject, is_refused_by, not_yet, refused_by,
    within_barrier_time,
};
use crate::{AddonFuture, Error};

const OLD: &str = "kyverno.io/v1";
const NEW: &str = "policies.kyverno.io/v1";

/// A kind of policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PolicyType {
    kind: &'static str,
    version: &'static str,
    plural: &'static str,
    namespaced: bool,
}

const KINDS: [PolicyType; 4] = [
    PolicyType {
        kind: "ClusterPolicy",
        version: OLD,
        plural: "clusterpolicies",
        namespaced: false,
    },
    PolicyType {
        kind: "Policy",
        version: OLD,
        plural: "policies",
        namespaced: true,
    },
    PolicyType {
        kind: "ImageValidatingPolicy",
        version: NEW,
        plural: "imagevalidatingpolicies",
        namespaced: false,
    },
    PolicyType {
        kind: "NamespacedImageValidatingPolicy",
        version: NEW,
        plural: "namespacedimagevalidatingpolicies",
        namespaced: true,
    },
];

/// A wait for each kind of policy that was written.
pub(super) fn barrier_waits<'a>(
    site: &'a dyn BarrierSite,
    written: &'a [WrittenObject<'a>],
    _: &'a [WrittenObject<'a>],
) -> Vec<AddonFuture<'a>> {
    let concerned = KINDS
        .into_iter()
        .filter(|kind| written.iter().any(|one| kind.is_of(one)));
    concerned
        .map(|kind| wait_for_policies(site, kind, written).boxed_local())
        .collect()
}

/// The wait for labels, where a policy that looks at namespaces' labels itself was written.
pub(super) fn label_wait<'a>(
    site: &'a dyn BarrierSite,
    history: &'a [WrittenObject<'a>],
) -> Option<AddonFuture<'a>> {
    let reads = history.iter().any(|one| {
        KINDS
            .iter()
            .any(|kind| kind.version == OLD && kind.is_of(one))
    });
    reads.then(|| namespace_labels(site).boxed_local())
}

impl PolicyType {
    fn is_of(self, one: &WrittenObject<'_>) -> bool {
        one.kind == self.kind && one.group.ends_with("kyverno.io")
    }

    fn path(self, namespace: &str) -> String {
        let Self {
            version, plural, ..
        } = self;
        if self.namespaced {
            format!("/apis/{version}/namespaces/{namespace}/{plural}")
        } else {
            format!("/apis/{version}/{plural}")
        }
    }
}

/// Waits until every policy of this kind in `written` counts, or no longer does.
async fn wait_for_policies(
    site: &dyn BarrierSite,
    kind: PolicyType,
    written: &[WrittenObject<'_>],
) -> Result<(), Error> {
    say_ready(site, kind, written).await?;
    let name = site.sentinel_name();
    let path = kind.path(site.namespace());
    let mut paths = Vec::new();
    for policy in sentinel_definitions(kind, site.namespace(), &name) {
        site.make_part(&path, policy.clone()).await?;
        paths.push(format!(
            "{path}/{}",
            policy["metadata"]["name"].as_str().unwrap_or_default()
        ));
    }
    let proved = wait_until_proved(site, kind, &name).await;
    site.remove_objects(paths);
    proved?;
    say_ready(site, kind, written).await
}

/// Each of the two webhook configurations says in turn whether it has a policy already, and may
/// take back what the other one said; a status that changes empties what Kyverno remembers of the
/// policy's images. So this is asked again once a sentinel has shown that both have it.
async fn say_ready(
    site: &dyn BarrierSite,
    kind: PolicyType,
    written: &[WrittenObject<'_>],
) -> Result<(), Error> {
    for one in written
        .iter()
        .filter(|one| kind.is_of(one) && one.object.is_some())
    {
        site.own_status(one, is_ready).await?;
    }
    Ok(())
}

/// Kyverno learns of namespaces' labels by a separate watch.
async fn namespace_labels(site: &dyn BarrierSite) -> Result<(), Error> {
    let name = site.sentinel_name();
    let label = format!(
        "{SENTINEL_LABEL}-{}",
        name.rsplit('-').next().unwrap_or_default()
    );
    let mut rule = refusing_rule(&name, &json!({"kinds": ["Lease"]}));
    rule["match"]["any"][0]["resources"]["namespaceSelector"] =
        json!({"matchLabels": {&label: "yes"}});
    let [cluster_policy, ..] = KINDS;
    let path = cluster_policy.path(site.namespace());
    site.make_part(
        &path,
        sentinel_policy(cluster_policy, site.namespace(), &name, old_spec(&rule)),
    )
    .await?;
    site.label_namespace(&label, "yes").await?;
    let look = async || {
        let reply = site.try_lease(&name).await;
        Ok(refused_by(&reply, &ADDON, &name))
    };
    let known = site
        .wait_until(
            within_barrier_time("Kyverno to know the labels", 30),
            &mut || look().boxed_local(),
        )
        .await;
    site.remove_objects(vec![format!("{path}/{name}")]);
    known
}

async fn wait_until_proved(
    site: &dyn BarrierSite,
    kind: PolicyType,
    name: &str,
) -> Result<(), Error> {
    let look = async || {
        let changing = site
            .try_job("sentinel", &format!("127.0.0.1:1/{name}/none:1"))
            .await;
        if !is_refused_by(&changing, &ADDON, name) {
            return Ok(WaitLook::NotYet(not_yet(&changing)));
        }
        let (by, validating) = if kind.version == OLD {
            (wait_until_checked(name), site.try_lease(name).await)
        } else {
            let image = format!("127.0.0.1:1/{name}/none@sha256:{}", "0".repeat(64));
            (name.to_owned(), site.try_job("sentinel", &image).await)
        };
        Ok(refused_by(&validating, &ADDON, &by))
    };
    site.wait_until(
        within_barrier_time("Kyverno's policies to be in force", 30),
        &mut || look().boxed_local(),
    )
    .await
}

/// Whether a policy says of itself that it counts.
fn is_ready(object: &Value) -> bool {
    object["status"]["conditionStatus"]["ready"] == true
        || condition_status(object, "Ready") == Some("True")
}

fn wait_until_checked(name: &str) -> String {
    format!("{name}-checked")
}

/// The sentinel: a policy for images that no registry has.
fn sentinel_definitions(kind: PolicyType, namespace: &str, name: &str) -> Vec<Value> {
    if kind.version == NEW {
        return vec![sentinel_policy(
            kind,
            namespace,
            name,
            image_validating(kind, namespace, name),
        )];
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
    let seen = json!({"name": "sentinel", "match": pods, "verifyImages": images});
    vec![
        sentinel_policy(kind, namespace, name, old_spec(&seen)),
        sentinel_policy(
            kind,
            namespace,
            &wait_until_checked(name),
            old_spec(&refusing_rule(name, &matching("Lease"))),
        ),
    ]
}

fn sentinel_policy(kind: PolicyType, namespace: &str, name: &str, spec: Value) -> Value {
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
fn refusing_rule(name: &str, resources: &Value) -> Value {
    let denial = json!({"failureAction": "Enforce", "message": "a sentinel", "deny": {}});
    let mut rule = json!({"name": "sentinel", "match": {"any": [{"resources": resources}]}, "validate": denial});
    rule["match"]["any"][0]["resources"]["names"] = json!([name]);
    rule
}

fn image_validating(kind: PolicyType, namespace: &str, name: &str) -> Value {
    let mut constraints = json!({"resourceRules": [
        {"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]},
    ]});
    if !kind.namespaced {
        constraints["namespaceSelector"] =
            json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    }
    let cosign = json!({"key": {"data": KEY}, "ctlog": {"insecureIgnoreTlog": true, "insecureIgnoreSCT": true}});
    json!({
        "failurePolicy": "Fail", "validationActions": ["Deny"], "matchConstraints": constraints,
        "matchImageReferences": [{"glob": format!("127.0.0.1:1/{name}/*")}],
        "images": [{"name": "all", "expression": "object.spec.template.spec.containers.map(c, c.image)"}],
        "attestors": [{"name": "nobody", "cosign": cosign}],
        "validations": [{
            "expression": "images.all.map(image, verifyImageSignatures(image, [attestors.nobody])).all(n, n > 0)",
            "message": "a sentinel",
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
        assert!(is_ready(
            &json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
        ));
        assert!(is_ready(
            &json!({"status": {"conditionStatus": {"ready": true}}})
        ));
        assert!(!is_ready(
            &json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
        ));
        assert!(!is_ready(
            &json!({"status": {"conditionStatus": {"ready": false}}})
        ));
        assert!(!is_ready(&json!({})));
    }

    #[test]
    fn a_sentinel_stays_in_its_namespace() {
        for kind in KINDS {
            for policy in sentinel_definitions(kind, "gauntlet-sentinel", "c-1") {
                let text = policy.to_string();
                assert!(text.contains("\"gauntlet-sentinel\""), "{text}");
                assert_eq!(policy["metadata"]["namespace"].is_string(), kind.namespaced);
            }
        }
    }
}

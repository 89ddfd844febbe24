//! What shows that Kyverno's policies are in force. It learns of its policies by a watch a kind, in
//! order; it then writes the webhook configurations that its policies need, and only when it has
//! does a policy say that it is ready and count. So two things are waited for: the word of each
//! policy that was written, and a sentinel of the same kind that already refuses in both passes,
//! the one that changes objects and the one that validates them. A sentinel that mutates shows
//! itself by what it changed.
//!
//! A Job shows policies of images: nothing of it is created, it needs no ServiceAccount, and
//! policies for pods are for Jobs as well. A Lease shows the others.
//!
//! Some policies become an admission policy of Kubernetes' own; those have a wait of their own, and
//! so has what other controllers than the one that is asked at admission do by policies.

pub(super) mod background;
pub(super) mod deleting;
mod exception;
mod generated;
mod sentinel;

use api::{condition_status, reply_body, was_taken};
use futures::FutureExt;
use model::ApiReply;
use model::addons::kyverno::ADDON;
use serde_json::{Value, json};
use wait::WaitLook;

use self::exception::{EXCEPTION_TYPES, wait_for_exceptions};
use crate::barrier::{
    BarrierSite, SENTINEL_LABEL, WrittenObject, not_yet, refused_by, within_barrier_time,
};
use crate::{AddonFuture, Error};

/// What policies of a kind consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PolicyContent {
    /// Rules of each sort.
    Rules,
    /// Who has to have signed an image.
    Images,
    /// What has to be so.
    Validations,
    /// What is changed.
    Mutations,
    /// What is made.
    Generations,
    /// What is deleted, and when.
    Deletions,
}

impl PolicyContent {
    /// The kind with this content that is for the whole cluster.
    fn cluster_kind(self) -> PolicyType {
        let [
            rules,
            _,
            images,
            _,
            validations,
            _,
            mutations,
            _,
            generations,
            _,
            deletions,
            _,
        ] = POLICY_TYPES;
        match self {
            Self::Rules => rules,
            Self::Images => images,
            Self::Validations => validations,
            Self::Mutations => mutations,
            Self::Generations => generations,
            Self::Deletions => deletions,
        }
    }

    fn version(self) -> &'static str {
        match self {
            Self::Rules => "kyverno.io/v1",
            Self::Images
            | Self::Validations
            | Self::Mutations
            | Self::Generations
            | Self::Deletions => "policies.kyverno.io/v1",
        }
    }
}

/// A kind of policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PolicyType {
    kind: &'static str,
    content: PolicyContent,
    plural: &'static str,
    namespaced: bool,
}

const POLICY_TYPES: [PolicyType; 12] = [
    PolicyType {
        kind: "ClusterPolicy",
        content: PolicyContent::Rules,
        plural: "clusterpolicies",
        namespaced: false,
    },
    PolicyType {
        kind: "Policy",
        content: PolicyContent::Rules,
        plural: "policies",
        namespaced: true,
    },
    PolicyType {
        kind: "ImageValidatingPolicy",
        content: PolicyContent::Images,
        plural: "imagevalidatingpolicies",
        namespaced: false,
    },
    PolicyType {
        kind: "NamespacedImageValidatingPolicy",
        content: PolicyContent::Images,
        plural: "namespacedimagevalidatingpolicies",
        namespaced: true,
    },
    PolicyType {
        kind: "ValidatingPolicy",
        content: PolicyContent::Validations,
        plural: "validatingpolicies",
        namespaced: false,
    },
    PolicyType {
        kind: "NamespacedValidatingPolicy",
        content: PolicyContent::Validations,
        plural: "namespacedvalidatingpolicies",
        namespaced: true,
    },
    PolicyType {
        kind: "MutatingPolicy",
        content: PolicyContent::Mutations,
        plural: "mutatingpolicies",
        namespaced: false,
    },
    PolicyType {
        kind: "NamespacedMutatingPolicy",
        content: PolicyContent::Mutations,
        plural: "namespacedmutatingpolicies",
        namespaced: true,
    },
    PolicyType {
        kind: "GeneratingPolicy",
        content: PolicyContent::Generations,
        plural: "generatingpolicies",
        namespaced: false,
    },
    PolicyType {
        kind: "NamespacedGeneratingPolicy",
        content: PolicyContent::Generations,
        plural: "namespacedgeneratingpolicies",
        namespaced: true,
    },
    PolicyType {
        kind: "DeletingPolicy",
        content: PolicyContent::Deletions,
        plural: "deletingpolicies",
        namespaced: false,
    },
    PolicyType {
        kind: "NamespacedDeletingPolicy",
        content: PolicyContent::Deletions,
        plural: "namespaceddeletingpolicies",
        namespaced: true,
    },
];

/// A wait for each kind of policy or exception that was written.
pub(super) fn barrier_waits<'a>(
    site: &'a dyn BarrierSite,
    written: &'a [WrittenObject<'a>],
    history: &'a [WrittenObject<'a>],
) -> Vec<AddonFuture<'a>> {
    let concerned = POLICY_TYPES
        .into_iter()
        .filter(|kind| written.iter().any(|one| kind.is_of(one)));
    let policies =
        concerned.map(|kind| wait_for_policies(site, kind, written, history).boxed_local());
    let excepted: Vec<_> = EXCEPTION_TYPES
        .into_iter()
        .filter(|kind| written.iter().any(|one| kind.is_of(one)))
        .collect();
    let exceptions =
        (!excepted.is_empty()).then(|| wait_for_exceptions(site, excepted).boxed_local());
    policies.chain(exceptions).collect()
}

/// The wait for labels: Kyverno looks at those of namespaces itself, for policies of every kind.
pub(super) fn label_wait<'a>(
    site: &'a dyn BarrierSite,
    history: &'a [WrittenObject<'a>],
) -> Option<AddonFuture<'a>> {
    let reads = history
        .iter()
        .any(|one| POLICY_TYPES.iter().any(|kind| kind.is_of(one)));
    reads.then(|| namespace_labels(site).boxed_local())
}

impl PolicyType {
    fn is_of(self, one: &WrittenObject<'_>) -> bool {
        one.kind == self.kind && one.group.ends_with("kyverno.io")
    }

    fn path(self, namespace: &str) -> String {
        let (version, plural) = (self.content.version(), self.plural);
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
    history: &[WrittenObject<'_>],
) -> Result<(), Error> {
    say_ready(site, kind, written).await?;
    let name = site.sentinel_name();
    let path = kind.path(site.namespace());
    let mut paths = Vec::new();
    for policy in sentinel::sentinel_definitions(kind, site.namespace(), &name) {
        site.make_part(&path, policy.clone()).await?;
        paths.push(format!(
            "{path}/{}",
            policy["metadata"]["name"].as_str().unwrap_or_default()
        ));
    }
    let proved = wait_until_proved(site, kind, &name).await;
    site.remove_objects(paths);
    proved?;
    background::wait_for_background(site, kind, written, history).await?;
    generated::wait_for_admission_policies(site, kind, written, history).await?;
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
    // Those say no more than when they were last gone by.
    if kind.content == PolicyContent::Deletions {
        return Ok(());
    }
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
    let mut rule = sentinel::refusing_rule(&name, &json!({"kinds": ["Lease"]}));
    rule["match"]["any"][0]["resources"]["namespaceSelector"] =
        json!({"matchLabels": {&label: "yes"}});
    let [cluster_policy, ..] = POLICY_TYPES;
    let path = cluster_policy.path(site.namespace());
    site.make_part(
        &path,
        sentinel::sentinel_policy(
            cluster_policy,
            site.namespace(),
            &name,
            sentinel::rules_spec(&rule),
        ),
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
    match kind.content {
        PolicyContent::Generations => return background::wait_until_generated(site, name).await,
        PolicyContent::Deletions => return deleting::wait_until_run(site, kind, name).await,
        _ => {}
    }
    let look = async || {
        Ok(match kind.content {
            PolicyContent::Rules => match refuses_tag(site, name).await {
                WaitLook::Ready(()) => {
                    let by = sentinel::checked_name(name);
                    refused_by(&site.try_lease(name).await, &ADDON, &by)
                }
                later @ WaitLook::NotYet(_) => later,
            },
            PolicyContent::Images => match refuses_tag(site, name).await {
                WaitLook::Ready(()) => {
                    let reply = site.try_job("sentinel", &refused_digest(name)).await;
                    refused_by(&reply, &ADDON, name)
                }
                later @ WaitLook::NotYet(_) => later,
            },
            PolicyContent::Validations => refused_by(&site.try_lease(name).await, &ADDON, name),
            _ => {
                let reply = site.try_lease(name).await;
                WaitLook::when(is_changed(&reply), || not_changed(&reply))
            }
        })
    };
    site.wait_until(
        within_barrier_time("Kyverno's policies to be in force", 30),
        &mut || look().boxed_local(),
    )
    .await
}

/// An image by digest, which the sentinel refuses in the pass that validates objects.
fn refused_digest(name: &str) -> String {
    format!("127.0.0.1:1/{name}/none@sha256:{}", "0".repeat(64))
}

/// Whether the sentinel refuses an image by its tag, in the pass that changes objects.
async fn refuses_tag(site: &dyn BarrierSite, name: &str) -> WaitLook<()> {
    let image = format!("127.0.0.1:1/{name}/none:1");
    refused_by(&site.try_job("sentinel", &image).await, &ADDON, name)
}

/// Whether a sentinel has changed its Lease.
fn is_changed(reply: &ApiReply) -> bool {
    was_taken(reply) && reply_body(reply)["metadata"]["labels"][sentinel::CHANGED_LABEL] == "yes"
}

fn not_changed(reply: &ApiReply) -> String {
    if was_taken(reply) {
        "the sentinel's object is still left as it is".into()
    } else {
        not_yet(reply)
    }
}

/// Whether a policy says of itself that it counts. Those of the newer kinds also say whether they
/// may be reported on: that takes rights of the controller for reports, and changes nothing here.
fn is_ready(object: &Value) -> bool {
    let status = &object["status"];
    if generated::is_generated(object) || condition_status(object, "Ready") == Some("True") {
        return true;
    }
    let conditions = status["conditionStatus"]["conditions"].as_array();
    let said = |wanted: &str| {
        let found = conditions?.iter().find(|one| one["type"] == *wanted)?;
        found["status"].as_str()
    };
    let is_asked = object["spec"]["evaluation"]["admission"]["enabled"] != false;
    said("RBACPermissionsGranted").is_some()
        && (!is_asked || said("WebhookConfigured") == Some("True"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_policy(conditions: &[(&str, &str)]) -> Value {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(name, status)| json!({"type": name, "status": status}))
            .collect();
        json!({"status": {"conditionStatus": {"ready": false, "conditions": conditions}}})
    }

    #[test]
    fn each_content_has_a_kind_for_the_whole_cluster() {
        for kind in POLICY_TYPES {
            let whole = kind.content.cluster_kind();
            assert!(
                whole.content == kind.content && !whole.namespaced,
                "{kind:?}"
            );
        }
    }

    #[test]
    fn a_policy_speaks_for_itself_in_one_of_two_ways() {
        let old =
            |status: &str| json!({"status": {"conditions": [{"type": "Ready", "status": status}]}});
        assert!(is_ready(&old("True")) && !is_ready(&old("False")) && !is_ready(&json!({})));
        let (webhook, rights) = ("WebhookConfigured", "RBACPermissionsGranted");
        assert!(is_ready(&new_policy(&[
            (webhook, "True"),
            (rights, "True")
        ])));
        assert!(
            is_ready(&new_policy(&[(webhook, "True"), (rights, "False")])),
            "what is missing for reports does not keep it from refusing"
        );
        assert!(!is_ready(&new_policy(&[
            (webhook, "False"),
            (rights, "True")
        ])));
        assert!(!is_ready(&new_policy(&[(rights, "True")])));
        assert!(!is_ready(&new_policy(&[(webhook, "True")])));
    }

    #[test]
    fn a_policy_that_is_not_asked_at_admission_has_no_webhook() {
        let mut policy = new_policy(&[("RBACPermissionsGranted", "True")]);
        policy["spec"] = json!({"evaluation": {"admission": {"enabled": false}}});
        assert!(is_ready(&policy));
    }

    #[test]
    fn a_mutating_sentinel_shows_itself_by_what_it_changed() {
        let reply = |code: u16, labels: Value| ApiReply::Http {
            code,
            body: model::ReplyBody::Json(json!({"metadata": {"labels": labels}})),
            warnings: Vec::new(),
        };
        let changed = json!({sentinel::CHANGED_LABEL: "yes"});
        assert!(is_changed(&reply(201, changed.clone())));
        assert!(!is_changed(&reply(201, json!({}))) && !is_changed(&reply(400, changed)));
    }

    #[test]
    fn a_sentinel_stays_in_its_namespace() {
        for kind in POLICY_TYPES {
            for policy in sentinel::sentinel_definitions(kind, "gauntlet-sentinel", "c-1") {
                let text = policy.to_string();
                assert!(text.contains("\"gauntlet-sentinel\""), "{text}");
                assert_eq!(policy["metadata"]["namespace"].is_string(), kind.namespaced);
            }
        }
    }
}

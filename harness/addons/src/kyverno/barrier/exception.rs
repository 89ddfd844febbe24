//! Exceptions from policies. Kyverno learns of them by a watch a kind of policy, in order. A sentinel
//! policy refuses an object, and an exception from that policy lets it through: then those before it
//! count. The exception is in Kyverno's own namespace, where exceptions count wherever else they do.
//! For policies of images the object is a Job with a digest, which only the pass that validates looks
//! at; both passes ask what the one watch has brought.

use api::was_taken;
use futures::FutureExt;
use futures::future::try_join_all;
use model::addons::kyverno::ADDON;
use serde_json::{Value, json};
use wait::WaitLook;

use super::sentinel::{
    image_validation_spec, refusing_rule, rules_spec, sentinel_policy, validation_spec,
};
use super::{PolicyContent, PolicyType, refused_digest};
use crate::Error;
use crate::barrier::{BarrierSite, WrittenObject, not_yet, refused_by, within_barrier_time};

/// Exceptions from policies of one kind: from rules, or from one of the newer kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExceptionType {
    group: &'static str,
    version: &'static str,
    policies: PolicyContent,
}

pub(super) const EXCEPTION_TYPES: [ExceptionType; 3] = [
    ExceptionType {
        group: "kyverno.io",
        version: "v2",
        policies: PolicyContent::Rules,
    },
    ExceptionType {
        group: "policies.kyverno.io",
        version: "v1",
        policies: PolicyContent::Validations,
    },
    ExceptionType {
        group: "policies.kyverno.io",
        version: "v1",
        policies: PolicyContent::Images,
    },
];

impl ExceptionType {
    /// Whether this exception is from such policies. Of one that was deleted nobody says which it was
    /// from.
    pub(super) fn is_of(self, one: &WrittenObject<'_>) -> bool {
        one.kind == "PolicyException"
            && one.group == self.group
            && (self.policies == PolicyContent::Rules
                || one.object.is_none_or(|object| self.is_named_in(object)))
    }

    fn is_named_in(self, exception: &Value) -> bool {
        let refs = exception["spec"]["policyRefs"].as_array();
        let mut refs = refs.into_iter().flatten();
        refs.any(|one| one["kind"] == self.policy_type().kind)
    }

    fn path(self) -> String {
        let Self { group, version, .. } = self;
        format!("/apis/{group}/{version}/namespaces/kyverno/policyexceptions")
    }

    /// The kind of policy of the sentinel.
    fn policy_type(self) -> PolicyType {
        self.policies.cluster_kind()
    }

    fn policy(self, namespace: &str, name: &str) -> Value {
        let kind = self.policy_type();
        let spec = match kind.content {
            PolicyContent::Rules => {
                let leases = json!({"kinds": ["Lease"], "namespaces": [namespace]});
                rules_spec(&refusing_rule(name, &leases))
            }
            PolicyContent::Images => image_validation_spec(kind, namespace, name),
            PolicyContent::Validations
            | PolicyContent::Mutations
            | PolicyContent::Generations
            | PolicyContent::Deletions => validation_spec(kind, namespace, name),
        };
        sentinel_policy(kind, namespace, name, spec)
    }

    fn exception(self, namespace: &str, name: &str) -> Value {
        let Self { group, version, .. } = self;
        let kind = self.policy_type().kind;
        let spec = if self.policies == PolicyContent::Rules {
            let leases = json!({"kinds": ["Lease"], "names": [name], "namespaces": [namespace]});
            json!({
                "exceptions": [{"policyName": name, "ruleNames": ["sentinel"]}],
                "match": {"any": [{"resources": leases}]},
            })
        } else {
            json!({"policyRefs": [{"name": name, "kind": kind}]})
        };
        json!({
            "apiVersion": format!("{group}/{version}"), "kind": "PolicyException",
            "metadata": {"name": name, "namespace": "kyverno"}, "spec": spec,
        })
    }
}

/// Waits until the exceptions of each of these kinds count, or no longer do.
pub(super) async fn wait_for_exceptions(
    site: &dyn BarrierSite,
    kinds: Vec<ExceptionType>,
) -> Result<(), Error> {
    let waits = kinds.into_iter().map(|kind| wait_for_kind(site, kind));
    try_join_all(waits).await.map(drop)
}

async fn wait_for_kind(site: &dyn BarrierSite, exceptions: ExceptionType) -> Result<(), Error> {
    let name = site.sentinel_name();
    let policies = exceptions.policy_type().path(site.namespace());
    let policy = exceptions.policy(site.namespace(), &name);
    site.make_part(&policies, policy).await?;
    let mut made = vec![format!("{policies}/{name}")];
    let try_out = async || match exceptions.policies {
        PolicyContent::Images => site.try_job("sentinel", &refused_digest(&name)).await,
        PolicyContent::Rules
        | PolicyContent::Validations
        | PolicyContent::Mutations
        | PolicyContent::Generations
        | PolicyContent::Deletions => site.try_lease(&name).await,
    };
    let refuses = async || Ok(refused_by(&try_out().await, &ADDON, &name));
    let wait = within_barrier_time("a policy to refuse what an exception is for", 30);
    let refused = site.wait_until(wait, &mut || refuses().boxed_local()).await;
    let counts = async {
        refused?;
        let exception = exceptions.exception(site.namespace(), &name);
        site.make_part(&exceptions.path(), exception).await?;
        made.push(format!("{}/{name}", exceptions.path()));
        let passes = async || {
            let reply = try_out().await;
            Ok(WaitLook::when(was_taken(&reply), || not_yet(&reply)))
        };
        let wait = within_barrier_time("exceptions from Kyverno's policies to count", 30);
        site.wait_until(wait, &mut || passes().boxed_local()).await
    };
    let proved = counts.await;
    site.remove_objects(made);
    proved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_is_from_the_sentinel_alone() {
        for kind in EXCEPTION_TYPES {
            let policy = kind.policy("gauntlet-sentinel", "c-1");
            let exception = kind.exception("gauntlet-sentinel", "c-1")["spec"].to_string();
            assert_eq!(policy["metadata"]["name"], "c-1");
            assert!(
                exception.contains("\"c-1\"") && !exception.contains('*'),
                "{exception}"
            );
            assert_eq!(kind.policy_type().content, kind.policies);
        }
    }

    #[test]
    fn each_exception_is_waited_for_by_the_policies_that_it_names() {
        let waits = |group: &'static str, object: Option<&Value>| {
            let written = WrittenObject {
                group,
                kind: "PolicyException",
                namespace: "n",
                name: "a",
                path: String::new(),
                object,
            };
            let kinds = EXCEPTION_TYPES.iter().filter(|kind| kind.is_of(&written));
            kinds.map(|kind| kind.policies).collect::<Vec<_>>()
        };
        let from = |kind: &str| json!({"spec": {"policyRefs": [{"name": "p", "kind": kind}]}});
        let new = "policies.kyverno.io";
        for (kind, content) in [
            ("ValidatingPolicy", PolicyContent::Validations),
            ("ImageValidatingPolicy", PolicyContent::Images),
        ] {
            assert_eq!(waits(new, Some(&from(kind))), [content]);
        }
        assert_eq!(
            waits(new, None),
            [PolicyContent::Validations, PolicyContent::Images]
        );
        assert_eq!(waits("kyverno.io", None), [PolicyContent::Rules]);
        assert_eq!(
            waits("kyverno.io", Some(&json!({"spec": {}}))),
            [PolicyContent::Rules]
        );
    }
}

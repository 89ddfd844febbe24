//! Exceptions from policies. Kyverno learns of them by a watch a kind, in order. A sentinel policy
//! refuses a Lease, and an exception from that policy lets it through: then those before it count.
//! The exception is in Kyverno's own namespace, where exceptions count wherever else they do.

use api::was_taken;
use futures::FutureExt;
use model::addons::kyverno::ADDON;
use serde_json::{Value, json};
use wait::WaitLook;

use super::sentinel::{refusing_rule, rules_spec, sentinel_policy, validation_spec};
use super::{PolicyContent, PolicyType};
use crate::Error;
use crate::barrier::{BarrierSite, WrittenObject, not_yet, refused_by, within_barrier_time};

/// The two kinds of exceptions: from rules, and from the newer policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExceptionType {
    group: &'static str,
    version: &'static str,
    policies: PolicyContent,
}

pub(super) const EXCEPTIONS: [ExceptionType; 2] = [
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
];

impl ExceptionType {
    pub(super) fn is_of(self, one: &WrittenObject<'_>) -> bool {
        one.kind == "PolicyException" && one.group == self.group
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
            PolicyContent::Images
            | PolicyContent::Validations
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

/// Waits until the exceptions of this kind count, or no longer do.
pub(super) async fn wait_for_exceptions(
    site: &dyn BarrierSite,
    exceptions: ExceptionType,
) -> Result<(), Error> {
    let name = site.sentinel_name();
    let policies = exceptions.policy_type().path(site.namespace());
    let policy = exceptions.policy(site.namespace(), &name);
    site.make_part(&policies, policy).await?;
    let mut made = vec![format!("{policies}/{name}")];
    let refuses = async || Ok(refused_by(&site.try_lease(&name).await, &ADDON, &name));
    let wait = within_barrier_time("a policy to refuse what an exception is for", 30);
    let refused = site.wait_until(wait, &mut || refuses().boxed_local()).await;
    let counts = async {
        refused?;
        let exception = exceptions.exception(site.namespace(), &name);
        site.make_part(&exceptions.path(), exception).await?;
        made.push(format!("{}/{name}", exceptions.path()));
        let passes = async || {
            let reply = site.try_lease(&name).await;
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
        for kind in EXCEPTIONS {
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
}

//! Who is looked for in the audit log.

use std::collections::BTreeSet;

use super::identities::{DEFAULT_ACCOUNT, identity_parts};
use super::{FindingPlace, LintNotes};
use crate::spelling::suggest_word;
use crate::system_users::{ACCOUNT_PREFIX, ANONYMOUS_USER, NODE_PREFIX, SYSTEM_PREFIX};
use crate::{Action, AuditMatch, ObservedRecord, ScenarioStep, StepIdentity};

/// The user of the administrator in a box.
const ADMINISTRATOR_NAME: &str = "admin";

const SYSTEM_NAMESPACE: &str = "kube-system";

/// Users that are neither nodes nor ServiceAccounts (kubernetes 1.36
/// `apiserver/pkg/authentication/user/user.go`, and the certificates of a box).
const SYSTEM_USERS: [&str; 6] = [
    "system:admin",
    ANONYMOUS_USER,
    "system:apiserver",
    "system:kube-controller-manager",
    "system:kube-proxy",
    "system:kube-scheduler",
];

/// The accounts of controllers in `kube-system` (kubernetes 1.36
/// `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go`).
const CONTROLLER_ACCOUNTS: [&str; 43] = [
    "attachdetach-controller",
    "certificate-controller",
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemon-set-controller",
    "deployment-controller",
    "device-taint-eviction-controller",
    "disruption-controller",
    "endpoint-controller",
    "endpointslice-controller",
    "endpointslicemirroring-controller",
    "ephemeral-volume-controller",
    "expand-controller",
    "generic-garbage-collector",
    "horizontal-pod-autoscaler",
    "job-controller",
    "kube-apiserver-serving-clustertrustbundle-publisher",
    "legacy-service-account-token-cleaner",
    "namespace-controller",
    "node-controller",
    "persistent-volume-binder",
    "pod-garbage-collector",
    "podcertificaterequestcleaner",
    "podgroup-protection-controller",
    "pv-protection-controller",
    "pvc-protection-controller",
    "replicaset-controller",
    "replication-controller",
    "resource-claim-controller",
    "resourcepoolstatusrequest-controller",
    "resourcequota-controller",
    "root-ca-cert-publisher",
    "route-controller",
    "selinux-warning-controller",
    "service-account-controller",
    "service-cidrs-controller",
    "service-controller",
    "statefulset-controller",
    "storage-version-garbage-collector",
    "storage-version-migrator-controller",
    "ttl-after-finished-controller",
    "ttl-controller",
    "validatingadmissionpolicy-status-controller",
];

impl LintNotes<'_> {
    /// A user that no step asks as is never recorded, and `absent` would be believed.
    pub(super) fn check_recorded_users(&mut self, step: &ScenarioStep) {
        let Action::LookFor(ObservedRecord::Audit(wanted)) = &step.action else {
            return;
        };
        let steps = self.loaded.scenario.steps.iter();
        let known: BTreeSet<&str> = steps
            .flat_map(|step| identity_parts(step.identity.as_ref()).0)
            .collect();
        for user in audit_users(wanted) {
            let is_known = known.contains(user) || user == ADMINISTRATOR_NAME;
            if is_known || user.starts_with(SYSTEM_PREFIX) && self.is_system_user(user) {
                continue;
            }
            let (what, hint) = if user.starts_with(SYSTEM_PREFIX) {
                (
                    format!(
                        "step `{}` looks for the user `{user}`, and nothing shows that there is such a user",
                        step.id
                    ),
                    self.suggest_user(user),
                )
            } else {
                (
                    format!(
                        "step `{}` looks for the user `{user}`, and no step asks as it",
                        step.id
                    ),
                    suggest_word(
                        user,
                        known.iter().copied(),
                        "name the user of a step, or the one that a step impersonates",
                    ),
                )
            };
            self.add_finding(FindingPlace::InStep(step, user), what, hint);
        }
    }

    /// Whether there is this user of Kubernetes itself: it is one of the usual ones, or a step is
    /// meant to find it in some world.
    fn is_system_user(&self, user: &str) -> bool {
        let is_same = |record: &ObservedRecord| match record {
            ObservedRecord::Audit(other) => audit_users(other).any(|one| one == user),
            _ => false,
        };
        let account = user.strip_prefix(ACCOUNT_PREFIX);
        SYSTEM_USERS.contains(&user)
            || user.strip_prefix(NODE_PREFIX).is_some_and(is_node_name)
            || account
                .and_then(|account| account.rsplit_once(':'))
                .is_some_and(|(namespace, name)| self.has_account(namespace, name))
            || self.is_found(is_same)
    }

    fn has_account(&self, namespace: &str, name: &str) -> bool {
        if namespace == SYSTEM_NAMESPACE && CONTROLLER_ACCOUNTS.contains(&name) {
            return true;
        }
        if self.is_of_addon(namespace) {
            return true;
        }
        let steps = self.loaded.scenario.steps.iter();
        let asks = |identity: &StepIdentity| matches!(identity, StepIdentity::Serviceaccount { name: one, .. } if one == name);
        let requests = |action: &Action| matches!(action, Action::Token { serviceaccount, .. } if serviceaccount == name);
        let mut manifests = self.loaded.manifests.values().flatten();
        name == DEFAULT_ACCOUNT
            || steps
                .clone()
                .filter_map(|step| step.identity.as_ref())
                .any(asks)
            || steps.map(|step| &step.action).any(requests)
            || manifests.any(|one| one.kind() == "ServiceAccount" && one.name() == name)
    }

    /// Whether this is the namespace of an addon that a world installs.
    fn is_of_addon(&self, namespace: &str) -> bool {
        let scenario = &self.loaded.scenario;
        let mut installs = scenario
            .worlds
            .values()
            .flat_map(|world| scenario.world_installs(world));
        installs.any(|one| one.addon().namespace == Some(namespace))
    }

    fn suggest_user(&self, user: &str) -> String {
        let plain = "name a component, a node, or a ServiceAccount that is there; or add a world in which it is found";
        let accounts =
            CONTROLLER_ACCOUNTS.map(|name| format!("{ACCOUNT_PREFIX}{SYSTEM_NAMESPACE}:{name}"));
        let known = SYSTEM_USERS
            .into_iter()
            .chain(accounts.iter().map(String::as_str));
        suggest_word(user, known, plain)
    }
}

fn audit_users(wanted: &AuditMatch) -> impl Iterator<Item = &str> {
    let users = [&wanted.user, &wanted.impersonated].into_iter().flatten();
    users.map(String::as_str)
}

/// Whether a node can be called so: `node-2`, or a placeholder.
fn is_node_name(name: &str) -> bool {
    let number = name.strip_prefix("node-");
    name.starts_with("$(node") || number.is_some_and(|number| number.parse::<u8>().is_ok())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{LintFinding, ScenarioLibrary, lint_scenario};

    fn findings(look: &str, expect: &str) -> Vec<LintFinding> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("audit/one");
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "scenario: v2\nwhy: Because.\nworlds: {{bare: {{install: [kyverno], apply: [account.yaml]}}}}\nsteps:\n\
             - {{id: first, as: {{user: {{name: jane}}}}, do: {{path: /version}}, expect: allowed}}\n- id: one\n  \
             do: {{look-for: {{audit: {{{look}}}}}}}\n  expect: {expect}\n"
        );
        fs::write(dir.join("scenario.yaml"), text).unwrap();
        let account = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: robot}}";
        fs::write(dir.join("account.yaml"), account).unwrap();
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        lint_scenario(&library.scenarios[0])
    }

    #[test]
    fn a_user_that_is_misspelt_is_refused_where_it_is_absent() {
        for (look, hint) in [
            ("user: jan", "did you mean `jane`? "),
            ("impersonated: jone", "did you mean `jane`? "),
            (
                "user: 'system:kube-schedular'",
                "did you mean `system:kube-scheduler`? ",
            ),
            (
                "user: 'system:serviceaccount:kube-system:job-controler'",
                "did you mean `system:serviceaccount:kube-system:job-controller`? ",
            ),
            (
                "user: 'system:serviceaccount:$(namespace):robt'",
                "name a component, ",
            ),
            (
                "user: 'system:serviceaccount:gatekeeper-system:gatekeeper-admin'",
                "name a component, ",
            ),
            ("user: 'system:node:nod-1'", "name a component, "),
            ("user: 'system:nobody'", "name a component, "),
        ] {
            let found = findings(look, "absent");
            assert_eq!(found.len(), 1, "{look}: {found:#?}");
            assert!(found[0].what.starts_with("step `one` looks for the user `"));
            assert!(found[0].hint.starts_with(hint), "{}", found[0].hint);
            assert_eq!(found[0].place.line, 7);
        }
    }

    #[test]
    fn a_user_that_is_there_or_is_found_is_left_alone() {
        for (look, expect) in [
            ("user: jane", "absent"),
            ("user: admin", "absent"),
            ("user: 'system:anonymous'", "absent"),
            ("user: 'system:node:node-2'", "absent"),
            (
                "user: 'system:serviceaccount:kube-system:job-controller'",
                "absent",
            ),
            ("user: 'system:serviceaccount:$(namespace):robot'", "absent"),
            (
                "user: 'system:serviceaccount:$(namespace):default'",
                "absent",
            ),
            (
                "user: 'system:serviceaccount:kyverno:kyverno-admission-controller'",
                "absent",
            ),
            ("user: 'system:serviceaccount:vault:vault'", "found"),
        ] {
            assert_eq!(findings(look, expect), [], "{look}");
        }
    }
}

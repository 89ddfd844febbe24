//! Ways round rules on requests: another verb, another resource of the same thing, the label that
//! lets an object out, and the rule itself.

use super::named_users::{asks_as_exempt, asks_for_user};
use super::object_rules::{
    CHANGE_VERBS, POLICY_KINDS, asks_for_name, changed_kinds, changes_guarded, expressions,
    has_operation, is_plural, namespaces_can_be_changed, other_doors, parameter_kinds, relabels,
    rule_resources, selecting_labels,
};
use super::right_ways::grants;
use super::tried::{ChangeVerb, TriedStep, kind_of};
use super::{ControlKind, WayRound};
use crate::{Action, makes_pods};

use ControlKind::{AdmissionPolicy, PodSecurity, Webhook};

const REQUEST_RULES: &[ControlKind] = &[AdmissionPolicy, Webhook];
const LEVEL_LABEL: &str = "pod-security.kubernetes.io/enforce";

pub(super) static WAYS: &[WayRound] = &[
    // kubernetes.io, "Pod Security Admission": the level is a label of the namespace.
    WayRound {
        name: "lower-level",
        kinds: &[PodSecurity],
        about: "a user who may change the namespace sets a lower level",
        is_open: namespaces_can_be_changed,
        is_tried: |_, steps| steps.iter().any(|step| relabels(step, LEVEL_LABEL)),
    },
    // kubernetes 1.36 `pkg/registry/core/namespace/strategy.go`: status keeps the metadata.
    WayRound {
        name: "level-through-status",
        kinds: &[PodSecurity],
        about: "the label of the namespace is set through `namespaces/status`",
        is_open: namespaces_can_be_changed,
        is_tried: |_, steps| goes_through(steps, "namespace", "status"),
    },
    // kubernetes 1.36, the same: `namespaceFinalizeStrategy` keeps it as well.
    WayRound {
        name: "level-through-finalize",
        kinds: &[PodSecurity],
        about: "the label of the namespace is set through `namespaces/finalize`",
        is_open: namespaces_can_be_changed,
        is_tried: |_, steps| goes_through(steps, "namespace", "finalize"),
    },
    // kubernetes.io, "Enforce Pod Security Standards with Namespace Labels": `enforce-version`.
    WayRound {
        name: "older-version",
        kinds: &[PodSecurity],
        about: "the label beside the level pins a version that still let it in",
        is_open: namespaces_can_be_changed,
        is_tried: |_, steps| steps.iter().any(|step| relabels(step, "/enforce-version")),
    },
    // kubernetes.io, "Dynamic Admission Control": a rule is for the operations that it names.
    WayRound {
        name: "changed-afterwards",
        kinds: REQUEST_RULES,
        about: "the object is clean when it is made, and changed afterwards",
        is_open: |control| has_operation(control, "CREATE") && !has_operation(control, "UPDATE"),
        is_tried: |control, steps| {
            changes_guarded(control, steps, &[ChangeVerb::Update, ChangeVerb::Patch])
        },
    },
    // The same: an object that is born with it is not changed.
    WayRound {
        name: "born-with-it",
        kinds: REQUEST_RULES,
        about: "the object has it from the beginning, and the rule is for changes",
        is_open: |control| has_operation(control, "UPDATE") && !has_operation(control, "CREATE"),
        is_tried: |control, steps| changes_guarded(control, steps, &[ChangeVerb::Create]),
    },
    // kubernetes.io, "Dynamic Admission Control": `pods` is not `pods/status`.
    WayRound {
        name: "subresource",
        kinds: REQUEST_RULES,
        about: "the same is set through a subresource, which is another resource to a rule",
        is_open: |control| !other_doors(control).is_empty(),
        is_tried: |control, steps| {
            let open = other_doors(control);
            let through = |step: &TriedStep<'_>| {
                let is_open = |kind: &str, name: &str| {
                    let mut doors = open.iter();
                    doors.any(|(plural, door)| {
                        *door == name && (*plural == "*" || is_plural(plural, kind))
                    })
                };
                step.subresource()
                    .is_some_and(|(kind, name)| is_open(&kind, name))
            };
            steps.iter().any(through)
        },
    },
    // kubernetes.io, "Workloads": a Deployment, a ReplicaSet and a pod run the same container.
    WayRound {
        name: "other-workload",
        kinds: &[AdmissionPolicy],
        about: "a workload of another kind, or a pod itself, does the same",
        is_open: |control| {
            let resources = rule_resources(control);
            let is_workload = |plural: &String| makes_pods(plural.trim_end_matches('s'));
            resources.iter().any(is_workload) && !resources.iter().any(|one| one == "pods")
        },
        is_tried: |control, steps| {
            let resources = rule_resources(control);
            let is_other = |kind: &String| {
                (kind == "pod" || makes_pods(kind))
                    && !resources.iter().any(|plural| is_plural(plural, kind))
            };
            changed_kinds(steps).iter().any(is_other)
        },
    },
    // kubernetes.io, "Validating Admission Policy": `matchPolicy: Exact`.
    WayRound {
        name: "other-api-version",
        kinds: REQUEST_RULES,
        about: "the object comes in another version of the API, and the rule is for the exact one",
        is_open: |control| control.mentions("\"matchPolicy\":\"Exact\""),
        is_tried: |control, steps| {
            let guarded = rule_resources(control);
            let versions: std::collections::BTreeSet<&str> = steps
                .iter()
                .flat_map(|step| &step.sent)
                .filter(|object| {
                    let kind = kind_of(object).unwrap_or_default();
                    guarded.iter().any(|plural| is_plural(plural, &kind))
                })
                .filter_map(|object| object["apiVersion"].as_str())
                .collect();
            versions.len() > 1
        },
    },
    // kubernetes.io, "Dynamic Admission Control", "Matching requests": the selectors read labels
    // of the object and of its namespace, which their authors set.
    WayRound {
        name: "opt-out-label",
        kinds: REQUEST_RULES,
        about: "a label takes the object, or its namespace, out of what is selected",
        is_open: |control| !selecting_labels(control).is_empty(),
        is_tried: |control, steps| {
            let labels = selecting_labels(control);
            let sets = |step: &TriedStep<'_>| labels.iter().any(|label| step.mentions(label));
            steps.iter().any(sets)
        },
    },
    // kubernetes#66183 and kubernetes.io, "Admission Webhook Good Practices": a controller's
    // account acts for everybody who may make its objects.
    WayRound {
        name: "exempt-identity",
        kinds: &[AdmissionPolicy],
        about: "an exempt account acts for others: a controller, or an account whose token can be requested",
        is_open: |control| {
            let mut objects = control.objects.iter();
            objects.any(|object| asks_for_user(&object.to_string()))
        },
        is_tried: |control, steps| {
            let verbs = [
                ChangeVerb::Create,
                ChangeVerb::Update,
                ChangeVerb::Patch,
                ChangeVerb::Delete,
                ChangeVerb::DeleteCollection,
            ];
            let is_guarded = |step: &TriedStep<'_>| {
                step.is_workload()
                    || step.subresource().is_some()
                    || changes_guarded(control, std::slice::from_ref(step), &verbs)
            };
            let mut guarded = steps.iter().filter(|step| is_guarded(step));
            guarded.any(|step| asks_as_exempt(control, step))
        },
    },
    // kubernetes.io, "Validating Admission Policy", "Failure Policy": an error counts as a pass.
    WayRound {
        name: "expression-error",
        kinds: &[AdmissionPolicy],
        about: "the object makes the expression fail, and a failure is ignored",
        is_open: |control| control.mentions("\"failurePolicy\":\"Ignore\""),
        is_tried: |control, steps| {
            let passes = |step: &TriedStep<'_>| {
                let answer = step.step.intended_verdict(control.world);
                answer == Some(&crate::Answer::Admitted)
            };
            let guarded = |step: &TriedStep<'_>| {
                let mut kinds = step.changes().into_iter();
                kinds.any(|(_, kind)| {
                    rule_resources(control)
                        .iter()
                        .any(|one| is_plural(one, &kind))
                })
            };
            steps.iter().any(|step| passes(step) && guarded(step))
        },
    },
    // kubernetes.io, "Validating Admission Policy", "Parameter resources".
    WayRound {
        name: "own-parameters",
        kinds: &[AdmissionPolicy],
        about: "the parameters of the policy are changed, taken away, or not there",
        is_open: |control| !parameter_kinds(control).is_empty(),
        is_tried: |control, steps| {
            let kinds = parameter_kinds(control);
            changed_kinds(steps).iter().any(|kind| kinds.contains(kind))
        },
    },
    // kubernetes 1.36 `apiserver/pkg/endpoints/handlers/create.go`: the request has no name then;
    // the object has one once what validates is asked.
    WayRound {
        name: "generated-name",
        kinds: REQUEST_RULES,
        about: "the object has no name yet when the rule on its name is asked: `generateName`",
        is_open: |control| {
            let is_whole = |resource: &String| !resource.contains('/');
            has_operation(control, "CREATE")
                && rule_resources(control).iter().any(is_whole)
                && expressions(control).iter().any(|one| asks_for_name(one))
        },
        is_tried: |_, steps| steps.iter().any(|step| step.sends_field("generateName")),
    },
    // kubernetes.io, "Authorization", "Request verbs": a collection is deleted without a name.
    WayRound {
        name: "delete-collection",
        kinds: REQUEST_RULES,
        about: "the object is deleted with its collection, by a request without a name",
        is_open: |control| has_operation(control, "DELETE"),
        is_tried: |_, steps| {
            let deletes = |step: &TriedStep<'_>| {
                matches!(
                    step.step.action,
                    Action::DeleteCollection(_) | Action::DeleteLabelled { .. }
                )
            };
            steps.iter().any(deletes)
        },
    },
    // kubernetes.io, "Admission Webhook Good Practices": who may change the rule need not pass it.
    WayRound {
        name: "change-the-rule",
        kinds: REQUEST_RULES,
        about: "the policy, its binding or the webhook is changed or deleted",
        is_open: |control| {
            grants(
                &control.cluster_rights,
                CHANGE_VERBS,
                "admissionregistration.k8s.io",
                &POLICY_KINDS,
            )
        },
        is_tried: |_, steps| {
            let is_rule = |kind: &String| {
                kind.contains("admissionpolicy") || kind.ends_with("webhookconfiguration")
            };
            changed_kinds(steps).iter().any(is_rule)
        },
    },
];

/// Whether a step goes through this subresource of this kind.
fn goes_through(steps: &[TriedStep<'_>], kind: &str, name: &str) -> bool {
    let mut doors = steps.iter().filter_map(TriedStep::subresource);
    doors.any(|(of, door)| of == kind && door == name)
}

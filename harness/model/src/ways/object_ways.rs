//! Ways round rules on requests: another verb, another resource of the same thing, the label that
//! lets an object out, and the rule itself.

use serde_json::Value;

use super::right_ways::grants;
use super::tried::{ChangeVerb, TriedStep, is_workload_kind, kind_of};
use super::{ControlKind, HeldControl, WayRound};
use crate::{Action, StepIdentity};

use ControlKind::{AdmissionPolicy, Kyverno, PodSecurity, PolicyController, Webhook};

const RULES: &[ControlKind] = &[AdmissionPolicy, Webhook];
const LEVEL: &str = "pod-security.kubernetes.io/enforce";

/// Subresources through which a part of the object is set as well, with a word of what a policy
/// says of that part (kubernetes 1.36 `pkg/registry`, the strategies of each kind: what goes to
/// `status` keeps the labels that came with it, but for Deployments).
const OTHER_DOORS: [(&str, &str, &str); 13] = [
    ("pods", "status", "metadata"),
    ("pods", "status", "status"),
    ("pods", "ephemeralcontainers", "ontainers"),
    ("pods", "resize", "resources"),
    ("namespaces", "status", "metadata"),
    ("namespaces", "finalize", "metadata"),
    ("nodes", "status", "metadata"),
    ("services", "status", "externalIPs"),
    ("deployments", "scale", "replicas"),
    ("replicasets", "scale", "replicas"),
    ("statefulsets", "scale", "replicas"),
    ("persistentvolumes", "status", "metadata"),
    ("*", "status", "metadata"),
];

pub(super) static WAYS: &[WayRound] = &[
    // kubernetes.io, "Pod Security Admission": the level is a label of the namespace.
    WayRound {
        name: "lower-level",
        kinds: &[PodSecurity],
        about: "whoever may change the namespace sets a lower level",
        is_open: namespaces_can_be_changed,
        is_tried: |_, steps| steps.iter().any(|step| relabels(step, LEVEL)),
    },
    // kubernetes 1.36 `pkg/registry/core/namespace/strategy.go`: status keeps the metadata.
    WayRound {
        name: "level-through-status",
        kinds: &[PodSecurity],
        about: "the label of the namespace is set through `namespaces/status`",
        is_open: namespaces_can_be_changed,
        is_tried: |_, steps| {
            let through = |step: &TriedStep<'_>| {
                step.subresource()
                    .is_some_and(|(kind, _)| kind == "namespace")
            };
            steps.iter().any(through)
        },
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
        kinds: RULES,
        about: "the object is clean when it is made, and changed afterwards",
        is_open: |control| has_operation(control, "CREATE") && !has_operation(control, "UPDATE"),
        is_tried: |control, steps| {
            changes_guarded(control, steps, &[ChangeVerb::Update, ChangeVerb::Patch])
        },
    },
    // The same: an object that is born with it is not changed.
    WayRound {
        name: "born-with-it",
        kinds: RULES,
        about: "the object has it from the beginning, and the rule is for changes",
        is_open: |control| has_operation(control, "UPDATE") && !has_operation(control, "CREATE"),
        is_tried: |control, steps| changes_guarded(control, steps, &[ChangeVerb::Create]),
    },
    // kubernetes.io, "Dynamic Admission Control": `pods` is not `pods/status`.
    WayRound {
        name: "subresource",
        kinds: RULES,
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
            let is_workload = |plural: &String| is_workload_kind(plural.trim_end_matches('s'));
            resources.iter().any(is_workload) && !resources.iter().any(|one| one == "pods")
        },
        is_tried: |control, steps| {
            let resources = rule_resources(control);
            let is_other = |kind: &String| {
                (kind == "pod" || is_workload_kind(kind))
                    && !resources.iter().any(|plural| is_plural(plural, kind))
            };
            changed_kinds(steps).iter().any(is_other)
        },
    },
    // kubernetes.io, "Validating Admission Policy": `matchPolicy: Exact`.
    WayRound {
        name: "other-api-version",
        kinds: RULES,
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
        kinds: &[AdmissionPolicy, Webhook, Kyverno, PolicyController],
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
        about: "somebody who is exempt acts for others: a controller, or an account whose token can be had",
        is_open: |control| {
            control.mentions("request.userInfo.username")
                || control.mentions("request.userInfo.groups")
        },
        is_tried: |_, steps| {
            let acts = |step: &TriedStep<'_>| {
                let asks = matches!(
                    step.step.identity,
                    Some(StepIdentity::Serviceaccount { .. })
                );
                asks || step.is_workload() || step.impersonates()
            };
            steps.iter().any(acts)
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
        kinds: RULES,
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
        kinds: RULES,
        about: "the object is deleted with its collection, by a request without a name",
        is_open: |control| has_operation(control, "DELETE"),
        is_tried: |_, steps| {
            let deletes =
                |step: &TriedStep<'_>| matches!(step.step.action, Action::DeleteCollection(_));
            steps.iter().any(deletes)
        },
    },
    // kubernetes.io, "Admission Webhook Good Practices": who may change the rule need not pass it.
    WayRound {
        name: "change-the-rule",
        kinds: RULES,
        about: "the policy, its binding or the webhook is changed or deleted",
        is_open: |control| {
            grants(
                &control.cluster_rights,
                CHANGES,
                "admissionregistration.k8s.io",
                &POLICIES,
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

const CHANGES: &[&str] = &["update", "patch", "delete", "deletecollection"];
const POLICIES: [&str; 4] = [
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
];

fn namespaces_can_be_changed(control: &HeldControl<'_>) -> bool {
    grants(&control.rights, &["update", "patch"], "", &["namespaces"])
}

fn relabels(step: &TriedStep<'_>, label: &str) -> bool {
    let mut changes = step.changes().into_iter();
    changes.any(|(_, kind)| kind == "namespace") && step.mentions(label)
}

/// Every rule of a policy or webhook.
fn rules<'a>(control: &HeldControl<'a>) -> Vec<&'a Value> {
    let of = |object: &'a Value| {
        let policy = object["spec"]["matchConstraints"]["resourceRules"].as_array();
        let hooks = object["webhooks"].as_array().into_iter().flatten();
        let hooks = hooks.filter_map(|hook| hook["rules"].as_array());
        policy.into_iter().chain(hooks).flatten()
    };
    control.objects.iter().copied().flat_map(of).collect()
}

fn has_operation(control: &HeldControl<'_>, operation: &str) -> bool {
    rules(control)
        .iter()
        .filter_map(|rule| rule["operations"].as_array())
        .flatten()
        .any(|one| one == operation || one == "*")
}

/// The resources that the rules name, in the plural; subresources as `PLURAL/NAME`.
pub(super) fn rule_resources(control: &HeldControl<'_>) -> Vec<String> {
    rules(control)
        .iter()
        .filter_map(|rule| rule["resources"].as_array())
        .flatten()
        .filter_map(|one| one.as_str().map(str::to_owned))
        .collect()
}

/// The resources that the rules name, each with a subresource that they do not name.
fn other_doors(control: &HeldControl<'_>) -> Vec<(&'static str, &'static str)> {
    let resources = rule_resources(control);
    let is_named = |plural: &str, door: &str| {
        let whole = format!("{plural}/{door}");
        let mut all = resources.iter();
        all.any(|one| *one == whole || one == "*/*" || *one == format!("{plural}/*"))
    };
    OTHER_DOORS
        .into_iter()
        .filter(|(plural, ..)| resources.iter().any(|one| one == plural))
        .filter(|(plural, door, _)| !is_named(plural, door))
        .filter(|(.., word)| expressions(control).iter().any(|one| one.contains(word)))
        .map(|(plural, door, _)| (plural, door))
        .collect()
}

/// Whether an expression asks for `request.name`, which is not `request.namespace`.
fn asks_for_name(expression: &str) -> bool {
    let mut ends = expression.split("request.name").skip(1);
    ends.any(|rest| !rest.starts_with("space"))
}

/// What the policies ask.
fn expressions(control: &HeldControl<'_>) -> Vec<String> {
    let of = |object: &&Value| {
        let spec = &object["spec"];
        [
            &spec["validations"],
            &spec["variables"],
            &spec["matchConditions"],
        ]
        .map(Value::to_string)
    };
    control.objects.iter().flat_map(of).collect()
}

fn changes_guarded(
    control: &HeldControl<'_>,
    steps: &[TriedStep<'_>],
    verbs: &[ChangeVerb],
) -> bool {
    let resources = rule_resources(control);
    let is_guarded = |kind: &str| {
        resources
            .iter()
            .map(|one| one.split('/').next().unwrap_or_default())
            .any(|plural| plural == "*" || is_plural(plural, kind))
    };
    let whole = steps.iter().filter(|step| step.subresource().is_none());
    let changes = whole.flat_map(TriedStep::changes);
    changes
        .filter(|(verb, _)| verbs.contains(verb))
        .any(|(_, kind)| is_guarded(&kind))
}

fn changed_kinds(steps: &[TriedStep<'_>]) -> Vec<String> {
    let changes = steps.iter().flat_map(TriedStep::changes);
    changes.map(|(_, kind)| kind).collect()
}

/// Whether a resource is that of a kind, both in lower case.
pub(super) fn is_plural(plural: &str, kind: &str) -> bool {
    plural == kind
        || plural.strip_suffix('s') == Some(kind)
        || plural.strip_suffix("es") == Some(kind)
        || plural.strip_suffix("ies") == kind.strip_suffix('y') && kind.ends_with('y')
}

fn parameter_kinds(control: &HeldControl<'_>) -> Vec<String> {
    let kinds = control
        .objects
        .iter()
        .filter_map(|object| object["spec"]["paramKind"]["kind"].as_str());
    kinds.map(str::to_lowercase).collect()
}

/// The labels by which objects or namespaces are selected; the namespace's own name is none that
/// can be changed.
fn selecting_labels(control: &HeldControl<'_>) -> Vec<String> {
    let mut labels = Vec::new();
    for object in &control.objects {
        collect_labels(object, &mut labels);
    }
    labels.retain(|label| label != "kubernetes.io/metadata.name");
    // The webhooks of policy-controller ask for this one by themselves.
    if control.kind == PolicyController && namespaces_can_be_changed(control) {
        labels.push("policy.sigstore.dev/include".into());
    }
    labels
}

fn collect_labels(value: &Value, labels: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if matches!(
                    name.as_str(),
                    "namespaceSelector" | "objectSelector" | "selector"
                ) {
                    labels.extend(selector_keys(value));
                } else {
                    collect_labels(value, labels);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_labels(item, labels)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The keys that a label selector asks for.
pub(super) fn selector_keys(selector: &Value) -> Vec<String> {
    let exact = selector["matchLabels"].as_object().into_iter();
    let expressions = selector["matchExpressions"]
        .as_array()
        .into_iter()
        .flatten();
    let asked = expressions.filter_map(|one| one["key"].as_str());
    exact
        .flat_map(|labels| labels.keys().map(String::as_str))
        .chain(asked)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_request_is_not_its_namespace() {
        assert!(asks_for_name("request.name == 'a'"));
        assert!(asks_for_name("request.namespace + request.name"));
        assert!(!asks_for_name("request.namespace == 'a'"));
    }

    #[test]
    fn a_resource_is_that_of_its_kind() {
        for (plural, kind) in [
            ("pods", "pod"),
            ("networkpolicies", "networkpolicy"),
            ("ingresses", "ingress"),
            ("endpoints", "endpoints"),
        ] {
            assert!(is_plural(plural, kind), "{plural} {kind}");
        }
        assert!(!is_plural("pods", "node"));
    }
}

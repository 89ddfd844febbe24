//! Ways round an audit policy: requests that the log does not hold, since another rule comes first,
//! or none matches.

use super::audit_rules::{
    AuditLevel, AuditLook, AuditRules, AuditedRequest, AuditedUser, OBJECT_VERBS, is_narrow,
    looked_for, named_user, names_users, rule_level, rule_matches,
};
use super::tried::TriedStep;
use super::{ControlKind, HeldControl, WayRound, always};
use crate::{Answer, AuditShape};

use ControlKind::Audit;

/// Subresources by which something is done to an object (kubernetes 1.36 `pkg/registry`).
const AUDITED_DOORS: [(&str, &[&str]); 4] = [
    (
        "pods",
        &[
            "exec",
            "attach",
            "portforward",
            "ephemeralcontainers",
            "log",
            "proxy",
            "eviction",
            "status",
        ],
    ),
    ("services", &["proxy", "status"]),
    ("nodes", &["proxy", "status"]),
    ("serviceaccounts", &["token"]),
];

/// Plurals that are served in two groups, and are the same objects.
const TWIN_GROUPS: [(&str, [&str; 2]); 1] = [("events", ["", "events.k8s.io"])];

/// A kind of objects that no rule names.
const UNNAMED_RESOURCE: (&str, &str) = ("example.test", "widgets");

pub(super) static WAYS: &[WayRound] = &[
    // kubernetes.io, "Auditing", "Audit policy": "the first matching rule sets the audit level".
    WayRound {
        name: "shadowed-rule",
        kinds: &[Audit],
        about: "an earlier rule matches the same request, and records less of it",
        is_open: |control| policies(control).any(is_shadowed),
        is_tried: |control, steps| {
            policies(control).any(|policy| {
                looked_for(steps).any(|one| shadowing_rule(policy, &one.request).is_some())
            })
        },
    },
    // The same page: "resources: ["pods"]" is the resource alone.
    WayRound {
        name: "unrecorded-subresource",
        kinds: &[Audit],
        about: "a subresource of what is recorded is recorded by no rule",
        is_open: |control| policies(control).any(|policy| !open_doors(policy).is_empty()),
        is_tried: |control, steps| {
            policies(control).any(|policy| {
                let mut lost = lost_requests(control, steps).map(|one| one.request);
                lost.any(|asked| !asked.subresource.is_empty() && !policy.records(&asked))
            })
        },
    },
    // The same page: a rule with verbs is for these.
    WayRound {
        name: "unrecorded-verb",
        kinds: &[Audit],
        about: "another verb, such as watch or deletecollection, is recorded by no rule",
        is_open: |control| {
            policies(control).any(|policy| {
                let named = policy.named_resources().into_iter();
                named.chain([UNNAMED_RESOURCE]).any(|(group, plural)| {
                    let recorded = |verb: &&str| {
                        policy.records(&AuditedRequest::by_stranger(verb, group, plural))
                    };
                    let number = OBJECT_VERBS.iter().filter(|verb| recorded(verb)).count();
                    number > 0 && number < OBJECT_VERBS.len()
                })
            })
        },
        is_tried: |control, steps| {
            let is_by_verb = |policy: AuditRules<'_>, asked: &AuditedRequest<'_>| {
                let with = |verb| AuditedRequest {
                    verb: Some(verb),
                    ..asked.clone()
                };
                asked.verb.is_some()
                    && !policy.records(asked)
                    && OBJECT_VERBS.iter().any(|verb| policy.records(&with(verb)))
            };
            policies(control).any(|policy| {
                lost_requests(control, steps).any(|one| is_by_verb(policy, &one.request))
            })
        },
    },
    // The same page, "omitStages".
    WayRound {
        name: "omitted-stage",
        kinds: &[Audit],
        about: "the stage at which such a request is written is left out",
        is_open: |control| {
            policies(control)
                .any(|policy| policy.rules().iter().any(|rule| policy.omits_stage(rule)))
        },
        is_tried: |control, steps| {
            policies(control).any(|policy| {
                lost_requests(control, steps).any(|one| {
                    let rule = policy.deciding_rule(&one.request);
                    rule.is_some_and(|at| policy.omits_stage(&policy.rules()[at]))
                })
            })
        },
    },
    // kubernetes#120677 and kubernetes#135607: a group that is left out has many members.
    WayRound {
        name: "unrecorded-user",
        kinds: &[Audit],
        about: "a rule leaves out the user that asks, by name or by group",
        is_open: |control| policies(control).any(leaves_users_out),
        is_tried: |control, steps| {
            policies(control).any(|policy| {
                let mut of_users =
                    lost_requests(control, steps).filter(|one| one.look.user.is_some());
                of_users.any(|one| is_left_out(policy, &one.request))
            })
        },
    },
    // kubernetes 1.36 `apiserver/pkg/endpoints/filters/authn_audit.go`: the request has no user.
    WayRound {
        name: "unknown-user",
        kinds: &[Audit],
        about: "the credentials are not accepted: the request has no user, and every rule names users",
        is_open: |control| {
            policies(control).any(|policy| {
                let asked = AuditedRequest {
                    user: AuditedUser::Unknown,
                    ..AuditedRequest::by_stranger("get", "", "secrets")
                };
                let by_somebody = policy
                    .rules()
                    .iter()
                    .any(|rule| rule_level(rule) > AuditLevel::None && names_users(rule));
                by_somebody && !policy.records(&asked)
            })
        },
        is_tried: |control, steps| {
            lost_requests(control, steps).any(|one| one.look.code == Some(401))
        },
    },
    // kubernetes.io, "Auditing": "If there's no matching rule, nothing is recorded" is by group, too.
    WayRound {
        name: "other-api-group",
        kinds: &[Audit],
        about: "the same objects are served in another group, which no rule names",
        is_open: |control| policies(control).any(|policy| unrecorded_twin(policy).is_some()),
        is_tried: |control, steps| {
            let twins = policies(control).filter_map(unrecorded_twin);
            let mut twins = twins.map(|(plural, group)| (plural, format!("{group}/")));
            twins.any(|(plural, group)| {
                lost_requests(control, steps)
                    .any(|one| one.look.resource.as_deref() == Some(plural))
                    && steps.iter().flat_map(|step| &step.sent).any(|object| {
                        let version = object["apiVersion"].as_str().unwrap_or_default();
                        version.starts_with(&group)
                    })
            })
        },
    },
    // The same page: what no rule matches is not recorded.
    WayRound {
        name: "unnamed-resource",
        kinds: &[Audit],
        about: "objects of a kind that no rule names, custom ones included",
        is_open: |control| {
            policies(control).any(|policy| {
                let (group, plural) = UNNAMED_RESOURCE;
                let asked = AuditedRequest::by_stranger("create", group, plural);
                !policy.records(&asked)
            })
        },
        is_tried: |control, steps| {
            policies(control).any(|policy| {
                let named = policy.named_resources();
                lost_requests(control, steps).any(|one| {
                    let asked = one.request;
                    let is_named = |plural: &str| named.iter().any(|(_, one)| *one == plural);
                    asked.resource.is_some_and(|plural| !is_named(plural))
                        && !policy.records(&asked)
                })
            })
        },
    },
    // kubernetes.io, "Auditing", "Audit backends": without `--audit-log-path` nothing is written.
    WayRound {
        name: "log-away",
        kinds: &[Audit],
        about: "the policy is there, and no log to write to",
        is_open: always,
        is_tried: |control, _| {
            let mut worlds = control.scenario.worlds.values();
            worlds.any(|world| {
                matches!(
                    control.scenario.world_shape(world).audit,
                    AuditShape::PolicyWithoutLog(_)
                )
            })
        },
    },
];

/// The requests that are looked for, and that the log does not hold in this world.
fn lost_requests<'a>(
    control: &'a HeldControl<'_>,
    steps: &'a [TriedStep<'a>],
) -> impl Iterator<Item = AuditLook<'a>> {
    looked_for(steps)
        .filter(|one| one.step.intended_verdict(control.world) == Some(&Answer::Absent))
}

fn policies<'c>(control: &'c HeldControl<'_>) -> impl Iterator<Item = AuditRules<'c>> {
    control.objects.iter().map(|object| AuditRules(object))
}

/// The rule that takes a request from a narrow one behind it, which would record more.
fn shadowing_rule(policy: AuditRules<'_>, asked: &AuditedRequest<'_>) -> Option<usize> {
    let first = policy.deciding_rule(asked)?;
    let level = rule_level(&policy.rules()[first]);
    let mut later = policy.rules()[first..].iter();
    let takes =
        later.any(|rule| is_narrow(rule) && rule_level(rule) > level && rule_matches(rule, asked));
    takes.then_some(first)
}

fn is_shadowed(policy: AuditRules<'_>) -> bool {
    let named = policy.named_resources();
    named.into_iter().any(|(group, plural)| {
        OBJECT_VERBS.iter().any(|verb| {
            let asked = AuditedRequest::by_stranger(verb, group, plural);
            shadowing_rule(policy, &asked).is_some()
        })
    })
}

/// The subresources that nobody records, of plurals that somebody does.
fn open_doors<'p>(policy: AuditRules<'p>) -> Vec<(&'p str, &'static str)> {
    let mut open = Vec::new();
    for (group, plural) in policy.named_resources() {
        let whole = AuditedRequest::by_stranger("create", group, plural);
        let doors = AUDITED_DOORS
            .iter()
            .find(|(one, _)| group.is_empty() && *one == plural);
        let doors = doors.map_or(&["status"][..], |(_, doors)| *doors);
        let unrecorded = |door: &&&str| !policy.records(&whole.clone().through(door));
        if policy.records(&whole) {
            open.extend(doors.iter().filter(unrecorded).map(|door| (plural, *door)));
        }
    }
    open
}

/// Whether a rule records nothing of some users, or none records others.
fn leaves_users_out(policy: AuditRules<'_>) -> bool {
    let silences = |rule| rule_level(rule) == AuditLevel::None && names_users(rule);
    let is_for_users = |rule| rule_level(rule) > AuditLevel::None && names_users(rule);
    let stranger = AuditedRequest::by_stranger("get", "", "secrets");
    policy.rules().iter().any(silences)
        || policy.rules().iter().any(is_for_users) && !policy.records(&stranger)
}

/// Whether a request is not recorded for who asks, and would be for another.
fn is_left_out(policy: AuditRules<'_>, asked: &AuditedRequest<'_>) -> bool {
    let named = policy.rules().iter().filter(|rule| names_users(rule));
    let others = named.map(named_user).chain([AuditedUser::stranger()]);
    let mut by_others = others.map(|user| AuditedRequest {
        user,
        ..asked.clone()
    });
    matches!(asked.user, AuditedUser::Known { .. })
        && !policy.records(asked)
        && by_others.any(|other| policy.records(&other))
}

fn unrecorded_twin(policy: AuditRules<'_>) -> Option<(&'static str, &'static str)> {
    let records =
        |plural, group| policy.records(&AuditedRequest::by_stranger("create", group, plural));
    TWIN_GROUPS.iter().find_map(|(plural, groups)| {
        let [first, second] = groups.map(|group| records(plural, group));
        match (first, second) {
            (true, false) => Some((*plural, groups[1])),
            (false, true) => Some((*plural, groups[0])),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests;

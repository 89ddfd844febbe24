//! What an audit policy records, decided as the API server does (kubernetes 1.36
//! `staging/src/k8s.io/apiserver/pkg/audit/policy/checker.go`): the first rule that matches.

use serde_json::Value;

use super::tried::TriedStep;
use crate::system_users::{ACCOUNT_PREFIX, AUTHENTICATED_GROUP, account_groups};
use crate::{
    Action, AuditMatch, ObservedRecord, ScenarioStep, StepIdentity, object_kinds, plural_name,
};

/// The verbs of requests for objects (kubernetes.io, "Authorization", "Request verbs").
pub(super) const OBJECT_VERBS: [&str; 8] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
];

/// Who asks, as an audit policy sees him.
#[derive(Clone)]
pub(super) enum AuditedUser {
    /// Nobody: the credentials were not accepted.
    Unknown,
    /// Somebody with a name, and groups.
    Known { name: String, groups: Vec<String> },
}

impl AuditedUser {
    /// A user that no rule names.
    pub(super) fn stranger() -> Self {
        Self::Known {
            name: "a user that no rule names".into(),
            groups: vec![AUTHENTICATED_GROUP.into()],
        }
    }
}

/// A request, as far as an audit policy looks at it. What is not known may be anything.
#[derive(Clone)]
pub(super) struct AuditedRequest<'a> {
    pub(super) verb: Option<&'a str>,
    pub(super) group: Option<&'a str>,
    pub(super) resource: Option<&'a str>,
    /// Empty for the object itself.
    pub(super) subresource: &'a str,
    /// One that no rule names where it is not known.
    pub(super) name: Option<&'a str>,
    pub(super) user: AuditedUser,
}

impl<'a> AuditedRequest<'a> {
    /// That of a user that no rule names, for objects of a group and a plural.
    pub(super) fn by_stranger(verb: &'a str, group: &'a str, resource: &'a str) -> Self {
        Self {
            verb: Some(verb),
            group: Some(group),
            resource: Some(resource),
            subresource: "",
            name: None,
            user: AuditedUser::stranger(),
        }
    }

    /// The same through a subresource.
    pub(super) fn through(self, subresource: &'a str) -> Self {
        Self {
            subresource,
            ..self
        }
    }
}

/// How much is recorded of a request, by the levels of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AuditLevel {
    /// Nothing.
    None,
    /// Who, what, and the answer's code.
    Metadata,
    /// What was sent as well.
    Request,
    /// And what was answered.
    RequestResponse,
}

/// A policy.
#[derive(Clone, Copy)]
pub(super) struct AuditRules<'a>(pub(super) &'a Value);

impl<'a> AuditRules<'a> {
    pub(super) fn rules(self) -> &'a [Value] {
        self.0["rules"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The place of the first rule that matches.
    pub(super) fn deciding_rule(self, request: &AuditedRequest<'_>) -> Option<usize> {
        let mut rules = self.rules().iter();
        rules.position(|rule| rule_matches(rule, request))
    }

    /// The level of a request; none where no rule matches.
    pub(super) fn level_of(self, request: &AuditedRequest<'_>) -> AuditLevel {
        let rule = self.deciding_rule(request).map(|at| &self.rules()[at]);
        rule.map_or(AuditLevel::None, rule_level)
    }

    pub(super) fn records(self, request: &AuditedRequest<'_>) -> bool {
        self.level_of(request) > AuditLevel::None
    }

    /// Whether a rule leaves out a stage of those at which a request is written.
    pub(super) fn omits_stage(self, rule: &Value) -> bool {
        let stages = [&self.0["omitStages"], &rule["omitStages"]];
        let stages = stages.into_iter().filter_map(Value::as_array).flatten();
        let mut stages = stages.filter_map(Value::as_str);
        rule_level(rule) > AuditLevel::None
            && stages.any(|stage| matches!(stage, "ResponseStarted" | "ResponseComplete"))
    }

    /// The groups and plurals that the rules name, without subresources.
    pub(super) fn named_resources(self) -> Vec<(&'a str, &'a str)> {
        let entries = self
            .rules()
            .iter()
            .filter_map(|rule| rule["resources"].as_array());
        let named = |entry: &'a Value| {
            let group = entry["group"].as_str().unwrap_or_default();
            texts(&entry["resources"])
                .filter_map(|one| one.split('/').next())
                .filter(|plural| *plural != "*")
                .map(move |plural| (group, plural))
        };
        entries.flatten().flat_map(named).collect()
    }
}

pub(super) fn rule_level(rule: &Value) -> AuditLevel {
    match rule["level"].as_str() {
        Some("Metadata") => AuditLevel::Metadata,
        Some("Request") => AuditLevel::Request,
        Some("RequestResponse") => AuditLevel::RequestResponse,
        _ => AuditLevel::None,
    }
}

/// Whether a rule is for some users alone.
pub(super) fn names_users(rule: &Value) -> bool {
    has_any(&rule["users"]) || has_any(&rule["userGroups"])
}

/// Somebody for whom a rule is that names users.
pub(super) fn named_user(rule: &Value) -> AuditedUser {
    AuditedUser::Known {
        name: texts(&rule["users"]).next().unwrap_or_default().to_owned(),
        groups: texts(&rule["userGroups"]).map(str::to_owned).collect(),
    }
}

/// Whether a rule is for some requests alone.
pub(super) fn is_narrow(rule: &Value) -> bool {
    names_users(rule)
        || ["verbs", "resources", "namespaces", "nonResourceURLs"]
            .iter()
            .any(|key| has_any(&rule[*key]))
}

/// Whether a rule may match a request.
pub(super) fn rule_matches(rule: &Value, request: &AuditedRequest<'_>) -> bool {
    let is_for_verb = !has_any(&rule["verbs"])
        || request
            .verb
            .is_none_or(|verb| texts(&rule["verbs"]).any(|one| one == verb));
    let is_about_paths = has_any(&rule["nonResourceURLs"]) && !has_any(&rule["resources"]);
    matches_user(rule, &request.user)
        && is_for_verb
        && !is_about_paths
        // The namespace of a test's request is one that no rule names.
        && !has_any(&rule["namespaces"])
        && matches_resource(rule, request)
}

fn matches_user(rule: &Value, user: &AuditedUser) -> bool {
    let (users, user_groups) = (&rule["users"], &rule["userGroups"]);
    match user {
        AuditedUser::Unknown => !names_users(rule),
        AuditedUser::Known { name, groups } => {
            (!has_any(users) || texts(users).any(|one| one == name))
                && (!has_any(user_groups)
                    || texts(user_groups).any(|one| groups.iter().any(|group| group == one)))
        }
    }
}

fn matches_resource(rule: &Value, request: &AuditedRequest<'_>) -> bool {
    let Some(entries) = rule["resources"].as_array().filter(|all| !all.is_empty()) else {
        return true;
    };
    let Some(resource) = request.resource else {
        return true;
    };
    entries.iter().any(|entry| {
        let group = entry["group"].as_str().unwrap_or_default();
        let is_group = match request.group {
            Some(wanted) => group == wanted,
            None => is_served_in(group, resource),
        };
        let names = &entry["resourceNames"];
        let is_named = request
            .name
            .is_some_and(|wanted| texts(names).any(|one| one == wanted));
        let named = &entry["resources"];
        (is_group || group == "*")
            && (!has_any(named)
                || (is_named || !has_any(names))
                    && texts(named).any(|one| names_resource(one, resource, request.subresource)))
    })
}

fn names_resource(one: &str, resource: &str, subresource: &str) -> bool {
    let is_whole = match one.split_once('/') {
        None => one == resource && subresource.is_empty(),
        Some((plural, part)) => plural == resource && part == subresource,
    };
    let is_part_of_any = !subresource.is_empty() && one.strip_prefix("*/") == Some(subresource);
    is_whole || one == "*" || is_part_of_any || one.strip_suffix("/*") == Some(resource)
}

/// Whether a plural may be one of this group: the kinds that are known decide, where they know it.
fn is_served_in(group: &str, resource: &str) -> bool {
    let groups: Vec<&str> = object_kinds()
        .filter(|kind| plural_name(&kind.kind.to_lowercase()) == resource)
        .map(|kind| kind.group)
        .collect();
    groups.is_empty() || groups.contains(&group)
}

fn has_any(list: &Value) -> bool {
    list.as_array().is_some_and(|all| !all.is_empty())
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(Value::as_str)
}

/// A request that a step looks for in the audit log.
pub(super) struct AuditLook<'a> {
    pub(super) step: &'a ScenarioStep,
    pub(super) look: &'a AuditMatch,
    pub(super) request: AuditedRequest<'a>,
}

/// The requests that these steps look for in the audit log.
pub(super) fn looked_for<'a>(steps: &'a [TriedStep<'a>]) -> impl Iterator<Item = AuditLook<'a>> {
    let asked = |step: &'a TriedStep<'a>| match &step.step.action {
        Action::LookFor(ObservedRecord::Audit(look)) => Some((step.step, look)),
        _ => None,
    };
    steps.iter().filter_map(asked).map(move |(step, look)| {
        let user = match (&look.user, look.code) {
            (None, Some(401)) => AuditedUser::Unknown,
            (None, _) => AuditedUser::stranger(),
            (Some(name), _) => AuditedUser::Known {
                name: name.clone(),
                groups: groups_of(name, steps),
            },
        };
        let request = AuditedRequest {
            verb: look.verb.as_deref(),
            group: None,
            resource: look.resource.as_deref(),
            subresource: look.subresource.as_deref().unwrap_or_default(),
            name: look.name.as_deref(),
            user,
        };
        AuditLook {
            step,
            look,
            request,
        }
    })
}

/// The groups of a user: those that a step gives him, and those that come with his name.
fn groups_of(name: &str, steps: &[TriedStep<'_>]) -> Vec<String> {
    let mut all = vec![AUTHENTICATED_GROUP.to_owned()];
    if let Some(account) = name.strip_prefix(ACCOUNT_PREFIX) {
        all.extend(account_groups(
            account.split(':').next().unwrap_or_default(),
        ));
    }
    for step in steps {
        if let Some(StepIdentity::User {
            name: asker,
            groups,
            ..
        }) = &step.step.identity
            && asker == name
        {
            all.extend(groups.iter().cloned());
        }
    }
    all
}

//! Requests that are aimed at a rule, and miss it in one thing or another. Others hardly ever meet
//! one.

use k8s_openapi::api::rbac::v1::{PolicyRule, RoleRef, Subject};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::rbac::{AccessRequest, RbacWorld, RequestUser};

/// At what a request is aimed, and in what it may not miss.
#[derive(Clone, Debug)]
pub(super) struct RequestAim {
    binding: Index,
    rule: Index,
    word: Index,
    hits: u8,
}

/// Bits of [`RequestAim::hits`].
const USER_BIT: u8 = 1;
const VERB_BIT: u8 = 2;
const GROUP_BIT: u8 = 4;
const RESOURCE_BIT: u8 = 8;
const NAME_BIT: u8 = 16;
const NAMESPACE_BIT: u8 = 32;

/// Most things are hit.
pub(super) fn aim_request() -> impl Strategy<Value = RequestAim> {
    let bits = (any::<u8>(), any::<u8>(), any::<u8>());
    (any::<Index>(), any::<Index>(), any::<Index>(), bits).prop_map(
        |(binding, rule, word, (one, two, three))| RequestAim {
            binding,
            rule,
            word,
            hits: one | two | three,
        },
    )
}

impl RequestAim {
    /// A request like this one, but for what is hit.
    pub(super) fn near_request(
        &self,
        world: &RbacWorld,
        user: RequestUser,
        request: AccessRequest,
    ) -> (RequestUser, AccessRequest) {
        let bindings = granting_bindings(world);
        if bindings.is_empty() {
            return (user, request);
        }
        let (subjects, role, namespace) = self.binding.get(&bindings);
        let user = if self.misses_field(USER_BIT) {
            user
        } else {
            named_role(self.word.get(subjects), user)
        };
        let rules = role_rules(world, role, namespace.as_deref());
        let request = self.meet_rule(self.rule.get(&rules), request);
        match (request, namespace) {
            (
                AccessRequest::Resource {
                    verb,
                    group,
                    resource,
                    subresource,
                    name,
                    ..
                },
                Some(namespace),
            ) if !self.misses_field(NAMESPACE_BIT) => {
                let namespace = namespace.clone();
                (
                    user,
                    AccessRequest::Resource {
                        verb,
                        group,
                        resource,
                        subresource,
                        name,
                        namespace,
                    },
                )
            }
            (request, _) => (user, request),
        }
    }

    fn misses_field(&self, what: u8) -> bool {
        self.hits & what == 0
    }

    /// One of these words, unless it is missed, or is a star.
    fn pick_word(&self, what: u8, words: Option<&Vec<String>>, instead: String) -> String {
        match words
            .filter(|words| !words.is_empty() && !self.misses_field(what))
            .map(|words| self.word.get(words))
        {
            Some(word) if word != "*" => word.clone(),
            _ => instead,
        }
    }

    fn meet_rule(&self, rule: &PolicyRule, request: AccessRequest) -> AccessRequest {
        let words = |request: AccessRequest| match request {
            AccessRequest::Path { verb, path } => (verb, path, String::new(), String::new()),
            AccessRequest::Resource {
                verb,
                group,
                name,
                namespace,
                ..
            } => (verb, group, name, namespace),
        };
        let (verb, first, name, namespace) = words(request);
        let verb = self.pick_word(VERB_BIT, Some(&rule.verbs), verb);
        if let Some(urls) = &rule.non_resource_urls {
            let path = self.pick_word(RESOURCE_BIT, Some(urls), "/x".into());
            return AccessRequest::Path {
                verb,
                path: path.replace('*', "y"),
            };
        }
        let whole = self.pick_word(RESOURCE_BIT, rule.resources.as_ref(), "pods".into());
        let (resource, subresource) = whole.split_once('/').unwrap_or((&whole, ""));
        let resource = if resource == "*" {
            "deployments"
        } else {
            resource
        };
        let group = if first.starts_with('/') {
            String::new()
        } else {
            first
        };
        AccessRequest::Resource {
            verb,
            group: self.pick_word(GROUP_BIT, rule.api_groups.as_ref(), group),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            name: self.pick_word(NAME_BIT, rule.resource_names.as_ref(), name),
            namespace,
        }
    }
}

/// Subjects, role and namespace.
type BindingParts<'a> = (&'a [Subject], &'a RoleRef, Option<String>);

/// The bindings that grant a subject something.
fn granting_bindings(world: &RbacWorld) -> Vec<BindingParts<'_>> {
    let here = world.role_bindings.iter().map(|one| {
        (
            one.subjects.as_deref().unwrap_or_default(),
            &one.role_ref,
            one.metadata.namespace.clone(),
        )
    });
    let everywhere = world.cluster_role_bindings.iter();
    let everywhere = everywhere.map(|one| {
        (
            one.subjects.as_deref().unwrap_or_default(),
            &one.role_ref,
            None,
        )
    });
    let grants = |(subjects, role, namespace): &BindingParts<'_>| {
        !subjects.is_empty() && !role_rules(world, role, namespace.as_deref()).is_empty()
    };
    here.chain(everywhere).filter(grants).collect()
}

/// The rules that stand in the role of this name.
fn role_rules(world: &RbacWorld, role: &RoleRef, namespace: Option<&str>) -> Vec<PolicyRule> {
    let name = Some(role.name.as_str());
    let found = if role.kind == "Role" {
        let mut here = world
            .roles
            .iter()
            .filter(|one| one.metadata.namespace.as_deref() == namespace);
        here.find(|one| one.metadata.name.as_deref() == name)
            .and_then(|one| one.rules.clone())
    } else {
        let role = world
            .cluster_roles
            .iter()
            .find(|one| one.metadata.name.as_deref() == name);
        role.and_then(|role| crate::rbac::aggregated_rules(world, role).ok())
    };
    found.unwrap_or_default()
}

fn named_role(subject: &Subject, user: RequestUser) -> RequestUser {
    match (subject.kind.as_str(), &subject.namespace) {
        ("Group", _) => RequestUser {
            groups: user
                .groups
                .into_iter()
                .chain([subject.name.clone()])
                .collect(),
            ..user
        },
        ("ServiceAccount", Some(namespace)) => RequestUser {
            name: format!("system:serviceaccount:{namespace}:{}", subject.name),
            ..user
        },
        _ => RequestUser {
            name: subject.name.clone(),
            ..user
        },
    }
}

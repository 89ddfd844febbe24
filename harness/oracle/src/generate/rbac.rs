//! Roles, bindings and requests.

mod aim;

use std::collections::BTreeMap;

use k8s_openapi::api::rbac::v1::{
    AggregationRule, ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef,
    Subject,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{pick_word, some_of};
use crate::rbac::{AccessRequest, RbacWorld, RequestUser};
use aim::{RequestAim, aim_request};

const API_GROUP: &str = "rbac.authorization.k8s.io";

/// What the names of everything begin with that RBAC knows by name, so that a caller can give a
/// case its own names.
pub const NAME_TAG: &str = "tag-";

/// The label by which cluster roles are gathered.
const GATHERED_LABEL: &str = "gather";

/// The namespaces of all of it.
pub const BOTH_NAMESPACES: [&str; 2] = ["one", "two"];

const ANY_VERBS: [&str; 6] = ["get", "list", "watch", "create", "delete", "*"];
const ANY_GROUPS: [&str; 4] = ["", "apps", "example.org", "*"];
const ANY_RESOURCES: [&str; 13] = [
    "pods",
    "deployments",
    "widgets",
    "*",
    "pods/log",
    "pods/status",
    "pods/*",
    "*/scale",
    "*/log",
    "*/*",
    "deployments/scale",
    "pods/",
    "/log",
];
const ROLE_URLS: [&str; 9] = ["*", "/", "/x", "/x/", "/x/*", "/x*", "/x/y", "/*", "/x**"];
const ASKED_PATHS: [&str; 8] = ["/", "/x", "/x/", "/x/y", "/x/y/z", "/xy", "/z", "/healthz"];
const ANY_NAMES: [&str; 3] = ["a", "b", "*"];
/// Those of a world, one that is in none, and one that every cluster begins with.
const ROLE_NAMES: [&str; 5] = ["tag-r0", "tag-r1", "tag-r2", "tag-nobody", "view"];

/// Roles and bindings, and requests about them.
#[derive(Clone, Debug)]
pub struct RbacCase {
    /// The roles and bindings.
    pub world: RbacWorld,
    /// The requester and its request.
    pub asked: Vec<(RequestUser, AccessRequest)>,
}

/// A world of a few roles and bindings, with up to this many requests. Most of them are aimed at
/// one of its rules.
pub fn rbac_case(requests: usize) -> impl Strategy<Value = RbacCase> {
    let asked = (
        any_user(),
        any_request(),
        prop::option::weighted(0.8, aim_request()),
    );
    (rbac_world(), vec(asked, 1..=requests)).prop_map(|(world, asked)| {
        let aimed =
            |(user, request, aim): (RequestUser, AccessRequest, Option<RequestAim>)| match aim {
                Some(aim) => aim.near_request(&world, user, request),
                None => (user, request),
            };
        RbacCase {
            asked: asked.into_iter().map(aimed).collect(),
            world,
        }
    })
}

/// A few roles and bindings.
pub fn rbac_world() -> impl Strategy<Value = RbacWorld> {
    let roles = vec((0..BOTH_NAMESPACES.len(), vec(resource_rule(), 0..3)), 0..4);
    let cluster_roles = vec((vec(any_rule(), 0..3), aggregate_labels()), 1..4);
    let role_bindings = vec(
        (
            0..BOTH_NAMESPACES.len(),
            role_ref(),
            vec(any_subject(), 0..3),
        ),
        0..5,
    );
    let cluster_role_bindings = vec((pick_word(&ROLE_NAMES), vec(any_subject(), 0..3)), 0..3);
    (roles, cluster_roles, role_bindings, cluster_role_bindings).prop_map(
        |(roles, cluster, bound, cluster_bound)| RbacWorld {
            roles: roles
                .into_iter()
                .enumerate()
                .map(|(at, (namespace, rules))| any_role(at, namespace, rules))
                .collect(),
            cluster_roles: cluster.into_iter().enumerate().map(cluster_role).collect(),
            role_bindings: bound.into_iter().enumerate().map(role_binding).collect(),
            cluster_role_bindings: cluster_bound
                .into_iter()
                .enumerate()
                .map(cluster_role_binding)
                .collect(),
        },
    )
}

fn any_role(at: usize, namespace: usize, rules: Vec<PolicyRule>) -> Role {
    Role {
        metadata: object_meta("r", at, BOTH_NAMESPACES.get(namespace).copied()),
        rules: Some(rules),
    }
}

type ClusterRoleParts = (Vec<PolicyRule>, (Option<String>, Option<String>));

fn cluster_role((at, (rules, (label, gathers))): (usize, ClusterRoleParts)) -> ClusterRole {
    let labels = |value: String| BTreeMap::from([(GATHERED_LABEL.to_owned(), value)]);
    let selector = |value| LabelSelector {
        match_labels: Some(labels(value)),
        match_expressions: None,
    };
    ClusterRole {
        metadata: ObjectMeta {
            labels: label.map(labels),
            ..object_meta("r", at, None)
        },
        aggregation_rule: gathers.map(|value| AggregationRule {
            cluster_role_selectors: Some(vec![selector(value)]),
        }),
        rules: Some(rules),
    }
}

fn role_binding(
    (at, (namespace, role_ref, subjects)): (usize, (usize, RoleRef, Vec<Subject>)),
) -> RoleBinding {
    let namespace = BOTH_NAMESPACES.get(namespace).copied();
    RoleBinding {
        metadata: object_meta("b", at, namespace),
        role_ref,
        subjects: Some(subjects),
    }
}

fn cluster_role_binding(
    (at, (name, subjects)): (usize, (String, Vec<Subject>)),
) -> ClusterRoleBinding {
    let role_ref = RoleRef {
        api_group: Some(API_GROUP.into()),
        kind: "ClusterRole".into(),
        name,
    };
    ClusterRoleBinding {
        metadata: object_meta("b", at, None),
        role_ref,
        subjects: Some(subjects),
    }
}

fn object_meta(kind: &str, at: usize, namespace: Option<&str>) -> ObjectMeta {
    ObjectMeta {
        name: Some(format!("{NAME_TAG}{kind}{at}")),
        namespace: namespace.map(str::to_owned),
        ..ObjectMeta::default()
    }
}

/// The label of a cluster role, and the label of those whose rules it gathers. Those that gather by
/// `tag-y` may find some that gather by `tag-x`, and none comes round to itself: what such a circle
/// ends with is a matter of time.
fn aggregate_labels() -> impl Strategy<Value = (Option<String>, Option<String>)> {
    let plain = prop::option::of(pick_word(&["tag-x", "tag-y"])).prop_map(|label| (label, None));
    let first =
        prop::option::of(pick_word(&["tag-y"])).prop_map(|label| (label, Some("tag-x".to_owned())));
    prop_oneof![6 => plain, 1 => first, 1 => Just((None, Some("tag-y".to_owned())))]
}

fn role_ref() -> impl Strategy<Value = RoleRef> {
    let kind = pick_word(&["Role", "ClusterRole"]);
    (kind, pick_word(&ROLE_NAMES)).prop_map(|(kind, name)| RoleRef {
        api_group: Some(API_GROUP.into()),
        kind,
        name,
    })
}

fn any_subject() -> impl Strategy<Value = Subject> {
    let named = |kind: &str, name: String| Subject {
        kind: kind.into(),
        api_group: Some(API_GROUP.into()),
        name,
        namespace: None,
    };
    prop_oneof![
        pick_word(&["tag-jane", "tag-joe"]).prop_map(move |name| named("User", name)),
        pick_word(&["tag-devs", "tag-ops"]).prop_map(move |name| named("Group", name)),
        (pick_word(&["tag-bot"]), pick_word(&BOTH_NAMESPACES)).prop_map(|(name, namespace)| {
            Subject {
                kind: "ServiceAccount".into(),
                api_group: None,
                name,
                namespace: Some(namespace),
            }
        }),
        // The same name, as another kind.
        Just(named("User", "system:serviceaccount:one:tag-bot".into())),
        Just(named("User", "tag-devs".into())),
    ]
}

fn any_rule() -> impl Strategy<Value = PolicyRule> {
    prop_oneof![3 => resource_rule(), 1 => path_rule()]
}

fn at_least_one(words: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    vec(pick_word(words), 1..3)
}

fn resource_rule() -> impl Strategy<Value = PolicyRule> {
    let names = some_of(ANY_NAMES.to_vec(), 2);
    (
        at_least_one(&ANY_VERBS),
        at_least_one(&ANY_GROUPS),
        at_least_one(&ANY_RESOURCES),
        prop_oneof![2 => Just(Vec::new()), 1 => names],
    )
        .prop_map(|(verbs, groups, resources, names)| PolicyRule {
            verbs,
            api_groups: Some(groups),
            resources: Some(resources),
            resource_names: (!names.is_empty())
                .then(|| names.into_iter().map(str::to_owned).collect()),
            non_resource_urls: None,
        })
}

fn path_rule() -> impl Strategy<Value = PolicyRule> {
    (at_least_one(&ANY_VERBS), at_least_one(&ROLE_URLS)).prop_map(|(verbs, urls)| PolicyRule {
        verbs,
        non_resource_urls: Some(urls),
        ..PolicyRule::default()
    })
}

/// A user that the worlds know, or an unknown one.
pub fn any_user() -> impl Strategy<Value = RequestUser> {
    let names = [
        "tag-jane",
        "tag-joe",
        "tag-devs",
        "tag-nobody",
        "system:serviceaccount:one:tag-bot",
        "system:serviceaccount:two:tag-bot",
    ];
    let groups = some_of(
        ["tag-devs", "tag-ops", "tag-jane", "system:authenticated"]
            .map(str::to_owned)
            .to_vec(),
        2,
    );
    (prop::sample::select(names.to_vec()), groups).prop_map(|(name, groups)| RequestUser {
        name: name.to_owned(),
        groups,
    })
}

/// Something to ask for.
pub fn any_request() -> impl Strategy<Value = AccessRequest> {
    let path = (pick_word(&ANY_VERBS), pick_word(&ASKED_PATHS))
        .prop_map(|(verb, path)| AccessRequest::Path { verb, path });
    let resource = (
        pick_word(&ANY_VERBS),
        pick_word(&ANY_GROUPS),
        pick_word(&["pods", "deployments", "widgets", "*"]),
        prop_oneof![2 => Just(String::new()), 2 => pick_word(&["log", "scale", "status", "*"])],
        prop_oneof![1 => Just(String::new()), 1 => pick_word(&["a", "b", "c"])],
        prop_oneof![1 => Just(String::new()), 3 => pick_word(&BOTH_NAMESPACES), 1 => Just("three".to_owned())],
    );
    let resource = resource.prop_map(|(verb, group, resource, subresource, name, namespace)| {
        AccessRequest::Resource {
            verb,
            group,
            resource,
            subresource,
            name,
            namespace,
        }
    });
    prop_oneof![4 => resource, 1 => path]
}

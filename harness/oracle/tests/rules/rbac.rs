//! The rules of RBAC, one by one.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

use oracle::rbac::{AccessRequest, RbacGrant, RbacWorld, RequestUser, find_grant};
use serde_json::{Value, json};

fn read<T: serde::de::DeserializeOwned>(values: &[Value]) -> Vec<T> {
    values
        .iter()
        .map(|value| serde_json::from_value(value.clone()).unwrap())
        .collect()
}

fn jane() -> RequestUser {
    RequestUser {
        name: "jane".into(),
        groups: vec!["devs".into()],
    }
}

fn subject(kind: &str, name: &str) -> Value {
    json!({"kind": kind, "name": name, "apiGroup": "rbac.authorization.k8s.io"})
}

fn role_ref(kind: &str, name: &str) -> Value {
    json!({"kind": kind, "name": name, "apiGroup": "rbac.authorization.k8s.io"})
}

/// A cluster role of these rules, bound to Jane for the whole cluster.
fn everywhere(rules: Value) -> RbacWorld {
    RbacWorld {
        cluster_roles: read(&[json!({"metadata": {"name": "r"}, "rules": rules})]),
        cluster_role_bindings: read(&[
            json!({"metadata": {"name": "b"}, "roleRef": role_ref("ClusterRole", "r"),
            "subjects": [subject("User", "jane")]}),
        ]),
        ..RbacWorld::default()
    }
}

/// `VERB RESOURCE.GROUP/SUBRESOURCE NAME in NAMESPACE`, as a request prints itself, or
/// `VERB /PATH`.
fn request(text: &str) -> AccessRequest {
    let (text, namespace) = text.split_once(" in ").unwrap_or((text, ""));
    let mut words = text.split(' ');
    let (verb, what, name) = (
        words.next().unwrap(),
        words.next().unwrap(),
        words.next().unwrap_or_default(),
    );
    if what.starts_with('/') {
        return AccessRequest::Path {
            verb: verb.into(),
            path: what.into(),
        };
    }
    let (what, subresource) = what.split_once('/').unwrap_or((what, ""));
    let (resource, group) = what.split_once('.').unwrap_or((what, ""));
    AccessRequest::Resource {
        verb: verb.into(),
        group: group.into(),
        resource: resource.into(),
        subresource: subresource.into(),
        name: name.into(),
        namespace: namespace.into(),
    }
}

fn allowed<'a>(world: &RbacWorld, user: &RequestUser, asked: &[&'a str]) -> Vec<&'a str> {
    let may = |text: &&&str| {
        assert_eq!(request(text).to_string(), **text);
        find_grant(world, user, &request(text)).unwrap().is_some()
    };
    asked.iter().filter(may).copied().collect()
}

/// What a rule allows of these.
fn by_rule<'a>(rule: Value, asked: &[&'a str]) -> Vec<&'a str> {
    allowed(&everywhere(json!([rule])), &jane(), asked)
}

#[test]
fn verbs_groups_and_resources_have_to_match() {
    let asked = [
        "get pods in one",
        "list pods in one",
        "get secrets in one",
        "get pods.apps in one",
        "get pods",
    ];
    let rule = |verb: &str, group: &str, resource: &str| json!({"verbs": [verb], "apiGroups": [group], "resources": [resource]});
    assert_eq!(
        by_rule(rule("get", "", "pods"), &asked),
        ["get pods in one", "get pods"]
    );
    assert_eq!(
        by_rule(rule("*", "", "pods"), &asked),
        ["get pods in one", "list pods in one", "get pods"]
    );
    assert_eq!(
        by_rule(rule("get", "*", "pods"), &asked),
        ["get pods in one", "get pods.apps in one", "get pods"]
    );
    assert_eq!(
        by_rule(rule("get", "", "*"), &asked),
        ["get pods in one", "get secrets in one", "get pods"]
    );
    assert_eq!(
        by_rule(rule("list", "apps", "secrets"), &asked),
        Vec::<&str>::new()
    );
}

#[test]
fn a_request_for_a_star_is_no_request_for_everything() {
    let one = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]});
    assert_eq!(by_rule(one, &["* pods", "get *", "get pods"]), ["get pods"]);
    let all = json!({"verbs": ["*"], "apiGroups": [""], "resources": ["*"]});
    assert_eq!(by_rule(all, &["* pods", "get *"]), ["* pods", "get *"]);
}

#[test]
fn subresources_are_resources_of_their_own() {
    let asked = [
        "get pods",
        "get pods/log",
        "get pods/scale",
        "get nodes/log",
    ];
    let rule =
        |resource: &str| json!({"verbs": ["get"], "apiGroups": [""], "resources": [resource]});
    assert_eq!(by_rule(rule("pods"), &asked), ["get pods"]);
    assert_eq!(by_rule(rule("pods/log"), &asked), ["get pods/log"]);
    assert_eq!(
        by_rule(rule("*/log"), &asked),
        ["get pods/log", "get nodes/log"]
    );
    assert_eq!(by_rule(rule("*"), &asked), asked);
    assert_eq!(
        by_rule(rule("pods/*"), &asked),
        Vec::<&str>::new(),
        "which is nothing"
    );
    assert_eq!(by_rule(rule("*/*"), &asked), Vec::<&str>::new());
    assert_eq!(by_rule(rule("*/"), &asked), Vec::<&str>::new());
}

#[test]
fn names_have_to_be_in_the_request() {
    let rule = json!({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]});
    assert_eq!(
        by_rule(
            rule,
            &["get pods a", "get pods b", "list pods", "get pods a in one"]
        ),
        ["get pods a", "get pods a in one"]
    );
    let any =
        json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": []});
    assert_eq!(by_rule(any, &["get pods b"]), ["get pods b"]);
    let star =
        json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["*"]});
    assert_eq!(
        by_rule(star, &["get pods b", "get pods *"]),
        ["get pods *"],
        "a star is a name here"
    );
}

#[test]
fn paths_match_whole_or_by_their_beginning() {
    let asked = [
        "get /x", "get /x/", "get /x/y", "get /xy", "get /", "post /x",
    ];
    let rule = |url: &str| json!({"verbs": ["get"], "nonResourceURLs": [url]});
    assert_eq!(by_rule(rule("/x"), &asked), ["get /x"]);
    assert_eq!(by_rule(rule("/x/*"), &asked), ["get /x/", "get /x/y"]);
    assert_eq!(
        by_rule(rule("/x*"), &asked),
        ["get /x", "get /x/", "get /x/y", "get /xy"]
    );
    assert_eq!(
        by_rule(rule("/x**"), &asked),
        ["get /x", "get /x/", "get /x/y", "get /xy"]
    );
    assert_eq!(by_rule(rule("*"), &asked), asked[..5]);
    assert_eq!(
        by_rule(rule("/*y"), &asked),
        Vec::<&str>::new(),
        "only at the end"
    );
    let resources = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
    assert_eq!(by_rule(resources, &["get /x", "get pods"]), ["get pods"]);
    assert_eq!(
        by_rule(
            json!({"verbs": ["*"], "nonResourceURLs": ["*"]}),
            &["get /x", "get pods"]
        ),
        ["get /x"]
    );
}

/// Two roles of one name and a cluster role of that name, one rule each, and a binding of namespace
/// `one`.
fn bound(role: Value, subject: Value) -> RbacWorld {
    let rule = |verb: &str| {
        json!([{"verbs": [verb], "apiGroups": [""], "resources": ["pods"]},
        {"verbs": ["get"], "nonResourceURLs": ["*"]}])
    };
    RbacWorld {
        roles: read(&[
            json!({"metadata": {"name": "r", "namespace": "two"}, "rules": rule("list")}),
            json!({"metadata": {"name": "r", "namespace": "one"}, "rules": rule("get")}),
        ]),
        cluster_roles: read(&[json!({"metadata": {"name": "r"}, "rules": rule("watch")})]),
        role_bindings: read(&[
            json!({"metadata": {"name": "b", "namespace": "one"}, "roleRef": role, "subjects": [subject]}),
        ]),
        ..RbacWorld::default()
    }
}

#[test]
fn a_binding_of_a_namespace_holds_in_it_alone() {
    let verbs = ["get", "list", "watch"];
    let asked: Vec<String> = verbs
        .iter()
        .flat_map(|verb| ["", " in one", " in two"].map(|at| format!("{verb} pods{at}")))
        .collect();
    let mut asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    asked.push("get /x");
    let of = |role: Value| allowed(&bound(role, subject("User", "jane")), &jane(), &asked);
    assert_eq!(of(role_ref("Role", "r")), ["get pods in one"]);
    assert_eq!(of(role_ref("ClusterRole", "r")), ["watch pods in one"]);
    assert_eq!(of(role_ref("Role", "absent")), Vec::<&str>::new());
    assert_eq!(of(role_ref("ClusterRole", "absent")), Vec::<&str>::new());
}

#[test]
fn subjects_are_users_groups_and_service_accounts() {
    let may = |subject: Value, user: &RequestUser| {
        find_grant(
            &bound(role_ref("Role", "r"), subject),
            user,
            &request("get pods in one"),
        )
        .unwrap()
        .is_some()
    };
    let account = |namespace: Option<&str>| json!({"kind": "ServiceAccount", "name": "bot", "namespace": namespace});
    let user = |name: &str| RequestUser {
        name: name.into(),
        groups: Vec::new(),
    };
    assert!(may(subject("User", "jane"), &jane()) && !may(subject("User", "joe"), &jane()));
    assert!(may(subject("Group", "devs"), &jane()) && !may(subject("Group", "ops"), &jane()));
    assert!(!may(subject("Group", "jane"), &jane()) && !may(subject("User", "devs"), &jane()));
    assert!(may(
        account(Some("one")),
        &user("system:serviceaccount:one:bot")
    ));
    assert!(may(
        account(Some("two")),
        &user("system:serviceaccount:two:bot")
    ));
    assert!(!may(
        account(Some("two")),
        &user("system:serviceaccount:one:bot")
    ));
    assert!(
        !may(account(None), &user("system:serviceaccount:one:bot")),
        "no namespace is none"
    );
    assert!(!may(account(Some("")), &user("system:serviceaccount::bot")));
    assert!(may(
        subject("User", "system:serviceaccount:one:bot"),
        &user("system:serviceaccount:one:bot")
    ));
    assert!(!may(subject("Robot", "jane"), &jane()));
}

#[test]
fn rules_are_gathered_through_others_that_gather() {
    let rule = |verb: &str| json!([{"verbs": [verb], "apiGroups": [""], "resources": ["pods"]}]);
    let gathers = |label: &str| json!({"clusterRoleSelectors": [{"matchLabels": {"part": label}}]});
    let mut world = everywhere(json!([]));
    world.cluster_roles = read(&[
        json!({"metadata": {"name": "r", "labels": {"part": "y"}}, "aggregationRule": gathers("x"), "rules": rule("delete")}),
        json!({"metadata": {"name": "x", "labels": {"part": "x"}}, "rules": rule("get")}),
        json!({"metadata": {"name": "xx", "labels": {"part": "x"}}, "aggregationRule": gathers("y"), "rules": []}),
        json!({"metadata": {"name": "y", "labels": {"part": "y"}}, "rules": rule("list")}),
        json!({"metadata": {"name": "z", "labels": {"part": "z"}}, "rules": rule("watch")}),
    ]);
    let asked = ["get pods", "list pods", "watch pods", "delete pods"];
    assert_eq!(
        allowed(&world, &jane(), &asked),
        ["get pods", "list pods"],
        "its own are written over"
    );
}

#[test]
fn a_role_that_finds_nothing_to_gather_keeps_its_own_rules() {
    let mut world =
        everywhere(json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]));
    let gathers = json!({"metadata": {"name": "r"}, "rules": world.cluster_roles[0].rules,
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"part": "nobody"}}]}});
    world.cluster_roles = read(&[gathers]);
    assert_eq!(
        allowed(&world, &jane(), &["get pods", "list pods"]),
        ["get pods"]
    );
}

#[test]
fn a_grant_names_binding_role_and_rule() {
    let world = bound(role_ref("Role", "r"), subject("Group", "devs"));
    let grant = find_grant(&world, &jane(), &request("get pods in one"))
        .unwrap()
        .unwrap();
    assert_eq!(
        grant,
        RbacGrant {
            binding: "rolebinding one/b".into(),
            role: "role r".into(),
            rule: 0
        }
    );
    assert_eq!(
        grant.to_string(),
        "rule 0 of role r, bound by rolebinding one/b"
    );
    assert_eq!(jane().to_string(), "jane (devs)");
}

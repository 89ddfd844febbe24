//! What other worlds could notice runs alone.

use model::{ImpactScope, object_kinds};
use serde_json::{Value, json};

/// How far an object reaches whose group is that of its kind.
fn reach(object: &Value) -> ImpactScope {
    let mut object = object.clone();
    if let Some(kind) = object_kinds().find(|kind| object["kind"] == kind.kind) {
        let version = if kind.group.is_empty() {
            "v1".into()
        } else {
            format!("{}/v1", kind.group)
        };
        object["apiVersion"] = version.into();
    }
    model::object_scope(&object)
}

fn binding(selector: Value) -> Value {
    json!({"kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "b-$(namespace)"},
        "spec": {"policyName": "p", "matchResources": {"namespaceSelector": selector}}})
}

#[test]
fn namespaced_objects_are_confined_unless_they_name_a_foreign_namespace() {
    assert_eq!(
        reach(&json!({"kind": "Pod", "metadata": {"name": "x"}})),
        ImpactScope::Confined
    );
    assert_eq!(
        reach(&json!({"kind": "Role", "metadata": {"namespace": "$(namespace)-b"}})),
        ImpactScope::Confined
    );
    assert_eq!(
        reach(&json!({"kind": "Role", "metadata": {"namespace": "kube-system"}})),
        ImpactScope::Cluster
    );
}

#[test]
fn policies_are_confined_by_their_bindings() {
    let ours = json!({"matchLabels": {"kubernetes.io/metadata.name": "$(namespace)"}});
    assert_eq!(reach(&binding(ours)), ImpactScope::Confined);
    assert_eq!(
        reach(&binding(json!({"matchLabels": {"team": "a"}}))),
        ImpactScope::Cluster
    );
    assert_eq!(reach(&binding(Value::Null)), ImpactScope::Cluster);
}

#[test]
fn a_policy_with_parameters_of_a_kind_that_may_not_be_there_reaches_the_whole_cluster() {
    for policy in ["ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"] {
        let with = |spec: Value| {
            reach(&json!({"kind": policy, "metadata": {"name": "p-$(namespace)"}, "spec": spec}))
        };
        let params = |version: &str, kind: &str| {
            with(json!({"paramKind": {"apiVersion": version, "kind": kind}}))
        };
        assert_eq!(with(json!({})), ImpactScope::Confined);
        assert_eq!(params("v1", "ConfigMap"), ImpactScope::Confined);
        assert_eq!(
            params("rules.example.com/v1", "Limit"),
            ImpactScope::Cluster
        );
        assert_eq!(params("v1", "Limit"), ImpactScope::Cluster);
        assert_eq!(
            with(json!({"paramKind": {"kind": "ConfigMap"}})),
            ImpactScope::Cluster
        );
    }
}

#[test]
fn a_webhook_configuration_is_confined_when_every_webhook_is() {
    let hook = |name: &str| json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}});
    let config = |hooks: Value| {
        json!({"kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "$(namespace)"}, "webhooks": hooks})
    };
    assert_eq!(
        reach(&config(json!([hook("$(namespace)")]))),
        ImpactScope::Confined
    );
    assert_eq!(
        reach(&config(json!([hook("$(namespace)"), hook("default")]))),
        ImpactScope::Cluster
    );
    assert_eq!(reach(&config(json!([{}]))), ImpactScope::Cluster);
}

#[test]
fn a_cluster_role_binding_is_confined_by_its_subjects() {
    let bound = |subject: Value| {
        json!({"kind": "ClusterRoleBinding", "metadata": {"name": "x-$(namespace)"},
        "subjects": [subject]})
    };
    assert_eq!(
        reach(&bound(json!({"kind": "User", "name": "jane-$(namespace)"}))),
        ImpactScope::Confined
    );
    let account = json!({"kind": "ServiceAccount", "name": "a", "namespace": "$(namespace)"});
    assert_eq!(reach(&bound(account)), ImpactScope::Confined);
    assert_eq!(
        reach(&bound(
            json!({"kind": "Group", "name": "system:authenticated"})
        )),
        ImpactScope::Cluster
    );
}

#[test]
fn an_aggregated_role_is_confined_by_a_label_that_names_the_world() {
    let role = |selectors: serde_json::Value| {
        json!({"kind": "ClusterRole", "metadata": {"name": "sum-$(namespace)"},
               "aggregationRule": {"clusterRoleSelectors": selectors}})
    };
    let ours = json!({"matchLabels": {"gauntlet.dev/aggregate-to": "$(namespace)"}});
    let theirs = json!({"matchLabels": {"team": "blue"}});
    assert_eq!(reach(&role(json!([ours]))), ImpactScope::Confined);
    assert_eq!(reach(&role(json!([ours, theirs]))), ImpactScope::Cluster);
    assert_eq!(
        reach(&role(
            json!([{"matchExpressions": [{"key": "team", "operator": "Exists"}]}])
        )),
        ImpactScope::Cluster
    );
}

#[test]
fn a_role_that_others_may_gather_is_everybodys() {
    let role = |key: &str, value: &str| {
        json!({"kind": "ClusterRole",
               "metadata": {"name": "x-$(namespace)", "labels": {key: value}}})
    };
    for key in [
        "rbac.authorization.k8s.io/aggregate-to-view",
        "rbac.kyverno.io/aggregate-to-background-controller",
        "team",
    ] {
        assert_eq!(reach(&role(key, "true")), ImpactScope::Cluster, "{key}");
        assert_eq!(
            reach(&role(key, "$(namespace)")),
            ImpactScope::Confined,
            "{key}"
        );
    }
}

#[test]
fn an_image_policy_is_confined_by_its_patterns() {
    let policy = |globs: &[&str]| {
        let images: Vec<Value> = globs.iter().map(|glob| json!({"glob": glob})).collect();
        json!({"kind": "ClusterImagePolicy", "metadata": {"name": "$(namespace)-keys"}, "spec": {"images": images}})
    };
    assert_eq!(
        reach(&policy(&["$(registry)/$(namespace)/**"])),
        ImpactScope::Confined
    );
    assert_eq!(
        reach(&policy(&[
            "$(image:app)",
            "front.local:5002/none/$(namespace)/**"
        ])),
        ImpactScope::Confined
    );
    assert_eq!(
        reach(&policy(&["$(registry)/$(namespace)/**", "$(registry)/**"])),
        ImpactScope::Cluster
    );
    assert_eq!(
        reach(&json!({"kind": "TrustRoot", "metadata": {"name": "$(namespace)"}})),
        ImpactScope::Confined
    );
    assert_eq!(
        reach(&json!({"kind": "TrustRoot", "metadata": {"name": "root"}})),
        ImpactScope::Cluster
    );
}

#[test]
fn a_cluster_policy_is_confined_by_what_every_rule_matches() {
    let policy = |matches: &[Value]| {
        let rules: Vec<Value> = matches
            .iter()
            .map(|one| json!({"name": "a", "match": one}))
            .collect();
        json!({"kind": "ClusterPolicy", "metadata": {"name": "$(namespace)-signed"}, "spec": {"rules": rules}})
    };
    let pods =
        |namespaces: &[&str]| json!({"resources": {"kinds": ["Pod"], "namespaces": namespaces}});
    let (ours, theirs) = (pods(&["$(namespace)"]), pods(&["$(namespace)", "prod"]));
    let everywhere = json!({"resources": {"kinds": ["Pod"]}});
    assert_eq!(
        reach(&policy(&[json!({"any": [ours]}), ours.clone()])),
        ImpactScope::Confined
    );
    assert_eq!(
        reach(&policy(&[json!({"all": [everywhere, ours]})])),
        ImpactScope::Confined
    );
    assert_eq!(
        reach(&policy(&[
            json!({"any": [ours]}),
            json!({"any": [everywhere]})
        ])),
        ImpactScope::Cluster
    );
    assert_eq!(
        reach(&policy(&[json!({"any": [ours, everywhere]})])),
        ImpactScope::Cluster
    );
    assert_eq!(
        reach(&policy(&[json!({"any": [theirs]})])),
        ImpactScope::Cluster
    );
    assert_eq!(reach(&policy(&[json!({"any": []})])), ImpactScope::Cluster);
    assert_eq!(
        reach(&json!({"kind": "ClusterPolicy", "metadata": {"name": "$(namespace)"}})),
        ImpactScope::Cluster
    );
}

#[test]
fn a_rule_that_generates_is_confined_by_where_it_does() {
    let policy = |names: &[&str], namespace: &str| {
        let rule = json!({
            "match": {"any": [{"resources": {"kinds": ["Namespace"], "names": names}}]},
            "generate": {"kind": "NetworkPolicy", "name": "deny", "namespace": namespace},
        });
        json!({"kind": "ClusterPolicy", "metadata": {"name": "$(namespace)"}, "spec": {"rules": [rule]}})
    };
    let there = "{{request.object.metadata.name}}";
    assert_eq!(
        reach(&policy(&["$(namespace)-*"], there)),
        ImpactScope::Confined
    );
    assert_eq!(
        reach(&policy(&["$(namespace)-*"], "$(namespace)")),
        ImpactScope::Confined
    );
    assert_eq!(
        reach(&policy(&["$(namespace)-*"], "prod")),
        ImpactScope::Cluster
    );
    assert_eq!(reach(&policy(&["team-*"], there)), ImpactScope::Cluster);
}

#[test]
fn an_exception_is_confined_by_the_policies_that_it_is_from() {
    let old = |policy: &str| {
        let spec = json!({"exceptions": [{"policyName": policy, "ruleNames": ["a"]}]});
        json!({"kind": "PolicyException", "metadata": {"name": "$(namespace)-x"}, "spec": spec})
    };
    assert_eq!(reach(&old("$(namespace)-team")), ImpactScope::Confined);
    assert_eq!(reach(&old("*")), ImpactScope::Cluster);
}

#[test]
fn a_store_is_inert_and_a_cluster_external_secret_is_confined_by_where_it_goes() {
    let store =
        |name: &str| json!({"kind": "ClusterSecretStore", "metadata": {"name": name}, "spec": {}});
    assert_eq!(reach(&store("$(namespace)-vault")), ImpactScope::Confined);
    assert_eq!(reach(&store("vault")), ImpactScope::Cluster);
    let spread = |spec: Value| json!({"kind": "ClusterExternalSecret", "metadata": {"name": "$(namespace)"}, "spec": spec});
    let ours = json!({"matchLabels": {"kubernetes.io/metadata.name": "$(namespace)"}});
    let theirs = json!({"matchLabels": {"team": "blue"}});
    assert_eq!(
        reach(&spread(json!({"namespaceSelector": ours}))),
        ImpactScope::Confined
    );
    assert_eq!(
        reach(&spread(
            json!({"namespaces": ["$(namespace)", "$(namespace)-b"]})
        )),
        ImpactScope::Confined
    );
    assert_eq!(
        reach(&spread(json!({"namespaceSelector": theirs}))),
        ImpactScope::Cluster
    );
    assert_eq!(
        reach(&spread(json!({"namespaceSelectors": [ours, theirs]}))),
        ImpactScope::Cluster
    );
    assert_eq!(
        reach(&spread(
            json!({"namespaceSelector": ours, "namespaces": ["default"]})
        )),
        ImpactScope::Cluster
    );
    assert_eq!(
        reach(&spread(json!({"namespaceSelector": {}}))),
        ImpactScope::Cluster
    );
}

#[test]
fn an_image_validating_policy_is_confined_by_its_selector() {
    let policy = |constraints: Value| json!({"kind": "ImageValidatingPolicy", "metadata": {"name": "$(namespace)"}, "spec": {"matchConstraints": constraints}});
    let ours = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "$(namespace)"}}});
    assert_eq!(reach(&policy(ours)), ImpactScope::Confined);
    assert_eq!(reach(&policy(json!({}))), ImpactScope::Cluster);
    assert_eq!(
        reach(&json!({"kind": "NamespacedImageValidatingPolicy", "metadata": {"name": "a"}})),
        ImpactScope::Confined
    );
}

#[test]
fn a_rule_on_what_is_in_no_namespace_is_everybodys() {
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": "$(namespace)"}});
    for (resources, wanted) in [
        (json!(["configmaps", "pods/status"]), ImpactScope::Confined),
        (
            json!(["namespaces", "namespaces/finalize"]),
            ImpactScope::Confined,
        ),
        (json!(["configmaps", "clusterroles"]), ImpactScope::Cluster),
        (json!(["*"]), ImpactScope::Cluster),
    ] {
        let rule = json!({"apiGroups": ["*"], "resources": resources});
        let hook = json!({"namespaceSelector": selector, "rules": [rule]});
        let webhook = json!({"kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "$(namespace)-a"}, "webhooks": [hook]});
        let policy = json!({"kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": "$(namespace)-a"},
            "spec": {"matchConstraints": {"resourceRules": [rule]}}});
        assert_eq!(reach(&webhook), wanted, "{webhook}");
        assert_eq!(reach(&policy), wanted, "{policy}");
    }
}

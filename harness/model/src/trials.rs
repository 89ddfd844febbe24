//! Objects to try on policies that nobody wrote a scenario for: one of each kind that they speak of
//! which most policies admit, and its variants, each with one thing that some policy forbids.
//!
//! The variants of pods are the checks of the Pod Security Standards (kubernetes.io, "Pod Security
//! Standards") and what best-practice collections of policy engines look at: images, resources,
//! probes, tokens, labels. Each is there as a pod, as an init container's, and in the templates of
//! two controllers; what the policies themselves name (labels, registries) is taken out of them.

mod pods;
mod words;

use serde_json::{Value, json};

use crate::POD_MAKERS;

pub use words::PolicyWords;

/// An object to try.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialObject {
    /// Its name among the others: lower case, digits and dashes.
    pub name: String,
    /// The one of which it is a variant, by its name.
    pub variant_of: Option<String>,
    /// The object.
    pub object: Value,
}

/// A place in an object and what is put there, as JSON; `null` takes away what is there.
type FieldChange = (&'static str, &'static str);

/// A variant of an object: its name, and its changes.
type ObjectVariant = (&'static str, &'static [FieldChange]);

/// Kinds that have one object and a few variants: version, kind, what stands below `metadata`.
const PLAIN_KINDS: &[(&str, &str, &str, &[ObjectVariant])] = &[
    (
        "v1",
        "Service",
        r#"{"spec": {"selector": {"app": "trial"}, "ports": [{"port": 80}]}}"#,
        &[
            ("node-port", &[("/spec/type", r#""NodePort""#)]),
            ("load-balancer", &[("/spec/type", r#""LoadBalancer""#)]),
            (
                "external-name",
                &[
                    ("/spec/type", r#""ExternalName""#),
                    ("/spec/externalName", r#""example.com""#),
                ],
            ),
            ("external-ip", &[("/spec/externalIPs", r#"["192.0.2.1"]"#)]),
        ],
    ),
    (
        "networking.k8s.io/v1",
        "Ingress",
        r#"{"spec": {"tls": [{"hosts": ["trial.example.com"], "secretName": "trial"}], "rules": [{"host": "trial.example.com",
            "http": {"paths": [{"path": "/", "pathType": "Prefix",
            "backend": {"service": {"name": "trial", "port": {"number": 80}}}}]}}]}}"#,
        &[
            ("no-tls", &[("/spec/tls", "null")]),
            ("any-host", &[("/spec/rules/0/host", "null")]),
            (
                "wildcard-host",
                &[("/spec/rules/0/host", r#""*.example.com""#)],
            ),
        ],
    ),
    ("v1", "ConfigMap", r#"{"data": {"key": "value"}}"#, &[]),
    ("v1", "Secret", r#"{"stringData": {"key": "value"}}"#, &[]),
    (
        "v1",
        "ServiceAccount",
        "{}",
        &[("automount", &[("/automountServiceAccountToken", "true")])],
    ),
    (
        "v1",
        "PersistentVolumeClaim",
        r#"{"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}"#,
        &[
            ("large", &[("/spec/resources/requests/storage", r#""1Ti""#)]),
            ("shared", &[("/spec/accessModes", r#"["ReadWriteMany"]"#)]),
        ],
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "Role",
        r#"{"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}"#,
        &[
            ("all-verbs", &[("/rules/0/verbs", r#"["*"]"#)]),
            ("all-resources", &[("/rules/0/resources", r#"["*"]"#)]),
            ("secrets", &[("/rules/0/resources", r#"["secrets"]"#)]),
        ],
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        r#"{"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "trial"},
            "subjects": [{"kind": "ServiceAccount", "name": "trial", "namespace": "default"}]}"#,
        &[
            (
                "cluster-admin",
                &[
                    ("/roleRef/kind", r#""ClusterRole""#),
                    ("/roleRef/name", r#""cluster-admin""#),
                ],
            ),
            (
                "everybody",
                &[(
                    "/subjects/0",
                    r#"{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}"#,
                )],
            ),
        ],
    ),
    (
        "networking.k8s.io/v1",
        "NetworkPolicy",
        r#"{"spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}}"#,
        &[("all-ingress", &[("/spec/ingress", "[{}]")])],
    ),
];

/// The objects to try on policies that have these words.
#[must_use]
pub fn trial_objects(words: &PolicyWords) -> Vec<TrialObject> {
    let mut all = Vec::new();
    let mut makers = POD_MAKERS.iter();
    if words.names_kind("Pod") || makers.any(|maker| words.names_kind(maker.kind)) {
        all.extend(pods::pod_trials(words));
    }
    for (version, kind, rest, variants) in PLAIN_KINDS {
        if !words.names_kind(kind) {
            continue;
        }
        let mut object = json_of(rest);
        object["apiVersion"] = json!(version);
        object["kind"] = json!(kind);
        object["metadata"] = words.metadata();
        let name = kind.to_lowercase();
        for (variant, changes) in *variants {
            all.push(TrialObject {
                name: format!("{name}-{variant}"),
                variant_of: Some(name.clone()),
                object: changed_object(&object, changes),
            });
        }
        all.extend(words.without_labels(&name, &object));
        all.push(TrialObject {
            name,
            variant_of: None,
            object,
        });
    }
    all
}

/// The object with these changes.
fn changed_object(object: &Value, changes: &[FieldChange]) -> Value {
    let mut changed = object.clone();
    for (pointer, text) in changes {
        put_field(&mut changed, pointer, json_of(text));
    }
    changed
}

/// Puts a value at a pointer, with every mapping that is missing on the way; `null` takes it away.
fn put_field(object: &mut Value, pointer: &str, value: Value) {
    let mut at = object;
    let mut names = pointer.trim_start_matches('/').split('/').peekable();
    while let Some(name) = names.next() {
        let is_last = names.peek().is_none();
        if let Value::Array(items) = at {
            let Some(item) = name
                .parse()
                .ok()
                .and_then(|index: usize| items.get_mut(index))
            else {
                return;
            };
            if is_last {
                *item = value;
                return;
            }
            at = item;
            continue;
        }
        if !at.is_object() {
            *at = json!({});
        }
        let Value::Object(fields) = at else { return };
        match (is_last, value.is_null()) {
            (true, true) => {
                fields.remove(name);
                return;
            }
            (true, false) => {
                fields.insert(name.to_owned(), value);
                return;
            }
            (false, _) => at = fields.entry(name).or_insert(Value::Null),
        }
    }
}

/// A JSON text of this module's own tables.
fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|fault| panic!("`{text}`: {fault}"))
}

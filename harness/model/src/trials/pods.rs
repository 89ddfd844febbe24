//! Pods to try, and the controllers that make them.

use serde_json::{Value, json};

use super::{
    FieldChange, ObjectVariant, PolicyWords, TrialObject, changed_object, json_of, put_field,
};

/// The container that most policies admit: the restricted level of the Pod Security Standards, with
/// limits, requests and probes.
const USUAL_CONTAINER: &str = r#"{"name": "main",
    "securityContext": {"allowPrivilegeEscalation": false, "privileged": false, "readOnlyRootFilesystem": true,
        "runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 1000, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}},
    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}},
    "livenessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 20},
    "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 10}}"#;

/// Variants of a container.
const CONTAINER_VARIANTS: &[ObjectVariant] = &[
    (
        "privileged",
        &[
            ("/securityContext/privileged", "true"),
            ("/securityContext/allowPrivilegeEscalation", "true"),
        ],
    ),
    (
        "escalation",
        &[("/securityContext/allowPrivilegeEscalation", "true")],
    ),
    (
        "escalation-unsaid",
        &[("/securityContext/allowPrivilegeEscalation", "null")],
    ),
    (
        "sys-admin",
        &[("/securityContext/capabilities/add", r#"["SYS_ADMIN"]"#)],
    ),
    (
        "net-bind-service",
        &[(
            "/securityContext/capabilities/add",
            r#"["NET_BIND_SERVICE"]"#,
        )],
    ),
    (
        "capabilities-kept",
        &[("/securityContext/capabilities", "null")],
    ),
    (
        "root",
        &[
            ("/securityContext/runAsUser", "0"),
            ("/securityContext/runAsNonRoot", "false"),
        ],
    ),
    (
        "root-allowed",
        &[("/securityContext/runAsNonRoot", "false")],
    ),
    ("no-security-context", &[("/securityContext", "null")]),
    (
        "unconfined",
        &[("/securityContext/seccompProfile/type", r#""Unconfined""#)],
    ),
    (
        "app-armor-unconfined",
        &[(
            "/securityContext/appArmorProfile",
            r#"{"type": "Unconfined"}"#,
        )],
    ),
    (
        "selinux-type",
        &[("/securityContext/seLinuxOptions", r#"{"type": "spc_t"}"#)],
    ),
    (
        "writable-root",
        &[("/securityContext/readOnlyRootFilesystem", "false")],
    ),
    (
        "host-port",
        &[("/ports", r#"[{"containerPort": 8080, "hostPort": 8080}]"#)],
    ),
    ("no-resources", &[("/resources", "null")]),
    ("no-limits", &[("/resources/limits", "null")]),
    ("no-memory-limit", &[("/resources/limits/memory", "null")]),
    ("no-cpu-limit", &[("/resources/limits/cpu", "null")]),
    (
        "no-requests",
        &[(
            "/resources",
            r#"{"limits": {"cpu": "100m", "memory": "64Mi"}}"#,
        )],
    ),
    ("much-memory", &[("/resources/limits/memory", r#""64Gi""#)]),
];

/// Variants that only a container that stays can have.
const LASTING_VARIANTS: &[ObjectVariant] = &[
    (
        "no-probes",
        &[("/livenessProbe", "null"), ("/readinessProbe", "null")],
    ),
    ("no-liveness-probe", &[("/livenessProbe", "null")]),
    ("no-readiness-probe", &[("/readinessProbe", "null")]),
    (
        "post-start-hook",
        &[(
            "/lifecycle",
            r#"{"postStart": {"exec": {"command": ["true"]}}}"#,
        )],
    ),
];

/// Variants of a pod's spec.
const SPEC_VARIANTS: &[ObjectVariant] = &[
    ("host-network", &[("/hostNetwork", "true")]),
    ("host-pid", &[("/hostPID", "true")]),
    ("host-ipc", &[("/hostIPC", "true")]),
    ("host-users", &[("/hostUsers", "false")]),
    // Without a user namespace the API server takes it from nobody.
    (
        "proc-unmasked",
        &[
            ("/hostUsers", "false"),
            ("/containers/0/securityContext/procMount", r#""Unmasked""#),
        ],
    ),
    (
        "host-path",
        &[("/volumes", r#"[{"name": "v", "hostPath": {"path": "/"}}]"#)],
    ),
    (
        "host-path-log",
        &[(
            "/volumes",
            r#"[{"name": "v", "hostPath": {"path": "/var/log"}}]"#,
        )],
    ),
    (
        "empty-dir",
        &[("/volumes", r#"[{"name": "v", "emptyDir": {}}]"#)],
    ),
    (
        "nfs",
        &[(
            "/volumes",
            r#"[{"name": "v", "nfs": {"server": "192.0.2.1", "path": "/"}}]"#,
        )],
    ),
    (
        "iscsi",
        &[(
            "/volumes",
            r#"[{"name": "v", "iscsi": {"targetPortal": "192.0.2.1:3260", "iqn": "iqn.2001-04.com.example:v", "lun": 0}}]"#,
        )],
    ),
    (
        "secret-volume",
        &[(
            "/volumes",
            r#"[{"name": "v", "secret": {"secretName": "trial"}}]"#,
        )],
    ),
    (
        "sysctl-safe",
        &[(
            "/securityContext/sysctls",
            r#"[{"name": "net.ipv4.ip_local_port_range", "value": "1024 65535"}]"#,
        )],
    ),
    (
        "sysctl-unsafe",
        &[(
            "/securityContext/sysctls",
            r#"[{"name": "kernel.msgmax", "value": "65536"}]"#,
        )],
    ),
    ("pod-root", &[("/securityContext/runAsUser", "0")]),
    (
        "pod-unconfined",
        &[(
            "/securityContext/seccompProfile",
            r#"{"type": "Unconfined"}"#,
        )],
    ),
    (
        "pod-selinux-user",
        &[("/securityContext/seLinuxOptions", r#"{"user": "system_u"}"#)],
    ),
    (
        "supplemental-root",
        &[("/securityContext/supplementalGroups", "[0]")],
    ),
    (
        "host-process",
        &[
            (
                "/securityContext/windowsOptions",
                r#"{"hostProcess": true}"#,
            ),
            ("/hostNetwork", "true"),
        ],
    ),
    (
        "token-mounted",
        &[("/automountServiceAccountToken", "true")],
    ),
    ("token-unsaid", &[("/automountServiceAccountToken", "null")]),
    (
        "every-toleration",
        &[("/tolerations", r#"[{"operator": "Exists"}]"#)],
    ),
    ("on-a-node", &[("/nodeName", r#""node-1""#)]),
    ("no-node-selector", &[("/nodeSelector", "null")]),
    ("shared-processes", &[("/shareProcessNamespace", "true")]),
];

/// Every pod to try, and what makes pods.
pub(super) fn pod_trials(words: &PolicyWords) -> Vec<TrialObject> {
    let [image, other] = words.images();
    let usual = usual_pod(words, &image);
    let mut pods = vec![("pod".to_owned(), usual.clone())];
    let mut add = |name: String, pod: Value| pods.push((format!("pod-{name}"), pod));
    for (name, changes) in CONTAINER_VARIANTS {
        add((*name).to_owned(), changed_container(&usual, changes));
        add(format!("init-{name}"), with_init_container(&usual, changes));
    }
    for (name, changes) in LASTING_VARIANTS {
        add((*name).to_owned(), changed_container(&usual, changes));
    }
    for (name, changes) in SPEC_VARIANTS {
        let mut pod = usual.clone();
        pod["spec"] = changed_object(&pod["spec"], changes);
        add((*name).to_owned(), pod);
    }
    let stem = image
        .rsplit_once(':')
        .map_or(image.as_str(), |(stem, _)| stem);
    let images = [
        ("image-latest", format!("{stem}:latest")),
        ("image-without-tag", stem.to_owned()),
        (
            "image-by-digest",
            format!("{stem}@sha256:{}", "0".repeat(64)),
        ),
        ("image-elsewhere", other),
        ("image-without-registry", "trial:1.0".to_owned()),
        // What a comparison of beginnings takes for the same registry.
        ("image-lookalike", look_alike(&image)),
    ];
    for (name, image) in images {
        let mut pod = usual.clone();
        pod["spec"]["containers"][0]["image"] = json!(image);
        add(name.to_owned(), pod);
        let mut pod = with_init_container(&usual, &[]);
        pod["spec"]["initContainers"][0]["image"] = json!(image);
        add(format!("init-{name}"), pod);
    }
    let mut all: Vec<TrialObject> = Vec::new();
    for (name, pod) in &pods {
        for kind in ["Deployment", "CronJob"] {
            all.push(in_controller(kind, name, pod));
        }
    }
    for kind in [
        "StatefulSet",
        "DaemonSet",
        "ReplicaSet",
        "ReplicationController",
        "Job",
    ] {
        for (name, pod) in pods
            .iter()
            .filter(|(name, _)| name == "pod" || name == "pod-privileged")
        {
            all.push(in_controller(kind, name, pod));
        }
    }
    all.extend(words.without_labels("pod", &usual));
    all.extend(pods.into_iter().map(|(name, object)| TrialObject {
        variant_of: usual_name(&name, "pod"),
        name,
        object,
    }));
    all
}

/// The name of the usual object, for what is a variant of it.
fn usual_name(name: &str, usual: &str) -> Option<String> {
    (name != usual).then(|| usual.to_owned())
}

fn usual_pod(words: &PolicyWords, image: &str) -> Value {
    let mut container = json_of(USUAL_CONTAINER);
    container["image"] = json!(image);
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": words.metadata(),
        "spec": {
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "containers": [container],
        }
    })
}

fn changed_container(pod: &Value, changes: &[FieldChange]) -> Value {
    let mut pod = pod.clone();
    let container = &mut pod["spec"]["containers"][0];
    *container = changed_object(container, changes);
    pod
}

/// With an init container that has these changes, beside a usual container.
fn with_init_container(pod: &Value, changes: &[FieldChange]) -> Value {
    let mut pod = pod.clone();
    let mut first = pod["spec"]["containers"][0].clone();
    for probe in ["/livenessProbe", "/readinessProbe"] {
        put_field(&mut first, probe, Value::Null);
    }
    first["name"] = json!("first");
    pod["spec"]["initContainers"] = json!([changed_object(&first, changes)]);
    pod
}

/// The image under a registry whose name begins as the right one's does.
fn look_alike(image: &str) -> String {
    match image.split_once('/') {
        Some((host, rest)) => format!("{host}.example.net/{rest}"),
        None => format!("{image}.example.net"),
    }
}

/// The pod as a controller's template.
fn in_controller(kind: &str, name: &str, pod: &Value) -> TrialObject {
    let template =
        json!({ "metadata": {"labels": pod["metadata"]["labels"]}, "spec": pod["spec"] });
    let selector = json!({ "matchLabels": {"app": pod["metadata"]["labels"]["app"]} });
    let ending = |mut template: Value| {
        template["spec"]["restartPolicy"] = json!("Never");
        json!({ "template": template })
    };
    let (version, spec) = match kind {
        "ReplicationController" => (
            "v1",
            json!({ "replicas": 3, "selector": selector["matchLabels"], "template": template }),
        ),
        "Job" => ("batch/v1", ending(template)),
        "CronJob" => (
            "batch/v1",
            json!({ "schedule": "0 0 1 1 *", "jobTemplate": {"spec": ending(template)} }),
        ),
        "StatefulSet" => (
            "apps/v1",
            json!({ "serviceName": "trial", "replicas": 3, "selector": selector, "template": template }),
        ),
        "DaemonSet" => (
            "apps/v1",
            json!({ "selector": selector, "template": template }),
        ),
        _ => (
            "apps/v1",
            json!({ "replicas": 3, "selector": selector, "template": template }),
        ),
    };
    let usual = format!("{}-pod", kind.to_lowercase());
    let name = format!("{}-{name}", kind.to_lowercase());
    TrialObject {
        variant_of: usual_name(&name, &usual),
        name,
        object: json!({ "apiVersion": version, "kind": kind, "metadata": pod["metadata"], "spec": spec }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::trial_objects;
    use super::*;

    fn all() -> Vec<TrialObject> {
        let policy = json!({"spec": {"match": {"kinds": [{"kinds": ["*"]}]},
            "pattern": {"metadata": {"labels": {"team/name": "?*"}}}}});
        trial_objects(&PolicyWords::of_policies([&policy]))
    }

    #[test]
    fn every_object_has_a_name_of_its_own_and_differs_from_every_other_of_its_kind() {
        let all = all();
        assert!(all.len() > 200, "{}", all.len());
        let names: BTreeSet<&str> = all.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        let texts: BTreeSet<String> = all.iter().map(|one| one.object.to_string()).collect();
        assert_eq!(texts.len(), all.len(), "two objects are the same");
        for name in names {
            assert!(
                name.bytes()
                    .all(|one| one == b'-' || one.is_ascii_lowercase() || one.is_ascii_digit()),
                "{name}"
            );
        }
    }

    #[test]
    fn a_variant_changes_what_it_says_and_nothing_else() {
        let all = all();
        let find = |name: &str| &all.iter().find(|one| one.name == name).unwrap().object;
        let (usual, privileged) = (find("pod"), find("pod-privileged"));
        let mut back = privileged.clone();
        let security = &mut back["spec"]["containers"][0]["securityContext"];
        assert_eq!(security["privileged"], true);
        security["privileged"] = json!(false);
        security["allowPrivilegeEscalation"] = json!(false);
        assert_eq!(&back, usual);
        assert_eq!(
            find("pod-no-limits")["spec"]["containers"][0]["resources"].get("limits"),
            None
        );
        assert_eq!(
            find("pod-init-root")["spec"]["initContainers"][0]["securityContext"]["runAsUser"],
            0
        );
        assert_eq!(
            find("pod-without-label-1")["metadata"]["labels"].get("team/name"),
            None
        );
        let cron = &find("cronjob-pod-host-pid")["spec"]["jobTemplate"]["spec"]["template"]["spec"];
        assert_eq!(
            (&cron["hostPID"], &cron["restartPolicy"]),
            (&json!(true), &json!("Never"))
        );
    }

    #[test]
    fn policies_on_services_alone_get_no_pods() {
        let policy = json!({"spec": {"match": {"any": [{"resources": {"kinds": ["Service"]}}]}}});
        let all = trial_objects(&PolicyWords::of_policies([&policy]));
        assert!(all.iter().all(|one| one.object["kind"] == "Service"));
        assert!(all.iter().any(|one| one.name == "service-node-port"));
    }
}

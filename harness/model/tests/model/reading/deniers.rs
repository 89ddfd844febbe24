//! Who denied a request, by the text of the reply.

use std::collections::BTreeSet;

use super::*;

#[test]
fn known_texts_name_who_denied() {
    let cases: [(u16, &str, &str, Refuser); 17] = [
        (
            403,
            "Forbidden",
            r#"pods "x" is forbidden: violates PodSecurity "baseline:latest": privileged (container "c" must not set securityContext.privileged=true)"#,
            Refuser::PodSecurity,
        ),
        (
            422,
            "Invalid",
            r#"deployments.apps "web" is forbidden: ValidatingAdmissionPolicy 'replicas' with binding 'replicas-test' denied request: at most 5"#,
            Refuser::Policy("replicas".into()),
        ),
        (
            422,
            "Invalid",
            r#"pods "web" is forbidden: ValidatingAdmissionPolicy 'no-binding' denied request: no"#,
            Refuser::Policy("no-binding".into()),
        ),
        (
            400,
            "",
            r#"admission webhook "check.example.com" denied the request: no signature"#,
            Refuser::Webhook("check.example.com".into()),
        ),
        (
            403,
            "Forbidden",
            r#"admission webhook "check.example.com" denied the request without explanation"#,
            Refuser::Webhook("check.example.com".into()),
        ),
        (
            500,
            "InternalError",
            r#"Internal error occurred: failed calling webhook "gone.example.com": failed to call webhook: Post "https://127.0.0.1:9/?timeout=10s": dial tcp 127.0.0.1:9: connect: connection refused"#,
            Refuser::FailingClosed("gone.example.com".into()),
        ),
        (
            403,
            "Forbidden",
            r#"roles.rbac.authorization.k8s.io "wide" is forbidden: user "jane" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:"#,
            Refuser::RbacEscalation,
        ),
        (
            403,
            "Forbidden",
            r#"clusterroles.rbac.authorization.k8s.io "sum" is forbidden: must have cluster-admin privileges to use the aggregationRule"#,
            Refuser::RbacEscalation,
        ),
        (
            403,
            "Forbidden",
            r#"certificatesigningrequests.certificates.k8s.io "k" is forbidden: user not permitted to approve requests with signerName "kubernetes.io/kube-apiserver-client""#,
            Refuser::CertificateApproval,
        ),
        (
            403,
            "Forbidden",
            r#"certificatesigningrequests.certificates.k8s.io "m" is forbidden: use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"#,
            Refuser::CertificateSubjectRestriction,
        ),
        (
            403,
            "Forbidden",
            r#"pods "p" is forbidden: exceeded quota: two-pods, requested: pods=1, used: pods=2, limited: pods=2"#,
            Refuser::Quota("two-pods".into()),
        ),
        (
            403,
            "Forbidden",
            r#"nodes "node-2" is forbidden: node "node-1" is not allowed to modify node "node-2""#,
            Refuser::NodeRestriction,
        ),
        (
            403,
            "Forbidden",
            r#"nodes "node-1" is forbidden: is not allowed to modify labels: node-restriction.kubernetes.io/x"#,
            Refuser::NodeRestriction,
        ),
        (
            403,
            "Forbidden",
            r#"pods "p" is forbidden: pod does not have "kubernetes.io/config.mirror" annotation, node "node-1" can only create mirror pods"#,
            Refuser::NodeRestriction,
        ),
        (
            403,
            "Forbidden",
            r#"pods "p" is forbidden: failed quota: memory: must specify limits.memory for: c"#,
            Refuser::Quota("memory".into()),
        ),
        (
            413,
            "RequestEntityTooLarge",
            r#"configmaps "bad" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: with "quotes" & <html>"#,
            Refuser::Policy("p".into()),
        ),
        (
            403,
            "Invalid",
            r#"policy 'm1' with binding 'b1' denied request: expression 'object.metadata.annotations["x"]' resulted in error: no such key: annotations"#,
            Refuser::Policy("m1".into()),
        ),
    ];
    for (code, reason, message, by) in cases {
        assert_eq!(reads(code, reason, message), denied(by), "{message}");
    }
}

/// Those whose texts come as they are: the test below reads them.
const UNWRAPPED_PLUGINS: [&str; 3] = [
    "AlwaysPullImages",
    "EventRateLimit",
    "PodTolerationRestriction",
];

/// Each of a plugin's texts, as its source writes it. None is left out.
#[test]
fn built_in_plugins_are_named() {
    let read = |text: &str| {
        reads(
            403,
            "Forbidden",
            &format!("pods \"x\" is forbidden: {text}"),
        )
    };
    let cases = [
        (
            Plugin::LimitRanger,
            "maximum memory usage per Container is 64Mi, but limit is 256Mi",
        ),
        (
            Plugin::LimitRanger,
            "[maximum cpu usage per Pod is 1, but limit is 2, maximum memory usage per Pod is 1Gi, but limit is 2Gi]",
        ),
        (
            Plugin::LimitRanger,
            "memory max limit to request ratio per Container is 2, but provided ratio is 4.000000",
        ),
        (
            Plugin::ServiceAccount,
            r#"error looking up service account a/b: serviceaccount "b" not found"#,
        ),
        (
            Plugin::ServiceAccount,
            "a mirror pod may not reference service accounts",
        ),
        (
            Plugin::ServiceAccount,
            r#"container c with envVar P referencing secret.secretName="s" is not allowed because service account a does not reference that secret"#,
        ),
        (
            Plugin::RuntimeClass,
            r#"pod rejected: RuntimeClass "nothing" not found"#,
        ),
        (
            Plugin::Priority,
            "no PriorityClass with name nothing was found",
        ),
        (
            Plugin::Priority,
            "the integer value of priority (7) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name",
        ),
        (
            Plugin::NamespaceLifecycle,
            "unable to create new content in namespace a because it is being terminated",
        ),
        (
            Plugin::NamespaceLifecycle,
            "this namespace may not be deleted",
        ),
        (
            Plugin::PersistentVolumeClaimResize,
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
        ),
        (
            Plugin::PodNodeSelector,
            "pod node label selector conflicts with its namespace node label selector",
        ),
        (
            Plugin::OwnerReferencesPermissionEnforcement,
            "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>",
        ),
        (
            Plugin::CertificateSigning,
            r#"user not permitted to sign requests with signerName "example.com/a""#,
        ),
        (Plugin::ResourceQuota, "insufficient quota to consume: pods"),
        (
            Plugin::DenyServiceExternalIPs,
            "Use of external IPs is denied by admission control",
        ),
        (
            Plugin::AlwaysDeny,
            "admission control is denying all modifications",
        ),
        (
            Plugin::ClusterTrustBundleAttest,
            r#"user not permitted to attest for signerName "example.com/a""#,
        ),
        (
            Plugin::ImagePolicyWebhook,
            "image policy webhook backend denied one or more images: no",
        ),
        (
            Plugin::JobValidation,
            r#"cannot change parallelism for a Job referencing gang-scheduled PodGroup "a""#,
        ),
        (
            Plugin::LimitPodHardAntiAffinityTopology,
            "affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey topology.kubernetes.io/zone but only key kubernetes.io/hostname is allowed",
        ),
        (
            Plugin::NodeDeclaredFeatureValidator,
            r#"pod update requires features A which are not available on node "a""#,
        ),
        (
            Plugin::PodGroupWorkloadExists,
            r#"PodGroup rejected: Workload "a" not found"#,
        ),
        (
            Plugin::PodResizeValidator,
            r#"pod resize is only supported on linux nodes, node "a" is "windows""#,
        ),
    ];
    for (plugin, text) in cases {
        assert_eq!(read(text), denied(Refuser::Plugin(plugin)), "{text}");
    }
    let told: BTreeSet<String> = cases.iter().map(|(plugin, _)| plugin.to_string()).collect();
    let schema: Value = serde_json::from_str(&model::scenario_schema()).unwrap();
    let all = schema["$defs"]["Plugin"]["oneOf"].as_array().unwrap();
    let all: BTreeSet<String> = all
        .iter()
        .map(|one| one["const"].as_str().unwrap().to_owned())
        .collect();
    let unread: Vec<&String> = all.difference(&told).collect();
    assert_eq!(unread, UNWRAPPED_PLUGINS, "no text of these is read");
    for text in [
        r#"node "node-1" can only delete pods with spec.nodeName set to itself"#,
        r#"node "node-1" can only update pod status for pods with spec.nodeName set to itself"#,
        r#"node "node-1" cannot update labels through pod status"#,
        "node node-1 can only evict pods with spec.nodeName set to itself",
        "node requested token bound to a pod scheduled on a different node",
        r#"audience "vault" not found in pod spec volume, system:node:node-1 is not authorized to request tokens for this audience"#,
    ] {
        assert_eq!(read(text), denied(Refuser::NodeRestriction), "{text}");
    }
    let text = "status unknown for quota: pods, resources: pods";
    assert_eq!(read(text), denied(Refuser::Quota("pods".into())));
    assert!(broken(&read("unexpected type *core.Pod")));
    assert!(broken(&read(
        "it said: maximum memory usage per Container is 64Mi"
    )));
}

#[test]
fn plugins_that_do_not_wrap_what_they_say_are_named() {
    let by = |code, message: &str| reads(code, "", message);
    let scopes =
        "insufficient quota to match these scopes: [{PriorityClass In [system-cluster-critical]}]";
    assert_eq!(
        by(500, scopes),
        denied(Refuser::Plugin(Plugin::ResourceQuota))
    );
    let tolerations = "pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist";
    assert_eq!(
        by(500, tolerations),
        denied(Refuser::Plugin(Plugin::PodTolerationRestriction))
    );
    let pulled = r#"[pods "a" is forbidden: spec.containers[0].imagePullPolicy: Unsupported value: "Never": supported values: "Always", x]"#;
    assert_eq!(
        by(500, pulled),
        denied(Refuser::Plugin(Plugin::AlwaysPullImages))
    );
    let events = "Too many requests: limit reached on type Namespace for key a";
    assert_eq!(
        by(429, events),
        denied(Refuser::Plugin(Plugin::EventRateLimit))
    );
    for (code, message) in [(503, scopes), (502, tolerations), (500, events)] {
        assert!(broken(&by(code, message)), "{code} {message}");
    }
}

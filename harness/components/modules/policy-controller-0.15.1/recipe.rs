// Its program is the package `webhook`; what it is installed with in a cluster comes from its
// module, unbuilt.
tools!(
    "policy-controller", "0.15.1", ["policy-controller"],
    turn: 10,
    seconds: 320,
    renames: [("webhook", "policy-controller")],
    data: "github.com/sigstore/policy-controller" [
        ("config/100-namespace.yaml", "100-namespace.yaml"),
        ("config/200-clusterrole.yaml", "200-clusterrole.yaml"),
        ("config/200-role.yaml", "200-role.yaml"),
        ("config/200-serviceaccount.yaml", "200-serviceaccount.yaml"),
        ("config/201-clusterrolebinding.yaml", "201-clusterrolebinding.yaml"),
        ("config/201-rolebinding.yaml", "201-rolebinding.yaml"),
        ("config/300-clusterimagepolicy.yaml", "300-clusterimagepolicy.yaml"),
        ("config/300-trustroot.yaml", "300-trustroot.yaml"),
        ("config/400-webhook-service.yaml", "400-webhook-service.yaml"),
        ("config/500-webhook-configuration.yaml", "500-webhook-configuration.yaml"),
        ("config/501-policy-webhook-configurations.yaml", "501-policy-webhook-configurations.yaml"),
        ("config/config-image-policies.yaml", "config-image-policies.yaml"),
        ("config/config-leader-election.yaml", "config-leader-election.yaml"),
        ("config/config-logging.yaml", "config-logging.yaml"),
        ("config/config-observability.yaml", "config-observability.yaml"),
        ("config/config-policy-controller.yaml", "config-policy-controller.yaml"),
        ("config/config-sigstore-keys.yaml", "config-sigstore-keys.yaml"),
        ("config/webhook.yaml", "webhook.yaml"),
    ]
)

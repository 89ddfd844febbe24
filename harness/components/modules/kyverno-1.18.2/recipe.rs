tools!(
    "kyverno", "1.18.2", ["background-controller", "cleanup-controller", "kyverno", "reports-controller"],
    turn: 15,
    seconds: 300,
    renames: [],
    data: "github.com/kyverno/kyverno" [("config/install-latest-testing.yaml", "install.yaml")]
)

tools!(
    "kyverno", "1.19.1", ["background-controller", "cleanup-controller", "kyverno", "reports-controller"],
    turn: 9,
    seconds: 300,
    renames: [],
    data: "github.com/kyverno/kyverno" [("config/install-latest-testing.yaml", "install.yaml")]
)

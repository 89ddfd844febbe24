tools!(
    "kyverno", "1.19.1", ["kyverno"],
    turn: 9,
    seconds: 260,
    renames: [],
    data: "github.com/kyverno/kyverno" [("config/install-latest-testing.yaml", "install.yaml")]
)

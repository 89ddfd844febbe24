// All its controllers are one program. It is installed by its chart, which holds everything but its
// definitions.
tools!(
    "external-secrets", "0.19.2", ["external-secrets"],
    turn: 11,
    seconds: 420,
    renames: [],
    data: "github.com/external-secrets/external-secrets" [("deploy/crds/bundle.yaml", "definitions.yaml")],
    chart: ("deploy/charts/external-secrets", "external-secrets", "chart.yaml")
)

// Its program is called after its module. What it is installed with comes from its release,
// unbuilt.
tools!(
    "gatekeeper", "3.17.0", ["gatekeeper"],
    turn: 14,
    seconds: 150,
    renames: [],
    data: "github.com/open-policy-agent/gatekeeper/v3" [("deploy/gatekeeper.yaml", "gatekeeper.yaml")]
)

// All its controllers are one program; its definitions are the files they are generated into.
tools!(
    "external-secrets", "0.19.2", ["external-secrets"],
    turn: 11,
    seconds: 420,
    renames: [],
    data: "github.com/external-secrets/external-secrets" [
        ("config/crds/bases/external-secrets.io_clusterexternalsecrets.yaml", "clusterexternalsecrets.yaml"),
        ("config/crds/bases/external-secrets.io_clustersecretstores.yaml", "clustersecretstores.yaml"),
        ("config/crds/bases/external-secrets.io_externalsecrets.yaml", "externalsecrets.yaml"),
        ("config/crds/bases/generators.external-secrets.io_generatorstates.yaml", "generatorstates.yaml"),
        ("config/crds/bases/external-secrets.io_secretstores.yaml", "secretstores.yaml"),
    ]
)

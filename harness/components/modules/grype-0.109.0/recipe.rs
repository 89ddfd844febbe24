tools!(
    "grype", "0.109.0", ["grype"],
    turn: 8,
    seconds: 50,
    renames: [],
    data: "" []
)

tools!(
    "cosign", "3.1.3", ["cosign"],
    turn: 3,
    seconds: 200,
    renames: [],
    data: "" []
)

tools!(
    "registry", "3.1.2", ["registry"],
    turn: 2,
    seconds: 100,
    renames: [],
    data: "" []
)

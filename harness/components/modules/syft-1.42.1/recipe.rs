tools!(
    "syft", "1.42.1", ["syft"],
    turn: 7,
    seconds: 150,
    renames: [],
    data: "" []
)

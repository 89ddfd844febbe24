tools!(
    "timestamp-authority", "2.1.3", ["timestamp-server"],
    turn: 6,
    seconds: 60,
    renames: [],
    data: "" []
)

tools!(
    "fulcio", "1.8.8", ["fulcio"],
    turn: 4,
    seconds: 80,
    renames: [],
    data: "" []
)

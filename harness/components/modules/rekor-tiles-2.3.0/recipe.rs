// Its program that keeps the log in a folder is called after that, `posix`.
tools!(
    "rekor-tiles", "2.3.0", ["rekor"],
    turn: 5,
    seconds: 90,
    renames: [("posix", "rekor")],
    data: "" []
)

// Under the MPL. 1.14.1 and 1.14.3 want an `sdk` from between two of its releases, which is not
// published: one ends at its first request, the other does not compile.
tools!(
    "vault", "1.13.2", ["vault"],
    turn: 12,
    seconds: 420,
    renames: [],
    data: "" []
)

// With all the plugins that it comes with: to leave some out, its source would have to be changed.
tools!(
    "coredns", "1.14.7", ["coredns"],
    turn: 1,
    seconds: 120,
    renames: [],
    data: "" []
)

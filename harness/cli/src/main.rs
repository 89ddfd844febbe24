//! gauntlet.
fn main() {}

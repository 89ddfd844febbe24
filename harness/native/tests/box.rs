//! Placeholder until the box starts.
fn main() {}

//! Which other programs are called: each is on every machine that can run a box.

use std::collections::BTreeSet;

use regex::Regex;

use crate::dependencies::{code, members};

/// The prerequisites of the README, what Debian holds essential (`find`, `nohup`, `unshare`), what
/// `gauntlet doctor` asks for by name (`ip`, `nft`, `pkg-config`), and what only Debian has (`apt-get`).
const PROGRAMS: [&str; 9] = [
    "apt-get",
    "find",
    "git",
    "go",
    "ip",
    "nft",
    "nohup",
    "pkg-config",
    "unshare",
];

/// `kill` is a program of procps, which a small Debian does not have: seven tests failed there.
#[test]
fn only_these_programs_are_called_by_name() {
    let call = Regex::new(r#"Command::new\(\s*"([^"/]+)"\s*\)"#).unwrap();
    let code: String = members().iter().map(|member| code(member)).collect();
    let called: BTreeSet<&str> = call
        .captures_iter(&code)
        .map(|found| found.get(1).unwrap().as_str())
        .collect();
    assert_eq!(called, BTreeSet::from(PROGRAMS));
}

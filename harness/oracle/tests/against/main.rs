//! The oracles against what really decides: an API server in a box. This test binary is its own launcher, so it has its
//! own `main`. It needs root and everything that `gauntlet doctor` looks at.
//!
//! `ORACLE_CASES` is how many cases each oracle gets, `ORACLE_SEED` a number that makes them other ones.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test without the usual harness")]

mod api;
mod cases;
mod pod_security;
mod rbac;

use std::process::ExitCode;

use cluster::{Cluster, ResolvedAudit, ResolvedShape};

/// What the harness of tests asks a test binary for.
const TESTS: [&str; 2] = ["pod_security_agrees_with_the_admission", "rbac_agrees_with_the_authorizer"];

fn main() -> ExitCode {
    if let Some(code) = native::hidden_main(std::env::args_os()) {
        return code;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        TESTS.iter().for_each(|name| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &&str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    let chosen: Vec<&str> = TESTS.into_iter().filter(wanted).collect();
    if chosen.is_empty() || tokio::runtime::Runtime::new().unwrap().block_on(run(&chosen)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs these tests on one box, one after the other; whether all of them passed.
async fn run(chosen: &[&str]) -> bool {
    let cluster = start().await;
    let mut passed = true;
    for name in chosen {
        let found = match *name {
            "pod_security_agrees_with_the_admission" => pod_security::compare(&cluster).await,
            _ => rbac::compare(&cluster).await,
        };
        passed &= found.is_ok();
        match found {
            Ok(figures) => println!("test {name} ... ok ({figures})"),
            Err(why) => println!("test {name} ... FAILED\n{why}"),
        }
    }
    cluster.down().await.unwrap();
    passed
}

async fn start() -> Cluster {
    let shape = ResolvedShape { nodes: 0, audit: ResolvedAudit::None, ..ResolvedShape::usual("1.36") };
    let cache = native::Cache::from_env().unwrap();
    let name = format!("oracle-{}", std::process::id());
    let launcher = std::env::current_exe().unwrap();
    Cluster::native(&cache, &name, &launcher, &shape, |_| {}).await.unwrap()
}

//! The oracles against what really decides: an API server in a box. This test binary is its own launcher, so it has its
//! own `main`. It needs root and everything that `gauntlet doctor` looks at.
//!
//! `ORACLE_CASES` is how many cases each oracle gets, `ORACLE_SEED` a number that makes them other ones.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test without the usual harness")]

mod api;
mod cases;
mod network;
mod pod_security;
mod rbac;

use std::process::ExitCode;

use cluster::{Cluster, ResolvedAudit, ResolvedShape};

const POD_SECURITY: &str = "pod_security_agrees_with_the_admission";
const RBAC: &str = "rbac_agrees_with_the_authorizer";
const NETWORK: &str = "network_policies_agree_with_what_the_box_enforces";

fn main() -> ExitCode {
    if let Some(code) = native::hidden_main(std::env::args_os()) {
        return code;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        [POD_SECURITY, RBAC, NETWORK].iter().for_each(|name| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    let passed = tokio::runtime::Runtime::new().unwrap().block_on(run(wanted));
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the tests that are wanted, one after the other; whether all of them passed.
async fn run(wanted: impl Fn(&str) -> bool) -> bool {
    let mut passed = true;
    if wanted(POD_SECURITY) || wanted(RBAC) {
        let shape = ResolvedShape { nodes: 0, audit: ResolvedAudit::None, ..ResolvedShape::usual("1.36") };
        let cluster = start("decides", &shape).await;
        if wanted(POD_SECURITY) {
            passed &= told(POD_SECURITY, pod_security::compare(&cluster).await);
        }
        if wanted(RBAC) {
            passed &= told(RBAC, rbac::compare(&cluster).await);
        }
        cluster.down().await.unwrap();
    }
    if wanted(NETWORK) {
        let usual = ResolvedShape { audit: ResolvedAudit::None, ..ResolvedShape::usual("1.36") };
        let shape = ResolvedShape { nodes: network::NODES, enforce_network_policy: true, dual_stack: true, ..usual };
        let cluster = start("enforces", &shape).await;
        passed &= told(NETWORK, network::compare(&cluster).await);
        cluster.down().await.unwrap();
    }
    passed
}

fn told(name: &str, found: Result<String, String>) -> bool {
    match &found {
        Ok(figures) => println!("test {name} ... ok ({figures})"),
        Err(why) => println!("test {name} ... FAILED\n{why}"),
    }
    found.is_ok()
}

async fn start(name: &str, shape: &ResolvedShape) -> Cluster {
    let cache = native::Cache::from_env().unwrap();
    let name = format!("oracle-{name}-{}", std::process::id());
    let launcher = std::env::current_exe().unwrap();
    Cluster::native(&cache, &name, &launcher, shape, |_| {}).await.unwrap()
}

//! The oracles against what really decides: an API server in a box. This test binary is its own
//! launcher, so it has its own `main`. It needs root and everything that `gauntlet doctor` looks
//! at.
//!
//! `ORACLE_CASES` is how many cases each oracle gets, `ORACLE_SEED` a number that makes them other
//! ones.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test without the usual harness"
)]

mod api;
mod cases;
mod network;
mod pod_security;
mod rbac;

use std::process::{Command, ExitCode};

use cluster::Cluster;
use libtest_mimic::{Arguments, Failed, Trial};
use model::{AuditShape, ClusterSpec};
use runner::{BoxStarter, LiveBoxes};

const POD_SECURITY: &str = "pod_security_agrees_with_the_admission";
const RBAC: &str = "rbac_agrees_with_the_authorizer";
const NETWORK: &str = "network_policies_agree_with_what_the_box_enforces";
const PICKED: &str = "tests_are_listed_and_picked_as_cargo_test_and_nextest_ask";

fn main() -> ExitCode {
    if let Some(code) = native::hidden_main(std::env::args_os()) {
        return code;
    }
    let mut arguments = Arguments::from_args();
    // Each has a box of its own, and waits for it more than it computes.
    arguments.test_threads.get_or_insert(3);
    let usual = || ClusterSpec {
        audit: AuditShape::None,
        ..ClusterSpec::default()
    };
    let alone = move || ClusterSpec {
        nodes: 0,
        ..usual()
    };
    let enforcing = move || ClusterSpec {
        nodes: network::NODES,
        enforce_network_policy: true,
        dual_stack: true,
        ..usual()
    };
    let trials = vec![
        Trial::test(POD_SECURITY, move || {
            on("admits", &alone(), async |cluster| {
                pod_security::compare(cluster).await
            })
        }),
        Trial::test(RBAC, move || {
            on("authorizes", &alone(), async |cluster| {
                rbac::compare(cluster).await
            })
        }),
        Trial::test(NETWORK, move || {
            on("enforces", &enforcing(), async |cluster| {
                network::compare(cluster).await
            })
        }),
        Trial::test(PICKED, || {
            tests_are_listed_and_picked();
            Ok(())
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Compares on a box of this spec, and prints the figures.
fn on(
    name: &str,
    spec: &ClusterSpec,
    compare: impl AsyncFnOnce(&Cluster) -> Result<String, String>,
) -> Result<(), Failed> {
    let cache = native::BoxCache::from_env()?;
    native::needs_nothing_built(&cache, spec)?;
    let boxes = BoxStarter::new(cache, std::env::current_exe()?, LiveBoxes::default());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let cluster = boxes
            .start(
                &format!("oracle-{name}-{}", std::process::id()),
                spec,
                |_| {},
            )
            .await?;
        let compared = compare(&cluster).await;
        cluster.take_down().await?;
        println!("{}", compared?);
        Ok(())
    })
}

/// This very program, asked as `cargo test` and nextest ask. It starts no box.
fn tests_are_listed_and_picked() {
    let listed = |words: &[&str]| {
        let mut asked = Command::new(std::env::current_exe().unwrap());
        let output = asked
            .args(["--list", "--format", "terse"])
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout)
            .unwrap()
            .replace(": test\n", " ")
    };
    assert_eq!(
        listed(&[]),
        format!("{POD_SECURITY} {RBAC} {NETWORK} {PICKED} ")
    );
    assert_eq!(listed(&["--ignored"]), "");
    assert_eq!(listed(&["--exact", RBAC]), format!("{RBAC} "));
    assert_eq!(listed(&["--exact", "rbac"]), "");
    assert_eq!(
        listed(&["agree", "--skip", "rbac", "--skip", "tests"]),
        format!("{POD_SECURITY} {NETWORK} ")
    );
}

//! Real boxes: started, used, taken down, and killed. This test binary is its own launcher, so it
//! has its own `main`. It needs root and everything that `gauntlet doctor` looks at; without that
//! it fails, with the doctor's words.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test without the usual harness"
)]

mod control;
mod conversation;
mod forged;
mod host;
mod lives;
mod network;
mod nodes;
mod push;
mod secrets;
mod services;

use std::process::{Command, ExitCode};
use std::sync::LazyLock;

use libtest_mimic::{Arguments, Failed, Trial};
use model::ClusterSpec;
use native::{BoxCache, doctor};

const TESTS: [(&str, fn()); 28] = [
    (
        "pods_run_and_services_answer_in_two_boxes_side_by_side",
        lives::pods_run_and_services_answer,
    ),
    (
        "a_box_that_is_kept_lives_until_it_is_taken_down",
        lives::kept_until_taken_down,
    ),
    (
        "a_first_state_holds_what_it_was_given",
        lives::a_first_state_holds_what_it_was_given,
    ),
    (
        "a_start_that_fails_shows_the_end_of_the_log",
        lives::a_failed_start_shows_the_log,
    ),
    (
        "a_box_starts_from_a_program_whose_file_was_replaced",
        lives::the_program_is_replaced,
    ),
    (
        "sigkill_of_the_parent_leaves_nothing_whenever_it_comes",
        lives::sigkill_of_the_parent,
    ),
    (
        "sigkill_of_the_launcher_leaves_no_process",
        lives::sigkill_of_the_launcher,
    ),
    (
        "processes_end_halt_and_start_again_when_they_are_told_to",
        control::processes_obey,
    ),
    (
        "a_start_again_that_fails_is_told_with_its_log",
        control::a_start_that_fails_is_told_with_its_log,
    ),
    (
        "sigkill_leaves_no_process_that_was_started_again",
        control::sigkill_leaves_no_process_that_was_started_again,
    ),
    (
        "keys_are_rotated_by_replacing_the_configuration_and_restarting",
        secrets::keys_are_rotated,
    ),
    (
        "a_plugin_seals_secrets_and_without_it_nobody_opens_them",
        secrets::a_plugin_seals,
    ),
    (
        "a_snapshot_of_etcd_is_restored_under_a_running_box",
        secrets::a_snapshot_is_restored,
    ),
    (
        "network_policies_are_enforced",
        network::policies_are_enforced,
    ),
    (
        "no_packet_slips_through_between_tables_or_before_the_first",
        network::no_packet_slips_through,
    ),
    (
        "packets_under_an_address_that_is_anothers_go_nowhere",
        forged::forged_packets_go_nowhere,
    ),
    (
        "every_node_enforces_for_its_own_pods",
        network::every_node_enforces,
    ),
    (
        "an_enforcer_that_dies_is_reported_and_its_table_stays",
        network::an_enforcer_that_dies_is_reported,
    ),
    (
        "pods_of_two_nodes_reach_each_other",
        nodes::pods_of_two_nodes_reach_each_other,
    ),
    (
        "pods_have_users_of_their_own",
        nodes::pods_have_users_of_their_own,
    ),
    ("nodes_fail_and_come_back", nodes::nodes_fail_and_come_back),
    (
        "sigkill_leaves_nothing_of_two_nodes",
        nodes::sigkill_leaves_nothing_of_two_nodes,
    ),
    (
        "probes_are_reached_without_the_api_server",
        conversation::probes_are_reached_without_the_api_server,
    ),
    (
        "what_is_pushed_to_the_registry_runs_as_a_pod",
        services::what_is_pushed_runs,
    ),
    (
        "a_service_account_signs_without_a_key",
        services::a_service_account_signs,
    ),
    (
        "what_is_entered_ends_with_its_caller_and_its_box",
        services::what_is_entered_ends_with_its_caller_and_its_box,
    ),
    (
        "a_registry_that_dies_is_reported_with_its_log",
        services::a_registry_that_dies_is_reported,
    ),
    (
        "sigkill_leaves_no_service_and_nothing_that_was_entered",
        services::sigkill_leaves_no_service,
    ),
];

fn main() -> ExitCode {
    if let Some(code) = native::hidden_main(std::env::args_os()) {
        return code;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [word, name] = words.as_slice()
        && word == lives::HOLD
    {
        return lives::hold(name);
    }
    let mut arguments = Arguments::from_args();
    // Each looks at its own boxes alone, and waits for others more than it computes.
    arguments.test_threads.get_or_insert(3);
    let on_a_box = TESTS.iter().map(|(name, test)| {
        Trial::test(*name, move || {
            FIT.clone()?;
            test();
            Ok(())
        })
    });
    let picked = Trial::test(PICKED, || {
        tests_are_listed_and_picked();
        Ok(())
    });
    libtest_mimic::run(&arguments, on_a_box.chain([picked]).collect()).exit_code()
}

/// Whether this machine can run a box at all.
static FIT: LazyLock<Result<(), Failed>> = LazyLock::new(|| {
    let cache = BoxCache::from_env().map_err(|error| error.to_string())?;
    native::needs_nothing_built(&cache, &ClusterSpec::default())?;
    let findings = doctor::check_machine(&cache)
        .into_iter()
        .filter(|finding| !finding.ok);
    let faults: Vec<String> = findings
        .map(|finding| {
            format!(
                "{}: {} (fix: {})",
                finding.what,
                finding.why,
                finding.fix.unwrap_or_default()
            )
        })
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n").into())
    }
});

const PICKED: &str = "tests_are_listed_and_picked_as_cargo_test_and_nextest_ask";

/// This very program, asked as `cargo test` and nextest ask. It starts no box.
fn tests_are_listed_and_picked() {
    let asked = |words: &[&str]| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let names = |words: &[&str]| -> Vec<String> {
        let told = asked(&[&["--list", "--format", "terse"], words].concat());
        told.lines()
            .map(|line| line.strip_suffix(": test").unwrap().to_owned())
            .collect()
    };
    let all: Vec<&str> = TESTS
        .iter()
        .map(|(name, _)| *name)
        .chain([PICKED])
        .collect();
    assert_eq!(names(&[]), all);
    assert_eq!(names(&["--ignored"]), Vec::<String>::new());
    assert_eq!(names(&["--exact", all[1]]), [all[1]]);
    assert_eq!(names(&["--exact", "sigkill"]), Vec::<String>::new());
    assert_eq!(
        names(&["sigkill", "--skip", "launcher"]).len(),
        all.iter().filter(|name| name.contains("sigkill")).count() - 1
    );
    let none = asked(&["--exact", "sigkill", "--nocapture", "--test-threads", "4"]);
    assert!(
        none.contains("0 passed; 0 failed;")
            && none.contains(&format!("{} filtered out", all.len())),
        "{none}"
    );
}

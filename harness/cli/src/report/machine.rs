//! Facts about this machine, for reports: a figure means nothing without them.

use std::fs;
use std::thread::available_parallelism;

use serde_json::{Value, json};

/// What could be found out; `null` where it could not.
pub(crate) fn machine_facts() -> Value {
    json!({
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|text| text.trim().to_owned()),
        "cpus": available_parallelism().ok().map(usize::from),
        "cpu-model": value_of("/proc/cpuinfo", "model name"),
        "memory": value_of("/proc/meminfo", "MemTotal"),
    })
}

/// The first value of a key in a file of `KEY: VALUE` lines.
fn value_of(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let found = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == key)?;
    Some(found.1.trim().to_owned())
}

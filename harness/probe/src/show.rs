//! What a container sees: files, folders, its identity and its environment.

use std::fs;

pub(crate) fn file(path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|why| format!("failed to read `{path}`: {why}"))
}

/// The names in a folder, sorted, one a line.
pub(crate) fn folder(path: &str) -> Result<String, String> {
    let fault = |why: std::io::Error| format!("failed to list `{path}`: {why}");
    let mut names = fs::read_dir(path)
        .map_err(fault)?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(fault)?;
    names.sort();
    Ok(names.iter().map(|name| format!("{name}\n")).collect())
}

/// User, groups, capabilities and the like, as the kernel states them.
pub(crate) fn identity() -> Result<String, String> {
    let path = "/proc/self/status";
    let status = fs::read_to_string(path).map_err(|why| format!("failed to read `{path}`: {why}"))?;
    Ok(identity_lines(&status))
}

fn identity_lines(status: &str) -> String {
    const KEYS: [&str; 10] =
        ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"];
    let wanted = |line: &&str| line.split_once(':').is_some_and(|(key, _)| KEYS.contains(&key));
    status.lines().filter(wanted).map(|line| format!("{line}\n")).collect()
}

/// The environment, sorted, one `NAME=VALUE` a line.
pub(crate) fn environment() -> String {
    let mut lines: Vec<String> = std::env::vars_os()
        .map(|(name, value)| format!("{}={}\n", name.to_string_lossy(), value.to_string_lossy()))
        .collect();
    lines.sort();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_keeps_only_what_a_control_can_change() {
        let status = "Name:\tprobe\nUid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\nSeccomp_filters:\t0\n";
        assert_eq!(identity_lines(status), "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n");
    }

    #[test]
    fn a_missing_file_is_named() {
        assert!(file("/no/such/file").is_err_and(|why| why.contains("/no/such/file")));
        assert!(folder("/no/such/folder").is_err_and(|why| why.contains("/no/such/folder")));
    }
}

//! What a container sees: files, folders, its identity and its environment.

use std::fs;
use std::path::PathBuf;

pub(crate) fn show_file(path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|why| format!("failed to read `{path}`: {why}"))
}

/// The names in a folder, sorted, one a line.
pub(crate) fn show_folder(path: &str) -> Result<String, String> {
    let fault = |why: std::io::Error| format!("failed to list `{path}`: {why}");
    let mut names = fs::read_dir(path)
        .map_err(fault)?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(fault)?;
    names.sort();
    Ok(names.iter().map(|name| format!("{name}\n")).collect())
}

/// The contents of every file below a folder, each behind its path; what cannot be read is left
/// out.
pub(crate) fn show_tree(path: &str) -> Result<Vec<u8>, String> {
    let fault = |why: std::io::Error| format!("failed to list `{path}`: {why}");
    let (mut out, mut folders) = (Vec::new(), vec![PathBuf::from(path)]);
    fs::read_dir(path).map_err(fault)?;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let kind = entry.file_type();
            if kind.as_ref().is_ok_and(fs::FileType::is_dir) {
                folders.push(entry.path());
            } else if kind.is_ok_and(|kind| kind.is_file())
                && let Ok(text) = fs::read(entry.path())
            {
                out.extend_from_slice(format!("{}: ", entry.path().display()).as_bytes());
                out.extend_from_slice(&text);
                out.push(b'\n');
            }
        }
    }
    Ok(out)
}

/// The environment of every process that this one can see.
pub(crate) fn show_environments() -> Result<Vec<u8>, String> {
    let processes =
        fs::read_dir("/proc").map_err(|why| format!("failed to list `/proc`: {why}"))?;
    let mut out = Vec::new();
    for process in processes.flatten() {
        let mut text = fs::read(process.path().join("environ")).unwrap_or_default();
        text.iter_mut()
            .filter(|byte| **byte == 0)
            .for_each(|byte| *byte = b'\n');
        out.extend_from_slice(&text);
    }
    Ok(out)
}

/// User, groups, capabilities and the like, as the kernel states them.
pub(crate) fn show_identity() -> Result<String, String> {
    let path = "/proc/self/status";
    let status =
        fs::read_to_string(path).map_err(|why| format!("failed to read `{path}`: {why}"))?;
    Ok(identity_lines(&status))
}

fn identity_lines(status: &str) -> String {
    const KEYS: [&str; 10] = [
        "Uid",
        "Gid",
        "Groups",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
    ];
    let wanted = |line: &&str| {
        line.split_once(':')
            .is_some_and(|(key, _)| KEYS.contains(&key))
    };
    status
        .lines()
        .filter(wanted)
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The environment, sorted, one `NAME=VALUE` a line.
pub(crate) fn show_environment() -> String {
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
        assert_eq!(
            identity_lines(status),
            "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n"
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        assert!(show_file("/no/such/file").is_err_and(|why| why.contains("/no/such/file")));
        assert!(show_folder("/no/such/folder").is_err_and(|why| why.contains("/no/such/folder")));
        assert!(show_tree("/no/such/folder").is_err_and(|why| why.contains("/no/such/folder")));
    }

    #[test]
    fn a_tree_holds_what_lies_deep() {
        let folder = std::env::temp_dir().join(format!("probe-tree-{}", std::process::id()));
        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::write(folder.join("a/b/c"), "deep").unwrap();
        let text = show_tree(&folder.to_string_lossy()).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            format!("{}/a/b/c: deep\n", folder.display())
        );
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn our_own_environment_is_among_them() {
        let path = std::env::var("PATH").unwrap();
        assert!(String::from_utf8_lossy(&show_environments().unwrap()).contains(&path));
    }
}

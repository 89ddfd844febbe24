//! A thin layer before runc, for hosts that lack CAP_SYS_RESOURCE: it takes that one capability,
//! limits that cannot be raised, and scores that cannot be lowered out of what runc is asked for.
//! It is not used anywhere else.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::places::BOX_HOME;
use serde_json::Value;

/// The name under which this program is runc.
pub(crate) const PROGRAM_NAME: &str = "gauntlet-runc";
const NEEDED_CAPABILITY: &str = "CAP_SYS_RESOURCE";

/// Fixes the configuration that the arguments point at, then becomes runc.
pub(crate) fn run_runc(words: &[OsString]) -> io::Result<ExitCode> {
    if let Some(path) = config_path(words) {
        let mut config: Value = serde_json::from_slice(&fs::read(&path)?)?;
        if fix_config(&mut config) {
            fs::write(&path, serde_json::to_vec(&config)?)?;
        }
    }
    Err(Command::new(format!("{BOX_HOME}/bin/runtime/runc"))
        .args(words)
        .exec())
}

/// The file that says what runs: a bundle's for `create` and `run`, a process's for `exec`.
fn config_path(words: &[OsString]) -> Option<PathBuf> {
    let has = |word: &str| words.iter().any(|given| given == word);
    if has("create") || has("run") {
        let bundle = option_value(words, &["--bundle", "-b"]).unwrap_or_else(|| PathBuf::from("."));
        return Some(bundle.join("config.json"));
    }
    if has("exec") {
        option_value(words, &["--process", "-p"])
    } else {
        None
    }
}

fn option_value(words: &[OsString], names: &[&str]) -> Option<PathBuf> {
    let by_word = words
        .iter()
        .zip(words.iter().skip(1))
        .find(|(name, _)| names.iter().any(|known| name == known));
    if let Some((_, value)) = by_word {
        return Some(PathBuf::from(value));
    }
    let joined = |word: &OsString| {
        let word = Path::new(word).to_str()?;
        names
            .iter()
            .find_map(|name| word.strip_prefix(name)?.strip_prefix('='))
            .map(PathBuf::from)
    };
    words.iter().find_map(joined)
}

/// Fixes the configuration of a container or a process; returns whether anything changed.
fn fix_config(config: &mut Value) -> bool {
    let before = config.clone();
    let process = if config.get("process").is_some() {
        &mut config["process"]
    } else {
        &mut *config
    };
    if let Some(sets) = process
        .get_mut("capabilities")
        .and_then(Value::as_object_mut)
    {
        for set in sets.values_mut().filter_map(Value::as_array_mut) {
            set.retain(|capability| capability != NEEDED_CAPABILITY);
        }
    }
    if let Some(process) = process.as_object_mut() {
        process.remove("rlimits");
        if process
            .get("oomScoreAdj")
            .and_then(Value::as_i64)
            .is_some_and(|score| score < 0)
        {
            process.remove("oomScoreAdj");
        }
    }
    before != *config
}

/// Whether the program was called as runc.
pub(crate) fn is_called(program: &OsStr) -> bool {
    Path::new(program).file_name() == Some(OsStr::new(PROGRAM_NAME))
}

/// Whether this process lacks the capability.
pub(crate) fn is_needed() -> bool {
    const BIT: u32 = 24;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .unwrap_or_default();
    u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & (1 << BIT) == 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_file_to_mend_is_found() {
        assert_eq!(
            config_path(&words("--root /r create --bundle /b --pid-file /p id")),
            Some("/b/config.json".into())
        );
        assert_eq!(
            config_path(&words("run --bundle=/b id")),
            Some("/b/config.json".into())
        );
        assert_eq!(
            config_path(&words("exec --process /p id")),
            Some("/p".into())
        );
        assert_eq!(config_path(&words("exec id probe")), None);
        assert_eq!(config_path(&words("delete id")), None);
    }

    #[test]
    fn only_what_cannot_be_had_is_taken_out() {
        let mut config = json!({ "process": {
            "oomScoreAdj": -998,
            "rlimits": [{ "type": "RLIMIT_NOFILE" }],
            "capabilities": { "bounding": ["CAP_SYS_ADMIN", "CAP_SYS_RESOURCE"], "effective": ["CAP_SYS_RESOURCE"] },
        }});
        assert!(fix_config(&mut config));
        assert_eq!(
            config,
            json!({ "process": { "capabilities": { "bounding": ["CAP_SYS_ADMIN"], "effective": [] } } })
        );
        assert!(!fix_config(&mut config));
        let mut process = json!({ "oomScoreAdj": 900, "args": ["/probe"] });
        assert!(!fix_config(&mut process));
    }
}

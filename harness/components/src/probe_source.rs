//! The sources of the probe as `build.rs` found them: this program can build it wherever it runs.

/// By their path in a workspace that holds nothing else.
pub(crate) const SOURCE_FILES: &[(&str, &str)] =
    include!(concat!(env!("OUT_DIR"), "/probe_source.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> &'static str {
        SOURCE_FILES
            .iter()
            .find(|(name, _)| *name == path)
            .map(|(_, text)| *text)
            .unwrap()
    }

    #[test]
    fn they_are_a_workspace_of_the_probe_and_what_it_uses() {
        for member in ["harness/probe", "harness/agent", "harness/probe-protocol"] {
            assert!(
                text("Cargo.toml").contains(&format!("{member:?}")),
                "{member}"
            );
        }
        assert!(!text("Cargo.toml").contains("default-members"));
        assert!(text("Cargo.lock").contains("name = \"probe\""));
        assert!(text("harness/probe/src/main.rs").contains("fn main()"));
        assert!(text("harness/agent/src/lib.rs").contains("mod "));
    }
}

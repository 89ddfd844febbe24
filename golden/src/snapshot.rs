//! The file format: insta's, so that `cargo insta review` shows pending files too.

use std::path::Path;

use crate::Error;
use crate::yaml::write_one_line;

/// A golden file: a few lines on where it came from and why it exists, and the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoldenFile {
    /// What recorded it.
    pub source: String,
    /// Why it exists: the first sentence of the scenario's `why`.
    pub description: String,
    /// The scenario file.
    pub input_file: String,
    /// The recorded table.
    pub body: String,
}

const HEADER_FENCE: &str = "---\n";

impl GoldenFile {
    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        let header = [
            ("source", &self.source),
            ("description", &self.description),
            ("input_file", &self.input_file),
        ];
        let mut out = String::from(HEADER_FENCE);
        for (key, value) in header.iter().filter(|(_, value)| !value.is_empty()) {
            out.push_str(&format!("{key}: {}\n", header_value(value)));
        }
        out.push_str(HEADER_FENCE);
        out.push_str(self.body.trim_end_matches('\n'));
        out.push('\n');
        out
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// When it does not begin with a header between two lines of dashes.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let fault = |what: &str| Error::Format {
            path: path.to_owned(),
            what: what.into(),
        };
        let rest = text
            .strip_prefix("---")
            .ok_or_else(|| fault("it does not begin with `---`"))?;
        let (header, body) = rest
            .split_once("\n---\n")
            .ok_or_else(|| fault("its header has no end"))?;
        let fields: serde_json::Value =
            serde_saphyr::from_str(header).map_err(|_| fault("its header does not parse"))?;
        let get = |key: &str| fields[key].as_str().unwrap_or_default().to_owned();
        Ok(Self {
            source: get("source"),
            description: get("description"),
            input_file: get("input_file"),
            body: body.to_owned(),
        })
    }
}

/// Quoted exactly where insta would quote, so that a file it rewrites does not change.
fn header_value(text: &str) -> String {
    let special = |c: char| "-&*?|<>=!%@".contains(c);
    let quoted = text.starts_with(special)
        || text.starts_with(['.', ' '])
        || text.contains(|c: char| ":{}[],#`\"'\\".contains(c) || c.is_control())
        || text.parse::<f64>().is_ok();
    if quoted {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        write_one_line(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> GoldenFile {
        GoldenFile {
            source: "gauntlet run pod-security/privileged".into(),
            description: "A \"privileged\" container owns its node; the label has to turn it away."
                .into(),
            input_file: "scenarios/pod-security/privileged/scenario.yaml".into(),
            body: "privileged-pod:\n  bare: admitted (201)\n".into(),
        }
    }

    #[test]
    fn a_file_reads_back_as_it_was_written() {
        let snapshot = example();
        assert_eq!(
            GoldenFile::parse(Path::new("x.snap"), &snapshot.text()).unwrap(),
            snapshot
        );
    }

    #[test]
    fn insta_reads_the_file_and_would_write_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = (
            folder.path().join("privileged.snap"),
            folder.path().join("again.snap"),
        );
        let snapshot = example();
        std::fs::write(&ours, snapshot.text()).unwrap();
        let read = insta::Snapshot::from_file(&ours).unwrap();
        assert_eq!(read.metadata().source(), Some(snapshot.source.as_str()));
        assert_eq!(
            read.metadata().description(),
            Some(snapshot.description.as_str())
        );
        assert_eq!(
            read.metadata().input_file(),
            Some(snapshot.input_file.as_str())
        );
        assert_eq!(
            read.as_text().unwrap().to_string(),
            snapshot.body.trim_end()
        );
        read.save(&theirs).unwrap();
        assert_eq!(std::fs::read_to_string(theirs).unwrap(), snapshot.text());
    }

    #[test]
    fn a_file_without_a_header_is_a_fault() {
        assert!(GoldenFile::parse(Path::new("x.snap"), "privileged-pod: {}\n").is_err());
        assert!(GoldenFile::parse(Path::new("x.snap"), "---\nsource: x\n").is_err());
    }
}

//! Log lines in the format of the real programs, so that what reads those reads these.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const TIME_FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]/[month]/[day] [hour]:[minute]:[second]");

/// Where log lines go.
#[derive(Debug)]
pub struct AgentLog {
    tag: &'static str,
    to: Mutex<Option<PathBuf>>,
}

/// The weight of a line.
#[derive(Clone, Copy, Debug)]
enum LogSeverity {
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

impl AgentLog {
    /// Lines of the program of this name, appended to the file, if one is given.
    #[must_use]
    pub fn new(tag: &'static str, to: Option<PathBuf>) -> Self {
        Self {
            tag,
            to: Mutex::new(to),
        }
    }

    /// What only helps to look for a fault.
    pub fn debug(&self, text: impl Display) {
        self.write_line(LogSeverity::Debug, &text);
    }

    /// What happens.
    pub fn info(&self, text: impl Display) {
        self.write_line(LogSeverity::Info, &text);
    }

    /// What may go wrong.
    pub fn warning(&self, text: impl Display) {
        self.write_line(LogSeverity::Warning, &text);
    }

    /// What went wrong.
    pub fn error(&self, text: impl Display) {
        self.write_line(LogSeverity::Error, &text);
    }

    /// Why it does not start.
    pub fn critical(&self, text: impl Display) {
        self.write_line(LogSeverity::Critical, &text);
    }

    /// A log that cannot be written does not end the program.
    fn write_line(&self, severity: LogSeverity, text: &dyn Display) {
        let Ok(to) = self.to.lock() else { return };
        let Some(path) = to.as_ref() else { return };
        let word = match severity {
            LogSeverity::Debug => "DEBUG",
            LogSeverity::Info => "INFO",
            LogSeverity::Warning => "WARNING",
            LogSeverity::Error => "ERROR",
            LogSeverity::Critical => "CRITICAL",
        };
        let stamp = OffsetDateTime::now_utc()
            .format(TIME_FORMAT)
            .unwrap_or_default();
        let line = format!("{stamp} {}: {word}: {text}\n", self.tag);
        let _ = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_format_of_the_real_agent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ossec.log");
        let log = AgentLog::new("wazuh-agentd", Some(path.clone()));
        log.info("(1410): Reading authentication keys file.");
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.as_bytes()[4], b'/');
        assert_eq!(
            &text[19..],
            " wazuh-agentd: INFO: (1410): Reading authentication keys file.\n"
        );
    }
}

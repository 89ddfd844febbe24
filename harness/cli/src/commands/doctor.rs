//! `gauntlet doctor`: what this machine lacks, and the command that mends it.

use native::doctor::{Finding, check};

use crate::exit::Exit;
use crate::fault::Fault;
use crate::ui;

/// Looks, and says what it saw.
pub(crate) fn run() -> Result<Exit, Fault> {
    let findings = check(&native::Cache::from_env()?);
    let width = findings.iter().map(|finding| finding.what.chars().count()).max().unwrap_or_default();
    for finding in &findings {
        let state = if finding.ok { "ok     " } else { "missing" };
        ui::say(&format!("{state}  {:width$}  {}", finding.what, finding.why));
        if let (false, Some(mend)) = (finding.ok, &finding.mend) {
            ui::say(&format!("{:9}{:width$}  mend: {mend}", "", ""));
        }
    }
    let missing = findings.iter().filter(|finding| !finding.ok).count();
    if missing == 0 {
        ui::say("this machine can run boxes");
        return Ok(Exit::Passed);
    }
    Err(lacking(&findings))
}

/// The fault that names everything that is missing.
pub(crate) fn lacking(findings: &[Finding]) -> Fault {
    let mut what = String::from("this machine cannot run a box yet");
    for finding in findings.iter().filter(|finding| !finding.ok) {
        let mend = finding.mend.as_deref().map(|mend| format!("; mend: {mend}")).unwrap_or_default();
        what.push_str(&format!("\n  {}: {}{mend}", finding.what, finding.why));
    }
    Fault::machine(what).hint("`gauntlet run --setup` installs and builds what is missing, after saying so")
}

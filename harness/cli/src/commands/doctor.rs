//! `gauntlet doctor`: what this machine lacks, and the command that mends it.

use model::ClusterSpec;
use native::Cache;
use native::components::Component;
use native::doctor::{Finding, check};
use native::needed;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::ui;

/// Looks, and says what it saw.
pub(crate) fn run() -> Result<Exit, Fault> {
    let cache = Cache::from_env()?;
    let mut findings = check(&cache);
    findings.extend(
        cache
            .unbuilt(&needed(&ClusterSpec::default())?)
            .iter()
            .map(|component| not_built(component)),
    );
    let width = findings
        .iter()
        .map(|finding| finding.what.chars().count())
        .max()
        .unwrap_or_default();
    for finding in &findings {
        let state = if finding.ok { "ok     " } else { "missing" };
        ui::say(&format!(
            "{state}  {:width$}  {}",
            finding.what, finding.why
        ));
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
        let mend = finding
            .mend
            .as_deref()
            .map(|mend| format!("; mend: {mend}"))
            .unwrap_or_default();
        what.push_str(&format!("\n  {}: {}{mend}", finding.what, finding.why));
    }
    let fault = Fault::machine(what);
    let can_be_set_up =
        |finding: &Finding| !finding.ok && (is_component(finding) || !finding.packages.is_empty());
    if findings.iter().any(can_be_set_up) {
        return fault
            .hint("`gauntlet run --setup` installs and builds what is missing, after saying so");
    }
    fault
}

const BUILD: &str = "gauntlet components build";

/// The finding about a component that is not built.
pub(crate) fn not_built(component: &Component) -> Finding {
    Finding {
        what: component.title(),
        ok: false,
        why: "it is pinned, and not built".into(),
        mend: Some(format!("{BUILD} {}", component.title())),
        packages: Vec::new(),
    }
}

fn is_component(finding: &Finding) -> bool {
    finding
        .mend
        .as_deref()
        .is_some_and(|mend| mend.starts_with(BUILD))
}

//! `gauntlet doctor`: checks the prerequisites and prints how to fix them.

use components::PinnedComponent;
use model::ClusterSpec;
use native::BoxCache;
use native::doctor::{DoctorFinding, check_machine};
use native::needed_components;

use crate::exit::ExitReason;
use crate::fault::CommandFault;
use crate::ui;

/// What a machine that lacks something cannot do.
pub(crate) const NO_BOX: &str = "this machine cannot run a box yet";

/// Looks, and says what it saw.
pub(crate) fn run_doctor() -> Result<ExitReason, CommandFault> {
    let cache = BoxCache::from_env()?;
    let mut findings = check_machine(&cache);
    findings.extend(
        cache
            .unbuilt_components(&needed_components(&ClusterSpec::default())?)
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
        ui::print_result(&format!(
            "{state}  {:width$}  {}",
            finding.what, finding.why
        ));
        if let (false, Some(fix)) = (finding.ok, &finding.fix) {
            ui::print_result(&format!("{:9}{:width$}  fix: {fix}", "", ""));
        }
    }
    let missing = findings.iter().filter(|finding| !finding.ok).count();
    if missing == 0 {
        ui::print_result("this machine can run boxes");
        return Ok(ExitReason::Passed);
    }
    Err(missing_fault(NO_BOX, &findings))
}

/// The fault that names everything that is missing, each with its fix, after what cannot be
/// done without it.
pub(crate) fn missing_fault(cannot: &str, findings: &[DoctorFinding]) -> CommandFault {
    let mut what = cannot.to_owned();
    for finding in findings.iter().filter(|finding| !finding.ok) {
        let fix = finding
            .fix
            .as_deref()
            .map(|fix| format!("; fix: {fix}"))
            .unwrap_or_default();
        what.push_str(&format!("\n  {}: {}{fix}", finding.what, finding.why));
    }
    let fault = CommandFault::machine(what);
    let can_be_set_up = |finding: &DoctorFinding| {
        !finding.ok && (is_component(finding) || !finding.packages.is_empty())
    };
    if findings.iter().any(can_be_set_up) {
        return fault
            .hint("`gauntlet run --setup` installs and builds what is missing, after saying so");
    }
    fault
}

const BUILD_COMMAND: &str = "gauntlet components build";

/// The finding about a component that is not built.
pub(crate) fn not_built(component: &PinnedComponent) -> DoctorFinding {
    DoctorFinding {
        what: component.title(),
        ok: false,
        why: "it is pinned, and not built".into(),
        fix: Some(format!("{BUILD_COMMAND} {}", component.title())),
        packages: Vec::new(),
    }
}

fn is_component(finding: &DoctorFinding) -> bool {
    finding
        .fix
        .as_deref()
        .is_some_and(|fix| fix.starts_with(BUILD_COMMAND))
}

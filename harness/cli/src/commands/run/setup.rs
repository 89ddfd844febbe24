//! Whether this machine has what a box needs; with `--setup`, making it so.

use ::components::PinnedComponent;
use native::BoxCache;
use native::doctor::{DoctorFinding, check_machine};

use crate::commands::{components, doctor};
use crate::fault::CommandFault;
use crate::ui;

/// Makes sure that boxes of these components can start here, all of them built.
pub(crate) fn ensure_ready(
    cache: &BoxCache,
    needed: &[&'static PinnedComponent],
    setup: bool,
) -> Result<(), CommandFault> {
    let unbuilt = missing_components(cache, needed, setup)?;
    if unbuilt.is_empty() {
        Ok(())
    } else {
        components::build_missing(cache, &unbuilt)
    }
}

/// Makes sure that boxes can start here, and gives those of `needed` that are still to be built.
///
/// # Errors
/// What the machine lacks; without `setup`, components that are not built are among it.
pub(crate) fn missing_components(
    cache: &BoxCache,
    needed: &[&'static PinnedComponent],
    setup: bool,
) -> Result<Vec<&'static PinnedComponent>, CommandFault> {
    let mut findings = check_machine(cache);
    if setup && findings.iter().any(|finding| !finding.ok) {
        install_packages(&findings)?;
        findings = check_machine(cache);
    }
    let unbuilt = cache.unbuilt_components(needed);
    if !setup {
        findings.extend(unbuilt.iter().map(|component| doctor::not_built(component)));
    }
    if findings.iter().all(|finding| finding.ok) {
        Ok(unbuilt)
    } else {
        Err(doctor::missing_fault(doctor::NO_BOX, &findings))
    }
}

fn install_packages(findings: &[DoctorFinding]) -> Result<(), CommandFault> {
    let mut packages: Vec<&str> = findings
        .iter()
        .filter(|finding| !finding.ok)
        .flat_map(|one| one.packages.clone())
        .collect();
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    ui::print_note(&format!(
        "setup: installing the Debian packages {}",
        packages.join(", ")
    ));
    Ok(native::doctor::set_up_packages(findings, &mut |command| {
        ui::print_note(&format!("setup: {command}"))
    })?)
}

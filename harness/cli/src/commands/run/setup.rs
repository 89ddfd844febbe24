//! Whether this machine has what a box needs; with `--setup`, making it so.

use native::Cache;
use native::components::Component;
use native::doctor::{Finding, check};

use crate::commands::{components, doctor};
use crate::fault::Fault;
use crate::ui;

/// Makes sure that boxes of these components can start here, all of them built.
pub(crate) fn ready(
    cache: &Cache,
    needed: &[&'static Component],
    setup: bool,
) -> Result<(), Fault> {
    let unbuilt = missing(cache, needed, setup)?;
    if unbuilt.is_empty() {
        Ok(())
    } else {
        components::build(cache, &unbuilt)
    }
}

/// Makes sure that boxes can start here, and gives those of `needed` that are still to be built.
///
/// # Errors
/// What the machine lacks; without `setup`, components that are not built are among it.
pub(crate) fn missing(
    cache: &Cache,
    needed: &[&'static Component],
    setup: bool,
) -> Result<Vec<&'static Component>, Fault> {
    let mut findings = check(cache);
    if setup && findings.iter().any(|finding| !finding.ok) {
        install(&findings)?;
        findings = check(cache);
    }
    let unbuilt = cache.unbuilt(needed);
    if !setup {
        findings.extend(unbuilt.iter().map(|component| doctor::not_built(component)));
    }
    if findings.iter().all(|finding| finding.ok) {
        Ok(unbuilt)
    } else {
        Err(doctor::lacking(&findings))
    }
}

fn install(findings: &[Finding]) -> Result<(), Fault> {
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
    ui::note(&format!(
        "setup: installing the Debian packages {}",
        packages.join(", ")
    ));
    Ok(native::doctor::setup(findings, &mut |command| {
        ui::note(&format!("setup: {command}"))
    })?)
}

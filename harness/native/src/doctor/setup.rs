//! Installing what is missing, where Debian has it.

use std::process::{Command, Stdio};

use super::DoctorFinding;
use crate::Error;

/// Installs the Debian packages that the findings ask for; says each command before it runs. Does
/// nothing when there is nothing that a package fixes.
///
/// # Errors
/// [`Error::MissingTool`] where there is no `apt-get`; [`Error::Command`] when a command fails.
pub fn set_up_packages(findings: &[DoctorFinding], say: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let packages = wanted_packages(findings);
    if packages.is_empty() {
        return Ok(());
    }
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(packages);
    for args in [vec!["update"], install] {
        let command = format!("apt-get {}", args.join(" "));
        say(&command);
        run_apt(&args, command)?;
    }
    Ok(())
}

fn wanted_packages(findings: &[DoctorFinding]) -> Vec<&'static str> {
    let mut packages: Vec<&str> = findings
        .iter()
        .filter(|finding| !finding.ok)
        .flat_map(|finding| finding.packages.clone())
        .collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn run_apt(args: &[&str], command: String) -> Result<(), Error> {
    if components::find_program("apt-get").is_none() {
        return Err(components::Error::MissingTool {
            tool: "apt-get",
            purpose: "install what is missing".into(),
        }
        .into());
    }
    let output = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .map_err(Error::system(format!("run `{command}`")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::Command {
        command,
        why: said
            .trim()
            .lines()
            .last()
            .unwrap_or("it printed nothing")
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_is_asked_for_once_and_only_where_something_is_wrong() {
        let findings = [
            DoctorFinding::bad("nft", "").installed_by(&["nftables"]),
            DoctorFinding::bad("nft again", "").installed_by(&["nftables"]),
            DoctorFinding {
                ok: true,
                ..DoctorFinding::bad("ip", "").installed_by(&["iproute2"])
            },
        ];
        assert_eq!(wanted_packages(&findings), ["nftables"]);
        let mut said = Vec::new();
        assert!(set_up_packages(&findings[2..], &mut |line| said.push(line.to_owned())).is_ok());
        assert!(said.is_empty());
    }
}

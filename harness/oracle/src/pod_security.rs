//! Which Pod Security checks a pod violates, for a level and a version: the Pod Security Standards,
//! written down once more.
//!
//! A pod is judged as the API server has it after its own defaulting: a volume of no kind is an
//! `emptyDir`, and on the host's network every container port is a host port. Update rules,
//! exemptions and modes are not in here.

mod baseline;
mod check;
mod restricted;
mod said;
mod subject;

use std::fmt;

use k8s_openapi::api::core::v1::Pod;

pub use check::SecurityCheck;
pub use said::denial_reasons;

use subject::CheckedPod;

/// How strict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecurityLevel {
    /// Everything is allowed.
    Privileged,
    /// Nothing that is known to lead out of the container.
    Baseline,
    /// That, and what is held to be good practice.
    Restricted,
}

impl fmt::Display for SecurityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        })
    }
}

/// Of which release the checks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReleaseVersion {
    /// `v1.N`. One that is newer than the server means the server's newest.
    Minor(u32),
    /// `latest`.
    Latest,
}

impl fmt::Display for ReleaseVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minor(minor) => write!(f, "v1.{minor}"),
            Self::Latest => f.write_str("latest"),
        }
    }
}

/// The checks that a pod violates, in the order in which a server of release `1.server` names them;
/// none of them, and it is allowed.
#[must_use]
pub fn find_violations(
    pod: &Pod,
    level: SecurityLevel,
    version: ReleaseVersion,
    server: u32,
) -> Vec<SecurityCheck> {
    let minor = match version {
        ReleaseVersion::Minor(minor) => minor.min(server),
        ReleaseVersion::Latest => server,
    };
    let subject = CheckedPod::new(pod, minor);
    let applies = |check: &&SecurityCheck| check.applies(level, minor);
    SecurityCheck::ALL
        .iter()
        .filter(applies)
        .copied()
        .filter(|check| check.violated_by(&subject))
        .collect()
}

//! The checks: from which release on, at which level, and what a denial calls them.

use super::subject::CheckedPod;
use super::{SecurityLevel, baseline, restricted};

/// One check of the standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is what its `reason` says")]
pub enum SecurityCheck {
    AppArmor,
    CapabilitiesBaseline,
    HostNamespaces,
    HostPathVolumes,
    HostPorts,
    ProbeHosts,
    Privileged,
    ProcMountBaseline,
    SeLinux,
    SeccompBaseline,
    Sysctls,
    WindowsHostProcess,
    PrivilegeEscalation,
    CapabilitiesRestricted,
    ProcMountRestricted,
    RestrictedVolumes,
    RunAsNonRoot,
    RunAsUser,
    SeccompRestricted,
}

impl SecurityCheck {
    /// All of them, in the order in which a denial names them: baseline first, each level by the
    /// checks' identifiers.
    pub const ALL: [Self; 19] = [
        Self::AppArmor,
        Self::CapabilitiesBaseline,
        Self::HostNamespaces,
        Self::HostPathVolumes,
        Self::HostPorts,
        Self::ProbeHosts,
        Self::Privileged,
        Self::ProcMountBaseline,
        Self::SeLinux,
        Self::SeccompBaseline,
        Self::Sysctls,
        Self::WindowsHostProcess,
        Self::PrivilegeEscalation,
        Self::CapabilitiesRestricted,
        Self::ProcMountRestricted,
        Self::RestrictedVolumes,
        Self::RunAsNonRoot,
        Self::RunAsUser,
        Self::SeccompRestricted,
    ];

    /// What a denial calls it. AppArmor's also has a plural.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::AppArmor => "forbidden AppArmor profile",
            Self::CapabilitiesBaseline => "non-default capabilities",
            Self::HostNamespaces => "host namespaces",
            Self::HostPathVolumes => "hostPath volumes",
            Self::HostPorts => "hostPort",
            Self::ProbeHosts => "probe or lifecycle host",
            Self::Privileged => "privileged",
            Self::ProcMountBaseline | Self::ProcMountRestricted => "procMount",
            Self::SeLinux => "seLinuxOptions",
            Self::SeccompBaseline | Self::SeccompRestricted => "seccompProfile",
            Self::Sysctls => "forbidden sysctls",
            Self::WindowsHostProcess => "hostProcess",
            Self::PrivilegeEscalation => "allowPrivilegeEscalation != false",
            Self::CapabilitiesRestricted => "unrestricted capabilities",
            Self::RestrictedVolumes => "restricted volume types",
            Self::RunAsNonRoot => "runAsNonRoot != true",
            Self::RunAsUser => "runAsUser=0",
        }
    }

    /// The release that it came with.
    fn since(self) -> u32 {
        match self {
            Self::PrivilegeEscalation => 8,
            Self::SeccompRestricted => 19,
            Self::CapabilitiesRestricted => 22,
            Self::RunAsUser => 23,
            Self::ProbeHosts => 34,
            Self::ProcMountRestricted => 35,
            _ => 0,
        }
    }

    fn level(self) -> SecurityLevel {
        match self {
            Self::PrivilegeEscalation
            | Self::CapabilitiesRestricted
            | Self::ProcMountRestricted
            | Self::RestrictedVolumes
            | Self::RunAsNonRoot
            | Self::RunAsUser
            | Self::SeccompRestricted => SecurityLevel::Restricted,
            _ => SecurityLevel::Baseline,
        }
    }

    /// The check that takes its place at the restricted level.
    fn overridden_by(self) -> Option<Self> {
        match self {
            Self::CapabilitiesBaseline => Some(Self::CapabilitiesRestricted),
            Self::HostPathVolumes => Some(Self::RestrictedVolumes),
            Self::ProcMountBaseline => Some(Self::ProcMountRestricted),
            Self::SeccompBaseline => Some(Self::SeccompRestricted),
            _ => None,
        }
    }

    pub(super) fn applies(self, level: SecurityLevel, minor: u32) -> bool {
        let overridden = || {
            let by = self
                .overridden_by()
                .filter(|_| level == SecurityLevel::Restricted);
            by.is_some_and(|by| by.applies(level, minor))
        };
        self.level() <= level && self.since() <= minor && !overridden()
    }

    pub(super) fn violated_by(self, pod: &CheckedPod<'_>) -> bool {
        match self {
            Self::AppArmor => baseline::app_armor(pod),
            Self::CapabilitiesBaseline => baseline::check_capabilities(pod),
            Self::HostNamespaces => baseline::host_namespaces(pod),
            Self::HostPathVolumes => baseline::host_path(pod),
            Self::HostPorts => baseline::host_ports(pod),
            Self::ProbeHosts => baseline::probe_hosts(pod),
            Self::Privileged => baseline::check_privileged(pod),
            Self::ProcMountBaseline => !pod.relaxed() && pod.unmasks_proc(),
            Self::SeLinux => baseline::check_selinux(pod),
            Self::SeccompBaseline => baseline::check_seccomp(pod),
            Self::Sysctls => baseline::check_sysctls(pod),
            Self::WindowsHostProcess => baseline::host_process(pod),
            Self::PrivilegeEscalation => restricted::privilege_escalation(pod),
            Self::CapabilitiesRestricted => restricted::check_capabilities(pod),
            Self::ProcMountRestricted => pod.unmasks_proc(),
            Self::RestrictedVolumes => restricted::check_volumes(pod),
            Self::RunAsNonRoot => restricted::run_as_non_root(pod),
            Self::RunAsUser => restricted::run_as_user(pod),
            Self::SeccompRestricted => restricted::check_seccomp(pod),
        }
    }
}

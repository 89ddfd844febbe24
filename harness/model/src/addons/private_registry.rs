//! The same registry, for those who have a name and a password.

use super::registry::{self, REGISTRY_PROCESS};
use crate::{ClusterSpec, PureAddon, includes_addon};

/// The user that it knows.
pub const USER_NAME: &str = "puller";

/// That user's password. It is the same in every box, and opens nothing else.
pub const USER_PASSWORD: &str = "let-me-pull";

/// Both as a file of `htpasswd` holds them: bcrypt, the one form that the registry takes
/// (distribution 3.1.2 `registry/auth/htpasswd`).
pub const PASSWORD_FILE: &str =
    "puller:$2a$05$IYMBvk3TLjfRoRauhCI55u.UGUPuTeSTrJHDERFSmt9wrHURHyjme\n";

/// What the registry holds, with TLS, and nothing of it without credentials.
pub static ADDON: PureAddon = PureAddon {
    name: "private-registry",
    about: "The same registry at `$(private-registry)`, which gives and takes nothing without credentials: those of `$(pull-config)`.",
    milestones: &["registry-private"],
    part_of: Some(&registry::ADDON),
    ..REGISTRY_PROCESS
};

impl ClusterSpec {
    /// Whether there is a registry that wants credentials.
    #[must_use]
    pub fn has_private_registry(&self) -> bool {
        includes_addon(&self.install, &ADDON)
    }
}

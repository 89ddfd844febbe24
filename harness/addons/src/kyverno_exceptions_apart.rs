//! Exceptions from Kyverno's policies: arguments that the patches of Kyverno's release add.

use model::addons::kyverno_exceptions_apart::ADDON;

use crate::endpoints::describe_line;
use crate::{LiveAddon, barrier};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: None,
    barrier: barrier::no_waits,
    labels: barrier::no_labels,
    endpoints: |_| {
        describe_line(
            "exceptions",
            "PolicyExceptions count in the namespace kyverno",
        )
    },
};

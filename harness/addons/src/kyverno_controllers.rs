//! Kyverno's other controllers: the patches of Kyverno's release leave them where they are.

use model::addons::kyverno_controllers::ADDON;

use crate::endpoints::describe_line;
use crate::{LiveAddon, barrier};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: None,
    barrier: barrier::no_waits,
    labels: barrier::no_labels,
    endpoints: |_| describe_line("its controllers", "pods in the namespace kyverno"),
};

//! Cluster DNS.

use super::tools;
use crate::components::Component;

/// With all the plugins that it comes with: to leave some out, its source would have to be changed.
pub(super) const COREDNS: Component = tools!("coredns", "1.14.7", ["coredns"], renames: [], data: []);

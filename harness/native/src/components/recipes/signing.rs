//! Registry, cosign, Fulcio, Rekor, timestamp authority, syft and grype.

use super::tools;
use crate::components::Component;

pub(super) const REGISTRY: Component = tools!("registry", "3.1.2", ["registry"], renames: [], data: []);

pub(super) const COSIGN: Component = tools!("cosign", "3.1.3", ["cosign"], renames: [], data: []);

pub(super) const FULCIO: Component = tools!("fulcio", "1.8.8", ["fulcio"], renames: [], data: []);

/// Its program that keeps the log in a folder is called after that, `posix`.
pub(super) const REKOR: Component = tools!("rekor-tiles", "2.3.0", ["rekor"], renames: [("posix", "rekor")], data: []);

pub(super) const TIMESTAMPS: Component =
    tools!("timestamp-authority", "2.1.3", ["timestamp-server"], renames: [], data: []);

pub(super) const SYFT: Component = tools!("syft", "1.42.1", ["syft"], renames: [], data: []);

pub(super) const GRYPE: Component = tools!("grype", "0.109.0", ["grype"], renames: [], data: []);

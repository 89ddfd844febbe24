//! Container images and what is attached to them, as data: no cluster, no processes, no clock.
//!
//! [`OciImage`] makes deterministic images, [`OciRegistry`] puts them where they are pulled from
//! and changes what is there, and [`verify`] judges signatures and attestations by itself, without
//! cosign.

pub mod advisories;
mod attached;
mod error;
mod image;
mod index;
mod piece;
mod registry;
mod spoil;
mod tamper;
pub mod verify;

pub use error::Error;
pub use image::OciImage;
pub use piece::{AttachedPiece, AttachedPieces};
pub use registry::{OciManifest, OciRegistry};

use sha2::{Digest, Sha256};

/// `sha256:…` of `bytes`.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

//! Steps on what the cluster keeps: etcd's bytes, their encryption, the processes around them, and rotations.

mod encrypt;
pub(crate) mod etcd;
mod kms;
mod many;
mod process;
mod rotate;
mod snapshot;
mod store;

pub(crate) use kms::KMS_CALLS;
pub(crate) use process::{API_SERVER, NOT_READY};
pub(crate) use rotate::Rotation;

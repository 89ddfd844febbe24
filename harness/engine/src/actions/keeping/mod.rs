//! Steps on what the cluster keeps: etcd's bytes, their encryption, the processes around them, and rotations.

mod encrypt;
pub(crate) mod etcd;
mod kms;
mod many;
mod process;
mod rotate;
mod snapshot;
mod store;

pub(super) use encrypt::{encrypt, rewrite};
pub(crate) use kms::kms_meter;
pub(super) use kms::set_kms;
pub(super) use many::{fill_up, survey};
pub(super) use process::process;
pub(crate) use process::{API_SERVER, NOT_READY};
pub(crate) use rotate::{Place, Rotation};
pub(super) use rotate::{followed, rotate};
pub(super) use snapshot::{restore, snapshot};
pub(crate) use store::key;
pub(super) use store::{store, transplant};

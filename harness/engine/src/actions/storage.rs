//! Steps on what the cluster keeps: etcd's bytes, their encryption, the processes around them, and
//! rotations.

mod encrypt;
pub(crate) mod etcd;
mod kms;
mod many;
mod process;
mod rotate;
mod snapshot;
mod store;

pub(super) use encrypt::{encrypt_storage, rewrite_secrets};
pub(crate) use kms::kms_meter;
pub(super) use kms::set_kms;
pub(super) use many::{fill_up, survey_secrets};
pub(crate) use process::NOT_READY;
pub(super) use process::command_process;
pub(crate) use rotate::{RotationRecord, WatchedPlace};
pub(super) use rotate::{place_followed, rotate_secret};
pub(super) use snapshot::{restore_snapshot, save_snapshot};
pub(crate) use store::target_key;
pub(super) use store::{read_stored, transplant_object};

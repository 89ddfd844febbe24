//! The bytes of one object in etcd, and the same bytes in another's place.

use model::{Answer, ObjectTarget, StorageSeal, TransplantObject};

use super::etcd;
use crate::Error;
use crate::actions::{Observation, StepContext};

/// What protobuf objects of Kubernetes begin with (k8s.io/apimachinery,
/// `runtime/serializer/protobuf`).
const PROTOBUF_PREFIX: &[u8] = b"k8s\0";

pub(in crate::actions) async fn read_stored(
    cx: &StepContext<'_, '_>,
    target: &ObjectTarget,
) -> Result<Observation, Error> {
    let key = target_key(cx, target).await?;
    let bytes = cx.world.stored_bytes(&key).await?;
    if cx.world.planted.canaries().is_empty() {
        let none = "no value was planted, so nothing can show whether these bytes are encrypted";
        return Err(Error::scenario(none));
    }
    let holds = cx.world.planted.found_in(&bytes);
    judge_stored(&bytes, &holds)
}

pub(in crate::actions) async fn transplant_object(
    cx: &StepContext<'_, '_>,
    transplant: &TransplantObject,
) -> Result<Observation, Error> {
    let (from, to) = (
        target_key(cx, &transplant.from).await?,
        target_key(cx, &transplant.to).await?,
    );
    let bytes = cx.world.stored_bytes(&from).await?;
    cx.world.stored_bytes(&to).await?; // somebody's place it has to be
    cx.world.put_stored(&to, &bytes).await?;
    Ok(Observation::from_answer(Answer::Done))
}

/// Where etcd has the object that a target names.
pub(crate) async fn target_key(
    cx: &StepContext<'_, '_>,
    target: &ObjectTarget,
) -> Result<String, Error> {
    let resource = cx.resource(&target.kind).await?;
    etcd::etcd_key(&resource, &cx.namespace(), &cx.fill_text(&target.name))
}

/// Encrypted is what says so and holds none of the planted values; a prefix alone proves nothing.
fn judge_stored(bytes: &[u8], holds: &[String]) -> Result<Observation, Error> {
    let seal = StorageSeal::read_seal(bytes);
    let by = seal.as_ref().map(|(seal, name)| format!("{seal} {name}"));
    if !holds.is_empty() {
        let tried =
            Observation::from_answer(Answer::Plaintext).with_fact("holds", holds.join(", "));
        return Ok(match by {
            Some(by) => tried.with_fact("prefix-says", by),
            None => tried,
        });
    }
    match seal {
        Some((with, name)) => {
            Ok(Observation::from_answer(Answer::Encrypted { with }).with_fact("by", name))
        }
        None if bytes.starts_with(PROTOBUF_PREFIX) || bytes.starts_with(b"{") => {
            Ok(Observation::from_answer(Answer::Plaintext).with_fact("holds", "no planted value"))
        }
        None => Err(Error::unexpected(
            "the bytes begin with no prefix that is known",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_proves_nothing_where_the_value_can_be_read() {
        let verdict = |bytes: &[u8], holds: &[String]| {
            judge_stored(bytes, holds)
                .map(|tried| tried.verdict.to_string())
                .ok()
        };
        let holds = ["db (plain)".to_owned()];
        assert_eq!(verdict(b"k8s\0\n\x0c", &holds), Some("plaintext".into()));
        assert_eq!(
            verdict(b"k8s:enc:aescbc:v1:key1:x", &[]),
            Some("encrypted: aescbc".into())
        );
        assert_eq!(
            verdict(b"k8s:enc:aescbc:v1:key1:canary", &holds),
            Some("plaintext".into())
        );
        assert_eq!(verdict(b"{}", &[]), Some("plaintext".into()));
        assert_eq!(verdict(b"k8s:enc:new:v9:a:x", &[]), None);
    }
}

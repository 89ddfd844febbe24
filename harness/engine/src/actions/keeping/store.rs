//! The bytes of one object in etcd, and the same bytes in another's place.

use model::{Answer, Seal, Target, Transplant};

use super::etcd;
use crate::Error;
use crate::actions::{Observation, StepContext};

/// What protobuf objects of Kubernetes begin with (k8s.io/apimachinery, `runtime/serializer/protobuf`).
const PROTOBUF: &[u8] = b"k8s\0";

pub(in crate::actions) async fn store(
    cx: &StepContext<'_, '_>,
    target: &Target,
) -> Result<Observation, Error> {
    let key = key(cx, target).await?;
    let bytes = cx.world.stored(&key).await?;
    if cx.world.planted.canaries().is_empty() {
        let none = "no value was planted, so nothing can show whether these bytes are encrypted";
        return Err(Error::scenario(none));
    }
    let holds = cx.world.planted.found_in(&bytes);
    judge(&bytes, &holds)
}

pub(in crate::actions) async fn transplant(
    cx: &StepContext<'_, '_>,
    transplant: &Transplant,
) -> Result<Observation, Error> {
    let (from, to) = (
        key(cx, &transplant.from).await?,
        key(cx, &transplant.to).await?,
    );
    let bytes = cx.world.stored(&from).await?;
    cx.world.stored(&to).await?; // somebody's place it has to be
    cx.world.put_stored(&to, &bytes).await?;
    Ok(Observation::answer(Answer::Done))
}

/// Where etcd has the object that a target names.
pub(crate) async fn key(cx: &StepContext<'_, '_>, target: &Target) -> Result<String, Error> {
    let resource = cx.resource(&target.kind).await?;
    Ok(etcd::key(
        &resource,
        &cx.namespace(),
        &cx.fill(&target.name),
    ))
}

/// Encrypted is what says so and holds none of the planted values; a prefix alone proves nothing.
fn judge(bytes: &[u8], holds: &[String]) -> Result<Observation, Error> {
    let seal = Seal::of(bytes);
    let by = seal.as_ref().map(|(seal, name)| format!("{seal} {name}"));
    if !holds.is_empty() {
        let tried = Observation::answer(Answer::Plaintext).fact("holds", holds.join(", "));
        return Ok(match by {
            Some(by) => tried.fact("prefix-says", by),
            None => tried,
        });
    }
    match seal {
        Some((with, name)) => Ok(Observation::answer(Answer::Encrypted { with }).fact("by", name)),
        None if bytes.starts_with(PROTOBUF) || bytes.starts_with(b"{") => {
            Ok(Observation::answer(Answer::Plaintext).fact("holds", "no planted value"))
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
            judge(bytes, holds)
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

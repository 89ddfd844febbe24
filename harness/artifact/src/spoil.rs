//! Destroying what is attached to an image, in the ways in which it gets destroyed.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::AttachmentDamage;
use serde_json::Value;

use crate::attached::{LEGACY_ENDINGS, fallback_tag};
use crate::image::blob_descriptor;
use crate::{Error, OciManifest, OciRegistry};

/// Where cosign 2 kept a signature.
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// Spoils one layer: its bytes, or what its descriptor says.
type LayerSpoiler = fn(&mut Value, &[u8], &AttachmentDamage) -> Result<Vec<u8>, Error>;

impl OciRegistry {
    /// Spoils everything that is attached to the image `digest`: how many pieces.
    ///
    /// # Errors
    /// What the registry answered instead.
    pub fn spoil_attached(
        &self,
        repository: &str,
        digest: &str,
        damage: &AttachmentDamage,
    ) -> Result<usize, Error> {
        let referrers = match damage {
            // A bundle's layer is found by its type; nothing reads what its descriptor says.
            AttachmentDamage::LayerAnnotations(_) => Vec::new(),
            AttachmentDamage::Signature
            | AttachmentDamage::Statement
            | AttachmentDamage::Bundle
            | AttachmentDamage::Removal => self.referrers(repository, digest)?,
        };
        let mut count = referrers.len();
        if *damage == AttachmentDamage::Removal && count > 0 {
            self.delete_manifest(repository, &fallback_tag(digest))?;
        } else if count > 0 {
            let spoiled: Result<Vec<_>, Error> = referrers
                .iter()
                .map(|one| self.spoil_manifest(repository, one, damage, spoil_bundle))
                .collect();
            self.set_referrers(repository, digest, &spoiled?)?;
        }
        for ending in LEGACY_ENDINGS {
            let tag = format!("{}{ending}", fallback_tag(digest));
            let Some(manifest) = self.if_there(repository, &tag)? else {
                continue;
            };
            count += 1;
            if *damage == AttachmentDamage::Removal {
                self.delete_manifest(repository, &tag)?;
            } else {
                let spoiled = self.spoil_manifest(repository, &manifest, damage, spoil_legacy)?;
                self.put_manifest(repository, &tag, &manifest.media_type, &spoiled)?;
            }
        }
        Ok(count)
    }

    /// A manifest with every layer spoiled.
    fn spoil_manifest(
        &self,
        repository: &str,
        manifest: &OciManifest,
        damage: &AttachmentDamage,
        with: LayerSpoiler,
    ) -> Result<Vec<u8>, Error> {
        let mut json = manifest.json()?;
        for layer in json["layers"]
            .as_array_mut()
            .map(Vec::as_mut_slice)
            .unwrap_or_default()
        {
            let old = self.fetch_blob(repository, layer["digest"].as_str().unwrap_or_default())?;
            let new = with(layer, &old, damage)?;
            self.put_blob(repository, &new)?;
            let kind = layer["mediaType"].as_str().unwrap_or_default().to_owned();
            let described = blob_descriptor(&kind, &new);
            layer["digest"] = described["digest"].clone();
            layer["size"] = described["size"].clone();
        }
        Ok(json.to_string().into_bytes())
    }
}

/// A bundle, spoiled.
fn spoil_bundle(_: &mut Value, bytes: &[u8], damage: &AttachmentDamage) -> Result<Vec<u8>, Error> {
    spoil_envelope(bytes, "/dsseEnvelope", damage)
}

/// A layer of cosign 2, spoiled: a signature beside its payload, or an envelope.
fn spoil_legacy(
    layer: &mut Value,
    bytes: &[u8],
    damage: &AttachmentDamage,
) -> Result<Vec<u8>, Error> {
    if let AttachmentDamage::LayerAnnotations(all) = damage {
        add_annotations(layer, all);
        return Ok(bytes.to_vec());
    }
    let Some(signature) = layer
        .pointer_mut("/annotations")
        .and_then(|all| all.get_mut(SIGNATURE_ANNOTATION))
    else {
        return spoil_envelope(bytes, "", damage);
    };
    if signature.as_str().is_none_or(str::is_empty) {
        return spoil_envelope(bytes, "", damage);
    }
    match damage {
        AttachmentDamage::Signature => flip_byte(signature).map(|()| bytes.to_vec()),
        AttachmentDamage::Statement => {
            let mut changed = bytes.to_vec();
            changed.push(b' ');
            Ok(changed)
        }
        AttachmentDamage::Bundle | AttachmentDamage::Removal => {
            Ok(bytes[..bytes.len() / 2].to_vec())
        }
        AttachmentDamage::LayerAnnotations(_) => Ok(bytes.to_vec()),
    }
}

fn add_annotations(layer: &mut Value, all: &BTreeMap<String, String>) {
    for (key, value) in all {
        layer["annotations"][key] = value.as_str().into();
    }
}

fn spoil_envelope(bytes: &[u8], at: &str, damage: &AttachmentDamage) -> Result<Vec<u8>, Error> {
    let field = match damage {
        AttachmentDamage::Signature => "/signatures/0/sig",
        AttachmentDamage::Statement => "/payload",
        AttachmentDamage::Bundle | AttachmentDamage::Removal => {
            return Ok(bytes[..bytes.len() / 2].to_vec());
        }
        AttachmentDamage::LayerAnnotations(_) => return Ok(bytes.to_vec()),
    };
    let mut json: Value =
        serde_json::from_slice(bytes).map_err(|fault| Error::malformed("a bundle", fault))?;
    let place = json.pointer_mut(&format!("{at}{field}"));
    flip_byte(place.ok_or_else(|| Error::malformed("a bundle", format!("it has no {field}")))?)?;
    Ok(json.to_string().into_bytes())
}

/// Changes one byte of what a string encodes: in the last third, so that its outer shape stays.
fn flip_byte(text: &mut Value) -> Result<(), Error> {
    let malformed = |why: &str| Error::malformed("a signature", why);
    let mut bytes = STANDARD
        .decode(text.as_str().unwrap_or_default())
        .map_err(|_| malformed("it is not Base64"))?;
    let place = bytes.len() * 2 / 3;
    *bytes
        .get_mut(place)
        .ok_or_else(|| malformed("it is empty"))? ^= 1;
    *text = STANDARD.encode(&bytes).into();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUNDLE: &[u8] =
        br#"{"dsseEnvelope":{"payload":"YWJjZGVm","signatures":[{"sig":"MDEyMzQ1"}]}}"#;

    #[test]
    fn one_byte_of_one_field_changes() {
        let json = |damage| -> Value {
            serde_json::from_slice(&spoil_envelope(BUNDLE, "/dsseEnvelope", &damage).unwrap())
                .unwrap()
        };
        let signature = json(AttachmentDamage::Signature);
        assert_eq!(signature["dsseEnvelope"]["payload"], "YWJjZGVm");
        assert_eq!(
            signature["dsseEnvelope"]["signatures"][0]["sig"],
            STANDARD.encode("012355")
        );
        let statement = json(AttachmentDamage::Statement);
        assert_eq!(
            statement["dsseEnvelope"]["payload"],
            STANDARD.encode("abcddf")
        );
        assert_eq!(
            statement["dsseEnvelope"]["signatures"][0]["sig"],
            "MDEyMzQ1"
        );
    }

    #[test]
    fn annotations_are_added_beside_the_signature() {
        let damage = AttachmentDamage::LayerAnnotations(BTreeMap::from([("a".into(), "b".into())]));
        let mut layer = serde_json::json!({ "annotations": { SIGNATURE_ANNOTATION: "MDEy" } });
        assert_eq!(
            spoil_legacy(&mut layer, b"payload", &damage).unwrap(),
            b"payload"
        );
        assert_eq!(
            layer["annotations"],
            serde_json::json!({ SIGNATURE_ANNOTATION: "MDEy", "a": "b" })
        );
    }

    #[test]
    fn half_a_bundle_is_no_bundle() {
        let half = spoil_envelope(BUNDLE, "/dsseEnvelope", &AttachmentDamage::Bundle).unwrap();
        assert!(serde_json::from_slice::<Value>(&half).is_err());
        assert!(spoil_envelope(b"{}", "/dsseEnvelope", &AttachmentDamage::Signature).is_err());
    }
}

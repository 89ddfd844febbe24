//! One piece of what is attached to an image, as the tool left it that attached it: taken from one
//! repository, and given to another that holds the same image.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::attached::{INDEX_TYPE, LEGACY_ENDINGS, fallback_tag};
use crate::{Error, OciRegistry};

/// What is attached to an image at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttachedPieces {
    /// The digests of what refers to it.
    referrers: BTreeSet<String>,
    /// The digests of cosign's older tags, as in [`LEGACY_ENDINGS`].
    tags: [Option<String>; 2],
}

/// One signature or attestation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedPiece {
    place: PiecePlace,
    media_type: String,
    manifest: Vec<u8>,
    /// The configuration and the layers, which the manifest names.
    blobs: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PiecePlace {
    /// A manifest that refers to the image.
    Referrer,
    /// One of cosign's older tags, by its ending: the whole manifest.
    Tag(&'static str),
}

impl OciRegistry {
    /// What is attached to the image `digest` now.
    ///
    /// # Errors
    /// What the registry answered instead; that there is nothing is not an error.
    pub fn attached_pieces(&self, repository: &str, digest: &str) -> Result<AttachedPieces, Error> {
        let referrers = listed_digests(&self.referrer_list(repository, digest)?)
            .into_iter()
            .collect();
        let mut tags = [None, None];
        for (ending, tag) in LEGACY_ENDINGS.iter().zip(&mut tags) {
            let manifest =
                self.if_there(repository, &format!("{}{ending}", fallback_tag(digest)))?;
            *tag = manifest.map(|manifest| manifest.digest);
        }
        Ok(AttachedPieces { referrers, tags })
    }

    /// The piece that was attached to the image `digest` since `before`. Nothing where it is not
    /// exactly one, or where it was added to a manifest that was there.
    ///
    /// # Errors
    /// What the registry answered instead.
    pub fn take_piece(
        &self,
        repository: &str,
        digest: &str,
        before: &AttachedPieces,
    ) -> Result<Option<AttachedPiece>, Error> {
        let now = self.attached_pieces(repository, digest)?;
        let mut places = Vec::new();
        for name in now.referrers.symmetric_difference(&before.referrers) {
            places.push(
                now.referrers
                    .contains(name)
                    .then(|| (PiecePlace::Referrer, name.clone())),
            );
        }
        for ((ending, old), new) in LEGACY_ENDINGS
            .iter()
            .zip(&before.tags)
            .zip(now.tags)
            .filter(|((_, old), new)| *old != new)
        {
            places.push(
                new.filter(|_| old.is_none())
                    .map(|name| (PiecePlace::Tag(ending), name)),
            );
        }
        let [Some((place, name))] = places.as_slice() else {
            return Ok(None);
        };
        let manifest = self.fetch_manifest(repository, name)?;
        let json = manifest.json()?;
        let layers = json["layers"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let names = layers
            .iter()
            .chain([&json["config"]])
            .filter_map(|blob| blob["digest"].as_str());
        let blobs: Result<Vec<_>, Error> = names
            .map(|name| self.fetch_blob(repository, name))
            .collect();
        Ok(Some(AttachedPiece {
            place: *place,
            media_type: manifest.media_type,
            manifest: manifest.bytes,
            blobs: blobs?,
        }))
    }

    /// Attaches `piece` to the image `digest`, as the tool did that made it. False, and nothing is
    /// done, where a tool would do something else: the same piece is there, or there is a manifest
    /// that it would add to.
    ///
    /// # Errors
    /// What the registry answered instead.
    pub fn give_piece(
        &self,
        repository: &str,
        digest: &str,
        piece: &AttachedPiece,
    ) -> Result<bool, Error> {
        let name = crate::digest(&piece.manifest);
        match piece.place {
            PiecePlace::Referrer => {
                let mut list = self.referrer_list(repository, digest)?;
                if listed_digests(&list).contains(&name) || !speaks_of(&piece.manifest, digest)? {
                    return Ok(false);
                }
                self.put_piece(repository, &name, piece)?;
                add_to_list(&mut list, &name, piece)?;
                self.put_manifest(
                    repository,
                    &fallback_tag(digest),
                    INDEX_TYPE,
                    list.to_string().as_bytes(),
                )?;
            }
            PiecePlace::Tag(ending) => {
                let tag = format!("{}{ending}", fallback_tag(digest));
                if self.if_there(repository, &tag)?.is_some() {
                    return Ok(false);
                }
                self.put_piece(repository, &tag, piece)?;
            }
        }
        Ok(true)
    }

    fn put_piece(&self, repository: &str, name: &str, piece: &AttachedPiece) -> Result<(), Error> {
        for blob in &piece.blobs {
            self.put_blob(repository, blob)?;
        }
        self.put_manifest(repository, name, &piece.media_type, &piece.manifest)
            .map(drop)
    }

    /// The list of what refers to the image `digest`; an empty one where there is none.
    fn referrer_list(&self, repository: &str, digest: &str) -> Result<Value, Error> {
        match self.if_there(repository, &fallback_tag(digest))? {
            Some(list) => list.json(),
            None => Ok(json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [] })),
        }
    }
}

fn listed_digests(list: &Value) -> Vec<String> {
    let all = list["manifests"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    all.iter()
        .filter_map(|one| one["digest"].as_str())
        .map(str::to_owned)
        .collect()
}

/// Whether a manifest refers to the image `digest`.
fn speaks_of(manifest: &[u8], digest: &str) -> Result<bool, Error> {
    let manifest: Value =
        serde_json::from_slice(manifest).map_err(|fault| Error::malformed("a referrer", fault))?;
    Ok(manifest["subject"]["digest"] == digest)
}

/// Adds a manifest to the list, with the words and in the order of go-containerregistry, which
/// cosign writes it with (`pkg/v1/remote/write.go`, `commitSubjectReferrers`).
fn add_to_list(list: &mut Value, name: &str, piece: &AttachedPiece) -> Result<(), Error> {
    let manifest: Value = serde_json::from_slice(&piece.manifest)
        .map_err(|fault| Error::malformed("a referrer", fault))?;
    let kind = match &manifest["artifactType"] {
        Value::Null => manifest["config"]["mediaType"].clone(),
        kind => kind.clone(),
    };
    let entry = json!({
        "mediaType": manifest["mediaType"], "size": piece.manifest.len(), "digest": name, "artifactType": kind,
    });
    let all = list["manifests"].as_array_mut();
    let all =
        all.ok_or_else(|| Error::malformed("the list of referrers", "it has no manifests"))?;
    all.push(entry);
    all.sort_by(|one, other| one["digest"].as_str().cmp(&other["digest"].as_str()));
    Ok(())
}

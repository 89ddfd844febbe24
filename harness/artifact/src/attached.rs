//! What is attached to an image: signatures and attestations, as bundles that refer to it, or in
//! cosign's older tags.

use serde_json::{Value, json};

use crate::image::blob_descriptor;
use crate::{Error, OciManifest, OciRegistry};

/// The media type of the list of what refers to an image.
pub(crate) const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// What cosign 2 appended to an image's digest.
pub(crate) const LEGACY_ENDINGS: [&str; 2] = [".sig", ".att"];

/// The tag under which a registry without a referrers API lists what refers to a digest.
pub(crate) fn fallback_tag(digest: &str) -> String {
    digest.replacen(':', "-", 1)
}

impl OciRegistry {
    /// The manifests that refer to the image `digest`, each with one bundle.
    ///
    /// # Errors
    /// What the registry answered; an empty list is not an error.
    pub fn referrers(&self, repository: &str, digest: &str) -> Result<Vec<OciManifest>, Error> {
        let Some(index) = self.if_there(repository, &fallback_tag(digest))? else {
            return Ok(Vec::new());
        };
        let index = index.json()?;
        let listed = index["manifests"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let names = listed.iter().filter_map(|one| one["digest"].as_str());
        names
            .map(|name| self.fetch_manifest(repository, name))
            .collect()
    }

    /// The manifest of this name, or nothing where the registry knows none.
    pub(crate) fn if_there(
        &self,
        repository: &str,
        reference: &str,
    ) -> Result<Option<OciManifest>, Error> {
        match self.fetch_manifest(repository, reference) {
            Ok(manifest) => Ok(Some(manifest)),
            Err(Error::Refused { code: 404, .. }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Writes the list of what refers to the image `digest` again.
    pub(crate) fn set_referrers(
        &self,
        repository: &str,
        digest: &str,
        manifests: &[Vec<u8>],
    ) -> Result<(), Error> {
        let entries: Result<Vec<Value>, Error> = manifests
            .iter()
            .map(|manifest| list_entry(manifest))
            .collect();
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries? });
        for manifest in manifests {
            self.put_manifest(
                repository,
                &crate::digest(manifest),
                probe_image::MANIFEST_TYPE,
                manifest,
            )?;
        }
        self.put_manifest(
            repository,
            &fallback_tag(digest),
            INDEX_TYPE,
            index.to_string().as_bytes(),
        )
        .map(drop)
    }

    /// Attaches a document to an image, without a signature.
    ///
    /// # Errors
    /// What the registry answered instead.
    pub fn attach_document(
        &self,
        repository: &str,
        image: &str,
        kind: &str,
        document: &[u8],
    ) -> Result<(), Error> {
        const EMPTY: &[u8] = b"{}";
        let subject = self.fetch_manifest(repository, image)?;
        self.put_blob(repository, EMPTY)?;
        self.put_blob(repository, document)?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": probe_image::MANIFEST_TYPE,
            "artifactType": kind,
            "config": blob_descriptor("application/vnd.oci.empty.v1+json", EMPTY),
            "layers": [blob_descriptor(kind, document)],
            "subject": blob_descriptor(&subject.media_type, &subject.bytes),
        });
        let mut all: Vec<_> = self
            .referrers(repository, &subject.digest)?
            .into_iter()
            .map(|one| one.bytes)
            .collect();
        all.push(manifest.to_string().into_bytes());
        self.set_referrers(repository, &subject.digest, &all)
    }

    /// Copies everything that is attached to one image to the place of another, which need not be
    /// the same one.
    ///
    /// # Errors
    /// What the registry answered instead.
    pub fn copy_attached(&self, from: (&str, &str), to: (&str, &str)) -> Result<(), Error> {
        let subject = self.fetch_manifest(to.0, to.1)?;
        let subject = blob_descriptor(&subject.media_type, &subject.bytes);
        let mut copies = Vec::new();
        for referrer in self.referrers(from.0, from.1)? {
            let mut manifest = referrer.json()?;
            self.copy_blobs(from.0, &manifest, to.0)?;
            manifest["subject"] = subject.clone();
            copies.push(manifest.to_string().into_bytes());
        }
        if !copies.is_empty() {
            let there = self.referrers(to.0, to.1)?;
            copies.splice(0..0, there.into_iter().map(|manifest| manifest.bytes));
            self.set_referrers(to.0, to.1, &copies)?;
        }
        for ending in LEGACY_ENDINGS {
            let [old, new] =
                [from.1, to.1].map(|digest| format!("{}{ending}", fallback_tag(digest)));
            if self.if_there(from.0, &old)?.is_some() {
                self.copy_image(from.0, &old, to.0, &new)?;
            }
        }
        Ok(())
    }
}

/// What the list says of one manifest.
fn list_entry(bytes: &[u8]) -> Result<Value, Error> {
    let manifest: Value =
        serde_json::from_slice(bytes).map_err(|fault| Error::malformed("a referrer", fault))?;
    let mut entry = blob_descriptor(probe_image::MANIFEST_TYPE, bytes);
    entry["artifactType"] = match &manifest["artifactType"] {
        Value::Null => manifest["config"]["mediaType"].clone(),
        kind => kind.clone(),
    };
    if let annotations @ Value::Object(_) = &manifest["annotations"] {
        entry["annotations"] = annotations.clone();
    }
    Ok(entry)
}

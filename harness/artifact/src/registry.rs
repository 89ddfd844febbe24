//! A client for a registry over plain HTTP: what the distribution specification calls pull, push
//! and management.

use std::time::Duration;

use serde_json::Value;
use ureq::http::{Response, StatusCode};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body};

use crate::index::child_digests;
use crate::{Error, OciImage, digest};

/// Manifests of an image, of several images, and the same in Docker's older words.
const ACCEPTED_TYPES: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// How long the registry may take for one answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// The most that is read of one answer.
const MOST_BYTES: u64 = 64 << 20;

/// From this size on, a blob is not sent where the registry can take it over from another
/// repository.
const LARGE_LAYER: usize = 1 << 16;

/// A registry.
#[derive(Clone, Debug)]
pub struct OciRegistry {
    agent: Agent,
    base: String,
}

/// A manifest as it is in the registry.
#[derive(Clone, Debug)]
pub struct OciManifest {
    /// What it says it is.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: String,
}

impl OciManifest {
    /// Its content.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(&self) -> Result<Value, Error> {
        serde_json::from_slice(&self.bytes)
            .map_err(|fault| Error::malformed(format!("manifest {}", self.digest), fault))
    }
}

impl OciRegistry {
    /// The registry that answers on `address`, as `HOST:PORT`.
    #[must_use]
    pub fn plain_http(address: &str) -> Self {
        Self::with_client(format!("http://{address}"), TlsConfig::default())
    }

    /// The registry that answers on `address` over TLS, whatever its certificate: for questions
    /// whose answers do not matter.
    #[must_use]
    pub fn unverified_tls(address: &str) -> Self {
        Self::with_client(
            format!("https://{address}"),
            TlsConfig::builder().disable_verification(true).build(),
        )
    }

    fn with_client(base: String, tls: TlsConfig) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWERS_WITHIN))
            .user_agent("gauntlet-engine")
            .tls_config(tls)
            .proxy(None)
            .build();
        Self {
            agent: config.into(),
            base,
        }
    }

    /// Asks for a manifest that is not there, so that the registry's log shows how far it has been
    /// written.
    ///
    /// # Errors
    /// When the registry does not say that it has none.
    pub fn mark_log(&self, repository: &str, reference: &str) -> Result<(), Error> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        expect_status(
            self.agent.get(self.url(&path)).call(),
            &format!("GET {path}"),
            &[StatusCode::NOT_FOUND],
        )
        .map(drop)
    }

    /// Pushes an image under a tag: its digest. What is large of it is taken over from the
    /// repository `beside`, where it is there.
    ///
    /// # Errors
    /// What the registry answered instead.
    pub fn push_image(
        &self,
        repository: &str,
        tag: &str,
        image: &OciImage,
        beside: Option<&str>,
    ) -> Result<String, Error> {
        for blob in &image.blobs {
            let beside = beside.filter(|beside| *beside != repository && blob.len() >= LARGE_LAYER);
            let taken = beside
                .map(|beside| self.mount_blob(beside, &digest(blob), repository))
                .transpose()?;
            if taken != Some(true) {
                self.put_blob(repository, blob)?;
            }
        }
        self.put_manifest(repository, tag, probe_image::MANIFEST_TYPE, &image.manifest)
    }

    /// A manifest by its tag or digest.
    ///
    /// # Errors
    /// What the registry answered instead.
    pub fn fetch_manifest(&self, repository: &str, reference: &str) -> Result<OciManifest, Error> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let asked = format!("GET {path}");
        let answer = self
            .agent
            .get(self.url(&path))
            .header("accept", ACCEPTED_TYPES)
            .call();
        let answer = expect_status(answer, &asked, &[StatusCode::OK])?;
        let kind = answer
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok());
        let media_type = kind.unwrap_or_default().to_owned();
        let bytes = read_body(answer, &asked)?;
        let digest = check_digest(&asked, reference, &bytes)?;
        Ok(OciManifest {
            media_type,
            bytes,
            digest,
        })
    }

    /// A blob.
    ///
    /// # Errors
    /// What the registry answered instead, or that it gave other bytes.
    pub fn fetch_blob(&self, repository: &str, name: &str) -> Result<Vec<u8>, Error> {
        let path = format!("/v2/{repository}/blobs/{name}");
        let asked = format!("GET {path}");
        let answer = expect_status(
            self.agent.get(self.url(&path)).call(),
            &asked,
            &[StatusCode::OK],
        )?;
        let bytes = read_body(answer, &asked)?;
        check_digest(&asked, name, &bytes)?;
        Ok(bytes)
    }

    /// Puts a blob: its digest.
    ///
    /// # Errors
    /// What the registry answered instead.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> Result<String, Error> {
        let name = digest(bytes);
        let path = format!("/v2/{repository}/blobs/{name}");
        let known = self.agent.head(self.url(&path)).call();
        if known.is_ok_and(|answer| answer.status() == StatusCode::OK) {
            return Ok(name);
        }
        let path = format!("/v2/{repository}/blobs/uploads/");
        let asked = format!("POST {path}");
        let answer = expect_status(
            self.agent.post(self.url(&path)).send_empty(),
            &asked,
            &[StatusCode::ACCEPTED],
        )?;
        let place = answer
            .headers()
            .get("location")
            .and_then(|value| value.to_str().ok());
        let place = place
            .ok_or_else(|| Error::malformed(asked.clone(), "no place for the upload was given"))?;
        let mark = if place.contains('?') { '&' } else { '?' };
        // The place names the host as the registry knows it, which need not be the one that we
        // reach it by.
        let path = place
            .split_once("/v2/")
            .map_or_else(|| place.to_owned(), |(_, rest)| format!("/v2/{rest}"));
        let url = self.url(&format!("{path}{mark}digest={name}"));
        let asked = format!("PUT {}", path.split('?').next().unwrap_or_default());
        let answer = self
            .agent
            .put(url)
            .header("content-type", "application/octet-stream")
            .send(bytes);
        expect_status(answer, &asked, &[StatusCode::CREATED])?;
        Ok(name)
    }

    /// Puts a manifest under a tag or its own digest: its digest.
    ///
    /// # Errors
    /// What the registry answered instead.
    pub fn put_manifest(
        &self,
        repository: &str,
        name: &str,
        kind: &str,
        bytes: &[u8],
    ) -> Result<String, Error> {
        let path = format!("/v2/{repository}/manifests/{name}");
        let answer = self
            .agent
            .put(self.url(&path))
            .header("content-type", kind)
            .send(bytes);
        expect_status(answer, &format!("PUT {path}"), &[StatusCode::CREATED])?;
        Ok(digest(bytes))
    }

    /// Deletes a tag, or a manifest by its digest.
    ///
    /// # Errors
    /// What the registry answered instead.
    pub fn delete_manifest(&self, repository: &str, reference: &str) -> Result<(), Error> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let answer = self.agent.delete(self.url(&path)).call();
        expect_status(answer, &format!("DELETE {path}"), &[StatusCode::ACCEPTED]).map(drop)
    }

    /// Copies an image, by its tag or digest, to another repository under a tag: its digest. An
    /// index is copied with its children.
    ///
    /// # Errors
    /// What the registry answered instead.
    pub fn copy_image(
        &self,
        from: &str,
        reference: &str,
        to: &str,
        tag: &str,
    ) -> Result<String, Error> {
        let manifest = self.fetch_manifest(from, reference)?;
        let json = manifest.json()?;
        for child in child_digests(&json).iter().filter(|_| from != to) {
            self.copy_image(from, child, to, child)?;
        }
        self.copy_blobs(from, &json, to)?;
        self.put_manifest(to, tag, &manifest.media_type, &manifest.bytes)
    }

    /// Copies the blobs that a manifest names.
    pub(crate) fn copy_blobs(&self, from: &str, manifest: &Value, to: &str) -> Result<(), Error> {
        let layers = manifest["layers"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let names = layers
            .iter()
            .chain([&manifest["config"]])
            .filter_map(|blob| blob["digest"].as_str());
        for name in names.filter(|_| from != to) {
            if !self.mount_blob(from, name, to)? {
                self.put_blob(to, &self.fetch_blob(from, name)?)?;
            }
        }
        Ok(())
    }

    /// Has the registry take a blob over from one repository into another; false where it does not
    /// do that.
    fn mount_blob(&self, from: &str, name: &str, to: &str) -> Result<bool, Error> {
        let path = format!("/v2/{to}/blobs/uploads/?mount={name}&from={from}");
        let asked = format!("POST {path}");
        let answer = expect_status(
            self.agent.post(self.url(&path)).send_empty(),
            &asked,
            &[StatusCode::CREATED, StatusCode::ACCEPTED],
        )?;
        Ok(answer.status() == StatusCode::CREATED)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

fn expect_status(
    answer: Result<Response<Body>, ureq::Error>,
    asked: &str,
    wanted: &[StatusCode],
) -> Result<Response<Body>, Error> {
    let answer = answer.map_err(|source| Error::Transport {
        asked: asked.into(),
        source: Box::new(source),
    })?;
    if wanted.contains(&answer.status()) {
        return Ok(answer);
    }
    let code = answer.status().as_u16();
    let said = read_body(answer, asked).map(|bytes| {
        String::from_utf8_lossy(&bytes)
            .trim()
            .chars()
            .take(400)
            .collect()
    });
    Err(Error::Refused {
        asked: asked.into(),
        code,
        said: said.unwrap_or_default(),
    })
}

fn read_body(mut answer: Response<Body>, asked: &str) -> Result<Vec<u8>, Error> {
    let read = answer
        .body_mut()
        .with_config()
        .limit(MOST_BYTES)
        .read_to_vec();
    read.map_err(|source| Error::BrokenOff {
        asked: asked.into(),
        source: Box::new(source),
    })
}

/// The digest of `bytes`, which is the one asked for, if it was asked for by digest.
fn check_digest(asked: &str, reference: &str, bytes: &[u8]) -> Result<String, Error> {
    let got = digest(bytes);
    if reference.starts_with("sha256:") && reference != got {
        return Err(Error::Altered {
            asked: asked.into(),
            got,
        });
    }
    Ok(got)
}

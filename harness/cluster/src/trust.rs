//! Trusted roots: which authorities, logs and timestamp authorities a verifier trusts, in
//! sigstore's own format, made by cosign. There is one maker, for what the box itself installs and
//! for steps that verify signatures in it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::{Error, HostAccess};

/// Validity start for the box's services, before the box began.
pub const VALID_FROM: &str = "2024-01-01T00:00:00Z";

const FETCHED_WITHIN: Duration = Duration::from_secs(60);

/// The trusted parties. The texts are PEM. None by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedParties {
    /// Fulcio's certificate.
    pub fulcio: Option<String>,
    /// More certificate authorities: address and certificate.
    pub authorities: Vec<(String, String)>,
    /// The transparency log's key.
    pub log: Option<String>,
    /// The timestamp authority's certificates, its own first.
    pub timestamps: Option<String>,
    /// The key of a log of certificates.
    pub certificate_log: Option<String>,
}

impl TrustedParties {
    /// The box's own services, as they describe themselves; none where the box has none.
    ///
    /// # Errors
    /// When one of them does not answer.
    pub async fn of_box(host_access: HostAccess<'_>) -> Result<Self, Error> {
        let Some(log) = host_access.rekor_key() else {
            return Ok(Self::default());
        };
        Ok(Self {
            fulcio: Some(
                fetch_text(host_access, HostAccess::FULCIO_PORT, "/api/v1/rootCert").await?,
            ),
            log: Some(log.to_owned()),
            timestamps: Some(
                fetch_text(
                    host_access,
                    HostAccess::TSA_PORT,
                    "/api/v1/timestamp/certchain",
                )
                .await?,
            ),
            ..Self::default()
        })
    }

    /// Has cosign make a trusted root of it, `NAME.json` in `folder`, which lies below
    /// [`HostAccess::work_folder`]. Returns where it is, as the host sees it.
    ///
    /// # Errors
    /// When a file cannot be written, or cosign does not do its work.
    pub async fn write_trusted_root(
        &self,
        host_access: HostAccess<'_>,
        folder: &Path,
        name: &str,
    ) -> Result<PathBuf, Error> {
        let mut args = Vec::new();
        for (part, flag, text) in self.parts() {
            let path = folder.join(format!("{name}-{part}.pem"));
            std::fs::write(&path, text)
                .map_err(|why| unmade_error(format!("cannot write `{}`: {why}", path.display())))?;
            args.push(format!(
                "{flag}={},start-time={VALID_FROM}",
                host_access.path_inside(&path).display()
            ));
        }
        let file = folder.join(format!("{name}.json"));
        args.push(format!(
            "--out={}",
            host_access.path_inside(&file).display()
        ));
        let mut command = host_access.enter_command();
        command
            .args(["cosign", "trusted-root", "create"])
            .args(args);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let child = Command::from(command).kill_on_drop(true).spawn();
        let child = child.map_err(|why| unmade_error(format!("cosign does not start: {why}")))?;
        let output = tokio::time::timeout(FETCHED_WITHIN, child.wait_with_output()).await;
        let output = output.map_err(|_| {
            unmade_error(format!("waited {} s for cosign", FETCHED_WITHIN.as_secs()))
        })?;
        let output =
            output.map_err(|why| unmade_error(format!("waiting for cosign failed: {why}")))?;
        if output.status.success() {
            return Ok(file);
        }
        Err(unmade_error(format!(
            "cosign refuses: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )))
    }

    /// What it consists of: a name for the part's file, the flag up to where that file is named,
    /// and its text.
    fn parts(&self) -> Vec<(String, String, &String)> {
        let fulcio = self.fulcio.iter().map(|text| (HostAccess::FULCIO, text));
        let others = self
            .authorities
            .iter()
            .map(|(url, text)| (url.as_str(), text));
        let mut parts: Vec<(String, String, &String)> = Vec::new();
        for (at, (url, text)) in fulcio.chain(others).enumerate() {
            parts.push((
                format!("authority-{at}"),
                format!("--fulcio=url={url},certificate-chain"),
                text,
            ));
        }
        if let Some(text) = &self.log {
            let (url, origin) = (HostAccess::REKOR, HostAccess::REKOR_ORIGIN);
            parts.push((
                "log".into(),
                format!("--rekor=url={url},origin={origin},public-key"),
                text,
            ));
        }
        if let Some(text) = &self.timestamps {
            let url = HostAccess::TIMESTAMPS;
            parts.push((
                "timestamps".into(),
                format!("--tsa=url={url},certificate-chain"),
                text,
            ));
        }
        if let Some(text) = &self.certificate_log {
            parts.push((
                "certificate-log".into(),
                "--ctfe=url=http://unused.box,public-key".into(),
                text,
            ));
        }
        parts
    }
}

/// A short text from one of the box's services.
async fn fetch_text(host_access: HostAccess<'_>, port: u16, path: &str) -> Result<String, Error> {
    let url = format!("http://{}:{port}{path}", host_access.address());
    let fetched = tokio::task::spawn_blocking(move || {
        let reply = ureq::get(&url)
            .call()
            .map_err(|why| unmade_error(format!("`{url}` does not answer: {why}")))?;
        reply
            .into_body()
            .read_to_string()
            .map_err(|why| unmade_error(format!("`{url}` broke off: {why}")))
    });
    fetched.await.map_err(|source| Error::Thread { source })?
}

fn unmade_error(why: String) -> Error {
    Error::TrustedRoot { why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_its_own_file_and_nobody_has_none() {
        assert!(TrustedParties::default().parts().is_empty());
        let text = || Some("PEM".to_owned());
        let all = TrustedParties {
            fulcio: text(),
            authorities: vec![("http://other.box".into(), "OTHER".into())],
            log: text(),
            timestamps: text(),
            certificate_log: text(),
        };
        let parts = all.parts();
        let files: std::collections::BTreeSet<_> = parts.iter().map(|(file, ..)| file).collect();
        assert_eq!((files.len(), parts.len()), (5, 5));
        assert_eq!(
            parts[1].1,
            "--fulcio=url=http://other.box,certificate-chain"
        );
        assert_eq!(parts[1].2, "OTHER");
    }
}

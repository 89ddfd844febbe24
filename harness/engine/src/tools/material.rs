//! What signing needs, made once for a cluster: key pairs, signing configurations, trusted roots.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cluster::Toolbox;
use model::TrustedRoot;
use tokio::sync::{Mutex, OnceCell};

use super::authority::{self, Authority};
use super::{Call, folder, must, read, write};

/// A time before the box: from when on its services are to be believed.
const SINCE: &str = "2024-01-01T00:00:00Z";

/// The folder of everything that worlds share.
const SHARED: &str = "shared";

/// What signing needs, made when it is first asked for.
#[derive(Default)]
pub(crate) struct Material {
    keys: Mutex<HashMap<String, String>>,
    files: Mutex<HashMap<String, PathBuf>>,
    served: OnceCell<Served>,
    authority: OnceCell<Arc<Authority>>,
}

/// What the box's services say of themselves, PEM.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) fulcio_root: String,
    pub(crate) rekor_key: String,
    pub(crate) tsa_chain: String,
}

impl Material {
    /// The folder, on this side.
    fn shared(toolbox: Toolbox<'_>) -> Result<PathBuf, String> {
        folder(toolbox, SHARED)
    }

    /// The key pair of this name: its public key, PEM. `SHARED/NAME.key` and `.pub` are its files.
    pub(crate) async fn key(&self, toolbox: Toolbox<'_>, name: &str) -> Result<String, String> {
        let mut keys = self.keys.lock().await;
        if let Some(key) = keys.get(name) {
            return Ok(key.clone());
        }
        let home = Self::shared(toolbox)?;
        let prefix = toolbox.inside(&home.join(name)).display().to_string();
        let args = vec!["generate-key-pair".into(), "--output-key-prefix".into(), prefix];
        must(toolbox, &Call { program: "cosign", args, home: &home }).await?;
        let key = read(&home.join(format!("{name}.pub")))?;
        keys.insert(name.into(), key.clone());
        Ok(key)
    }

    /// The path, inside the box, of a key pair's private half, or of its public one.
    pub(crate) async fn key_file(&self, toolbox: Toolbox<'_>, name: &str, private: bool) -> Result<String, String> {
        self.key(toolbox, name).await?;
        let file = Self::shared(toolbox)?.join(format!("{name}.{}", if private { "key" } else { "pub" }));
        Ok(toolbox.inside(&file).display().to_string())
    }

    /// What the box's services say of themselves.
    pub(crate) async fn served(&self, toolbox: Toolbox<'_>) -> Result<&Served, String> {
        self.served
            .get_or_try_init(|| async {
                let rekor_key = toolbox.rekor_key().ok_or("the box has no transparency log")?.to_owned();
                Ok(Served {
                    fulcio_root: fetch(toolbox, Toolbox::FULCIO_PORT, "/api/v1/rootCert").await?,
                    rekor_key,
                    tsa_chain: fetch(toolbox, Toolbox::TSA_PORT, "/api/v1/timestamp/certchain").await?,
                })
            })
            .await
    }

    /// The authority of our own for certificates that are soon over.
    pub(crate) async fn authority(&self) -> Result<Arc<Authority>, String> {
        self.authority.get_or_try_init(|| async { Authority::new().map(Arc::new) }).await.cloned()
    }

    /// The path, inside the box, of a signing configuration with these services.
    pub(crate) async fn signing_config(
        &self,
        toolbox: Toolbox<'_>,
        fulcio: bool,
        log: bool,
        timestamp: bool,
    ) -> Result<String, String> {
        let mut args = vec!["signing-config".to_owned(), "create".into()];
        let service = |url: &str, api: u8| format!("url={url},api-version={api},start-time={SINCE},operator=gauntlet");
        if fulcio {
            args.push(format!("--fulcio={}", service(Toolbox::FULCIO, 1)));
        }
        if log {
            args.extend([format!("--rekor={}", service(Toolbox::REKOR, 2)), "--rekor-config=ANY".into()]);
        }
        if timestamp {
            let url = format!("{}/api/v1/timestamp", Toolbox::TSA);
            args.extend([format!("--tsa={}", service(&url, 1)), "--tsa-config=ANY".into()]);
        }
        let name = format!("signing-{fulcio}-{log}-{timestamp}.json");
        make(&mut *self.files.lock().await, toolbox, &name, args).await
    }

    /// The path, inside the box, of a trusted root; nothing where there is to be none.
    pub(crate) async fn trusted_root(
        &self,
        toolbox: Toolbox<'_>,
        root: &TrustedRoot,
    ) -> Result<Option<String>, String> {
        let name = match root {
            TrustedRoot::Absent | TrustedRoot::File(_) => return Ok(None),
            TrustedRoot::Box => "box",
            TrustedRoot::OtherLog => "other-log",
            TrustedRoot::OtherAuthority => "other-authority",
            TrustedRoot::OtherTimestamps => "other-timestamps",
        };
        let mut files = self.files.lock().await;
        let file = format!("root-{name}.json");
        if let Some(made) = files.get(&file) {
            return Ok(Some(made.display().to_string()));
        }
        let args = self.root_args(toolbox, root, name).await?;
        make(&mut files, toolbox, &file, args).await.map(Some)
    }

    /// How cosign makes a trusted root of these services; an empty one where the box has none.
    async fn root_args(&self, toolbox: Toolbox<'_>, root: &TrustedRoot, name: &str) -> Result<Vec<String>, String> {
        let mut args = vec!["trusted-root".into(), "create".into()];
        if toolbox.rekor_key().is_none() {
            return Ok(args);
        }
        let served = self.served(toolbox).await?;
        let own = self.authority().await?;
        let home = Self::shared(toolbox)?;
        let text =
            |wanted: TrustedRoot, real: &str, other: &str| (if *root == wanted { other } else { real }).to_owned();
        let put = |part: &str, text: String| -> Result<String, String> {
            let path = home.join(format!("{name}-{part}.pem"));
            write(&path, text)?;
            Ok(toolbox.inside(&path).display().to_string())
        };
        let fulcio = put("fulcio", text(TrustedRoot::OtherAuthority, &served.fulcio_root, &authority::stranger()?))?;
        let rekor = put("rekor", text(TrustedRoot::OtherLog, &served.rekor_key, &authority::other_log_key()?))?;
        let tsa = put("tsa", text(TrustedRoot::OtherTimestamps, &served.tsa_chain, &authority::other_timestamps()?))?;
        let short = put("short-lived", own.certificate().to_owned())?;
        let (log, origin) = (Toolbox::REKOR, Toolbox::REKOR_ORIGIN);
        args.extend([
            format!("--fulcio=url={},certificate-chain={fulcio},start-time={SINCE}", Toolbox::FULCIO),
            format!("--fulcio=url=http://short-lived.box,certificate-chain={short},start-time={SINCE}"),
            format!("--rekor=url={log},public-key={rekor},origin={origin},start-time={SINCE}"),
            format!("--tsa=url={}/api/v1/timestamp,certificate-chain={tsa},start-time={SINCE}", Toolbox::TSA),
        ]);
        Ok(args)
    }

    /// The text of a trusted root; nothing where there is to be none.
    pub(crate) async fn trusted_root_text(&self, toolbox: Toolbox<'_>, root: &TrustedRoot) -> Result<String, String> {
        let Some(file) = self.trusted_root(toolbox, root).await? else { return Ok(String::new()) };
        let name = Path::new(&file).file_name().unwrap_or_default();
        read(&Self::shared(toolbox)?.join(name))
    }
}

/// A file that cosign makes with these arguments and `--out`, once.
async fn make(
    files: &mut HashMap<String, PathBuf>,
    toolbox: Toolbox<'_>,
    name: &str,
    mut args: Vec<String>,
) -> Result<String, String> {
    if let Some(file) = files.get(name) {
        return Ok(file.display().to_string());
    }
    let home = Material::shared(toolbox)?;
    let file = toolbox.inside(&home.join(name));
    args.extend(["--out".to_owned(), file.display().to_string()]);
    must(toolbox, &Call { program: "cosign", args, home: &home }).await?;
    files.insert(name.into(), file.clone());
    Ok(file.display().to_string())
}

/// A short text from one of the box's services.
async fn fetch(toolbox: Toolbox<'_>, port: u16, path: &str) -> Result<String, String> {
    let url = format!("http://{}:{port}{path}", toolbox.address());
    tokio::task::spawn_blocking(move || {
        let reply = ureq::get(&url).call().map_err(|fault| format!("`{url}` does not answer: {fault}"))?;
        reply.into_body().read_to_string().map_err(|fault| format!("`{url}` broke off: {fault}"))
    })
    .await
    .map_err(|fault| fault.to_string())?
}

//! What images and signatures are made of, made once for a cluster: the base, key pairs, signing
//! configurations, trusted roots.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cluster::{HostAccess, TrustedParties, VALID_FROM};
use model::TrustedRoot;
use tokio::sync::{Mutex, OnceCell};

use super::authority::{self, ShortLivedAuthority};
use super::{ToolCall, read_file, run_or_fail, work_folder, write_file, write_private};
use crate::Error;
use crate::workshop::{KeyPair, RunWorkshop};

/// The folder of everything that worlds share.
const SHARED_FOLDER: &str = "shared";

/// What signing needs, made when it is first asked for.
pub(crate) struct SigningMaterial {
    workshop: Arc<RunWorkshop>,
    keys: Mutex<HashMap<String, String>>,
    files: Mutex<HashMap<String, PathBuf>>,
    served: OnceCell<TrustedParties>,
    authority: OnceCell<Arc<ShortLivedAuthority>>,
    probe: OnceCell<Arc<Vec<u8>>>,
}

impl SigningMaterial {
    pub(crate) fn new(workshop: Arc<RunWorkshop>) -> Self {
        Self {
            workshop,
            keys: Mutex::default(),
            files: Mutex::default(),
            served: OnceCell::new(),
            authority: OnceCell::new(),
            probe: OnceCell::new(),
        }
    }

    /// The folder, on this side.
    fn shared_folder(host_access: HostAccess<'_>) -> Result<PathBuf, Error> {
        work_folder(host_access, SHARED_FOLDER)
    }

    /// The key pair of this name, made when it is first named in this run: its public key, PEM.
    /// `SHARED/NAME.key` and `.pub` are its files.
    pub(crate) async fn key_pair(
        &self,
        host_access: HostAccess<'_>,
        name: &str,
    ) -> Result<String, Error> {
        let mut keys = self.keys.lock().await;
        if let Some(key) = keys.get(name) {
            return Ok(key.clone());
        }
        let home = Self::shared_folder(host_access)?;
        let [private, public] = ["key", "pub"].map(|ending| home.join(format!("{name}.{ending}")));
        if !public.exists() {
            let place = self.workshop.keys.place_for(name.to_owned());
            let pair = place
                .get_or_try_init(async || generate_key(host_access, &home, name).await)
                .await?;
            if !public.exists() {
                write_private(&private, &pair.private)?;
                write_file(&public, &pair.public)?;
            }
        }
        let key = read_file(&public)?;
        keys.insert(name.into(), key.clone());
        Ok(key)
    }

    /// The path, inside the box, of a key pair's private half, or of its public one.
    pub(crate) async fn key_file(
        &self,
        host_access: HostAccess<'_>,
        name: &str,
        private: bool,
    ) -> Result<String, Error> {
        self.key_pair(host_access, name).await?;
        let file = Self::shared_folder(host_access)?
            .join(format!("{name}.{}", if private { "key" } else { "pub" }));
        Ok(host_access.path_inside(&file).display().to_string())
    }

    /// The program that every image is built on.
    pub(crate) async fn probe_binary(
        &self,
        host_access: HostAccess<'_>,
    ) -> Result<Arc<Vec<u8>>, Error> {
        let read = async || {
            host_access
                .probe_program()
                .map(Arc::new)
                .map_err(Error::from)
        };
        self.probe.get_or_try_init(read).await.cloned()
    }

    /// What the box's services say of themselves.
    pub(crate) async fn served_trust(
        &self,
        host_access: HostAccess<'_>,
    ) -> Result<&TrustedParties, Error> {
        let ask = async || {
            TrustedParties::of_box(host_access)
                .await
                .map_err(Error::from)
        };
        self.served.get_or_try_init(ask).await
    }

    /// Our authority for short-lived certificates.
    pub(crate) async fn authority(&self) -> Result<Arc<ShortLivedAuthority>, Error> {
        self.authority
            .get_or_try_init(|| async { ShortLivedAuthority::new().map(Arc::new) })
            .await
            .cloned()
    }

    /// The path, inside the box, of a signing configuration with these services.
    pub(crate) async fn signing_config(
        &self,
        host_access: HostAccess<'_>,
        fulcio: bool,
        log: bool,
        timestamp: bool,
    ) -> Result<String, Error> {
        let mut args = vec!["signing-config".to_owned(), "create".into()];
        let service = |url: &str, api: u8| {
            format!("url={url},api-version={api},start-time={VALID_FROM},operator=gauntlet")
        };
        if fulcio {
            args.push(format!("--fulcio={}", service(HostAccess::FULCIO, 1)));
        }
        if log {
            args.extend([
                format!("--rekor={}", service(HostAccess::REKOR, 2)),
                "--rekor-config=ANY".into(),
            ]);
        }
        if timestamp {
            args.extend([
                format!("--tsa={}", service(HostAccess::TIMESTAMPS, 1)),
                "--tsa-config=ANY".into(),
            ]);
        }
        let name = format!("signing-{fulcio}-{log}-{timestamp}.json");
        make_file(&mut *self.files.lock().await, host_access, &name, args).await
    }

    /// The path, inside the box, of a trusted root; nothing where there is to be none.
    pub(crate) async fn trusted_root(
        &self,
        host_access: HostAccess<'_>,
        root: &TrustedRoot,
    ) -> Result<Option<String>, Error> {
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
        let trust = self.trusted_parties(host_access, root).await?;
        let made = trust
            .write_trusted_root(
                host_access,
                &Self::shared_folder(host_access)?,
                &format!("root-{name}"),
            )
            .await;
        let inside = host_access.path_inside(&made?);
        files.insert(file, inside.clone());
        Ok(Some(inside.display().to_string()))
    }

    /// The parties that a trusted root of this kind trusts; none where the box has no services.
    async fn trusted_parties(
        &self,
        host_access: HostAccess<'_>,
        root: &TrustedRoot,
    ) -> Result<TrustedParties, Error> {
        let mut trust = self.served_trust(host_access).await?.clone();
        if trust == TrustedParties::default() {
            return Ok(trust);
        }
        trust.authorities.push((
            "http://short-lived.box".into(),
            self.authority().await?.certificate(),
        ));
        match root {
            TrustedRoot::OtherAuthority => trust.fulcio = Some(authority::stranger_authority()?),
            TrustedRoot::OtherLog => trust.log = Some(authority::other_log_key()?),
            TrustedRoot::OtherTimestamps => trust.timestamps = Some(authority::other_timestamps()?),
            TrustedRoot::Box | TrustedRoot::Absent | TrustedRoot::File(_) => {}
        }
        Ok(trust)
    }

    /// The text of a trusted root; nothing where there is to be none.
    pub(crate) async fn trusted_root_text(
        &self,
        host_access: HostAccess<'_>,
        root: &TrustedRoot,
    ) -> Result<String, Error> {
        let Some(file) = self.trusted_root(host_access, root).await? else {
            return Ok(String::new());
        };
        let name = Path::new(&file).file_name().unwrap_or_default();
        read_file(&Self::shared_folder(host_access)?.join(name))
    }
}

/// A key pair that cosign makes, in this folder.
async fn generate_key(
    host_access: HostAccess<'_>,
    home: &Path,
    name: &str,
) -> Result<KeyPair, Error> {
    let prefix = host_access
        .path_inside(&home.join(name))
        .display()
        .to_string();
    let args = vec![
        "generate-key-pair".into(),
        "--output-key-prefix".into(),
        prefix,
    ];
    run_or_fail(
        host_access,
        &ToolCall {
            program: "cosign",
            args,
            home,
            variables: Vec::new(),
        },
    )
    .await?;
    let [private, public] =
        ["key", "pub"].map(|ending| read_file(&home.join(format!("{name}.{ending}"))));
    Ok(KeyPair {
        private: private?,
        public: public?,
    })
}

/// A file that cosign makes with these arguments and `--out`, once.
async fn make_file(
    files: &mut HashMap<String, PathBuf>,
    host_access: HostAccess<'_>,
    name: &str,
    mut args: Vec<String>,
) -> Result<String, Error> {
    if let Some(file) = files.get(name) {
        return Ok(file.display().to_string());
    }
    let home = SigningMaterial::shared_folder(host_access)?;
    let file = host_access.path_inside(&home.join(name));
    args.extend(["--out".to_owned(), file.display().to_string()]);
    run_or_fail(
        host_access,
        &ToolCall {
            program: "cosign",
            args,
            home: &home,
            variables: Vec::new(),
        },
    )
    .await?;
    files.insert(name.into(), file.clone());
    Ok(file.display().to_string())
}

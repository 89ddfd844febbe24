//! Signing and attesting with cosign.

use std::path::{Path, PathBuf};

use api::TokenRequest;
use cluster::HostAccess;
use model::{
    Action, Attest, ImageName, Predicate, Sign, SignatureFormat, Signer, Tool, TrustedRoot,
};
use time::{Duration, OffsetDateTime};

use super::once::Making;
use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::tools::{self, Call, token};
use crate::wait::{Look, Wait};
use crate::workshop::{Order, Statement};
use crate::world::World;

/// How long a certificate lasts that is to be over soon, in seconds: enough to sign with it, on a busy machine, too.
const SHORT: i64 = 15;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

const BREATH: std::time::Duration = std::time::Duration::from_millis(100);

/// The audience that Fulcio asks of a token.
const AUDIENCE: &str = "sigstore";

/// Which services take part in a signature.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Services {
    fulcio: bool,
    log: bool,
    timestamp: bool,
}

impl Services {
    const NONE: Self = Self {
        fulcio: false,
        log: false,
        timestamp: false,
    };

    fn of(with: &Signer, log: Option<bool>, timestamp: Option<bool>) -> Self {
        let fulcio = !matches!(with, Signer::Key(_) | Signer::ShortLived(_));
        Self {
            fulcio,
            log: log.unwrap_or(fulcio),
            timestamp: timestamp.unwrap_or(fulcio),
        }
    }
}

pub(in crate::actions) async fn sign(
    cx: &mut StepContext<'_, '_>,
    sign: &Sign,
) -> Result<Observation, Error> {
    let services = Services::of(&sign.with, sign.log, sign.timestamp);
    let mut args = vec!["sign".to_owned(), "-y".into()];
    args.extend(cx.world.signer(&sign.with, services, sign.format).await?);
    let reference = cx.world.by_digest(&sign.image)?;
    args.push(reference.clone());
    let order = cx
        .world
        .order(&sign.with, services, sign.format, &reference, None)
        .await?;
    let tried = cx
        .world
        .sign_once(cx.world.making(Tool::CosignSign, args, &sign.image, order))
        .await?;
    cx.world.note_end(&sign.with);
    Ok(tried)
}

pub(in crate::actions) async fn attest(
    cx: &mut StepContext<'_, '_>,
    attest: &Attest,
) -> Result<Observation, Error> {
    let services = Services::of(&attest.with, attest.log, attest.timestamp);
    let folder = cx.world.folder()?;
    let text = match &attest.predicate {
        Predicate::File(file) => {
            let text = cx.world.case.file_text(file)?;
            cx.world.learn(&text).await?;
            cx.fill(&text)
        }
        Predicate::Sbom(name) => tools::read(&folder.join(format!("{name}.sbom.json")))?,
    };
    let file = folder.join(format!("{}.predicate", cx.step.id));
    let predicate = artifact::digest(text.as_bytes());
    tools::write(&file, text)?;
    let mut args = vec![
        "attest".to_owned(),
        "-y".into(),
        "--type".into(),
        attest.kind.clone(),
    ];
    args.extend(["--predicate".to_owned(), cx.world.inside(&file)?]);
    args.extend(
        cx.world
            .signer(&attest.with, services, attest.format)
            .await?,
    );
    let reference = cx.world.by_digest(&attest.image)?;
    args.push(reference.clone());
    let statement = Some(Statement {
        kind: attest.kind.clone(),
        predicate,
    });
    let order = cx
        .world
        .order(&attest.with, services, attest.format, &reference, statement)
        .await?;
    let tried = cx
        .world
        .sign_once(
            cx.world
                .making(Tool::CosignAttest, args, &attest.image, order),
        )
        .await?;
    cx.world.note_end(&attest.with);
    Ok(tried)
}

impl World<'_> {
    /// What goes into a signature, where nothing but a key and the image does.
    async fn order(
        &mut self,
        with: &Signer,
        services: Services,
        format: SignatureFormat,
        reference: &str,
        statement: Option<Statement>,
    ) -> Result<Option<Order>, Error> {
        let name = match with {
            Signer::Key(name) if services == Services::NONE => name,
            Signer::Key(_)
            | Signer::Account(_)
            | Signer::ExpiredToken(_)
            | Signer::FutureToken(_)
            | Signer::ShortLived(_) => return Ok(None),
        };
        let (host_access, material) = (self.host_access()?, &self.lab.material);
        let root = match format {
            SignatureFormat::Bundle => Some(
                material
                    .trusted_root_text(host_access, &TrustedRoot::Box)
                    .await?,
            ),
            SignatureFormat::Legacy => None,
        };
        let order = Order {
            reference: self.unnamed(reference),
            key: material.key(host_access, name).await?,
            format,
            root: root.map(|text| artifact::digest(text.as_bytes())),
            statement,
            nth: 0,
        };
        Ok(self.number(order))
    }

    fn making(
        &self,
        tool: Tool,
        args: Vec<String>,
        image: &ImageName,
        order: Option<Order>,
    ) -> Making {
        let (repository, digest) = (
            self.placeholders.repository(image),
            self.placeholders.digest(image),
        );
        Making {
            tool,
            args,
            repository,
            digest,
            order,
        }
    }

    /// Records when a short-lived certificate expires.
    fn note_end(&mut self, with: &Signer) {
        if let Signer::ShortLived(_) = with {
            self.memory.certificate_end =
                Some(OffsetDateTime::now_utc() + Duration::seconds(SHORT + 1));
        }
    }

    /// Waits until the certificates are over that were made to be soon over: once, and not while more is being signed.
    pub(crate) async fn outlive(&mut self, action: &Action) -> Result<(), Error> {
        let makes = matches!(
            action,
            Action::Build(_)
                | Action::Push(_)
                | Action::Copy(_)
                | Action::Sign(_)
                | Action::Attest(_)
        );
        let Some(over) = self.memory.certificate_end.filter(|_| !makes) else {
            return Ok(());
        };
        let wait = Wait {
            what: "the certificate to expire",
            within: PATIENCE,
            every: BREATH,
        };
        let look = async || match OffsetDateTime::now_utc() {
            now if now > over => Look::Ready(()),
            now => Look::NotYet(format!("{} more seconds", (over - now).whole_seconds())),
        };
        self.waiter.until(wait, look).await?;
        self.memory.certificate_end = None;
        Ok(())
    }

    /// Who signs, and with which services, in cosign's flags.
    async fn signer(
        &mut self,
        with: &Signer,
        services: Services,
        format: SignatureFormat,
    ) -> Result<Vec<String>, Error> {
        let host_access = self.host_access()?;
        let material = &self.lab.material;
        let Services {
            fulcio,
            log,
            timestamp,
        } = services;
        let mut args = match with {
            Signer::Key(name) => vec![
                "--key".into(),
                material.key_file(host_access, name, true).await?,
            ],
            Signer::Account(account) => self.token_file(account, 0).await?,
            Signer::ExpiredToken(account) => self.token_file(account, -token::FAR).await?,
            Signer::FutureToken(account) => self.token_file(account, token::FAR).await?,
            Signer::ShortLived(subject) => self.short_lived(&self.fill(subject)).await?,
        };
        if format == SignatureFormat::Legacy {
            let flags = [
                "--new-bundle-format=false",
                "--use-signing-config=false",
                "--tlog-upload=false",
            ];
            args.extend(flags.map(str::to_owned));
            if fulcio {
                args.extend([
                    format!("--fulcio-url={}", HostAccess::FULCIO),
                    "--insecure-skip-verify".into(),
                ]);
            }
            args.extend(
                timestamp.then(|| format!("--timestamp-server-url={}", HostAccess::TIMESTAMPS)),
            );
            return Ok(args);
        }
        args.extend([
            "--signing-config".into(),
            material
                .signing_config(host_access, fulcio, log, timestamp)
                .await?,
        ]);
        if let Some(root) = material
            .trusted_root(host_access, &TrustedRoot::Box)
            .await?
        {
            args.extend(["--trusted-root".into(), root]);
        }
        Ok(args)
    }

    /// A file with a token of this ServiceAccount for Fulcio, dated so many seconds later than it was made.
    async fn token_file(&self, account: &str, later: i64) -> Result<Vec<String>, Error> {
        let (namespace, account) = (self.namespace().to_owned(), self.fill(account));
        let audiences = [AUDIENCE.to_owned()];
        let wanted = TokenRequest {
            audiences: &audiences,
            pod: None,
            uid: None,
        };
        let call = wanted.call(&namespace, &account);
        let reply = self.lab.own.send(call).await.reply;
        let mut token = api::token(&reply)
            .ok_or_else(|| {
                Error::refused(
                    format!("the ServiceAccount {account} gets no token"),
                    &reply,
                )
            })?
            .to_owned();
        if later != 0 {
            token = token::token(self.host_access()?, &self.folder()?, &token, later).await?;
        }
        let file = self.folder()?.join(format!("{account}.token"));
        tools::write(&file, token)?;
        Ok(vec!["--identity-token".into(), self.inside(&file)?])
    }

    /// A certificate that is soon over, with its key in cosign's own form.
    async fn short_lived(&self, subject: &str) -> Result<Vec<String>, Error> {
        let (host_access, folder) = (self.host_access()?, self.folder()?);
        let authority = self.lab.material.authority().await?;
        let leaf = authority.issue(subject, SHORT)?;
        let at = |name: &str| folder.join(format!("short-lived.{name}"));
        tools::write(&at("pem"), leaf.key)?;
        tools::write(&at("crt"), leaf.certificate)?;
        let prefix = self.inside(&folder.join("short-lived"))?;
        let args = ["import-key-pair", "-y", "--key"]
            .map(str::to_owned)
            .into_iter();
        let args = args
            .chain([
                self.inside(&at("pem"))?,
                "--output-key-prefix".into(),
                prefix,
            ])
            .collect();
        tools::must(
            host_access,
            &Call {
                program: "cosign",
                args,
                home: &folder,
            },
        )
        .await?;
        let flags = [("--key", "key"), ("--certificate", "crt")];
        let mut args = Vec::new();
        for (flag, name) in flags {
            args.extend([flag.to_owned(), self.inside(&at(name))?]);
        }
        Ok(args)
    }

    /// The world's own folder, on this side.
    pub(crate) fn folder(&self) -> Result<PathBuf, Error> {
        tools::folder(self.host_access()?, self.namespace())
    }

    pub(crate) fn inside(&self, path: &Path) -> Result<String, Error> {
        Ok(self.host_access()?.inside(path).display().to_string())
    }

    pub(crate) fn host_access(&self) -> Result<HostAccess<'_>, Error> {
        self.lab
            .cluster
            .host_access()
            .ok_or_else(|| Error::unsupported("this cluster is not a box, and tools run in a box"))
    }
}

//! Signing and attesting with cosign.

use std::path::{Path, PathBuf};

use api::TokenRequest;
use cluster::HostAccess;
use model::{
    Action, AttestImage, ImageName, ImageSigner, SignImage, SignatureFormat, StatementPredicate,
    ToolTask, TrustedRoot,
};
use time::{Duration, OffsetDateTime};

use super::once::SigningTask;
use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::tools::{self, ToolCall, token};
use crate::wait::{ConditionWait, WaitLook};
use crate::workshop::{SignedStatement, SigningOrder};
use crate::world::LiveWorld;

/// How long a certificate lasts that is to be over soon, in seconds: enough to sign with it, on a
/// busy machine, too.
const SHORT_LIVED_SECONDS: i64 = 15;

const EXPIRES_WITHIN: std::time::Duration = std::time::Duration::from_secs(30);

const POLL_INTERVAL: std::time::Duration = std::time::Duration::from_millis(100);

/// The audience that Fulcio asks of a token.
const SIGSTORE_AUDIENCE: &str = "sigstore";

/// Which services take part in a signature.
#[derive(Clone, Copy, PartialEq, Eq)]
struct SigningServices {
    fulcio: bool,
    log: bool,
    timestamp: bool,
}

impl SigningServices {
    const NO_SERVICES: Self = Self {
        fulcio: false,
        log: false,
        timestamp: false,
    };

    fn from_signer(with: &ImageSigner, log: Option<bool>, timestamp: Option<bool>) -> Self {
        let fulcio = !matches!(with, ImageSigner::Key(_) | ImageSigner::ShortLived(_));
        Self {
            fulcio,
            log: log.unwrap_or(fulcio),
            timestamp: timestamp.unwrap_or(fulcio),
        }
    }
}

pub(in crate::actions) async fn sign_image(
    cx: &mut StepContext<'_, '_>,
    sign: &SignImage,
) -> Result<Observation, Error> {
    let services = SigningServices::from_signer(&sign.with, sign.log, sign.timestamp);
    let mut args = vec!["sign".to_owned(), "-y".into()];
    args.extend(
        cx.world
            .signer_flags(&sign.with, services, sign.format)
            .await?,
    );
    let reference = cx.world.by_digest(&sign.image)?;
    args.push(reference.clone());
    let order = cx
        .world
        .signing_order(&sign.with, services, sign.format, &reference, None)
        .await?;
    let tried = cx
        .world
        .sign_once(
            cx.world
                .signing_task(ToolTask::CosignSign, args, &sign.image, order),
        )
        .await?;
    cx.world.note_end(&sign.with);
    Ok(tried)
}

pub(in crate::actions) async fn attest_image(
    cx: &mut StepContext<'_, '_>,
    attest: &AttestImage,
) -> Result<Observation, Error> {
    let services = SigningServices::from_signer(&attest.with, attest.log, attest.timestamp);
    let folder = cx.world.world_folder()?;
    let text = match &attest.predicate {
        StatementPredicate::File(file) => {
            let text = cx.world.case.file_text(file)?;
            cx.world.resolve_placeholders(&text).await?;
            cx.fill_text(&text)
        }
        StatementPredicate::Sbom(name) => {
            tools::read_file(&folder.join(format!("{name}.sbom.json")))?
        }
    };
    let file = folder.join(format!("{}.predicate", cx.step.id));
    let predicate = artifact::digest(text.as_bytes());
    tools::write_file(&file, text)?;
    let mut args = vec![
        "attest".to_owned(),
        "-y".into(),
        "--type".into(),
        attest.kind.clone(),
    ];
    args.extend(["--predicate".to_owned(), cx.world.folder_inside(&file)?]);
    args.extend(
        cx.world
            .signer_flags(&attest.with, services, attest.format)
            .await?,
    );
    let reference = cx.world.by_digest(&attest.image)?;
    args.push(reference.clone());
    let statement = Some(SignedStatement {
        kind: attest.kind.clone(),
        predicate,
    });
    let order = cx
        .world
        .signing_order(&attest.with, services, attest.format, &reference, statement)
        .await?;
    let tried = cx
        .world
        .sign_once(
            cx.world
                .signing_task(ToolTask::CosignAttest, args, &attest.image, order),
        )
        .await?;
    cx.world.note_end(&attest.with);
    Ok(tried)
}

impl LiveWorld<'_> {
    /// What goes into a signature, where nothing but a key and the image does.
    async fn signing_order(
        &mut self,
        with: &ImageSigner,
        services: SigningServices,
        format: SignatureFormat,
        reference: &str,
        statement: Option<SignedStatement>,
    ) -> Result<Option<SigningOrder>, Error> {
        let name = match with {
            ImageSigner::Key(name) if services == SigningServices::NO_SERVICES => name,
            ImageSigner::Key(_)
            | ImageSigner::Account(_)
            | ImageSigner::ExpiredToken(_)
            | ImageSigner::FutureToken(_)
            | ImageSigner::ShortLived(_) => return Ok(None),
        };
        let (host_access, material) = (self.host_access()?, &self.run.material);
        let root = match format {
            SignatureFormat::Bundle => Some(
                material
                    .trusted_root_text(host_access, &TrustedRoot::Box)
                    .await?,
            ),
            SignatureFormat::Legacy => None,
        };
        let order = SigningOrder {
            reference: self.unnamed_image(reference),
            key: material.key_pair(host_access, name).await?,
            format,
            root: root.map(|text| artifact::digest(text.as_bytes())),
            statement,
            nth: 0,
        };
        Ok(self.number_order(order))
    }

    fn signing_task(
        &self,
        tool: ToolTask,
        args: Vec<String>,
        image: &ImageName,
        order: Option<SigningOrder>,
    ) -> SigningTask {
        let (repository, digest) = (
            self.placeholders.repository(image),
            self.placeholders.digest(image),
        );
        SigningTask {
            tool,
            args,
            repository,
            digest,
            order,
        }
    }

    /// Records when a short-lived certificate expires.
    fn note_end(&mut self, with: &ImageSigner) {
        if let ImageSigner::ShortLived(_) = with {
            self.memory.certificate_end =
                Some(OffsetDateTime::now_utc() + Duration::seconds(SHORT_LIVED_SECONDS + 1));
        }
    }

    /// Waits until short-lived certificates have expired: once, and not while more is being signed.
    pub(crate) async fn wait_until_expired(&mut self, action: &Action) -> Result<(), Error> {
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
        let wait = ConditionWait {
            what: "the certificate to expire",
            within: EXPIRES_WITHIN,
            every: POLL_INTERVAL,
        };
        let look = async || match OffsetDateTime::now_utc() {
            now if now > over => WaitLook::Ready(()),
            now => WaitLook::NotYet(format!("{} more seconds", (over - now).whole_seconds())),
        };
        self.waiter.wait_until(wait, look).await?;
        self.memory.certificate_end = None;
        Ok(())
    }

    /// The signer and its services, in cosign's flags.
    async fn signer_flags(
        &mut self,
        with: &ImageSigner,
        services: SigningServices,
        format: SignatureFormat,
    ) -> Result<Vec<String>, Error> {
        let host_access = self.host_access()?;
        let material = &self.run.material;
        let SigningServices {
            fulcio,
            log,
            timestamp,
        } = services;
        let mut args = match with {
            ImageSigner::Key(name) => vec![
                "--key".into(),
                material.key_file(host_access, name, true).await?,
            ],
            ImageSigner::Account(account) => self.token_file(account, 0).await?,
            ImageSigner::ExpiredToken(account) => {
                self.token_file(account, -token::FAR_SECONDS).await?
            }
            ImageSigner::FutureToken(account) => {
                self.token_file(account, token::FAR_SECONDS).await?
            }
            ImageSigner::ShortLived(subject) => self.short_lived(&self.fill_text(subject)).await?,
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

    /// A file with a token of this ServiceAccount for Fulcio, dated this many seconds later than it
    /// was made.
    async fn token_file(&self, account: &str, later: i64) -> Result<Vec<String>, Error> {
        let (namespace, account) = (self.namespace().to_owned(), self.fill_text(account));
        let audiences = [SIGSTORE_AUDIENCE.to_owned()];
        let wanted = TokenRequest {
            audiences: &audiences,
            pod: None,
            uid: None,
        };
        let call = wanted.call(&namespace, &account);
        let reply = self.run.own.send_call(call).await.reply;
        let mut token = api::reply_token(&reply)
            .ok_or_else(|| {
                Error::refused_reply(
                    format!("the ServiceAccount {account} gets no token"),
                    &reply,
                )
            })?
            .to_owned();
        if later != 0 {
            token = token::shift_token(self.host_access()?, &self.world_folder()?, &token, later)
                .await?;
        }
        let file = self.world_folder()?.join(format!("{account}.token"));
        tools::write_file(&file, token)?;
        Ok(vec!["--identity-token".into(), self.folder_inside(&file)?])
    }

    /// A certificate that is soon over, with its key in cosign's own form.
    async fn short_lived(&self, subject: &str) -> Result<Vec<String>, Error> {
        let (host_access, folder) = (self.host_access()?, self.world_folder()?);
        let authority = self.run.material.authority().await?;
        let leaf = authority.issue_leaf(subject, SHORT_LIVED_SECONDS)?;
        let at = |name: &str| folder.join(format!("short-lived.{name}"));
        tools::write_file(&at("pem"), leaf.key)?;
        tools::write_file(&at("crt"), leaf.certificate)?;
        let prefix = self.folder_inside(&folder.join("short-lived"))?;
        let args = ["import-key-pair", "-y", "--key"]
            .map(str::to_owned)
            .into_iter();
        let args = args
            .chain([
                self.folder_inside(&at("pem"))?,
                "--output-key-prefix".into(),
                prefix,
            ])
            .collect();
        tools::run_or_fail(
            host_access,
            &ToolCall {
                program: "cosign",
                args,
                home: &folder,
            },
        )
        .await?;
        let flags = [("--key", "key"), ("--certificate", "crt")];
        let mut args = Vec::new();
        for (flag, name) in flags {
            args.extend([flag.to_owned(), self.folder_inside(&at(name))?]);
        }
        Ok(args)
    }

    /// The world's own folder, on this side.
    pub(crate) fn world_folder(&self) -> Result<PathBuf, Error> {
        tools::work_folder(self.host_access()?, self.namespace())
    }

    pub(crate) fn folder_inside(&self, path: &Path) -> Result<String, Error> {
        Ok(self.host_access()?.path_inside(path).display().to_string())
    }

    pub(crate) fn host_access(&self) -> Result<HostAccess<'_>, Error> {
        self.run
            .cluster
            .host_access()
            .ok_or_else(|| Error::unsupported("this cluster is not a box, and tools run in a box"))
    }
}

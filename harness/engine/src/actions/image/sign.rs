//! Signing and attesting with cosign.

use std::path::{Path, PathBuf};

use api::TokenRequest;
use cluster::HostAccess;
use model::{
    Answer, AttestImage, ImageName, ImageSigner, SignImage, SignatureFormat, StatementPredicate,
    ToolTask, TrustedRoot, Verdict,
};

use super::CosignCall;
use super::once::SigningTask;
use super::short_lived::SHORT_LIVED_SECONDS;
use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::tools::{self, token};
use crate::workshop::{SignedStatement, SigningOrder};
use crate::world::LiveWorld;

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
    let mut words = vec!["sign".to_owned(), "-y".into()];
    if sign.recursive {
        words.push("--recursive".into());
    }
    for (key, value) in &sign.annotations {
        words.extend(["-a".to_owned(), format!("{key}={}", cx.fill_text(value))]);
    }
    let wanted = WantedSignature {
        tool: ToolTask::CosignSign,
        words,
        image: &sign.image,
        with: &sign.with,
        services: SigningServices::from_signer(&sign.with, sign.log, sign.timestamp),
        format: sign.format,
        statement: None,
        stored_in: sign
            .stored_in
            .as_ref()
            .map(|place| cx.world.signature_place(place)),
        is_plain: !sign.recursive && sign.annotations.is_empty() && sign.stored_in.is_none(),
    };
    cx.world.make_signature(&wanted).await
}

pub(in crate::actions) async fn attest_image(
    cx: &mut StepContext<'_, '_>,
    attest: &AttestImage,
) -> Result<Observation, Error> {
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
    let file = cx.world.folder_inside(&file)?;
    let words = ["attest", "-y", "--type", &attest.kind, "--predicate", &file];
    let wanted = WantedSignature {
        tool: ToolTask::CosignAttest,
        words: words.map(str::to_owned).to_vec(),
        image: &attest.image,
        with: &attest.with,
        services: SigningServices::from_signer(&attest.with, attest.log, attest.timestamp),
        format: attest.format,
        statement: Some(SignedStatement {
            kind: attest.kind.clone(),
            predicate,
        }),
        stored_in: None,
        is_plain: true,
    };
    cx.world.make_signature(&wanted).await
}

/// A signature of an image, or of a statement on it.
struct WantedSignature<'a> {
    tool: ToolTask,
    /// The tool's command and its own flags.
    words: Vec<String>,
    image: &'a ImageName,
    with: &'a ImageSigner,
    services: SigningServices,
    format: SignatureFormat,
    statement: Option<SignedStatement>,
    /// The repository that it goes into, where it is not the image's.
    stored_in: Option<String>,
    /// Whether nothing but the image, the signer and the statement decides what comes of it, so that
    /// it can be made once for all worlds.
    is_plain: bool,
}

impl LiveWorld<'_> {
    /// Signs. Where the machine was too busy to do so while a short-lived certificate lasted, and
    /// that was refused, it signs once more, with one that lasts longer.
    async fn make_signature(&mut self, wanted: &WantedSignature<'_>) -> Result<Observation, Error> {
        let [usual, longer] = SHORT_LIVED_SECONDS;
        let tried = self.try_signature(wanted, usual).await?;
        if !self.has_expired(wanted.with) {
            return Ok(tried);
        }
        let tried = match tried.verdict == Verdict::from(Answer::Done) {
            true => tried,
            false => self.try_signature(wanted, longer).await?,
        };
        match self.has_expired(wanted.with) {
            // Nobody knows whether it was signed before that.
            true => Err(Error::cannot_make(
                "a short-lived certificate expired while it was signed with: this machine is too busy",
            )),
            false => Ok(tried),
        }
    }

    async fn try_signature(
        &mut self,
        wanted: &WantedSignature<'_>,
        seconds: i64,
    ) -> Result<Observation, Error> {
        let &WantedSignature {
            with,
            services,
            format,
            ..
        } = wanted;
        let mut args = wanted.words.clone();
        args.extend(self.service_flags(services, format).await?);
        args.extend(self.signer_flags(with, seconds).await?);
        let reference = self.by_digest(wanted.image)?;
        args.push(reference.clone());
        let statement = wanted.statement.clone();
        let order = match wanted.is_plain {
            true => {
                self.signing_order(with, services, format, &reference, statement)
                    .await?
            }
            false => None,
        };
        let call = CosignCall {
            tool: wanted.tool,
            args,
            stored_in: wanted.stored_in.clone(),
        };
        let task = self.signing_task(call, wanted.image, order);
        self.sign_once(task).await
    }

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
        call: CosignCall,
        image: &ImageName,
        order: Option<SigningOrder>,
    ) -> SigningTask {
        let (repository, digest) = (
            self.placeholders.repository(image),
            self.placeholders.digest(image),
        );
        SigningTask {
            call,
            repository,
            digest,
            order,
        }
    }

    /// The signer, in cosign's flags.
    async fn signer_flags(
        &mut self,
        with: &ImageSigner,
        seconds: i64,
    ) -> Result<Vec<String>, Error> {
        match with {
            ImageSigner::Key(name) => {
                let (host_access, material) = (self.host_access()?, &self.run.material);
                let file = material.key_file(host_access, name, true).await?;
                Ok(vec!["--key".into(), file])
            }
            ImageSigner::Account(account) => self.token_file(account, 0).await,
            ImageSigner::ExpiredToken(account) => {
                self.token_file(account, -token::FAR_SECONDS).await
            }
            ImageSigner::FutureToken(account) => self.token_file(account, token::FAR_SECONDS).await,
            ImageSigner::ShortLived(subject) => {
                let subject = self.fill_text(subject);
                self.issue_short_lived(&subject, seconds).await
            }
        }
    }

    /// The services that take part, in cosign's flags.
    async fn service_flags(
        &self,
        services: SigningServices,
        format: SignatureFormat,
    ) -> Result<Vec<String>, Error> {
        let (host_access, material) = (self.host_access()?, &self.run.material);
        let SigningServices {
            fulcio,
            log,
            timestamp,
        } = services;
        if format == SignatureFormat::Legacy {
            let flags = [
                "--new-bundle-format=false",
                "--use-signing-config=false",
                "--tlog-upload=false",
            ];
            let mut args = flags.map(str::to_owned).to_vec();
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
        let config = material
            .signing_config(host_access, fulcio, log, timestamp)
            .await?;
        let mut args = vec!["--signing-config".into(), config];
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

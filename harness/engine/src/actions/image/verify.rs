//! Verifying with cosign.

use model::{ImageVerifier, ToolTask, TrustedRoot, VerifyImage, VerifyTrust};

use super::CosignCall;
use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::tools;
use crate::world::LiveWorld;

pub(in crate::actions) async fn verify_image(
    cx: &mut StepContext<'_, '_>,
    verify: &VerifyImage,
) -> Result<Observation, Error> {
    if verify.with == ImageVerifier::Own {
        return cx.world.verify_ourselves(verify).await;
    }
    let keyless = matches!(verify.by, VerifyTrust::Identity { .. });
    let (tool, verb) = match &verify.kind {
        Some(_) => (ToolTask::CosignVerifyAttestation, "verify-attestation"),
        None => (ToolTask::CosignVerify, "verify"),
    };
    let mut args = vec![verb.to_owned()];
    if let Some(kind) = &verify.kind {
        args.extend(["--type".to_owned(), kind.clone()]);
    }
    args.extend(cx.world.trust_flags(&verify.by).await?);
    for (key, value) in &verify.annotations {
        args.extend(["-a".to_owned(), format!("{key}={}", cx.fill_text(value))]);
    }
    if !verify.log.unwrap_or(keyless) {
        args.push("--insecure-ignore-tlog=true".into());
    }
    if keyless {
        args.push("--insecure-ignore-sct=true".into());
    }
    if verify.timestamp.unwrap_or(keyless) {
        args.push("--use-signed-timestamps=true".into());
    }
    if let Some(root) = cx.world.root_path(&verify.root).await? {
        args.extend(["--trusted-root".to_owned(), root]);
    }
    args.push(match verify.through {
        Some(fault) => cx.fill_text(&format!("$(front:{}:{})", fault.word(), verify.image)),
        None => cx.world.placeholders.reference(&verify.image),
    });
    if let Some(file) = &verify.policy {
        args.extend(["--policy".to_owned(), cx.world.policy_path(file)?]);
    }
    let stored_in = verify.stored_in.as_ref();
    let stored_in = stored_in.map(|place| cx.world.signature_place(place));
    cx.world
        .run_cosign(CosignCall {
            tool,
            args,
            stored_in,
        })
        .await
}

impl LiveWorld<'_> {
    /// Whose signature is wanted, in cosign's flags.
    async fn trust_flags(&self, trust: &VerifyTrust) -> Result<Vec<String>, Error> {
        let VerifyTrust::Identity {
            subject,
            subject_like,
            issuer,
            issuer_like,
        } = trust
        else {
            let VerifyTrust::Key(name) = trust else {
                return Ok(Vec::new());
            };
            let file = self
                .run
                .material
                .key_file(self.host_access()?, name, false)
                .await?;
            return Ok(vec!["--key".into(), file]);
        };
        let flags = [
            ("--certificate-identity", subject),
            ("--certificate-identity-regexp", subject_like),
            ("--certificate-oidc-issuer", issuer),
            ("--certificate-oidc-issuer-regexp", issuer_like),
        ];
        let given = flags
            .into_iter()
            .filter_map(|(flag, text)| Some((flag, text.as_ref()?)));
        Ok(given
            .flat_map(|(flag, text)| [flag.to_owned(), self.fill_text(text)])
            .collect())
    }

    /// The path, inside the box, of what statements have to satisfy: cosign tells by its ending in which
    /// language it is.
    fn policy_path(&self, file: &str) -> Result<String, Error> {
        let text = self.fill_text(&self.case.file_text(file)?);
        let ending = if file.ends_with(".cue") {
            "cue"
        } else {
            "rego"
        };
        let path = self.world_folder()?.join(format!("policy.{ending}"));
        tools::write_file(&path, &text)?;
        self.folder_inside(&path)
    }

    /// The path, inside the box, of what a signature is checked against.
    async fn root_path(&self, root: &TrustedRoot) -> Result<Option<String>, Error> {
        let TrustedRoot::File(file) = root else {
            return self
                .run
                .material
                .trusted_root(self.host_access()?, root)
                .await;
        };
        let text = self.case.file_text(file)?;
        let path = self.world_folder()?.join("trusted-root.json");
        tools::write_file(&path, text)?;
        self.folder_inside(&path).map(Some)
    }
}

//! cosign, as it was built for boxes, without a network.

use std::path::PathBuf;
use std::process::Command;

use components::BoxCache;

use crate::maker::{ARTIFACT, ISSUER, MadeBundle, SUBJECT, SignerForm};

pub(crate) struct Cosign {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Cosign {
    /// The one of the cache.
    pub(crate) fn find() -> Self {
        let cache = BoxCache::from_env().unwrap();
        let component = components::only_version("cosign").unwrap();
        assert!(
            cache.is_built(component),
            "cosign is not built: try `cargo run --release -- run --setup`"
        );
        let program = cache.binary_path(component, "cosign");
        let folder = tempfile::tempdir().unwrap();
        Self { program, folder }
    }

    /// Whether it verifies the bundle; what it says otherwise.
    pub(crate) fn judge(&self, made: &MadeBundle) -> Result<(), String> {
        let write = |name: &str, bytes: &[u8]| {
            let path = self.folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let statement = made.form.entry.signs_statement();
        let mut command = Command::new(&self.program);
        command.arg(if statement {
            "verify-blob-attestation"
        } else {
            "verify-blob"
        });
        if statement {
            command.args(["--type", artifact::verify::SIGNATURE_STATEMENT]);
        }
        match made.form.signer {
            SignerForm::Key => command
                .arg("--key")
                .arg(write("key.pub", made.key.as_bytes())),
            SignerForm::Certificate | SignerForm::Chain => command.args([
                "--certificate-identity",
                SUBJECT,
                "--certificate-oidc-issuer",
                ISSUER,
                "--insecure-ignore-sct",
            ]),
        };
        let bundle = made.bundle.to_string();
        let root = made.root.to_string();
        let output = command
            .env_clear()
            .env("HOME", self.folder.path())
            .arg("--bundle")
            .arg(write("bundle.json", bundle.as_bytes()))
            .arg("--trusted-root")
            .arg(write("root.json", root.as_bytes()))
            .arg(write("artifact", ARTIFACT))
            .output()
            .unwrap();
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

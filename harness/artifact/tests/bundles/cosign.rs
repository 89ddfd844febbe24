//! cosign, as it was built for boxes, without a network.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::maker::{ARTIFACT, ISSUER, MadeBundle, SUBJECT, SignerForm};

pub(crate) struct Cosign {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Cosign {
    /// The one of the cache.
    pub(crate) fn find() -> Self {
        let cache = std::env::var_os("GAUNTLET_CACHE").map_or_else(
            || Path::new(&std::env::var_os("HOME").unwrap()).join(".cache/gauntlet"),
            PathBuf::from,
        );
        let components = cache.join("components");
        let folders = std::fs::read_dir(&components).into_iter().flatten();
        let program = folders
            .filter_map(|entry| Some(entry.ok()?.path().join("bin/cosign")))
            .find(|program| program.is_file());
        let program = program.unwrap_or_else(|| {
            panic!(
                "cosign is not built in {}: try `cargo run --release -- run --setup`",
                components.display()
            )
        });
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
            command.args(["--type", artifact::verify::SIGNATURE]);
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

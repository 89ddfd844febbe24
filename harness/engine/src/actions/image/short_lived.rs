//! Certificates that expire soon after something was signed with them.

use model::{Action, ImageSigner};
use time::{Duration, OffsetDateTime};

use crate::Error;
use crate::tools::{self, LeafKey, ToolCall};
use crate::wait::{ConditionWait, WaitLook};
use crate::world::LiveWorld;

/// How long a certificate lasts that is to expire soon, in seconds. The second is for a machine that
/// was too busy to sign within the first.
pub(super) const SHORT_LIVED_SECONDS: [i64; 2] = [15, 60];

const EXPIRES_WITHIN: std::time::Duration = std::time::Duration::from_secs(90);

/// How long after its end a certificate has surely expired: it says whole seconds.
const EXPIRY_MARGIN: Duration = Duration::seconds(1);

const POLL_INTERVAL: std::time::Duration = std::time::Duration::from_millis(100);

impl LiveWorld<'_> {
    /// A certificate that expires after this many seconds, with its key in cosign's own form.
    pub(super) async fn issue_short_lived(
        &mut self,
        subject: &str,
        seconds: i64,
    ) -> Result<Vec<String>, Error> {
        let folder = self.world_folder()?;
        let run = self.run;
        let authority = run.material.authority().await?;
        let key = LeafKey::generate()?;
        let at = |name: &str| folder.join(format!("short-lived.{name}"));
        tools::write_file(&at("pem"), key.pem())?;
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
            self.host_access()?,
            &ToolCall {
                program: "cosign",
                args,
                home: &folder,
                variables: Vec::new(),
            },
        )
        .await?;
        // Its time begins to run only now.
        let leaf = authority.issue_leaf(&key, subject, seconds)?;
        tools::write_file(&at("crt"), leaf.certificate)?;
        let memory = &mut self.memory;
        memory.certificate_end = Some(leaf.not_after);
        memory.all_expired = memory.all_expired.max(Some(leaf.not_after + EXPIRY_MARGIN));
        let flags = [("--key", "key"), ("--certificate", "crt")];
        let mut args = Vec::new();
        for (flag, name) in flags {
            args.extend([flag.to_owned(), self.folder_inside(&at(name))?]);
        }
        Ok(args)
    }

    /// Whether the certificate that was made for this signer has expired.
    pub(super) fn has_expired(&self, with: &ImageSigner) -> bool {
        let end = self.memory.certificate_end;
        matches!(with, ImageSigner::ShortLived(_))
            && end.is_some_and(|end| OffsetDateTime::now_utc() >= end)
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
        let Some(over) = self.memory.all_expired.filter(|_| !makes) else {
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
        self.memory.all_expired = None;
        Ok(())
    }
}

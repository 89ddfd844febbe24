//! What the plugin answers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tonic::Status;

use crate::calls::Record;
use crate::keys::{Keys, Unopened};
use crate::wire::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, StatusRequest, StatusResponse,
};
use crate::{Error, Operation, Settings};

/// The version of the protocol.
const VERSION: &str = "v2";

/// One plugin, with its folder.
pub(crate) struct Plugin {
    folder: PathBuf,
    keys: Keys,
}

impl Plugin {
    pub(crate) fn new(folder: &Path) -> Result<Self, Error> {
        Ok(Self {
            folder: folder.to_owned(),
            keys: Keys::of(folder)?,
        })
    }

    pub(crate) async fn status(
        self: Arc<Self>,
        _: StatusRequest,
    ) -> Result<StatusResponse, Status> {
        let (settings, mut record) = self.begin(Operation::Status, None).await?;
        record.call.ok = true;
        let healthz = if settings.unhealthy {
            "unhealthy, as it was told to be"
        } else {
            "ok"
        };
        Ok(StatusResponse {
            version: VERSION.into(),
            healthz: healthz.into(),
            key_id: settings.key,
        })
    }

    pub(crate) async fn encrypt(
        self: Arc<Self>,
        request: EncryptRequest,
    ) -> Result<EncryptResponse, Status> {
        let (settings, mut record) = self.begin(Operation::Encrypt, None).await?;
        let key = settings.key;
        let sealed = self.keys.seal(&key, &request.plaintext);
        let ciphertext = sealed.ok_or_else(|| Status::internal("nothing could be sealed"))?;
        record.call.ok = true;
        Ok(EncryptResponse {
            ciphertext,
            key_id: key,
            annotations: Default::default(),
        })
    }

    pub(crate) async fn decrypt(
        self: Arc<Self>,
        request: DecryptRequest,
    ) -> Result<DecryptResponse, Status> {
        let key = request.key_id;
        let (_, mut record) = self.begin(Operation::Decrypt, Some(&key)).await?;
        let plaintext = self
            .keys
            .open(&key, &request.ciphertext)
            .map_err(|why| match why {
                Unopened::Short => {
                    Status::invalid_argument("the ciphertext is too short to be one")
                }
                Unopened::Other => {
                    Status::invalid_argument(format!("the ciphertext is none of the key `{key}`"))
                }
            })?;
        record.call.ok = true;
        Ok(DecryptResponse { plaintext })
    }

    /// Heeds the settings: every call comes through here. `key` is the one that the call names; otherwise it is about
    /// the current one.
    async fn begin(
        &self,
        call: Operation,
        key: Option<&str>,
    ) -> Result<(Settings, Record<'_>), Status> {
        let mut record = Record::begin(&self.folder, call, key.unwrap_or_default());
        let settings = Settings::read(&self.folder)
            .map_err(|error| Status::failed_precondition(chain(&error)))?;
        let key = key.unwrap_or(&settings.key);
        key.clone_into(&mut record.call.key);
        dawdle(Duration::from_millis(settings.delay)).await;
        if settings.fails.contains(&call) {
            return Err(Status::unavailable("the plugin fails, as it was told to"));
        }
        if call != Operation::Status && settings.lost.contains(key) {
            return Err(Status::not_found(format!("the key `{key}` is lost")));
        }
        Ok((settings, record))
    }
}

/// The error and its sources, as one line for people.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

#[expect(
    clippy::disallowed_methods,
    reason = "an answer that comes late is what the settings ask for"
)]
async fn dawdle(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

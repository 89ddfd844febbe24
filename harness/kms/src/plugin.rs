//! What the plugin answers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use error_chain::error_chain;
use tonic::Status;

use crate::calls::OpenCall;
use crate::keys::{MasterKeys, NotOpened};
use crate::wire::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, StatusRequest, StatusResponse,
};
use crate::{Error, KmsOperation, PluginSettings};

/// The version of the protocol.
const API_VERSION: &str = "v2";

/// One plugin, with its folder.
pub(crate) struct KmsPlugin {
    folder: PathBuf,
    keys: MasterKeys,
}

impl KmsPlugin {
    pub(crate) fn new(folder: &Path) -> Result<Self, Error> {
        Ok(Self {
            folder: folder.to_owned(),
            keys: MasterKeys::load_or_make(folder)?,
        })
    }

    pub(crate) async fn status(
        self: Arc<Self>,
        _: StatusRequest,
    ) -> Result<StatusResponse, Status> {
        let (settings, mut record) = self.begin_call(KmsOperation::Status, None).await?;
        record.call.ok = true;
        let healthz = if settings.unhealthy {
            "unhealthy, as it was told to be"
        } else {
            "ok"
        };
        Ok(StatusResponse {
            version: API_VERSION.into(),
            healthz: healthz.into(),
            key_id: settings.key,
        })
    }

    pub(crate) async fn encrypt(
        self: Arc<Self>,
        request: EncryptRequest,
    ) -> Result<EncryptResponse, Status> {
        let (settings, mut record) = self.begin_call(KmsOperation::Encrypt, None).await?;
        let key = settings.key;
        let sealed = self.keys.seal_bytes(&key, &request.plaintext);
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
        let (_, mut record) = self.begin_call(KmsOperation::Decrypt, Some(&key)).await?;
        let plaintext =
            self.keys
                .open_bytes(&key, &request.ciphertext)
                .map_err(|why| match why {
                    NotOpened::Short => {
                        Status::invalid_argument("the ciphertext is too short to be one")
                    }
                    NotOpened::Other => Status::invalid_argument(format!(
                        "the ciphertext is not sealed with the key `{key}`"
                    )),
                })?;
        record.call.ok = true;
        Ok(DecryptResponse { plaintext })
    }

    /// Heeds the settings: every call comes through here. `key` is the one that the call names;
    /// otherwise it is about the current one.
    async fn begin_call(
        &self,
        call: KmsOperation,
        key: Option<&str>,
    ) -> Result<(PluginSettings, OpenCall<'_>), Status> {
        let mut record = OpenCall::begin_call(&self.folder, call, key.unwrap_or_default());
        let settings = PluginSettings::read(&self.folder)
            .map_err(|error| Status::failed_precondition(error_chain(&error)))?;
        let key = key.unwrap_or(&settings.key);
        key.clone_into(&mut record.call.key);
        delay_call(Duration::from_millis(settings.delay)).await;
        if settings.fails.contains(&call) {
            return Err(Status::unavailable("the plugin fails, as it was told to"));
        }
        if call != KmsOperation::Status && settings.lost.contains(key) {
            return Err(Status::not_found(format!("the key `{key}` is lost")));
        }
        Ok((settings, record))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an answer that comes late is what the settings ask for"
)]
async fn delay_call(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

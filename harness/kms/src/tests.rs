mod faults;

use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use proptest::prelude::*;
use prost::Message;
use tempfile::TempDir;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::*;
use crate::wire::*;

/// A plugin that serves until the test ends, in a background thread.
struct Served {
    folder: TempDir,
    client: Grpc<Channel>,
}

impl Served {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::in_folder(folder).await
    }

    async fn in_folder(folder: TempDir) -> Self {
        let path = folder.path().to_owned();
        let socket = path.join("kms.sock");
        let at = socket.clone();
        std::thread::spawn(move || serve_plugin(&at, &path));
        Self {
            client: Grpc::new(connect(&socket).await),
            folder,
        }
    }

    fn set(&self, settings: PluginSettings) {
        settings.write(self.folder.path()).unwrap();
    }

    async fn ask<Q, A>(
        &mut self,
        path: &'static str,
        message: Q,
        within: Duration,
    ) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.client.ready().await.unwrap();
        let mut request = Request::new(message);
        request.set_timeout(within);
        let codec = ProstCodec::<Q, A>::default();
        let answer = self
            .client
            .unary(request, PathAndQuery::from_static(path), codec)
            .await;
        answer.map(tonic::Response::into_inner)
    }

    async fn status(&mut self) -> Result<StatusResponse, Status> {
        self.ask(STATUS_PATH, StatusRequest {}, ANSWERED_WITHIN)
            .await
    }

    async fn encrypt(&mut self, plain: &[u8]) -> Result<EncryptResponse, Status> {
        self.ask(
            ENCRYPT_PATH,
            EncryptRequest {
                plaintext: plain.into(),
                uid: "u".into(),
            },
            ANSWERED_WITHIN,
        )
        .await
    }

    async fn decrypt(&mut self, key: &str, sealed: &[u8]) -> Result<Vec<u8>, Status> {
        let message = DecryptRequest {
            ciphertext: sealed.into(),
            uid: "u".into(),
            key_id: key.into(),
            annotations: Default::default(),
        };
        self.ask(DECRYPT_PATH, message, ANSWERED_WITHIN)
            .await
            .map(|answer: DecryptResponse| answer.plaintext)
    }

    fn calls(&self) -> Vec<(KmsOperation, String, bool)> {
        let calls = read_calls(self.folder.path()).unwrap();
        calls
            .into_iter()
            .map(|KmsCallRecord { call, key, ok }| (call, key, ok))
            .collect()
    }
}

const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// Connects once the socket takes connections.
async fn connect(socket: &std::path::Path) -> Channel {
    let endpoint = Endpoint::from_shared(format!("unix:{}", socket.display())).unwrap();
    let begin = Instant::now();
    loop {
        match endpoint.connect().await {
            Ok(channel) => return channel,
            Err(why) => assert!(begin.elapsed() < ANSWERED_WITHIN, "{why}"),
        }
        tokio::task::yield_now().await;
    }
}

fn settings(change: impl FnOnce(&mut PluginSettings)) -> PluginSettings {
    let mut settings = PluginSettings::default();
    change(&mut settings);
    settings
}

#[tokio::test]
async fn what_is_sealed_is_opened_and_every_call_is_recorded() {
    let mut served = Served::new().await;
    assert_eq!(read_calls(served.folder.path()).unwrap(), []);
    let status = served.status().await.unwrap();
    assert_eq!(
        (
            status.version.as_str(),
            status.healthz.as_str(),
            status.key_id.as_str()
        ),
        ("v2", "ok", "k1")
    );
    let (one, two) = (
        served.encrypt(b"seed").await.unwrap(),
        served.encrypt(b"seed").await.unwrap(),
    );
    assert_eq!(one.key_id, "k1");
    assert_ne!(one.ciphertext, two.ciphertext);
    assert_eq!(
        served.decrypt("k1", &one.ciphertext).await.unwrap(),
        b"seed"
    );
    let k1 = |call| (call, "k1".to_owned(), true);
    let wanted = [
        KmsOperation::Status,
        KmsOperation::Encrypt,
        KmsOperation::Encrypt,
        KmsOperation::Decrypt,
    ]
    .map(k1);
    assert_eq!(served.calls(), wanted);
}

#[tokio::test]
async fn a_new_key_opens_what_it_sealed_and_the_old_one_still_opens_the_rest() {
    let mut served = Served::new().await;
    let old = served.encrypt(b"a").await.unwrap();
    served.set(settings(|settings| settings.key = "k2".into()));
    assert_eq!(served.status().await.unwrap().key_id, "k2");
    let new = served.encrypt(b"b").await.unwrap();
    assert_eq!(new.key_id, "k2");
    assert_eq!(served.decrypt("k1", &old.ciphertext).await.unwrap(), b"a");
    assert_eq!(served.decrypt("k2", &new.ciphertext).await.unwrap(), b"b");
    let mixed = served.decrypt("k2", &old.ciphertext).await.unwrap_err();
    assert_eq!(mixed.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_lost_key_opens_and_seals_nothing() {
    let mut served = Served::new().await;
    let old = served.encrypt(b"a").await.unwrap();
    served.set(settings(|settings| {
        settings.lost = ["k1".to_owned()].into()
    }));
    let lost = served.decrypt("k1", &old.ciphertext).await.unwrap_err();
    assert_eq!(
        (lost.code(), lost.message()),
        (Code::NotFound, "the key `k1` is lost")
    );
    assert_eq!(
        served.encrypt(b"b").await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(served.status().await.unwrap().healthz, "ok");
    served.set(PluginSettings::default());
    assert_eq!(served.decrypt("k1", &old.ciphertext).await.unwrap(), b"a");
}

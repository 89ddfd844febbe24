//! A plugin that fails, is late, or is asked nonsense.

use super::*;

#[tokio::test]
async fn each_call_fails_by_itself() {
    let mut served = Served::new().await;
    let sealed = served.encrypt(b"a").await.unwrap().ciphertext;
    for broken in [
        KmsOperation::Status,
        KmsOperation::Encrypt,
        KmsOperation::Decrypt,
    ] {
        served.set(settings(|settings| settings.fails = [broken].into()));
        let codes = [
            served
                .status()
                .await
                .map_or_else(|status| status.code(), |_| Code::Ok),
            served
                .encrypt(b"b")
                .await
                .map_or_else(|status| status.code(), |_| Code::Ok),
            served
                .decrypt("k1", &sealed)
                .await
                .map_or_else(|status| status.code(), |_| Code::Ok),
        ];
        let wanted = [
            KmsOperation::Status,
            KmsOperation::Encrypt,
            KmsOperation::Decrypt,
        ]
        .map(|call| {
            if call == broken {
                Code::Unavailable
            } else {
                Code::Ok
            }
        });
        assert_eq!(codes, wanted, "{broken:?}");
        assert!(served.calls().contains(&(broken, "k1".into(), false)));
    }
}

#[tokio::test]
async fn an_unhealthy_plugin_says_so() {
    let mut served = Served::new().await;
    served.set(settings(|settings| settings.unhealthy = true));
    assert_eq!(
        served.status().await.unwrap().healthz,
        "unhealthy, as it was told to be"
    );
    served.encrypt(b"a").await.unwrap();
}

#[tokio::test]
async fn an_answer_is_late_and_a_caller_that_does_not_wait_gets_none() {
    let mut served = Served::new().await;
    served.set(settings(|settings| settings.delay = 300));
    let begin = Instant::now();
    served.status().await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(300));
    served.set(settings(|settings| settings.delay = 60_000));
    let begin = Instant::now();
    let late = served
        .ask::<_, StatusResponse>(STATUS_PATH, StatusRequest {}, Duration::from_millis(200))
        .await;
    let code = late.unwrap_err().code();
    assert!(
        matches!(code, Code::DeadlineExceeded | Code::Cancelled),
        "{code}"
    );
    assert!(begin.elapsed() < ANSWERED_WITHIN);
    served.set(PluginSettings::default());
    served.status().await.unwrap();
    let mut oks: Vec<bool> = served.calls().into_iter().map(|(.., ok)| ok).collect();
    oks.sort_unstable();
    assert_eq!(
        oks,
        [false, true, true],
        "what was given up is recorded too"
    );
}

#[tokio::test]
async fn what_was_cut_or_changed_is_refused() {
    let mut served = Served::new().await;
    let sealed = served.encrypt(b"seed").await.unwrap().ciphertext;
    for length in 0..sealed.len() {
        let refused = served.decrypt("k1", &sealed[..length]).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{length}");
    }
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(
            served.decrypt("k1", &changed).await.unwrap_err().code(),
            Code::InvalidArgument,
            "{at}"
        );
    }
}

#[tokio::test]
async fn settings_that_are_none_are_told_by_every_call() {
    let mut served = Served::new().await;
    let sealed = served.encrypt(b"a").await.unwrap().ciphertext;
    for text in [
        "",
        "{",
        "[]",
        "7",
        r#"{"kee": "k2"}"#,
        r#"{"fails": ["encode"]}"#,
        r#"{"delay": -1}"#,
    ] {
        std::fs::write(served.folder.path().join("settings.json"), text).unwrap();
        let refusals = [
            served.status().await.unwrap_err(),
            served.encrypt(b"b").await.unwrap_err(),
            served.decrypt("k1", &sealed).await.unwrap_err(),
        ];
        for refusal in refusals {
            assert_eq!(refusal.code(), Code::FailedPrecondition);
            assert!(
                refusal
                    .message()
                    .contains("settings.json` is not well formed: "),
                "{refusal}"
            );
        }
    }
    served.set(PluginSettings::default());
    served.status().await.unwrap();
}

#[tokio::test]
async fn another_method_is_not_there_and_garbage_for_a_message_is_refused() {
    let mut served = Served::new().await;
    let other = served
        .ask::<_, StatusResponse>(
            "/v2.KeyManagementService/Sign",
            StatusRequest {},
            ANSWERED_WITHIN,
        )
        .await;
    assert_eq!(other.unwrap_err().code(), Code::Unimplemented);
    // Its second field is a string, which this is not.
    let garbage = DecryptResponse {
        plaintext: vec![0xff; 4],
    };
    let status = served
        .ask::<_, EncryptResponse>(
            ENCRYPT_PATH,
            Wrong {
                uid: garbage.plaintext,
            },
            ANSWERED_WITHIN,
        )
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    served.status().await.unwrap();
}

/// The second field as bytes.
#[derive(Clone, PartialEq, Message)]
struct Wrong {
    #[prost(bytes = "vec", tag = "2")]
    uid: Vec<u8>,
}

#[tokio::test]
async fn a_plugin_that_comes_back_has_its_keys_and_takes_its_socket_again() {
    let mut first = Served::new().await;
    let sealed = first.encrypt(b"a").await.unwrap().ciphertext;
    let master = first.folder.path().join("master");
    let kept = std::fs::read(&master).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&master.metadata().unwrap().permissions());
    assert_eq!((kept.len(), mode & 0o777), (32, 0o600));
    let mut second = Served::in_folder(first.folder).await;
    assert_eq!(second.decrypt("k1", &sealed).await.unwrap(), b"a");
    assert_eq!(std::fs::read(&master).unwrap(), kept);
}

#[test]
fn a_folder_that_cannot_be_used_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("kms.sock");
    let missing = folder.path().join("missing");
    assert!(matches!(
        serve_plugin(&socket, &missing),
        Err(Error::File { .. })
    ));
    std::fs::write(folder.path().join("master"), "short").unwrap();
    let error = serve_plugin(&socket, folder.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("master` does not hold 32 bytes"),
        "{error}"
    );
    let whole = tempfile::tempdir().unwrap();
    assert!(matches!(
        serve_plugin(&missing.join("kms.sock"), whole.path()),
        Err(Error::File { .. })
    ));
}

#[test]
fn a_line_that_is_still_being_written_is_no_call_yet_and_a_wrong_one_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let record = |text: &str| std::fs::write(folder.path().join("calls.jsonl"), text).unwrap();
    record("{\"call\":\"encrypt\",\"key\":\"k1\",\"ok\":true}\n{\"call\":\"dec");
    let call = KmsCallRecord {
        call: KmsOperation::Encrypt,
        key: "k1".into(),
        ok: true,
    };
    assert_eq!(read_calls(folder.path()).unwrap(), [call]);
    record("{\"call\":\"encrypt\"}\n");
    assert!(matches!(
        read_calls(folder.path()),
        Err(Error::Malformed { .. })
    ));
}

/// The bytes of the published definition, written by hand.
#[test]
fn messages_have_the_published_fields() {
    let asked = DecryptRequest::decode(
        &b"\x0a\x02\x01\x02\x12\x01u\x1a\x02k1\x22\x06\x0a\x01a\x12\x01b"[..],
    )
    .unwrap();
    assert_eq!(
        (asked.ciphertext, asked.uid.as_str(), asked.key_id.as_str()),
        (vec![1, 2], "u", "k1")
    );
    assert_eq!(asked.annotations, [("a".to_owned(), b"b".to_vec())].into());
    let asked = EncryptRequest::decode(&b"\x0a\x01p\x12\x01u"[..]).unwrap();
    assert_eq!(
        (asked.plaintext.as_slice(), asked.uid.as_str()),
        (&b"p"[..], "u")
    );
    let status = StatusResponse {
        version: "v2".into(),
        healthz: "ok".into(),
        key_id: "k1".into(),
    };
    assert_eq!(status.encode_to_vec(), b"\x0a\x02v2\x12\x02ok\x1a\x02k1");
    let sealed = EncryptResponse {
        ciphertext: vec![1],
        key_id: "k".into(),
        annotations: Default::default(),
    };
    assert_eq!(sealed.encode_to_vec(), b"\x0a\x01\x01\x12\x01k");
    assert_eq!(
        DecryptResponse { plaintext: vec![9] }.encode_to_vec(),
        b"\x0a\x01\x09"
    );
}

proptest! {
    #[test]
    fn no_garbage_is_opened_and_none_breaks_anything(
        garbage in proptest::collection::vec(any::<u8>(), 0..200),
        id in ".{0,40}",
    ) {
        let folder = tempfile::tempdir().unwrap();
        let keys = crate::keys::MasterKeys::load_or_make(folder.path()).unwrap();
        prop_assert!(keys.open_bytes(&id, &garbage).is_err());
        let sealed = keys.seal_bytes(&id, &garbage).unwrap();
        prop_assert_eq!(keys.open_bytes(&id, &sealed).unwrap(), garbage);
    }
}

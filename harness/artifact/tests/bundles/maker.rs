//! Bundles of every form that the specification allows, made with keys of our own: a certificate
//! authority, a log of either version of Rekor, and what they sign.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PublicKeyData, SanType, SigningKey,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha384};
use time::OffsetDateTime;

pub(crate) const ARTIFACT: &[u8] = b"an artifact\n";
pub(crate) const SUBJECT: &str = "https://builder.test/main";
pub(crate) const ISSUER: &str = "https://issuer.test";
/// When the certificate was issued; it lasts ten minutes.
pub(crate) const ISSUED: i64 = 1_790_000_000;
const LOG: &str = "log.test";

/// What a bundle is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BundleForm {
    pub(crate) name: &'static str,
    pub(crate) media_type: &'static str,
    pub(crate) signer: SignerForm,
    pub(crate) curve: Curve,
    pub(crate) entry: EntryForm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignerForm {
    Certificate,
    Chain,
    Key,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
}

/// The entry of the log, and with it what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryForm {
    /// An artifact, in Rekor 1; with or without a proof.
    Artifact { proof: bool },
    /// A statement, in Rekor 1.
    Dsse,
    /// A statement, in Rekor 1, in its older type.
    Intoto,
    /// An artifact, in Rekor 2.
    SecondArtifact,
    /// A statement, in Rekor 2.
    SecondStatement,
}

impl EntryForm {
    pub(crate) fn signs_statement(self) -> bool {
        match self {
            Self::Dsse | Self::Intoto | Self::SecondStatement => true,
            Self::Artifact { .. } | Self::SecondArtifact => false,
        }
    }

    fn is_second_version(self) -> bool {
        match self {
            Self::SecondArtifact | Self::SecondStatement => true,
            Self::Artifact { .. } | Self::Dsse | Self::Intoto => false,
        }
    }
}

/// A bundle, and what it is judged by.
pub(crate) struct MadeBundle {
    pub(crate) form: BundleForm,
    pub(crate) bundle: Value,
    pub(crate) root: Value,
    /// The signer's public key, in PEM.
    pub(crate) key: String,
}

struct Signer {
    key: KeyPair,
    /// In DER.
    certificate: Vec<u8>,
    authority: Vec<u8>,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let text = encode(bytes);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

impl Curve {
    fn make_key(self) -> KeyPair {
        KeyPair::generate_for(match self {
            Self::P256 => &PKCS_ECDSA_P256_SHA256,
            Self::P384 => &PKCS_ECDSA_P384_SHA384,
        })
        .unwrap()
    }

    /// The name of the hash in Rekor 2, its value, and the type of the key.
    fn record(self, bytes: &[u8]) -> (&'static str, Vec<u8>, &'static str) {
        match self {
            Self::P256 => (
                "SHA2_256",
                Sha256::digest(bytes).to_vec(),
                "PKIX_ECDSA_P256_SHA_256",
            ),
            Self::P384 => (
                "SHA2_384",
                Sha384::digest(bytes).to_vec(),
                "PKIX_ECDSA_P384_SHA_384",
            ),
        }
    }
}

impl Signer {
    fn new(curve: Curve) -> Self {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(ISSUED + seconds).unwrap();
        let mut authority = CertificateParams::default();
        authority
            .distinguished_name
            .push(DnType::OrganizationName, "authority.test");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        (authority.not_before, authority.not_after) = (at(-1000), at(100_000_000));
        let authority_key = Curve::P256.make_key();
        let authority_der = authority
            .self_signed(&authority_key)
            .unwrap()
            .der()
            .to_vec();
        let mut leaf = CertificateParams::default();
        leaf.distinguished_name = rcgen::DistinguishedName::new();
        leaf.subject_alt_names = vec![SanType::URI(SUBJECT.try_into().unwrap())];
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        (leaf.not_before, leaf.not_after) = (at(0), at(600));
        let mut issuer = vec![0x0c, u8::try_from(ISSUER.len()).unwrap()];
        issuer.extend_from_slice(ISSUER.as_bytes());
        leaf.custom_extensions = vec![CustomExtension::from_oid_content(
            &[1, 3, 6, 1, 4, 1, 57264, 1, 8],
            issuer,
        )];
        let key = curve.make_key();
        let by = Issuer::new(authority, authority_key);
        let certificate = leaf.signed_by(&key, &by).unwrap().der().to_vec();
        Self {
            key,
            certificate,
            authority: authority_der,
        }
    }
}

impl MadeBundle {
    pub(crate) fn new(form: BundleForm) -> Self {
        let signer = Signer::new(form.curve);
        let log = Curve::P256.make_key();
        let log_id = Sha256::digest(log.subject_public_key_info());
        let (content, message) = sign_content(form, &signer);
        let body = record_body(form, &signer, &content, &message).to_string();
        let entry = log_entry(form, &body, &log, &log_id);
        let mut material = json!({ "tlogEntries": [entry] });
        let raw = |bytes: &[u8]| json!({ "rawBytes": encode(bytes) });
        match form.signer {
            SignerForm::Certificate => material["certificate"] = raw(&signer.certificate),
            SignerForm::Chain => {
                let chain = [raw(&signer.certificate), raw(&signer.authority)];
                material["x509CertificateChain"] = json!({ "certificates": chain });
            }
            SignerForm::Key => material["publicKey"] = json!({ "hint": "any" }),
        }
        let mut bundle = json!({
            "mediaType": form.media_type,
            "verificationMaterial": material,
        });
        let place = if form.entry.signs_statement() {
            "dsseEnvelope"
        } else {
            "messageSignature"
        };
        bundle[place] = content;
        let start = json!({ "start": "2020-01-01T00:00:00Z" });
        let root = json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [{
                "baseUrl": format!("https://{LOG}"),
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": encode(log.subject_public_key_info()),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": start,
                },
                "logId": { "keyId": encode(log_id) },
            }],
            "certificateAuthorities": [{
                "uri": "https://authority.test",
                "certChain": { "certificates": [raw(&signer.authority)] },
                "validFor": start,
            }],
        });
        Self {
            form,
            bundle,
            root,
            key: signer.key.public_key_pem(),
        }
    }
}

/// The signed content, and the bytes that the signature is over.
fn sign_content(form: BundleForm, signer: &Signer) -> (Value, Vec<u8>) {
    if !form.entry.signs_statement() {
        let (algorithm, digest, _) = if form.entry.is_second_version() {
            form.curve.record(ARTIFACT)
        } else {
            Curve::P256.record(ARTIFACT)
        };
        let signature = signer.key.sign(ARTIFACT).unwrap();
        let content = json!({
            "messageDigest": { "algorithm": algorithm, "digest": encode(digest) },
            "signature": encode(signature),
        });
        return (content, ARTIFACT.to_vec());
    }
    let kind = "application/vnd.in-toto+json";
    let payload = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            { "name": "another", "digest": { "sha256": hex(Sha256::digest("another")) },
              "annotations": { "environment": "staging", "of": "another" } },
            { "name": "artifact", "digest": { "sha256": hex(Sha256::digest(ARTIFACT)) },
              "annotations": { "environment": "production" } },
        ],
        "predicateType": artifact::verify::SIGNATURE_STATEMENT,
        "predicate": {},
    })
    .to_string();
    let message = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
    let signature = signer.key.sign(message.as_bytes()).unwrap();
    let content = json!({
        "payload": encode(&payload),
        "payloadType": kind,
        "signatures": [{ "sig": encode(signature) }],
    });
    (content, message.into_bytes())
}

fn record_body(form: BundleForm, signer: &Signer, content: &Value, message: &[u8]) -> Value {
    let is_key = form.signer == SignerForm::Key;
    let key = signer.key.subject_public_key_info();
    let verifier = if is_key {
        pem("PUBLIC KEY", &key)
    } else {
        pem("CERTIFICATE", &signer.certificate)
    };
    let plain = content["signature"].clone();
    let sig = content["signatures"][0]["sig"].clone();
    let payload = STANDARD
        .decode(content["payload"].as_str().unwrap_or_default())
        .unwrap();
    let hash = |bytes: &[u8]| json!({ "algorithm": "sha256", "value": hex(Sha256::digest(bytes)) });
    match form.entry {
        EntryForm::Artifact { .. } => json!({
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": { "hash": hash(ARTIFACT) },
                "signature": { "content": plain, "publicKey": { "content": encode(verifier) } },
            },
        }),
        EntryForm::Dsse => json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": hash(content.to_string().as_bytes()),
                "payloadHash": hash(&payload),
                "signatures": [{ "signature": sig, "verifier": encode(verifier) }],
            },
        }),
        EntryForm::Intoto => json!({
            "apiVersion": "0.0.2",
            "kind": "intoto",
            "spec": { "content": {
                "envelope": {
                    "payloadType": content["payloadType"],
                    "signatures": [{
                        "publicKey": encode(verifier),
                        "sig": encode(sig.as_str().unwrap()),
                    }],
                },
                "hash": hash(content.to_string().as_bytes()),
                "payloadHash": hash(&payload),
            } },
        }),
        EntryForm::SecondArtifact | EntryForm::SecondStatement => {
            let (algorithm, digest, details) = form.curve.record(message);
            let signature = if plain.is_null() { sig } else { plain };
            let verifier = if is_key {
                json!({ "keyDetails": details, "publicKey": { "rawBytes": encode(key) } })
            } else {
                let raw = json!({ "rawBytes": encode(&signer.certificate) });
                json!({ "keyDetails": details, "x509Certificate": raw })
            };
            json!({
                "apiVersion": "0.0.2",
                "kind": "hashedrekord",
                "spec": { "hashedRekordV002": {
                    "data": { "algorithm": algorithm, "digest": encode(digest) },
                    "signature": { "content": signature, "verifier": verifier },
                } },
            })
        }
    }
}

fn hash_parts(parts: &[&[u8]]) -> Vec<u8> {
    let mut state = Sha256::new();
    parts.iter().for_each(|part| state.update(part));
    state.finalize().to_vec()
}

/// The entry as the second of three in its tree.
fn log_entry(form: BundleForm, body: &str, log: &KeyPair, log_id: &[u8]) -> Value {
    let second = form.entry.is_second_version();
    let (first, own, last) = (
        hash_parts(&[&[0], b"first"]),
        hash_parts(&[&[0], body.as_bytes()]),
        hash_parts(&[&[0], b"last"]),
    );
    let root = hash_parts(&[&[1], &hash_parts(&[&[1], &first, &own]), &last]);
    let origin = if second {
        LOG.to_owned()
    } else {
        format!("{LOG} - 1234567890")
    };
    let text = format!("{origin}\n3\n{}\n", encode(&root));
    let mut signed = log_id[..4].to_vec();
    signed.extend(log.sign(text.as_bytes()).unwrap());
    let proof = json!({
        "logIndex": "1",
        "rootHash": encode(&root),
        "treeSize": "3",
        "hashes": [encode(&first), encode(&last)],
        "checkpoint": { "envelope": format!("{text}\n— {LOG} {}\n", encode(signed)) },
    });
    let parsed: Value = serde_json::from_str(body).unwrap();
    let mut entry = json!({
        "logIndex": if second { "1" } else { "41" },
        "logId": { "keyId": encode(log_id) },
        "kindVersion": { "kind": parsed["kind"], "version": parsed["apiVersion"] },
        "canonicalizedBody": encode(body),
    });
    if !second {
        let time = ISSUED + 60;
        let promised = format!(
            r#"{{"body":"{}","integratedTime":{time},"logID":"{}","logIndex":41}}"#,
            encode(body),
            hex(log_id)
        );
        let promise = log.sign(promised.as_bytes()).unwrap();
        entry["integratedTime"] = time.to_string().into();
        entry["inclusionPromise"] = json!({ "signedEntryTimestamp": encode(promise) });
    }
    if form.entry != (EntryForm::Artifact { proof: false }) {
        entry["inclusionProof"] = proof;
    }
    entry
}

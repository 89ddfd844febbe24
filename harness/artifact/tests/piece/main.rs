//! Taking what a tool attached to an image, and attaching it elsewhere: the registry holds what the
//! tool would have left.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

mod indexes;
mod registry;

use std::collections::BTreeMap;

use artifact::verify::{
    RequiredSigner, SIGNATURE_STATEMENT, TrustedRoot, VerifyRequest, verify_image,
};
use artifact::{AttachedPiece, OciImage, OciRegistry, digest};
use model::RejectionReason;
use serde_json::{Value, json};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const KIND: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn image() -> OciImage {
    OciImage::from_base(b"base", &BTreeMap::from([("a".to_owned(), b"a".to_vec())])).unwrap()
}

fn tag(digest: &str) -> String {
    digest.replace(':', "-")
}

/// What cosign writes for a bundle that holds `text`.
fn referrer(image: &OciImage, text: &str, kind: &str) -> (Vec<u8>, Vec<u8>) {
    let bundle = text.as_bytes().to_vec();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2 },
        "layers": [{ "mediaType": kind, "digest": digest(&bundle), "size": bundle.len() }],
        "subject": { "mediaType": MANIFEST, "digest": image.digest(), "size": image.manifest.len() },
        "artifactType": kind,
    });
    (manifest.to_string().into_bytes(), bundle)
}

/// Attaches a bundle to an image, and lists it: a piece of it is taken.
fn attach(registry: &OciRegistry, repository: &str, image: &OciImage, text: &str) -> AttachedPiece {
    attach_as(registry, repository, image, (text, KIND))
}

fn attach_as(
    registry: &OciRegistry,
    repository: &str,
    image: &OciImage,
    (text, kind): (&str, &str),
) -> AttachedPiece {
    let before = registry
        .attached_pieces(repository, &image.digest())
        .unwrap();
    let (manifest, bundle) = referrer(image, text, kind);
    registry.put_blob(repository, b"{}").unwrap();
    registry.put_blob(repository, &bundle).unwrap();
    registry
        .put_manifest(repository, &digest(&manifest), MANIFEST, &manifest)
        .unwrap();
    let mut entries = entries(registry, repository, image);
    entries.push(json!({ "digest": digest(&manifest) }));
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries }).to_string();
    registry
        .put_manifest(repository, &tag(&image.digest()), INDEX, index.as_bytes())
        .unwrap();
    registry
        .take_piece(repository, &image.digest(), &before)
        .unwrap()
        .unwrap()
}

fn entries(registry: &OciRegistry, repository: &str, image: &OciImage) -> Vec<Value> {
    let list = registry.fetch_manifest(repository, &tag(&image.digest()));
    list.map_or(Vec::new(), |list| {
        list.json().unwrap()["manifests"]
            .as_array()
            .unwrap()
            .clone()
    })
}

#[test]
fn a_bundle_is_the_same_elsewhere() {
    let (registry, image) = (registry::start(), image());
    let piece = attach(&registry, "one/app", &image, "first");
    let other = attach(&registry, "one/app", &image, "second");
    registry.push_image("two/app", "v1", &image, None).unwrap();
    assert!(
        registry
            .give_piece("two/app", &image.digest(), &piece)
            .unwrap()
    );
    assert!(
        registry
            .give_piece("two/app", &image.digest(), &other)
            .unwrap()
    );
    let bytes = |repository: &str| {
        let all = registry.referrers(repository, &image.digest()).unwrap();
        let mut all: Vec<_> = all
            .into_iter()
            .map(|manifest| (manifest.media_type, manifest.bytes))
            .collect();
        all.sort();
        all
    };
    assert_eq!(bytes("two/app"), bytes("one/app"));
    assert_eq!(
        registry.fetch_blob("two/app", &digest(b"first")).unwrap(),
        b"first"
    );
    let listed = entries(&registry, "two/app", &image);
    assert!(listed.is_sorted_by_key(|entry| entry["digest"].as_str().unwrap().to_owned()));
    assert!(
        !registry
            .give_piece("two/app", &image.digest(), &piece)
            .unwrap(),
        "a tool would have made another"
    );
    assert_eq!(entries(&registry, "two/app", &image), listed);
}

#[test]
fn an_older_tag_is_the_same_elsewhere() {
    let (registry, image) = (registry::start(), image());
    let before = registry
        .attached_pieces("one/app", &image.digest())
        .unwrap();
    registry.put_blob("one/app", b"{}").unwrap();
    registry.put_blob("one/app", b"payload").unwrap();
    let layers = json!([{ "digest": digest(b"payload"), "annotations": { "dev.cosignproject.cosign/signature": "x" } }]);
    let manifest = json!({ "config": { "digest": digest(b"{}") }, "layers": layers }).to_string();
    let name = format!("{}.sig", tag(&image.digest()));
    registry
        .put_manifest("one/app", &name, MANIFEST, manifest.as_bytes())
        .unwrap();
    let piece = registry
        .take_piece("one/app", &image.digest(), &before)
        .unwrap()
        .unwrap();
    assert!(
        registry
            .give_piece("two/app", &image.digest(), &piece)
            .unwrap()
    );
    assert_eq!(
        registry.fetch_manifest("two/app", &name).unwrap().bytes,
        manifest.as_bytes()
    );
    assert_eq!(
        registry.fetch_blob("two/app", &digest(b"payload")).unwrap(),
        b"payload"
    );
    assert!(
        !registry
            .give_piece("two/app", &image.digest(), &piece)
            .unwrap(),
        "a tool would have added to it"
    );
}

#[test]
fn what_is_no_piece_of_its_own_is_not_taken() {
    let (registry, image) = (registry::start(), image());
    let nothing = registry
        .attached_pieces("one/app", &image.digest())
        .unwrap();
    assert_eq!(
        registry
            .take_piece("one/app", &image.digest(), &nothing)
            .unwrap(),
        None
    );
    let name = format!("{}.att", tag(&image.digest()));
    let put = |text: &str| {
        registry
            .put_manifest("one/app", &name, MANIFEST, text.as_bytes())
            .unwrap()
    };
    put(r#"{"layers":[]}"#);
    let one = registry
        .attached_pieces("one/app", &image.digest())
        .unwrap();
    put(r#"{"layers":[],"more":1}"#);
    assert_eq!(
        registry
            .take_piece("one/app", &image.digest(), &one)
            .unwrap(),
        None,
        "it was added to a manifest"
    );
    attach(&registry, "one/app", &image, "a");
    assert_eq!(
        registry
            .take_piece("one/app", &image.digest(), &one)
            .unwrap(),
        None,
        "two things changed"
    );
    assert_eq!(
        registry
            .take_piece("one/app", &image.digest(), &nothing)
            .unwrap(),
        None,
        "two things are new"
    );
}

#[test]
fn a_bundle_about_another_image_is_not_given() {
    let (registry, image) = (registry::start(), image());
    let piece = attach(&registry, "one/app", &image, "first");
    let other = OciImage::from_base(b"base", &BTreeMap::new()).unwrap();
    assert!(
        !registry
            .give_piece("two/app", &other.digest(), &piece)
            .unwrap()
    );
    assert!(entries(&registry, "two/app", &other).is_empty());
}

#[test]
fn every_blob_is_there_after_a_push_beside_another_and_after_a_copy() {
    let (registry, image) = (registry::start(), image());
    registry.push_image("one/app", "v1", &image, None).unwrap();
    registry
        .push_image("two/app", "v1", &image, Some("one/app"))
        .unwrap();
    registry
        .push_image("three/app", "v1", &image, Some("nowhere/app"))
        .unwrap();
    registry
        .copy_image("one/app", "v1", "four/app", "v2")
        .unwrap();
    for (repository, tag) in [("two/app", "v1"), ("three/app", "v1"), ("four/app", "v2")] {
        assert_eq!(
            registry.fetch_manifest(repository, tag).unwrap().bytes,
            image.manifest,
            "{repository}"
        );
        for blob in &image.blobs {
            assert_eq!(
                &registry.fetch_blob(repository, &digest(blob)).unwrap(),
                blob,
                "{repository}"
            );
        }
    }
}

/// What an image's verifier says of a text that is attached as this.
fn why(kind: &str) -> RejectionReason {
    let (registry, image) = (registry::start(), image());
    registry.push_image("one/app", "v1", &image, None).unwrap();
    attach_as(&registry, "one/app", &image, ("{}", kind));
    let root = TrustedRoot::default();
    let wanted = VerifyRequest {
        by: RequiredSigner::Key("no key"),
        predicate_type: SIGNATURE_STATEMENT,
        annotations: BTreeMap::new(),
        log: false,
        timestamp: false,
        root: &root,
        now: 0,
    };
    let judged = verify_image(&registry, ("one/app", "v1"), "one/app", &wanted).unwrap();
    judged.unwrap_err().why
}

#[test]
fn a_bundle_of_any_version_is_judged_and_nothing_else() {
    for kind in [KIND, "application/vnd.dev.sigstore.bundle+json;version=0.1"] {
        assert_eq!(why(kind), RejectionReason::Unreadable, "{kind}");
    }
    let other = "application/vnd.cyclonedx+json";
    assert_eq!(why(other), RejectionReason::NoSignature);
}

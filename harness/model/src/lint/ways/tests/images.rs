//! Ways round policies on images.

use super::*;

/// The ways of these names that are named for images under such a rule, with these steps before a
/// pod of `app` is made.
fn image_ways(rule: &str, steps: &str) -> Vec<&'static str> {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "scenario: v2\nwhy: Because.\ninstall: [registry, kyverno]\nworlds: {{bare: {{}}, kyverno: {{apply: [kyverno.yaml]}}}}\nsteps:\n\
         - {{id: app, do: {{build: {{image: app}}}}, expect: done}}\n- {{id: other, do: {{build: {{image: other}}}}, expect: done}}\n{steps}\
         - {{id: pod, do: {{create: pod.yaml}}, expect-in: {{bare: admitted, kyverno: {{denied: {{by: {{kyverno: $(namespace)-plain}}}}}}}}}}\n"
    );
    write(folder.path(), "signing/one", &text);
    let home = folder.path().join("signing/one");
    fs::write(home.join("kyverno.yaml"), image_policy(rule)).unwrap();
    let pod = POD.replace(
        "containers: []",
        "containers: [{name: a, image: $(image:app)}]",
    );
    fs::write(home.join("pod.yaml"), pod).unwrap();
    fs::write(home.join("a.txt"), "a").unwrap();
    fs::write(home.join("b.txt"), "b").unwrap();
    let library = ScenarioLibrary::open(folder.path()).unwrap();
    assert!(library.faults.is_empty(), "{:?}", library.faults);
    let found = lint_scenario(&library.scenarios[0]);
    let is_named = |way: &&str| {
        let told = format!("tries `{way}`");
        found.iter().any(|finding| finding.what.contains(&told))
    };
    ["second-attestation", "statement-as-signature"]
        .into_iter()
        .filter(is_named)
        .collect()
}

/// A step that attests to an image, with what else is said of it.
fn attest(id: &str, image: &str, key: &str, more: &str) -> String {
    format!(
        "- {{id: {id}, do: {{attest: {{image: {image}, with: {{key: {key}}}, {more}}}}}, expect: done}}\n"
    )
}

const STATED_TYPE: &str = "type: SigstoreBundle, attestations: [{type: custom}]";

const FIRST_STATEMENT: &str = "predicate: {file: a.txt}, type: custom";

#[test]
fn a_second_attestation_says_something_else() {
    let with = |second: &str| {
        let first = attest("first", "app", "release", FIRST_STATEMENT);
        image_ways(STATED_TYPE, &[first, second.to_owned()].concat())
    };
    let untried = ["second-attestation"];
    assert_eq!(with(""), untried);
    for same in [
        attest(
            "second",
            "app",
            "release",
            &format!("{FIRST_STATEMENT}, format: legacy"),
        ),
        attest(
            "second",
            "other",
            "release",
            "predicate: {file: b.txt}, type: custom",
        ),
        attest(
            "second",
            "app",
            "release",
            "predicate: {file: b.txt}, type: other",
        ),
    ] {
        assert_eq!(with(&same), untried, "{same}");
    }
    let otherwise = attest(
        "second",
        "app",
        "mallory",
        "predicate: {file: b.txt}, type: custom",
    );
    assert_eq!(with(&otherwise), [""; 0]);
    // A statement that is a signature says nothing else.
    let signature =
        "type: SigstoreBundle, attestations: [{type: 'https://sigstore.dev/cosign/sign/v1'}]";
    assert_eq!(image_ways(signature, ""), [""; 0]);
}

#[test]
fn a_statement_that_counts_as_a_signature_is_named_until_it_is_tried() {
    let untyped = "type: SigstoreBundle, attestors: []";
    let sign = "- {id: sign, do: {sign: {image: other, with: {key: release}}}, expect: done}\n";
    let with = |steps: &[&str]| image_ways(untyped, &steps.concat());
    let untried = ["statement-as-signature"];
    assert_eq!(with(&[]), untried);
    let describe = attest("describe", "app", "release", FIRST_STATEMENT);
    assert_eq!(with(&[sign, &describe]), [""; 0]);
    let sign_app = sign
        .replace("image: other", "image: app")
        .replace("id: sign", "id: own");
    let legacy = attest(
        "describe",
        "app",
        "release",
        &format!("{FIRST_STATEMENT}, format: legacy"),
    );
    let other_image = attest("describe", "other", "release", FIRST_STATEMENT);
    let stranger = attest("describe", "app", "mallory", FIRST_STATEMENT);
    for (why, steps) in [
        ("nobody signs", vec![describe.as_str()]),
        ("it is signed as well", vec![sign, &sign_app, &describe]),
        ("the older format", vec![sign, &legacy]),
        ("no pod has the image", vec![&sign_app, &other_image]),
        ("somebody else states it", vec![sign, &stranger]),
    ] {
        assert_eq!(with(&steps), untried, "{why}");
    }
    assert_eq!(image_ways("type: Cosign, attestors: []", ""), [""; 0]);
    assert_eq!(image_ways(STATED_TYPE, ""), ["second-attestation"]);
}

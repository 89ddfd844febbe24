use std::collections::BTreeSet;

use crate::ways::test_scenario::untried_ways;

const MOUNTED_IMAGE: &str = "{apiVersion: v1, kind: Pod, metadata: {name: m}, spec: {volumes: [{name: v, image: {reference: a}}], containers: []}}";

fn pod(image: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: a}}, spec: {{containers: [{{name: a, image: '{image}'}}]}}}}"
    )
}

/// What is missed where policy-controller refuses an image, by a policy for images of this pattern.
fn missed(pattern: &str, steps: &[&str]) -> BTreeSet<String> {
    let policy = format!(
        "{{apiVersion: policy.sigstore.dev/v1beta1, kind: ClusterImagePolicy, metadata: {{name: $(namespace)-signed}}, spec: {{images: [{{glob: '{pattern}'}}]}}}}"
    );
    let refused = "{id: refused, do: {create: own.yaml}, expect-in: {bare: admitted, held: {denied: {by: {policy-controller: $(namespace)-signed}}}}}";
    let (own, foreign) = (pod("$(image:app)"), pod("docker.io/app"));
    let files = [
        ("policy.yaml", policy.as_str()),
        ("own.yaml", own.as_str()),
        ("foreign.yaml", foreign.as_str()),
        ("mounted.yaml", MOUNTED_IMAGE),
    ];
    let head = "install: [registry]\nworlds: {bare: {}, held: {install: [policy-controller], apply: [policy.yaml]}}";
    untried_ways(head, &[&[refused][..], steps].concat(), &files)
}

#[test]
fn an_image_is_mounted_and_comes_from_elsewhere() {
    let own = "$(registry)/$(namespace)/**";
    let mounts = "{id: a, do: {create: mounted.yaml}, expect: admitted}";
    let foreign = "{id: a, do: {create: foreign.yaml}, expect: admitted}";
    let again = "{id: a, do: {update: own.yaml}, expect: admitted}";
    assert!(missed(own, &[]).contains("image-volume"));
    assert!(!missed(own, &[mounts]).contains("image-volume"));
    assert!(missed(own, &[again]).contains("other-repository"));
    assert!(!missed(own, &[foreign]).contains("other-repository"));
    // A pattern without a repository is for all of them.
    assert!(!missed("**", &[]).contains("other-repository"));
}

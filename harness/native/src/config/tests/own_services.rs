//! Services beside the cluster.

use super::*;

#[test]
fn services_come_in_order_and_only_when_they_are_asked_for() {
    let is_service = |name: &str| {
        cluster_services(&with_services())
            .iter()
            .any(|service| service.name == name)
    };
    let names = |processes: Vec<BoxProcess>| {
        processes
            .into_iter()
            .map(|process| process.name)
            .collect::<Vec<_>>()
    };
    let first = with(&with_services(), |blueprint| {
        names(blueprint.first_processes())
    });
    for name in [
        "registry",
        "registry-plain",
        "front",
        "rekor",
        "timestamp-authority",
    ] {
        assert!(
            is_service(name) && first.contains(&name.to_owned()),
            "{name}"
        );
    }
    assert_eq!(
        with(&with_services(), |blueprint| names(
            blueprint.third_processes()
        )),
        ["fulcio"]
    );
    assert!(
        !names(all(&ClusterSpec::default()))
            .iter()
            .any(|name| is_service(name))
    );
    with(&ClusterSpec::default(), |blueprint| {
        assert_eq!(blueprint.first_service(), None);
        // A minimal Debian has no such file, and containerd makes no pod without it.
        let [hosts] = blueprint.outside_files().try_into().unwrap();
        assert_eq!(
            (hosts.path.to_str(), hosts.text.lines().next()),
            (Some("/etc/hosts"), Some("127.0.0.1 localhost"))
        );
        assert!(
            !blueprint
                .files()
                .unwrap()
                .iter()
                .any(|file| file.text.contains("certs.d"))
        );
    });
}

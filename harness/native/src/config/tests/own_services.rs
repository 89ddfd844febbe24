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
        "registry-private",
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

#[test]
fn the_private_registry_wants_a_password_and_no_other_does() {
    let files = with(&with_services(), |blueprint| blueprint.files().unwrap());
    let config = |name: &str| -> serde_json::Value {
        let file = files.iter().find(|file| file.path.ends_with(name)).unwrap();
        serde_json::from_str(&file.text).unwrap()
    };
    let private = config("registry-private.json");
    let path = private["auth"]["htpasswd"]["path"].as_str().unwrap();
    let named = files
        .iter()
        .find(|file| path.ends_with(file.path.to_str().unwrap()));
    let user = format!("{}:$2a$", private_registry::USER_NAME);
    assert!(named.unwrap().text.starts_with(&user));
    assert_eq!(private["storage"], config("registry.json")["storage"]);
    for other in ["registry.json", "registry-plain.json"] {
        assert!(config(other)["auth"].is_null(), "{other}");
    }
}

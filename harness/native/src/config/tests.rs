mod own_services;
mod switches;

use std::net::Ipv4Addr;

use model::addons::{private_registry, registry, sigstore};
use model::{AddonInstall, AuditShape, EncryptionShape, FileText};

use super::*;
use crate::pki::PkiAuthority;

fn with<T>(cluster: &ClusterSpec, look: impl FnOnce(&BoxBlueprint) -> T) -> T {
    let pki = BoxPki::new(
        PkiAuthority::new().unwrap(),
        Ipv4Addr::new(198, 18, 0, 1),
        cluster.nodes,
    )
    .unwrap();
    let addresses = BoxAddresses {
        interface: "gl0000".into(),
        host: Ipv4Addr::new(198, 18, 0, 0),
        inside: Ipv4Addr::new(198, 18, 0, 1),
    };
    look(&BoxBlueprint {
        cluster,
        addresses: &addresses,
        pki: &pki,
        cgroup_root: "/gauntlet-a",
        confined: true,
    })
}

fn all(cluster: &ClusterSpec) -> Vec<BoxProcess> {
    with(cluster, |blueprint| {
        let later = blueprint
            .second_processes()
            .into_iter()
            .chain(blueprint.third_processes());
        blueprint
            .first_processes()
            .into_iter()
            .chain(later)
            .collect()
    })
}

fn args(processes: &[BoxProcess], name: &str) -> Vec<String> {
    processes
        .iter()
        .find(|process| process.name == name)
        .unwrap()
        .args
        .clone()
}

#[test]
fn a_node_has_a_runtime_and_an_api_server_alone_has_none() {
    let names = |cluster: &ClusterSpec| {
        all(cluster)
            .into_iter()
            .map(|process| process.name)
            .collect::<Vec<_>>()
    };
    let one = names(&ClusterSpec::default());
    assert!(one.contains(&"kubelet".into()) && one.contains(&"containerd".into()));
    let none = names(&ClusterSpec {
        nodes: 0,
        ..ClusterSpec::default()
    });
    assert_eq!(none, ["etcd", "kube-apiserver", "kube-controller-manager"]);
}

/// The lint knows processes by the names that the model gives them, and feature gates of the
/// releases in its table.
#[test]
fn the_model_knows_every_process_and_every_release() {
    let usual = ClusterSpec::default();
    let whole = ClusterSpec {
        nodes: 3,
        enforce_network_policy: true,
        kms: ["a".to_owned()].into(),
        install: [
            AddonInstall::usual_version(&registry::ADDON),
            AddonInstall::usual_version(&private_registry::ADDON),
            AddonInstall::usual_version(&sigstore::ADDON),
        ]
        .into(),
        ..usual.clone()
    };
    let nodeless = usual.without_node();
    for cluster in [usual, whole, nodeless] {
        let mut processes = all(&cluster);
        processes.extend(with(&cluster, |blueprint| blueprint.enforcer_processes()));
        let names = |lasting_alone: bool| {
            let named = processes.iter().filter(|one| !lasting_alone || !one.ends);
            named.map(|one| one.name.clone()).collect()
        };
        assert_eq!(model::lasting_processes(&cluster), names(true));
        assert_eq!(model::logged_processes(&cluster), names(false));
    }
    let pinned = components::pinned_components().iter();
    let releases: std::collections::BTreeSet<&str> = pinned
        .filter(|one| one.name == "kubernetes")
        .filter_map(|one| one.version.rsplit_once('.'))
        .map(|(release, _)| release)
        .collect();
    assert_eq!(releases, model::TABLED_RELEASES.into());
}

#[test]
fn by_default_the_api_server_has_no_knob_turned_but_the_audit_log() {
    let api = args(&all(&ClusterSpec::default()), "kube-apiserver");
    for flag in [
        "--encryption",
        "--admission-control-config",
        "--feature-gates",
        "--runtime-config",
        "--v=",
    ] {
        assert!(!api.iter().any(|arg| arg.starts_with(flag)), "{flag}");
    }
    assert!(api.contains(&format!(
        "--audit-log-path={BOX_HOME}/{}",
        apiserver::AUDIT_LOG
    )));
    assert!(api.contains(&"--enable-admission-plugins=NodeRestriction".into()));
}

#[test]
fn every_knob_reaches_its_flag() {
    let cluster = ClusterSpec {
        encryption: EncryptionShape::Aescbc,
        audit: AuditShape::PolicyWithoutLog(FileText("kind: Policy\n".into())),
        admission: Some("plugins: [{name: PodNodeSelector}, {name: PodSecurity}]\n".into()),
        feature_gates: [("A".to_owned(), true), ("B".to_owned(), false)].into(),
        runtime_config: [("api/alpha".to_owned(), true)].into(),
        verbosity: Some(6),
        sync_frequency: Some("2s".into()),
        node_monitor_grace_period: Some("8s".into()),
        ..ClusterSpec::default()
    };
    let processes = all(&cluster);
    let api = args(&processes, "kube-apiserver");
    assert!(api.contains(&"--feature-gates=A=true,B=false".into()));
    assert!(api.contains(&"--runtime-config=api/alpha=true".into()));
    assert!(api.contains(&format!(
        "--encryption-provider-config={BOX_HOME}/encryption.yaml"
    )));
    assert!(api.contains(&format!(
        "--admission-control-config-file={BOX_HOME}/admission.yaml"
    )));
    assert!(api.contains(
        &"--enable-admission-plugins=NodeRestriction,PodNodeSelector,PodSecurity".into()
    ));
    assert!(api.iter().any(|arg| arg.starts_with("--audit-policy-file")));
    assert!(!api.iter().any(|arg| arg.starts_with("--audit-log-path")));
    assert!(args(&processes, "kube-scheduler").contains(&"--feature-gates=A=true,B=false".into()));
    let files = with(&cluster, |blueprint| blueprint.files().unwrap());
    let kubelet = files
        .iter()
        .find(|file| file.path.ends_with("kubelet.yaml"))
        .unwrap();
    let kubelet: serde_json::Value = serde_json::from_str(&kubelet.text).unwrap();
    assert_eq!(kubelet["featureGates"]["B"], false);
    assert_eq!(kubelet["cgroupRoot"], "/gauntlet-a");
    assert_eq!(kubelet["syncFrequency"], "2s");
    assert_eq!(kubelet["nodeLeaseDurationSeconds"], 4);
    assert!(
        args(&processes, "kube-controller-manager")
            .contains(&"--node-monitor-grace-period=8s".into())
    );
    for name in [
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
    ] {
        assert!(args(&processes, name).contains(&"--v=6".into()), "{name}");
    }
}

#[test]
fn a_configuration_of_the_callers_own_is_read_where_the_host_can_replace_it() {
    let text = || FileText("kind: EncryptionConfiguration\n".into());
    let cluster = |reload| ClusterSpec {
        encryption: if reload {
            EncryptionShape::ReloadingConfig(text())
        } else {
            EncryptionShape::Config(text())
        },
        ..ClusterSpec::default()
    };
    let own = format!("--encryption-provider-config={BOX_HOME}/work/encryption.yaml");
    let automatic = "--encryption-provider-config-automatic-reload=true".to_owned();
    let api = args(&all(&cluster(false)), "kube-apiserver");
    assert!(api.contains(&own) && !api.contains(&automatic));
    assert!(args(&all(&cluster(true)), "kube-apiserver").contains(&automatic));
    let files = with(&cluster(true), |blueprint| blueprint.files().unwrap());
    assert!(
        !files
            .iter()
            .any(|file| file.text.contains("EncryptionConfiguration"))
    );
}

#[test]
fn the_plugins_come_before_the_api_server_and_need_no_file() {
    let cluster = ClusterSpec {
        kms: ["a".to_owned(), "b".to_owned()].into(),
        ..ClusterSpec::default()
    };
    let first = with(&cluster, |blueprint| blueprint.first_processes());
    let names: Vec<&str> = first
        .iter()
        .map(|process| process.name.as_str())
        .take(4)
        .collect();
    assert_eq!(names, ["kms-a", "kms-b", "etcd", "kube-apiserver"]);
    assert_eq!(
        first[0].args,
        [
            "__kms",
            "/run/gauntlet/work/kms/a/kms.sock",
            "/run/gauntlet/work/kms/a"
        ]
    );
    assert_eq!(first[0].program, *"/run/gauntlet/bin/gauntlet");
}

#[test]
fn every_file_that_a_flag_names_is_there() {
    let cluster = ClusterSpec {
        encryption: EncryptionShape::Aesgcm,
        ..with_services()
    };
    let files = with(&cluster, |blueprint| blueprint.files().unwrap());
    for arg in all(&cluster)
        .iter()
        .filter(|process| process.name != IMAGE_IMPORT)
        .flat_map(|process| &process.args)
    {
        let value = arg.split_once('=').map_or(arg.as_str(), |(_, value)| value);
        let Some(path) = value.strip_prefix(&format!("{BOX_HOME}/")) else {
            continue;
        };
        let made_by_itself = ["etcd", "kubelet", "rekor", apiserver::AUDIT_LOG].contains(&path);
        assert!(
            made_by_itself || files.iter().any(|file| file.path == *path),
            "{arg}"
        );
    }
}

#[test]
fn the_node_serves_as_many_pods_as_it_has_addresses_for() {
    let files = with(&ClusterSpec::default(), |blueprint| {
        blueprint.files().unwrap()
    });
    let network = files
        .iter()
        .find(|file| file.path.ends_with("10-box.conflist"))
        .unwrap();
    assert!(network.text.contains("10.244.0.0/20"));
    assert!(network.text.contains(&format!("/{NODE_MASK}\"")));
}

#[test]
fn a_second_family_reaches_whoever_gives_out_addresses() {
    let wanted = [
        (
            "kube-apiserver",
            "--service-cluster-ip-range=10.96.0.0/16",
            ",fd00:10:96::/112",
        ),
        (
            "kube-controller-manager",
            "--cluster-cidr=10.244.0.0/16",
            ",fd00:10:244::/48",
        ),
        ("kubelet", "--node-ip=10.88.0.1", ",fd00:10:88::1"),
    ];
    for dual_stack in [false, true] {
        let cluster = ClusterSpec {
            dual_stack,
            ..ClusterSpec::default()
        };
        let (processes, files) = (
            all(&cluster),
            with(&cluster, |blueprint| blueprint.files().unwrap()),
        );
        for (name, four, six) in wanted {
            let flag = if dual_stack {
                format!("{four}{six}")
            } else {
                four.to_owned()
            };
            assert!(args(&processes, name).contains(&flag), "{name}: {flag}");
        }
        let has_six = |name: &str, text: &str| {
            files
                .iter()
                .find(|file| file.path.ends_with(name))
                .unwrap()
                .text
                .contains(text)
        };
        let given_out = ["fd00:10:244:0::/64", "::/0"].map(|text| has_six("10-box.conflist", text));
        assert_eq!(
            (given_out, has_six("kube-proxy.yaml", "fd00:10:244::/48")),
            ([dual_stack; 2], dual_stack)
        );
    }
}

#[test]
fn enforcers_are_there_when_they_are_asked_for_and_the_last_plugin_tells_them_of_pods() {
    let cluster = ClusterSpec {
        enforce_network_policy: true,
        ..ClusterSpec::default()
    };
    let (enforcers, files) = with(&cluster, |blueprint| {
        (blueprint.enforcer_processes(), blueprint.files().unwrap())
    });
    let socket = "/run/gauntlet/network-policy/node-1.sock";
    let wanted = [
        "__network-policy",
        "node-1",
        "https://127.0.0.1:6442",
        socket,
        "/run/gauntlet/work/network-policy",
        "/run/gauntlet/pki",
    ];
    assert_eq!(args(&enforcers, "network-policy"), wanted);
    let plugins = |files: &[BoxFile]| {
        let text = &files
            .iter()
            .find(|file| file.path.ends_with("10-box.conflist"))
            .unwrap()
            .text;
        serde_json::from_str::<serde_json::Value>(text).unwrap()["plugins"]
            .as_array()
            .unwrap()
            .clone()
    };
    let last = plugins(&files).pop().unwrap();
    assert_eq!(
        last,
        serde_json::json!({ "type": "gauntlet-network-policy", "socket": socket })
    );
    let cluster = ClusterSpec::default();
    let (enforcers, files) = with(&cluster, |blueprint| {
        (blueprint.enforcer_processes(), blueprint.files().unwrap())
    });
    assert_eq!((enforcers, plugins(&files).len()), (Vec::new(), 2));
    let cluster = ClusterSpec {
        enforce_network_policy: true,
        nodes: 0,
        ..ClusterSpec::default()
    };
    assert_eq!(
        with(&cluster, |blueprint| blueprint.enforcer_processes()),
        []
    );
}

fn with_services() -> ClusterSpec {
    ClusterSpec {
        install: [
            AddonInstall::usual_version(&registry::ADDON),
            AddonInstall::usual_version(&private_registry::ADDON),
            AddonInstall::usual_version(&sigstore::ADDON),
        ]
        .into(),
        ..ClusterSpec::default()
    }
}

#[test]
fn names_stand_for_the_node_and_no_other_name_is_looked_up() {
    let outside = with(&with_services(), |blueprint| blueprint.outside_files());
    let text = |path: &str| {
        outside
            .iter()
            .find(|file| file.path == *path)
            .map(|file| file.text.clone())
            .unwrap()
    };
    assert!(
        text("/etc/hosts")
            .lines()
            .any(|line| line.starts_with("10.88.0.1 ") && line.contains(" fulcio.box "))
    );
    assert_eq!(text("/etc/resolv.conf"), "");
    assert!(text("/var/run/fulcio/ca.crt").contains("BEGIN CERTIFICATE"));
}

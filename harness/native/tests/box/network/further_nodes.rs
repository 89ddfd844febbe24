//! Enforcement on nodes beyond the first, and enforcers that die.

use super::*;

pub(crate) fn every_node_enforces() {
    let name = name("policies");
    let site = Site::start(&name, 2);
    let target = [format!("tcp://{}:8080", site.address("server"))];
    let from_node = || {
        let words = [
            "/run/gauntlet/images/probe",
            "reach",
            "--timeout",
            "400",
            &target[0],
        ];
        outcomes(
            &String::from_utf8(site.0.enter_command().args(words).output().unwrap().stdout)
                .unwrap(),
        )
    };
    assert_eq!(
        (site.reach("client", &target), from_node()),
        (vec!["reached".into()], vec!["reached".to_owned()])
    );
    site.enforce(LET_IN, "server");
    assert_eq!(
        site.reach("client", &target),
        ["reached"],
        "what lets a pod of another node in"
    );
    assert_eq!(from_node(), [SILENT], "another node than the server's own");
    site.enforce(&deny("server", "Ingress"), "server");
    assert_eq!(
        site.reach("client", &target),
        [SILENT],
        "judged where the server is"
    );
    let isolated = || {
        site.0
            .network_policy()
            .unwrap()
            .unwrap()
            .iter()
            .map(|node| node.isolated)
            .collect::<Vec<_>>()
    };
    assert_eq!(isolated(), [0, 1]);
    site.on(&["delete", "networkpolicy", "server"]);
    site.enforce(&deny("client", "Egress"), "client");
    assert_eq!(
        site.reach("client", &target),
        [SILENT],
        "judged where the client is"
    );
    assert_eq!(
        (isolated(), from_node()),
        (vec![1, 0], vec!["reached".to_owned()])
    );

    // A node that is away is not waited for; when it is back, it is.
    site.0
        .command_node(&NodeChange::CutOff("node-2".into()))
        .unwrap();
    site.enforce(&deny("server", "Ingress"), "server");
    assert_eq!(isolated(), [1]);
    site.0
        .command_node(&NodeChange::Rejoin("node-2".into()))
        .unwrap();
    site.enforce(LET_IN, "server");
    assert_eq!(isolated(), [1, 1]);
    site.0
        .command_node(&NodeChange::Kill("node-2".into()))
        .unwrap();
    assert_eq!(isolated(), [1]);
    site.0
        .command_node(&NodeChange::Start("node-2".into()))
        .unwrap();
    expect_life(&site.0, "network-policy-2", |life| {
        *life
            == ProcessStatus {
                starts: 2,
                state: ProcessState::Alive,
            }
    });
    site.enforce(&deny("server", "Ingress"), "server");
    assert_eq!((isolated(), site.0.deaths()), (vec![1, 1], Vec::new()));
    site.0.take_down().unwrap();
    expect_nothing(&cache(), &name);
}

pub(crate) fn an_enforcer_that_dies_is_reported() {
    let name = name("unenforced");
    let site = Site::start(&name, 1);
    let target = [format!("tcp://{}:8080", site.address("server"))];
    site.enforce(&deny("server", "Ingress"), "server");
    let is_it = |pid: &&str| {
        let line = std::fs::read(Path::new("/proc").join(pid).join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("__network-policy")
    };
    let found = processes(&format!("gauntlet-{name}"));
    let pid = found
        .iter()
        .filter_map(|process| process.strip_prefix("process "))
        .find(is_it)
        .unwrap();
    kill_process(pid);
    expect_life(&site.0, "network-policy", has_ended);
    let deaths = site.0.deaths();
    assert!(
        matches!(deaths.as_slice(), [death] if death.process == "network-policy"),
        "{deaths:?}"
    );
    assert_eq!(
        site.reach("client", &target),
        [SILENT],
        "the last table stays"
    );

    // A pod that comes meanwhile waits for the next one.
    site.apply(&LATE.replace("TARGET", &target[0]));
    site.0
        .control_process(&ProcessChange::Start("network-policy".into()))
        .unwrap();
    site.on(&[
        "wait",
        "--for=jsonpath={.status.phase}=Succeeded",
        "pod/late",
        "--timeout=60s",
    ]);
    assert_eq!(site.reach("client", &target), [SILENT]);
    site.0.take_down().unwrap();
    expect_nothing(&cache(), &name);
}

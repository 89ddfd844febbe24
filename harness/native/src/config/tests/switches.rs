//! Plugins by name, authentication, and the kubelet's default for seccomp.

use model::{AuthorizationMode, PluginSwitches};

use super::*;

#[test]
fn what_a_cluster_turns_on_and_off_reaches_its_flag() {
    let cluster = ClusterSpec {
        admission: Some("plugins: [{name: PodNodeSelector}, {name: PodSecurity}]\n".into()),
        admission_plugins: PluginSwitches {
            enable: ["AlwaysPullImages".to_owned()].into(),
            disable: ["LimitRanger", "NodeRestriction"].map(String::from).into(),
        },
        authentication: Some("kind: AuthenticationConfiguration\n".into()),
        authorization: vec![AuthorizationMode::Rbac, AuthorizationMode::AlwaysAllow],
        seccomp_default: true,
        ..ClusterSpec::default()
    };
    let processes = all(&cluster);
    let api = args(&processes, "kube-apiserver");
    for flag in [
        "--enable-admission-plugins=AlwaysPullImages,PodNodeSelector,PodSecurity".to_owned(),
        "--disable-admission-plugins=LimitRanger,NodeRestriction".to_owned(),
        format!("--authentication-config={BOX_HOME}/authentication.yaml"),
        "--authorization-mode=RBAC,AlwaysAllow".to_owned(),
    ] {
        assert!(api.contains(&flag), "{flag}: {api:#?}");
    }
    let files = with(&cluster, |blueprint| blueprint.files().unwrap());
    let text = |name: &str| {
        let mut files = files.iter();
        files
            .find(|file| file.path.ends_with(name))
            .unwrap()
            .text
            .as_str()
    };
    assert_eq!(
        text("authentication.yaml"),
        "kind: AuthenticationConfiguration\n"
    );
    let kubelet: serde_json::Value = serde_json::from_str(text("kubelet.yaml")).unwrap();
    assert_eq!(kubelet["seccompDefault"], true);
}

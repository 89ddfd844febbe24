//! Takes out of a recorded text what differs from run to run, and what is secret.
//!
//! `redact_recorded(redact_recorded(x)) == redact_recorded(x)` for every text: the rules run until
//! they find nothing more.

use crate::rules::all_rules;

/// Rounds after which no text still changes; each replaces something by a `<name>` that no rule
/// matches.
const MOST_ROUNDS: usize = 16;

/// `text` with everything that differs from run to run replaced by the name of what it is, such as
/// `<uid>`.
#[must_use]
pub fn redact_recorded(text: &str) -> String {
    let mut seen = text.to_owned();
    for _ in 0..MOST_ROUNDS {
        let next = all_rules()
            .iter()
            .fold(seen.clone(), |text, rule| rule.apply(&text));
        let next = model::settle_addon_messages(&next);
        if next == seen {
            break;
        }
        seen = next;
    }
    seen
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pieces that rules look for, and pieces that stand between them.
    fn piece() -> impl Strategy<Value = String> {
        let examples: Vec<String> = all_rules()
            .iter()
            .map(|rule| rule.example.0.to_owned())
            .collect();
        prop_oneof![
            proptest::sample::select(examples),
            "[bcdf24567]{5,11}",
            "gauntlet-[a-z0-9]{9,11}",
            "[0-9]{1,4}(\\.|:|-)",
            "[0-9]{1,5}(s|ms|m|h)",
            "(<ip>|<time>|localhost):?",
            "[a-z]{1,6}",
            "[-_. :/\"'\n(>]",
        ]
    }

    proptest! {
        #[test]
        fn redacting_twice_is_redacting_once(text in "\\PC{0,80}") {
            let once = redact_recorded(&text);
            prop_assert_eq!(redact_recorded(&once), once);
        }

        #[test]
        fn redacting_twice_is_redacting_once_where_rules_meet(pieces in prop::collection::vec(piece(), 0..12)) {
            let once = redact_recorded(&pieces.concat());
            prop_assert_eq!(redact_recorded(&once), once);
        }
    }

    #[test]
    fn what_a_scenario_fixes_stays() {
        for text in [
            "pods \"privileged\" is forbidden: violates PodSecurity \"baseline:v1.36\": privileged",
            "Post \"https://127.0.0.1:9/?timeout=10s\": dial tcp 127.0.0.1:9: connect: connection refused",
            "spec.containers[0].ports[0].hostPort: 8080, range 30000-32767",
            "clusterroles.rbac.authorization.k8s.io \"view-https\" is forbidden",
            "gauntlet.local/probe:1 in gauntlet-system",
        ] {
            assert_eq!(redact_recorded(text), text);
        }
    }

    #[test]
    fn messages_of_a_kubelet() {
        let uid = "3f2c1b0a-1234-4abc-9def-0123456789ab";
        let pod = format!("promises_gauntlet-ab12cd34ef({uid})");
        assert_eq!(
            redact_recorded(&format!(
                "will run as root (pod: \"{pod}\", container: app)"
            )),
            "will run as root (pod: \"promises_<namespace>(<uid>)\", container: app)"
        );
        let folder =
            format!("/var/log/pods/gauntlet-ab12cd34ef_web-6d4cf56db6-xk2zp_{uid}/app/0.log");
        assert_eq!(
            redact_recorded(&folder),
            "/var/log/pods/<namespace>_web-<hash>-<suffix>_<uid>/app/0.log"
        );
        assert_eq!(
            redact_recorded("kubepods-pod3f2c1b0a_1234_4abc_9def_0123456789ab.slice"),
            "kubepods-pod<uid>.slice"
        );
    }

    #[test]
    fn one_message_of_a_controller() {
        let text = "pods \"web-6d4cf56db6-xk2zp\" in gauntlet-ab12cd34ef-other (uid 3f2c1b0a-1234-4abc-9def-0123456789ab)";
        assert_eq!(
            redact_recorded(text),
            "pods \"web-<hash>-<suffix>\" in <namespace>-other (uid <uid>)"
        );
    }
}

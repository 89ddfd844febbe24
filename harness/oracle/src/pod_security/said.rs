//! Which checks a denial names.

use super::SecurityCheck;

/// What stands before the reasons.
const DENIAL_BEGINNING: &str = "violates PodSecurity \"";

/// The reasons that a denial gives, in its order; `None` where the text is not a denial of Pod
/// Security, or gives a reason that no check has.
#[must_use]
pub fn denial_reasons(message: &str) -> Option<Vec<&'static str>> {
    let (_, rest) = message.split_once(DENIAL_BEGINNING)?;
    let (_, rest) = rest.split_once("\": ")?;
    let reasons = split_reasons(rest)
        .into_iter()
        .map(|part| part.split_once(" (").map_or(part, |(reason, _)| reason));
    reasons.map(known_reason).collect()
}

fn known_reason(reason: &str) -> Option<&'static str> {
    let singular = if reason == "forbidden AppArmor profiles" {
        "forbidden AppArmor profile"
    } else {
        reason
    };
    SecurityCheck::ALL
        .into_iter()
        .map(SecurityCheck::reason)
        .find(|known| *known == singular)
}

/// Splits at the commas that are neither in parentheses nor in quotes.
fn split_reasons(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut depth, mut quoted, mut escaped) =
        (Vec::new(), 0, 0_usize, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                parts.push(text[begin..at].trim_start());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[begin..].trim_start());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_from_their_details() {
        let text = "pods \"x\" is forbidden: violates PodSecurity \"restricted:v1.36\": forbidden AppArmor profiles \
            (annotation must not set AppArmor profile type to \"a (b\", \"c\\\", d\"), host namespaces (hostNetwork=true, \
            hostPID=true), allowPrivilegeEscalation != false (container \"a\" must set x=false)";
        let reasons = [
            "forbidden AppArmor profile",
            "host namespaces",
            "allowPrivilegeEscalation != false",
        ];
        assert_eq!(denial_reasons(text).unwrap(), reasons);
        assert_eq!(
            denial_reasons("x violates PodSecurity \"baseline:latest\": privileged").unwrap(),
            ["privileged"]
        );
        for other in [
            "",
            "forbidden",
            "violates PodSecurity \"baseline:latest\": something new (x)",
        ] {
            assert!(denial_reasons(other).is_none(), "{other}");
        }
    }
}

//! Roots that trust for a time alone.

use super::*;

/// The box's root, with another period at one of its parts; none where the period is null.
fn root_with_period(part: &str, period: &Value) -> Result<TrustedRoot, RejectionReason> {
    let mut root: Value = serde_json::from_str(&data("trusted-root.json")).unwrap();
    let place = match part {
        "tlogs" => "/tlogs/0/publicKey",
        _ => &format!("/{part}/0"),
    };
    let owner = root.pointer_mut(place).unwrap();
    owner["validFor"] = period.clone();
    if period.is_null() {
        owner.as_object_mut().unwrap().remove("validFor");
    }
    TrustedRoot::read(&root.to_string()).map_err(|rejection| rejection.why)
}

#[test]
fn nothing_is_trusted_outside_its_period() {
    let over =
        serde_json::json!({"start": "2010-01-01T00:00:00Z", "end": "2020-01-01T00:00:00.5Z"});
    let later = serde_json::json!({"start": "2090-01-01T00:00:00Z"});
    let open =
        serde_json::json!({"start": "2010-01-01T00:00:00+02:00", "end": "2090-01-01T00:00:00Z"});
    for (part, reason) in [
        ("timestampAuthorities", RejectionReason::UntrustedTimestamp),
        (
            "certificateAuthorities",
            RejectionReason::UntrustedAuthority,
        ),
        ("tlogs", RejectionReason::UntrustedLog),
    ] {
        let said = |period| {
            let root = root_with_period(part, period).unwrap();
            why("keyless.json", &by_builder(&root))
        };
        assert_eq!(said(&open), None, "{part}");
        assert_eq!(said(&over), Some(reason), "{part}");
        assert_eq!(said(&later), Some(reason), "{part}");
    }
}

#[test]
fn a_log_says_from_when_it_is_trusted_and_the_others_need_not() {
    let none = Value::Null;
    for part in ["timestampAuthorities", "certificateAuthorities"] {
        let root = root_with_period(part, &none).unwrap();
        assert_eq!(why("keyless.json", &by_builder(&root)), None, "{part}");
    }
    let only_end = serde_json::json!({"end": "2090-01-01T00:00:00Z"});
    for period in [none, only_end, serde_json::json!({"start": "yesterday"})] {
        let read = root_with_period("tlogs", &period);
        assert_eq!(
            read.unwrap_err(),
            RejectionReason::NoTrustedRoot,
            "{period}"
        );
    }
}

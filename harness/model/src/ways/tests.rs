use std::collections::BTreeSet;

use super::*;

#[test]
fn each_way_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = ways_round().map(|way| way.name).collect();
    assert_eq!(names.len(), ways_round().count());
    for way in ways_round() {
        assert_eq!(way_round(way.name).map(|found| found.name), Some(way.name));
        assert!(
            !way.kinds.is_empty() && !way.about.ends_with('.'),
            "{}",
            way.name
        );
    }
    assert!(way_round("no-such-way").is_none());
}

#[test]
fn each_kind_of_control_has_ways_round_it() {
    for kind in ControlKind::ALL {
        assert!(ways_round().any(|way| way.kinds.contains(&kind)), "{kind}");
    }
}

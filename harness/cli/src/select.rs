//! Which scenarios a command line names. A filter that matches nothing is a fault, even when others
//! match.

use globset::GlobBuilder;
use model::letter_distance;

use crate::args::{ScenarioFilter, ShardPart};
use crate::exit::ExitReason;
use crate::fault::CommandFault;

/// How many ids a hint names.
const NEAREST_SHOWN: usize = 3;

/// The ids that are named, in the order of `all`.
pub(crate) fn select_ids<'a>(
    all: &[&'a str],
    filter: &ScenarioFilter,
) -> Result<Vec<&'a str>, CommandFault> {
    let patterns = read_patterns(&filter.ids, all)?;
    let excluded = read_patterns(&filter.exclude, all)?;
    for area in &filter.area {
        if !all.iter().any(|id| in_area(id, area)) {
            return Err(no_area(area, all));
        }
    }
    let wanted = |id: &str| {
        (patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(id)))
            && (filter.area.is_empty() || filter.area.iter().any(|area| in_area(id, area)))
    };
    let mut chosen: Vec<&str> = all.iter().copied().filter(|id| wanted(id)).collect();
    let was_empty = chosen.is_empty();
    chosen.retain(|id| !excluded.iter().any(|pattern| pattern.matches(id)));
    if chosen.is_empty() && !was_empty {
        return Err(CommandFault::new(
            ExitReason::Nothing,
            "every scenario that matches is excluded",
        )
        .hint("exclude less"));
    }
    if chosen.is_empty() {
        return Err(CommandFault::new(
            ExitReason::Nothing,
            "no scenario matches both the ids and the areas",
        )
        .hint("name one or the other; `gauntlet list` prints every id"));
    }
    Ok(chosen)
}

/// The patterns of a command line, each of which has to match something.
fn read_patterns(texts: &[String], all: &[&str]) -> Result<Vec<IdPattern>, CommandFault> {
    let read = |text: &String| {
        let pattern = IdPattern::new(text)?;
        if all.iter().any(|id| pattern.matches(id)) {
            return Ok(pattern);
        }
        Err(nothing_matches(
            &format!("no scenario matches `{}`", pattern.text),
            &pattern.text,
            all,
        ))
    };
    texts.iter().map(read).collect()
}

/// The part of `chosen` that this shard tries.
pub(crate) fn select_shard(
    chosen: Vec<&str>,
    shard: Option<ShardPart>,
) -> Result<Vec<&str>, CommandFault> {
    let Some(ShardPart { index, of }) = shard else {
        return Ok(chosen);
    };
    let count = chosen.len();
    let part: Vec<&str> = chosen.into_iter().skip(index - 1).step_by(of).collect();
    if part.is_empty() {
        return Err(CommandFault::new(
            ExitReason::Nothing,
            format!("shard {index}/{of} is empty: {count} scenarios were chosen"),
        )
        .hint(format!("use at most {count} shards")));
    }
    Ok(part)
}

struct IdPattern {
    text: String,
    glob: globset::GlobMatcher,
}

impl IdPattern {
    fn new(text: &str) -> Result<Self, CommandFault> {
        let text = text.trim_end_matches('/').to_owned();
        let glob = GlobBuilder::new(&text).literal_separator(true).build();
        let glob = glob.map_err(|error| {
            CommandFault::usage(format!("`{text}` is not a glob: {}", error.kind()))
        })?;
        Ok(Self {
            glob: glob.compile_matcher(),
            text,
        })
    }

    fn matches(&self, id: &str) -> bool {
        id == self.text || self.glob.is_match(id)
    }
}

fn in_area(id: &str, area: &str) -> bool {
    id.split_once('/').is_some_and(|(its, _)| its == area)
}

fn no_area(area: &str, all: &[&str]) -> CommandFault {
    let mut areas: Vec<&str> = all
        .iter()
        .filter_map(|id| id.split_once('/'))
        .map(|(area, _)| area)
        .collect();
    areas.dedup();
    CommandFault::new(
        ExitReason::Nothing,
        format!("no scenario is in the area `{area}`"),
    )
    .hint(format!(
        "there are {}",
        areas
            .iter()
            .map(|area| format!("`{area}`"))
            .collect::<Vec<_>>()
            .join(", ")
    ))
}

fn nothing_matches(what: &str, text: &str, all: &[&str]) -> CommandFault {
    let near = nearest_ids(text, all);
    let hint = if near.is_empty() {
        "`gauntlet list` prints every id".to_owned()
    } else {
        let names: Vec<String> = near.iter().map(|id| format!("`{id}`")).collect();
        format!("did you mean {}?", names.join(" or "))
    };
    CommandFault::new(ExitReason::Nothing, what).hint(hint)
}

/// The ids nearest to a text: those that hold it, then those a few letters away.
fn nearest_ids<'a>(text: &str, all: &[&'a str]) -> Vec<&'a str> {
    let name = |id: &'a str| id.split_once('/').map_or(id, |(_, name)| name);
    let own = text.split_once('/').map_or(text, |(_, name)| name);
    let mut ranked: Vec<(usize, &str)> = all
        .iter()
        .map(|id| {
            let away = letter_distance(text, id)
                .min(letter_distance(own, name(id)) + usize::from(own != text));
            let holds = own.len() >= 3 && id.contains(own);
            (if holds { 0 } else { away }, *id)
        })
        .filter(|(away, id)| *away <= 2.max(id.len() / 4))
        .collect();
    ranked.sort();
    ranked
        .into_iter()
        .take(NEAREST_SHOWN)
        .map(|(_, id)| id)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 4] = [
        "audit/exec",
        "pod-security/privileged",
        "rbac/escalate",
        "rbac/pod-reader",
    ];

    fn ids(ids: &[&str]) -> ScenarioFilter {
        ScenarioFilter {
            ids: ids.iter().map(ToString::to_string).collect(),
            ..ScenarioFilter::default()
        }
    }

    #[test]
    fn nothing_named_is_everything() {
        assert_eq!(select_ids(&ALL, &ids(&[])).unwrap(), ALL);
    }

    #[test]
    fn ids_and_globs_choose_in_the_librarys_order() {
        assert_eq!(
            select_ids(&ALL, &ids(&["rbac/*"])).unwrap(),
            ["rbac/escalate", "rbac/pod-reader"]
        );
        assert_eq!(
            select_ids(&ALL, &ids(&["rbac/pod-reader", "audit/exec"])).unwrap(),
            ["audit/exec", "rbac/pod-reader"]
        );
        assert_eq!(
            select_ids(&ALL, &ids(&["*/privileged"])).unwrap(),
            ["pod-security/privileged"]
        );
    }

    #[test]
    fn areas_narrow() {
        let filter = ScenarioFilter {
            ids: vec!["*/*e*".into()],
            area: vec!["rbac".into()],
            ..ScenarioFilter::default()
        };
        assert_eq!(
            select_ids(&ALL, &filter).unwrap(),
            ["rbac/escalate", "rbac/pod-reader"]
        );
    }

    #[test]
    fn what_is_excluded_is_left_out_and_has_to_be_there() {
        let without = |exclude: &[&str]| ScenarioFilter {
            area: vec!["rbac".into()],
            exclude: exclude.iter().map(ToString::to_string).collect(),
            ..ScenarioFilter::default()
        };
        assert_eq!(
            select_ids(&ALL, &without(&["rbac/e*", "audit/*"])).unwrap(),
            ["rbac/pod-reader"]
        );
        for (exclude, what) in [
            ("rbac/*", "every scenario that matches is excluded"),
            ("rbac/pod-raeder", "no scenario matches `rbac/pod-raeder`"),
        ] {
            let fault = select_ids(&ALL, &without(&[exclude])).unwrap_err();
            assert_eq!(
                (fault.exit, fault.what.as_str()),
                (ExitReason::Nothing, what)
            );
        }
    }

    #[test]
    fn a_filter_without_a_match_is_a_fault_even_beside_one_that_has() {
        let fault = select_ids(&ALL, &ids(&["audit/exec", "rbac/pod-raeder"])).unwrap_err();
        assert_eq!(fault.exit, ExitReason::Nothing);
        assert_eq!(fault.what, "no scenario matches `rbac/pod-raeder`");
        assert_eq!(
            fault.hint.as_deref(),
            Some("did you mean `rbac/pod-reader`?")
        );
        let filter = ScenarioFilter {
            ids: vec![],
            area: vec!["rbca".into()],
            ..ScenarioFilter::default()
        };
        let fault = select_ids(&ALL, &filter).unwrap_err();
        assert_eq!(
            fault.hint.as_deref(),
            Some("there are `audit`, `pod-security`, `rbac`")
        );
        let filter = ScenarioFilter {
            ids: vec!["audit/*".into()],
            area: vec!["rbac".into()],
            ..ScenarioFilter::default()
        };
        assert_eq!(
            select_ids(&ALL, &filter).unwrap_err().exit,
            ExitReason::Nothing
        );
    }

    #[test]
    fn a_name_without_its_area_is_near() {
        assert_eq!(nearest_ids("privileged", &ALL), ["pod-security/privileged"]);
        assert_eq!(nearest_ids("zzzzzzzzzzzz", &ALL), Vec::<&str>::new());
    }

    #[test]
    fn shards_are_disjoint_and_complete() {
        let part = |index| select_shard(ALL.to_vec(), Some(ShardPart { index, of: 3 })).unwrap();
        let mut all: Vec<&str> = (1..=3).flat_map(part).collect();
        all.sort_unstable();
        assert_eq!(all, ALL);
        assert_eq!(
            select_shard(ALL.to_vec(), Some(ShardPart { index: 5, of: 5 }))
                .unwrap_err()
                .exit,
            ExitReason::Nothing
        );
    }
}

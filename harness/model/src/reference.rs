//! The reference of a scenario file for people, from the same types as its JSON schema.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::{Action, ControlKind, HeededKeys, scenario_schema, ways_round};

const REFERENCE_HEAD: &str = "# Scenario reference

Every key of a `scenario.yaml`, and every word that can stand behind it. This file is generated from the types that read
scenarios: `gauntlet schema --reference`. Keys marked with * are required.
";

/// The reference, as Markdown with a final newline: a section for the file, and one for each named
/// type.
#[must_use]
pub fn scenario_reference() -> String {
    let schema: Value = serde_json::from_str(&scenario_schema()).unwrap_or_default();
    let mut text = REFERENCE_HEAD.to_owned();
    write_section(&mut text, "The file", &schema);
    for (name, schema) in object_fields(&schema["$defs"]) {
        write_section(&mut text, name, schema);
        if name == "Answer" {
            write_answers(&mut text);
        }
        if name == "ScenarioStep" {
            write_heeded(&mut text);
        }
    }
    write_ways(&mut text);
    text
}

const WAYS_HEAD: &str = "
## Ways round
What `leaves-out` names. The lint finds out which controls a world holds by, from its manifests and from what is refused there, and wants
a step for each way that they leave open, or the reason why there is none. `tried in AREA/NAME` is checked.

";

const ONCE_TRIED: &str = " One of all scenarios tries it.";

/// The ways round a control, each with the kinds that it leads round.
fn write_ways(text: &mut String) {
    text.push_str(WAYS_HEAD);
    for way in ways_round() {
        let kinds: Vec<String> = ControlKind::all()
            .filter(|kind| way.leads_round(*kind))
            .map(|kind| kind.to_string())
            .collect();
        let once = if way.is_of_engine() { ONCE_TRIED } else { "" };
        let _ = writeln!(
            text,
            "* `{}` ({}): {}.{once}",
            way.name,
            kinds.join(", "),
            way.about
        );
    }
}

/// An example of each action, to ask it what it can answer.
const ACTION_EXAMPLES: &[&str] = &[
    "create: pod.yaml",
    "apply: pod.yaml",
    "update: pod.yaml",
    "patch: { target: pod/web, with: patch.yaml }",
    "update-subresource: { target: namespace/shop, subresource: finalize, with: namespace.yaml }",
    "delete: pod/web",
    "delete-collection: pod/web",
    "delete-labelled: { kind: pod, labels: app=web }",
    "label: { target: pod/web, set: { a: b } }",
    "evict: web",
    "ephemeral-container: { pod: web, with: debug.yaml }",
    "bind: { pod: web, node: node-1 }",
    "token: { serviceaccount: a }",
    "scale: { target: deployment/web, replicas: 1 }",
    "rotate: { secret: db, key: password, to: next, watch: {}, within: 1 }",
    "get: pod/web",
    "path: /version",
    "exec: { pod: web, command: [id] }",
    "attach-pod: { pod: web }",
    "port-forward: { pod: web, port: 80 }",
    "list: { resource: pods }",
    "wait-running: pod/web",
    "look-for: { audit: {} }",
    "reach: { from: web, to: 'tcp://db:80' }",
    "open-connection: { from: web, to: 'tcp://db:80', name: one }",
    "check-connection: { from: web, name: one }",
    "check-agent: { pod: agent, managers: [manager] }",
    "check-delivery: { source: live, of: 1, managers: [manager] }",
    "build: { image: app }",
    "push: app",
    "copy: { from: app, to: other }",
    "index: { image: app, of: ['app:amd64', 'app:arm64'] }",
    "tamper: { image: app, with: config }",
    "corrupt: { image: app, what: signature }",
    "sbom: { image: app, into: bill }",
    "attach: { image: app, sbom: bill }",
    "sign: { image: app, with: { key: a } }",
    "attest: { image: app, with: { key: a }, type: slsaprovenance1, predicate: { file: a.json } }",
    "verify: { image: app, by: { key: a } }",
    "scan: { sbom: bill, fail-on: high }",
    "read-etcd-value: secret/db",
    "copy-etcd-value: { from: secret/a, to: secret/b }",
    "create-secrets: 1",
    "rewrite-secrets: {}",
    "check-secrets",
    "check-propagation: { of: rotate, place: file }",
    "set-encryption: { with: new.yaml }",
    "kms: { plugin: a }",
    "snapshot: monday",
    "restore: monday",
    "process: { kill: etcd }",
    "node: { kill: node-2 }",
];

/// Which action can give which answer; those with the same ones together.
fn write_answers(text: &mut String) {
    let mut groups: Vec<(&[&str], Vec<String>)> = Vec::new();
    for action in example_actions() {
        let words = action.answers();
        match groups.iter_mut().find(|(have, _)| *have == words) {
            Some((_, actions)) => actions.push(action.word()),
            None => groups.push((words, vec![action.word()])),
        }
    }
    text.push_str("\nWhich action can give which:\n\n");
    let list = |words: &mut dyn Iterator<Item = &str>| {
        words
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    for (words, actions) in groups {
        let actions = list(&mut actions.iter().map(String::as_str));
        let _ = writeln!(text, "* {actions}: {}", list(&mut words.iter().copied()));
    }
}

/// A key of a step, and whether an action heeds it.
type StepKey = (&'static str, fn(HeededKeys) -> bool);

const STEP_KEYS: [StepKey; 4] = [
    ("as", |heeded| heeded.identity),
    ("dry-run", |heeded| heeded.dry_run),
    ("drop-unknown-fields", |heeded| heeded.drop_unknown),
    ("namespace", |heeded| heeded.namespace),
];

/// Where a step that looks for something names what is in a namespace.
const LOOKS_IN_NAMESPACE: &str =
    ", and `look-for` where it is about an object, or a planted value in one or in a pod's log";

/// Which action heeds which key of its step.
fn write_heeded(text: &mut String) {
    text.push_str("\nWhich key is for which action, the lint refusing it elsewhere:\n\n");
    for (key, is_heeded) in STEP_KEYS {
        let heeding = example_actions().filter(|action| is_heeded(action.heeded_keys()));
        let words: Vec<String> = heeding
            .map(|action| format!("`{}`", action.word()))
            .collect();
        let more = if key == "namespace" {
            LOOKS_IN_NAMESPACE
        } else {
            ""
        };
        let _ = writeln!(text, "* `{key}`: {}{more}", words.join(", "));
    }
}

fn example_actions() -> impl Iterator<Item = Action> {
    ACTION_EXAMPLES
        .iter()
        .filter_map(|yaml| serde_saphyr::from_str(yaml).ok())
}

fn write_section(text: &mut String, name: &str, schema: &Value) {
    let _ = write!(text, "\n## {name}\n{}\n", schema_description(schema));
    if schema.get("properties").is_some() {
        text.push('\n');
        write_fields(text, schema, 0);
    }
    let choices = schema["oneOf"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if !choices.is_empty() {
        text.push_str("\nOne of:\n\n");
    }
    for choice in choices {
        match choice["const"].as_str() {
            Some(word) => write_item(
                text,
                0,
                &format!("`{word}`"),
                "",
                &schema_description(choice),
            ),
            None if choice.get("pattern").is_some() => {
                write_item(text, 0, "`NAME@VERSION`", "", &schema_description(choice))
            }
            None => choice_with_value(text, choice),
        }
    }
}

/// A word with something behind it, such as `denied: { by: … }`.
fn choice_with_value(text: &mut String, choice: &Value) {
    for (word, value) in object_fields(&choice["properties"]) {
        let kind = if value.get("properties").is_some() {
            String::new()
        } else {
            key_kind(value)
        };
        write_item(
            text,
            0,
            &format!("`{word}:`"),
            &kind,
            &schema_description(choice),
        );
        write_fields(text, value, 1);
    }
}

/// The keys of an object, those of objects within it below them.
fn write_fields(text: &mut String, schema: &Value, depth: usize) {
    let required = schema["required"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for (key, value) in object_fields(&schema["properties"]) {
        let star = if required.iter().any(|one| one == key) {
            "\\*"
        } else {
            ""
        };
        let default = value
            .get("default")
            .map(|default| format!(" Default: `{}`.", plain_value(default)));
        let told = schema_description(value) + &default.unwrap_or_default();
        write_item(
            text,
            depth,
            &format!("`{key}`{star}"),
            &key_kind(value),
            &told,
        );
        write_fields(text, value, depth + 1);
    }
}

fn write_item(text: &mut String, depth: usize, name: &str, kind: &str, description: &str) {
    let indent = "  ".repeat(depth);
    let kind = if kind.is_empty() {
        String::new()
    } else {
        format!(" ({kind})")
    };
    let description = if description.is_empty() {
        String::new()
    } else {
        format!(": {description}")
    };
    let _ = writeln!(text, "{indent}* {name}{kind}{description}");
}

/// What stands behind a key, in a few words; nothing for an object whose keys are listed.
fn key_kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|path| path.rsplit('/').next())
    {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(kinds) = schema["anyOf"].as_array() {
        let kinds: Vec<String> = kinds
            .iter()
            .filter(|one| one["type"] != "null")
            .map(key_kind)
            .collect();
        return kinds.join(" or ");
    }
    let names = match &schema["type"] {
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| *name != "null")
            .collect(),
        name => name.as_str().into_iter().collect::<Vec<_>>(),
    };
    match names.as_slice() {
        ["array"] => format!("list of {}", key_kind(&schema["items"])),
        ["object"] if schema.get("properties").is_some() => String::new(),
        ["object"] => format!(
            "map of names to {}",
            key_kind(&schema["additionalProperties"])
        ),
        ["boolean"] => "true or false".into(),
        _ => names.join(" or "),
    }
}

fn schema_description(schema: &Value) -> String {
    schema["description"]
        .as_str()
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn plain_value(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn object_fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.as_object().unwrap_or(&NONE).iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every name of the schema stands in the reference, so no shape of schema was overlooked.
    #[test]
    fn every_key_and_word_of_the_schema_is_there() {
        let text = scenario_reference();
        let schema: Value = serde_json::from_str(&scenario_schema()).unwrap();
        let mut names = Vec::new();
        collect(&schema, &mut names);
        assert!(names.len() > 200, "{names:?}");
        for name in names {
            assert!(
                text.contains(&format!("`{name}`")) || text.contains(&format!("`{name}:`")),
                "{name}"
            );
        }
    }

    /// The words of this type in the schema.
    fn words(name: &str) -> std::collections::BTreeSet<String> {
        let schema: Value = serde_json::from_str(&scenario_schema()).unwrap();
        let choices = schema["$defs"][name]["oneOf"].as_array().unwrap();
        let word = |choice: &Value| match choice["const"].as_str() {
            Some(word) => word.to_owned(),
            None => object_fields(&choice["properties"])
                .next()
                .unwrap()
                .0
                .clone(),
        };
        choices.iter().map(word).collect()
    }

    #[test]
    fn every_action_says_what_it_can_answer_and_every_answer_can_be_given() {
        for example in ACTION_EXAMPLES {
            let action: Result<Action, _> = serde_saphyr::from_str(example);
            assert!(action.is_ok(), "{example}: {action:?}");
        }
        let actions = example_actions().map(|action| action.word()).collect();
        assert_eq!(words("Action"), actions);
        let given = example_actions()
            .flat_map(|action| action.answers())
            .map(|word| (*word).to_owned())
            .collect();
        assert_eq!(words("Answer"), given);
    }

    fn collect(schema: &Value, names: &mut Vec<String>) {
        names.extend(schema["const"].as_str().map(ToOwned::to_owned));
        names.extend(object_fields(&schema["properties"]).map(|(name, _)| name.clone()));
        let below = object_fields(&schema["properties"])
            .chain(object_fields(&schema["$defs"]))
            .map(|(_, value)| value);
        below
            .chain(schema["oneOf"].as_array().into_iter().flatten())
            .for_each(|one| collect(one, names));
    }
}

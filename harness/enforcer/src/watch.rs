//! Listing and watching one kind, for as long as this process lives.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use wait::Look;

use super::WatchEvent;
use super::objects::{Metadata, Object};
use super::state::Change;
use crate::api::{Api, first_line};

/// Watches are opened again after this many seconds, so that one on a dead connection recovers.
const LASTS: u64 = 30;

/// An API server may be away for as long as it likes: until then the last table stays in force.
const PATIENCE: Duration = Duration::MAX;
const EVERY: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
#[serde(bound = "T: Object")]
struct List<T> {
    metadata: Metadata,
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    object: Value,
}

/// Tells every change of a kind, on a thread of its own. Whatever ends a watch, a list comes next: so an API server that
/// was restarted, or whose data is now older, is believed.
pub(crate) fn follow<T: Object>(
    api: Api,
    tell: Sender<WatchEvent>,
    news: fn(Change<T>, u64) -> WatchEvent,
) {
    thread::spawn(move || {
        let told = |change, version| {
            tell.send(news(change, version))
                .map_err(|_| "nobody listens".to_owned())
        };
        loop {
            let listed = wait::until(T::PATH, PATIENCE, EVERY, || match list::<T>(&api) {
                Ok(listed) => Look::Ready(listed),
                Err(why) => Look::NotYet(why),
            });
            let Ok((items, version)) = listed else { return };
            if told(Change::All(items), version).is_err() {
                return;
            }
            if let Err(why) = watch::<T>(&api, version, told) {
                crate::log(&format!("the watch of {} has ended: {why}", T::PATH));
            }
        }
    });
}

fn list<T: Object>(api: &Api) -> Result<(Vec<T>, u64), String> {
    let mut text = Vec::new();
    answer(api, T::PATH)?
        .read_to_end(&mut text)
        .map_err(|why| why.to_string())?;
    let list: List<T> = serde_json::from_slice(&text).map_err(|why| why.to_string())?;
    Ok((list.items, version(&list.metadata)?))
}

/// Tells changes from a version on, until the watch ends.
fn watch<T: Object>(
    api: &Api,
    from: u64,
    told: impl Fn(Change<T>, u64) -> Result<(), String>,
) -> Result<(), String> {
    let path = format!(
        "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={LASTS}&resourceVersion={from}",
        T::PATH
    );
    for line in BufReader::new(answer(api, &path)?).lines() {
        let (change, version) = read(&line.map_err(|why| why.to_string())?)?;
        told(change, version)?;
    }
    Ok(())
}

fn read<T: Object>(line: &str) -> Result<(Change<T>, u64), String> {
    let event: Event = serde_json::from_str(line).map_err(|why| why.to_string())?;
    let object = || {
        let object = T::deserialize(&event.object).map_err(|why| format!("{why}: {line}"))?;
        let version = version(object.metadata())?;
        Ok((object, version))
    };
    match event.kind.as_str() {
        "ADDED" | "MODIFIED" => {
            object().map(|(object, version)| (Change::Written(object), version))
        }
        "DELETED" => object().map(|(object, version)| (Change::Deleted(object), version)),
        // It has lists that are null.
        "BOOKMARK" => {
            let metadata = Metadata::deserialize(&event.object["metadata"])
                .map_err(|why| format!("{why}: {line}"))?;
            Ok((Change::None, version(&metadata)?))
        }
        _ => Err(format!("{}: {}", event.kind, event.object["message"])),
    }
}

fn version(metadata: &Metadata) -> Result<u64, String> {
    let text = &metadata.resource_version;
    text.parse()
        .map_err(|_| format!("`{text}` is not a version that can be compared"))
}

fn answer(api: &Api, path: &str) -> Result<impl Read + use<>, String> {
    match api.stream(path)? {
        (200, body) => Ok(body),
        (status, mut body) => {
            let mut text = String::new();
            let _ = body.read_to_string(&mut text);
            Err(format!("status {status}: {}", first_line(&text)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::{Namespace, Pod};

    fn told(kind: &str) -> Result<(Change<Namespace>, u64), String> {
        let object =
            r#"{"metadata": {"name": "a", "resourceVersion": "12"}, "message": "too old"}"#;
        read(&format!(r#"{{"type": "{kind}", "object": {object}}}"#))
    }

    #[test]
    fn events_are_read_and_what_is_none_ends_the_watch() {
        assert!(
            matches!(told("ADDED"), Ok((Change::Written(one), 12)) if one.metadata.name == "a")
        );
        assert!(matches!(told("MODIFIED"), Ok((Change::Written(_), 12))));
        assert!(matches!(told("DELETED"), Ok((Change::Deleted(_), 12))));
        assert!(matches!(told("BOOKMARK"), Ok((Change::None, 12))));
        let bare = r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"},"spec":{"containers":null}}}"#;
        assert!(matches!(read::<Pod>(bare), Ok((Change::None, 7))));
        assert_eq!(told("ERROR").unwrap_err(), "ERROR: \"too old\"");
        assert!(read::<Namespace>("{").is_err());
        assert!(
            read::<Namespace>(
                r#"{"type": "ADDED", "object": {"metadata": {"resourceVersion": "x"}}}"#
            )
            .is_err()
        );
    }
}

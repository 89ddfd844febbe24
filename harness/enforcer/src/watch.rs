//! Listing and watching one kind, for as long as this process lives.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use wait::WaitLook;

use super::WatchEvent;
use super::objects::{ObjectMetadata, WatchedObject};
use super::state::ObjectChange;
use crate::Error;
use crate::api::{BoxApi, first_line};

/// Watches are opened again after this many seconds, so that one on a dead connection recovers.
const WATCH_LASTS: u64 = 30;

/// An API server may be away for as long as it likes: until then the last table stays in force.
const SERVER_AWAY_AT_MOST: Duration = Duration::MAX;
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
#[serde(bound = "T: WatchedObject")]
struct ObjectList<T> {
    metadata: ObjectMetadata,
    items: Vec<T>,
}

#[derive(Deserialize)]
struct WatchedChange {
    #[serde(rename = "type")]
    kind: String,
    object: Value,
}

/// Tells every change of a kind, on a background thread. Whatever ends a watch, a list comes next:
/// so an API server that was restarted, or whose data is now older, is believed.
pub(crate) fn follow_kind<T: WatchedObject>(
    api: BoxApi,
    tell: Sender<WatchEvent>,
    news: fn(ObjectChange<T>, u64) -> WatchEvent,
) {
    thread::spawn(move || {
        let told = |change, version| {
            tell.send(news(change, version))
                .map_err(|_| Error::ReceiverEnded)
        };
        loop {
            let listed =
                wait::wait_until(
                    T::PATH,
                    SERVER_AWAY_AT_MOST,
                    RETRY_INTERVAL,
                    || match list_kind::<T>(&api) {
                        Ok(listed) => WaitLook::Ready(listed),
                        Err(why) => WaitLook::NotYet(why.to_string()),
                    },
                );
            let Ok((items, version)) = listed else { return };
            if told(ObjectChange::All(items), version).is_err() {
                return;
            }
            if let Err(why) = watch_kind::<T>(&api, version, told) {
                crate::log_line(&format!("the watch of {} has ended: {why}", T::PATH));
            }
        }
    });
}

fn list_kind<T: WatchedObject>(api: &BoxApi) -> Result<(Vec<T>, u64), Error> {
    let mut text = Vec::new();
    read_answer(api, T::PATH)?
        .read_to_end(&mut text)
        .map_err(Error::BrokenOff)?;
    let list: ObjectList<T> = serde_json::from_slice(&text)?;
    Ok((list.items, list_version(&list.metadata)?))
}

/// Tells changes from a version on, until the watch ends.
fn watch_kind<T: WatchedObject>(
    api: &BoxApi,
    from: u64,
    told: impl Fn(ObjectChange<T>, u64) -> Result<(), Error>,
) -> Result<(), Error> {
    let path = format!(
        "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_LASTS}&resourceVersion={from}",
        T::PATH
    );
    for line in BufReader::new(read_answer(api, &path)?).lines() {
        let (change, version) = read_events(&line.map_err(Error::BrokenOff)?)?;
        told(change, version)?;
    }
    Ok(())
}

fn read_events<T: WatchedObject>(line: &str) -> Result<(ObjectChange<T>, u64), Error> {
    let event: WatchedChange = serde_json::from_str(line)?;
    let malformed = |why: serde_json::Error| Error::Malformed {
        what: format!("the event `{line}`"),
        why: why.to_string(),
    };
    let object = || {
        let object = T::deserialize(&event.object).map_err(malformed)?;
        let version = list_version(object.metadata())?;
        Ok((object, version))
    };
    match event.kind.as_str() {
        "ADDED" | "MODIFIED" => {
            object().map(|(object, version)| (ObjectChange::Written(object), version))
        }
        "DELETED" => object().map(|(object, version)| (ObjectChange::Deleted(object), version)),
        // It has lists that are null.
        "BOOKMARK" => {
            let metadata =
                ObjectMetadata::deserialize(&event.object["metadata"]).map_err(malformed)?;
            Ok((ObjectChange::None, list_version(&metadata)?))
        }
        _ => Err(Error::WatchEnded {
            kind: event.kind,
            message: event.object["message"].to_string(),
        }),
    }
}

fn list_version(metadata: &ObjectMetadata) -> Result<u64, Error> {
    let text = &metadata.resource_version;
    text.parse().map_err(|_| Error::Version(text.clone()))
}

fn read_answer(api: &BoxApi, path: &str) -> Result<impl Read + use<>, Error> {
    match api.stream(path)? {
        (200, body) => Ok(body),
        (status, mut body) => {
            let mut text = String::new();
            let _ = body.read_to_string(&mut text);
            Err(Error::UnexpectedAnswer {
                status,
                said: first_line(&text).to_owned(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::{NamespaceObject, PodObject};

    fn told(kind: &str) -> Result<(ObjectChange<NamespaceObject>, u64), Error> {
        let object =
            r#"{"metadata": {"name": "a", "resourceVersion": "12"}, "message": "too old"}"#;
        read_events(&format!(r#"{{"type": "{kind}", "object": {object}}}"#))
    }

    #[test]
    fn events_are_read_and_what_is_none_ends_the_watch() {
        assert!(
            matches!(told("ADDED"), Ok((ObjectChange::Written(one), 12)) if one.metadata.name == "a")
        );
        assert!(matches!(
            told("MODIFIED"),
            Ok((ObjectChange::Written(_), 12))
        ));
        assert!(matches!(
            told("DELETED"),
            Ok((ObjectChange::Deleted(_), 12))
        ));
        assert!(matches!(told("BOOKMARK"), Ok((ObjectChange::None, 12))));
        let bare = r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"},"spec":{"containers":null}}}"#;
        assert!(matches!(
            read_events::<PodObject>(bare),
            Ok((ObjectChange::None, 7))
        ));
        assert_eq!(told("ERROR").unwrap_err().to_string(), "ERROR: \"too old\"");
        assert!(read_events::<NamespaceObject>("{").is_err());
        assert!(
            read_events::<NamespaceObject>(
                r#"{"type": "ADDED", "object": {"metadata": {"resourceVersion": "x"}}}"#
            )
            .is_err()
        );
    }
}

//! What was measured: numbers that are others in each run. Reports show them, and golden files do
//! not hold them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What a figure is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FigureName {
    /// How long a connection took, or lived.
    Took,
    /// How long it took until a process was of use.
    UsableAfter,
    /// How long it took until the API server used a configuration.
    ReloadedAfter,
    /// How long it took until the API server turned a configuration down.
    NotReloadedAfter,
    /// How long it took until a place had a new value.
    UpdatedAfter,
    /// How long it took until a record held what was looked for.
    FoundAfter,
    /// How many different events arrived.
    Received,
    /// How many events arrived once more.
    Duplicates,
    /// How many events arrived after a later one.
    Late,
}

/// A figure: in JSON `{"seconds": 0.25}` or `{"count": 3}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Figure {
    /// A time.
    #[serde(serialize_with = "write_seconds", deserialize_with = "read_seconds")]
    Seconds(Duration),
    /// A number of things.
    Count(u64),
}

impl Figure {
    /// The time, where it is one.
    #[must_use]
    pub fn duration(self) -> Option<Duration> {
        match self {
            Self::Seconds(time) => Some(time),
            Self::Count(_) => None,
        }
    }

    /// The number, where it is one of things.
    #[must_use]
    pub fn count(self) -> Option<u64> {
        match self {
            Self::Count(number) => Some(number),
            Self::Seconds(_) => None,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(time) => write!(f, "{:.3} s", time.as_secs_f64()),
            Self::Count(number) => number.fmt(f),
        }
    }
}

impl FigureName {
    /// Its word in a report.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Took => "took",
            Self::UsableAfter => "usable-after",
            Self::ReloadedAfter => "reloaded-after",
            Self::NotReloadedAfter => "not-reloaded-after",
            Self::UpdatedAfter => "updated-after",
            Self::FoundAfter => "found-after",
            Self::Received => "received",
            Self::Duplicates => "duplicates",
            Self::Late => "late",
        }
    }
}

impl fmt::Display for FigureName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

fn write_seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

fn read_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_figure_is_a_number_with_its_unit() {
        let time = Figure::Seconds(Duration::from_millis(250));
        assert_eq!(
            serde_json::to_value(time).unwrap(),
            json!({"seconds": 0.25})
        );
        assert_eq!(
            serde_json::to_value(Figure::Count(3)).unwrap(),
            json!({"count": 3})
        );
        for figure in [time, Figure::Count(u64::MAX)] {
            let text = serde_json::to_string(&figure).unwrap();
            assert_eq!(serde_json::from_str::<Figure>(&text).unwrap(), figure);
        }
        assert!(serde_json::from_value::<Figure>(json!({"seconds": -1.0})).is_err());
        assert_eq!(
            (time.duration(), time.count()),
            (Some(Duration::from_millis(250)), None)
        );
        assert_eq!(time.to_string(), "0.250 s");
    }

    #[test]
    fn a_name_is_shown_as_it_is_written() {
        for name in [
            FigureName::Took,
            FigureName::UsableAfter,
            FigureName::ReloadedAfter,
            FigureName::NotReloadedAfter,
            FigureName::UpdatedAfter,
            FigureName::FoundAfter,
            FigureName::Received,
            FigureName::Duplicates,
            FigureName::Late,
        ] {
            assert_eq!(serde_json::to_value(name).unwrap(), json!(name.word()));
        }
    }
}

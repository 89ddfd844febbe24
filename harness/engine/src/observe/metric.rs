//! Counters of the API server. *Unseen* needs its count of requests to have grown meanwhile.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use api::{ApiCall, ApiCaller};
use model::{Answer, ApiReply, MetricMatch, ReplyBody};

use super::ABSENT_FOR;
use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::wait::{ConditionWait, WaitLook};

/// A scrape: its series, as `NAME{LABELS}` and value.
#[derive(Debug, Default)]
pub(crate) struct MetricScrape(Vec<MetricSeries>);

#[derive(Debug, PartialEq)]
struct MetricSeries {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// A counter that every request moves.
const REQUESTS_METRIC: &str = "apiserver_request_total";

pub(super) async fn seen_metric(
    cx: &StepContext<'_, '_>,
    wanted: &MetricMatch,
) -> Result<Observation, Error> {
    let before = cx
        .world
        .beginning
        .metrics
        .as_ref()
        .ok_or_else(|| Error::scenario("the metrics' beginning was not noted"))?;
    let labels: BTreeMap<String, String> = wanted
        .labels
        .iter()
        .map(|(key, value)| (cx.fill_text(key), cx.fill_text(value)))
        .collect();
    let (start, hold) = (Instant::now(), cx.world.within(ABSENT_FOR));
    let wait = ConditionWait {
        what: "the metrics to move",
        within: Duration::from_secs(5) + hold,
        every: Duration::from_millis(100),
    };
    cx.world
        .waiter
        .wait_until(wait, async || {
            let after = match MetricScrape::scrape_metrics(&cx.world.run.own).await {
                Ok(after) => after,
                Err(said) => return WaitLook::from(said),
            };
            if after.sum_series(&wanted.name, &labels) - before.sum_series(&wanted.name, &labels)
                >= 1.0
            {
                return WaitLook::Ready(Observation::from_answer(Answer::Found));
            }
            let none = BTreeMap::new();
            let alive = after.sum_series(REQUESTS_METRIC, &none)
                > before.sum_series(REQUESTS_METRIC, &none);
            if alive && start.elapsed() >= hold {
                return WaitLook::Ready(Observation::from_answer(Answer::Absent));
            }
            WaitLook::NotYet(if alive {
                "it has not grown".into()
            } else {
                format!("not even {REQUESTS_METRIC} has grown")
            })
        })
        .await
}

impl MetricScrape {
    /// Reads the API server's metrics.
    ///
    /// # Errors
    /// What the server said instead.
    pub(crate) async fn scrape_metrics(who: &ApiCaller) -> Result<Self, Error> {
        match who.send_call(ApiCall::get("/metrics")).await.reply {
            ApiReply::Http {
                code: 200,
                body: ReplyBody::Text(text),
                ..
            } => Ok(Self::parse(&text)),
            reply => Err(Error::refused_reply("the metrics cannot be read", &reply)),
        }
    }

    fn parse(text: &str) -> Self {
        Self(
            text.lines()
                .filter(|line| !line.starts_with('#'))
                .filter_map(parse_series)
                .collect(),
        )
    }

    /// The sum over every series of this name that carries these labels; 0 where there is none.
    pub(crate) fn sum_series(&self, name: &str, labels: &BTreeMap<String, String>) -> f64 {
        let carries = |series: &&MetricSeries| {
            labels
                .iter()
                .all(|(key, value)| series.labels.get(key) == Some(value))
        };
        self.0
            .iter()
            .filter(|series| series.name == name)
            .filter(carries)
            .map(|series| series.value)
            .sum()
    }

    /// The sums over the series of this name that carry one label, by the value of another.
    pub(crate) fn sum_by_label(
        &self,
        name: &str,
        (key, value): (&str, &str),
        by: &str,
    ) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        let named = self.0.iter().filter(|series| series.name == name);
        for series in named.filter(|series| series.labels.get(key).is_some_and(|it| it == value)) {
            if let Some(label) = series.labels.get(by) {
                *sums.entry(label.clone()).or_default() += series.value;
            }
        }
        sums
    }

    /// The value of a label of the only series of this name.
    pub(crate) fn label(&self, name: &str, label: &str) -> Option<&str> {
        let series = self.0.iter().find(|series| series.name == name)?;
        series.labels.get(label).map(String::as_str)
    }
}

/// `name{key="value",…} 1.5`, perhaps with a time behind it.
fn parse_series(line: &str) -> Option<MetricSeries> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => parse_labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(MetricSeries {
        name: name.into(),
        labels,
        value,
    })
}

fn parse_labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (key, quoted) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        loop {
            match chars.next()? {
                (at, '"') => {
                    rest = &quoted[at + 1..];
                    break;
                }
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        }
        labels.insert(key.into(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = concat!(
        "# HELP a_total Things.\n# TYPE a_total counter\n",
        "a_total{name=\"x\",kind=\"a \\\"b\\\", c}\"} 2\n",
        "a_total{name=\"y\",kind=\"z\"} 1.5e1 1700000000\n",
        "plain 4\nnot a series\n",
    );

    #[test]
    fn sums_what_carries_the_labels() {
        let metrics = MetricScrape::parse(TEXT);
        let with = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(key, value)| ((*key).into(), (*value).into()))
                .collect()
        };
        assert_eq!(metrics.sum_series("a_total", &BTreeMap::new()), 17.0);
        assert_eq!(
            metrics.sum_series("a_total", &with(&[("kind", "a \"b\", c}")])),
            2.0
        );
        assert_eq!(
            metrics.sum_series("a_total", &with(&[("name", "y"), ("kind", "z")])),
            15.0
        );
        assert_eq!(
            metrics.sum_series("a_total", &with(&[("name", "y"), ("kind", "no")])),
            0.0
        );
        assert_eq!(metrics.sum_series("plain", &BTreeMap::new()), 4.0);
    }

    #[test]
    fn sums_up_by_a_label() {
        let metrics = MetricScrape::parse(concat!(
            "a_total{name=\"x\",type=\"one\",code=\"1\"} 2\na_total{name=\"x\",type=\"one\",code=\"2\"} 3\n",
            "a_total{name=\"y\",type=\"other\"} 4\na_total{type=\"one\"} 5\n",
        ));
        let sums = metrics.sum_by_label("a_total", ("type", "one"), "name");
        assert_eq!(sums, BTreeMap::from([("x".to_owned(), 5.0)]));
    }

    #[test]
    fn skips_what_is_no_series() {
        assert_eq!(MetricScrape::parse("a{b=\"c\n{} 1 x\n\na 1 2 3").0.len(), 2);
    }
}

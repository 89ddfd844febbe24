//! What a person needs to understand a failure, gathered while it can still be seen.

use std::path::{Path, PathBuf};

use api::{ApiCall, ApiExchange, percent_encode, reply_json};
use futures::future::join_all;
use model::{ApiReply, ReplyBody};
use redact::redact_secrets;
use serde_json::Value;
use tokio::fs;

use crate::world::LiveWorld;

/// How many lines of each log.
const LOG_LINES: usize = 200;

impl LiveWorld<'_> {
    /// Writes a folder about one step, or about the set-up; what cannot be gathered is left out.
    pub(crate) async fn write_evidence(
        &self,
        step: &str,
        why: &str,
        exchange: Option<&ApiExchange>,
    ) {
        let Some(mut folder) = self.run.options.evidence.clone() else {
            return;
        };
        folder.extend(self.case.id().split('/'));
        folder.push(self.case.world());
        if self.again {
            folder.push("second-look");
        }
        folder.push(step);
        if fs::create_dir_all(&folder).await.is_err() {
            return;
        }
        let again = format!("gauntlet run {}\n", self.case.id());
        let mut files = vec![
            ("why.txt".to_owned(), format!("{why}\n")),
            ("again.txt".into(), again),
        ];
        if let Some(exchange) = exchange {
            files.push(("request.txt".into(), request_text(exchange)));
            files.push(("reply.txt".into(), reply_text(&exchange.reply)));
        }
        if let Ok(events) = self.namespace_events().await {
            files.push(("events.json".into(), pretty_json(&Value::from(events))));
        }
        let pods = self.fetch_pods(self.own_pods()).await;
        files.extend(self.logs_of(&pods, "", redact::redact_pod_text).await);
        files.push(("pods.json".into(), pretty_json(&Value::from(pods))));
        let pods = self.fetch_pods(self.addon_pods()).await;
        files.extend(self.logs_of(&pods, "addon.", redact::redact_tokens).await);
        files.push(("addon.pods.json".into(), pretty_json(&Value::from(pods))));
        files.extend(self.component_logs().await);
        for (name, text) in files {
            let _ = fs::write(folder.join(name), self.planted.conceal_values(&text)).await;
        }
    }

    /// Where the pods of the world's namespaces are.
    fn own_pods(&self) -> Vec<ApiCall> {
        let all = self.namespaces.all().iter();
        all.map(|name| ApiCall::get(pods_path(name))).collect()
    }

    /// Where the pods of the addons are that it installs.
    fn addon_pods(&self) -> Vec<ApiCall> {
        let places = addons::pod_places(self.case.install()).into_iter();
        places
            .map(|place| {
                ApiCall::get(pods_path(place.namespace)).with_query("labelSelector", place.selector)
            })
            .collect()
    }

    async fn fetch_pods(&self, lists: Vec<ApiCall>) -> Vec<Value> {
        let replies = lists.into_iter().map(|list| self.run.own.send_call(list));
        let lists = join_all(replies).await;
        lists
            .iter()
            .filter_map(|exchange| reply_json(&exchange.reply)?["items"].as_array())
            .flatten()
            .cloned()
            .collect()
    }

    /// What containers that ever ran have said, in files whose names begin with `mark`.
    async fn logs_of(
        &self,
        pods: &[Value],
        mark: &str,
        redact: fn(&str) -> String,
    ) -> Vec<(String, String)> {
        let mut files = Vec::new();
        for pod in pods {
            let field = |name: &str| pod["metadata"][name].as_str().unwrap_or_default();
            let statuses = pod["status"]["containerStatuses"]
                .as_array()
                .into_iter()
                .flatten();
            for container in statuses.filter(|status| status["containerID"].is_string()) {
                let container = container["name"].as_str().unwrap_or_default();
                let (namespace, name) = (field("namespace"), field("name"));
                let path = format!(
                    "{}/{name}/log?container={container}&tailLines={LOG_LINES}",
                    pods_path(namespace)
                );
                let exchange = self.run.own.send_call(ApiCall::get(path)).await;
                if let ApiReply::Http {
                    body: ReplyBody::Text(said),
                    ..
                } = exchange.reply
                {
                    files.push((format!("{mark}{name}.{container}.log"), redact(&said)));
                }
            }
        }
        files
    }

    /// The ends of the components' own logs.
    async fn component_logs(&self) -> Vec<(String, String)> {
        let Some(folder) = &self.run.cluster.facts().logs else {
            return Vec::new();
        };
        let mut files = Vec::new();
        for path in log_files(folder).await {
            if let Ok(bytes) = fs::read(&path).await {
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                files.push((
                    format!("component.{name}"),
                    redact::redact_tokens(last_lines(&String::from_utf8_lossy(&bytes), LOG_LINES)),
                ));
            }
        }
        files
    }
}

/// Where the pods of a namespace are.
fn pods_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{}/pods", percent_encode(namespace))
}

async fn log_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(mut entries) = fs::read_dir(folder).await else {
        return found;
    };
    while let Ok(Some(entry)) = entries.next_entry().await {
        if entry.path().extension().is_some_and(|end| end == "log") {
            found.push(entry.path());
        }
    }
    found
}

/// The last `lines` lines.
fn last_lines(text: &str, lines: usize) -> &str {
    let starts = text.trim_end().rmatch_indices('\n').map(|(at, _)| at + 1);
    &text[starts.take(lines).nth(lines - 1).unwrap_or(0)..]
}

fn request_text(exchange: &ApiExchange) -> String {
    let mut out = format!("{} {}\n", exchange.call.method, exchange.call.path);
    for (name, value) in &exchange.headers {
        out.push_str(&format!("{name}: {value}\n"));
    }
    if let Some((media, body)) = &exchange.call.body {
        out.push_str(&format!(
            "Content-Type: {media}\n\n{}",
            pretty_json(&redact::redact_sent(&exchange.call.path, body))
        ));
    }
    out
}

fn reply_text(reply: &ApiReply) -> String {
    match reply {
        ApiReply::Transport { fault } => format!("no reply: {fault}\n"),
        ApiReply::Http {
            code,
            body,
            warnings,
        } => {
            let warnings: String = warnings
                .iter()
                .map(|warning| format!("Warning: {warning}\n"))
                .collect();
            let body = match body {
                ReplyBody::Json(value) => pretty_json(value),
                ReplyBody::Text(said) => redact::redact_reply(said),
            };
            format!("{code}\n{warnings}\n{body}")
        }
    }
}

fn pretty_json(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(&redact_secrets(value)).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::last_lines;
    use crate::run_context::RunContext;
    use crate::turns::WorldTurn;
    use crate::world::testing::parse_scenario;
    use crate::world::testing::script::{ApiServer, Exchange, Reply};
    use crate::world::{LiveWorld, WorldCase};
    use crate::{EngineOptions, StopFlag, WorldTurns};

    const TEXT: &str = r#"
scenario: v2
why: what an engine said is a part of the evidence
install: [kyverno]
worlds: {bare: {}}
steps:
  - {id: look, do: {get: configmap/a}, expect: allowed}
"#;

    fn exchange(ask: &str, code: u16, body: Option<serde_json::Value>) -> Exchange {
        Exchange {
            ask: ask.into(),
            replies: vec![Reply {
                body,
                ..Reply::of_code(code)
            }],
        }
    }

    #[tokio::test]
    async fn a_failure_keeps_what_the_engines_said() {
        let status = json!([{"name": "kyverno", "containerID": "containerd://1"}]);
        let pods = json!({"items": [{
            "metadata": {"namespace": "kyverno", "name": "engine-1"},
            "status": {"containerStatuses": status},
        }]});
        let said = format!("{}at the end", "long ago\n".repeat(1000));
        let none = || Some(json!({"items": []}));
        let server = ApiServer::start(vec![
            exchange("POST /api/v1/namespaces", 201, None),
            exchange(
                "GET /api/v1/namespaces/$(namespace)/configmaps/a",
                403,
                None,
            ),
            exchange("GET /api/v1/namespaces/$(namespace)/events", 200, none()),
            exchange("GET /api/v1/namespaces/$(namespace)/pods", 200, none()),
            exchange("GET /api/v1/namespaces/kyverno/pods", 200, Some(pods)),
            exchange(
                "GET /api/v1/namespaces/kyverno/pods/engine-1/log",
                200,
                Some(json!(said)),
            ),
            exchange("DELETE /api/v1/namespaces/$(namespace)", 200, None),
            exchange("GET /api/v1/namespaces/$(namespace)", 404, None),
        ])
        .await;
        let folder = tempfile::tempdir().unwrap();
        let cluster = server.cluster(folder.path()).await;
        let options = EngineOptions {
            keep: false,
            evidence: Some(folder.path().join("evidence")),
            ends_at_failure: false,
            turns: WorldTurns::new(1),
            workshop: Arc::default(),
            stop: StopFlag::default(),
            pauses: None,
        };
        let (events, _told) = tokio::sync::mpsc::unbounded_channel();
        let run = RunContext::new(&cluster, &options, events);
        let scenario = parse_scenario(TEXT, &[]);
        let case = WorldCase::find_world(&scenario, "bare").unwrap();
        LiveWorld::new(&run, case, WorldTurn::default(), false)
            .try_out()
            .await;
        assert_eq!(server.complaints(), Vec::<String>::new());
        let kept = folder.path().join("evidence/test/case/bare/look");
        let read = |name: &str| std::fs::read_to_string(kept.join(name)).unwrap();
        assert_eq!(read("addon.engine-1.kyverno.log"), said);
        assert!(read("addon.pods.json").contains("engine-1"));
        assert!(!read("pods.json").contains("engine-1"));
    }

    #[test]
    fn ends_of_logs() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(last_lines("a\nb\nc", 2), "b\nc");
        assert_eq!(last_lines("a\n", 5), "a\n");
        assert_eq!(last_lines("", 5), "");
    }
}

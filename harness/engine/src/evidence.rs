//! What a person needs to understand a failure, gathered while it can still be seen.

use std::path::{Path, PathBuf};

use api::{ApiExchange, percent_encode};
use futures::future::join_all;
use model::{ApiReply, ReplyBody};
use redact::redact_secrets;
use serde_json::Value;
use tokio::fs;

use crate::world::LiveWorld;

/// How many lines of each component's log.
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
        let pods = self.fetch_pods().await;
        files.extend(self.logs_of(&pods).await);
        files.push(("pods.json".into(), pretty_json(&Value::from(pods))));
        files.extend(self.component_logs().await);
        for (name, text) in files {
            let _ = fs::write(folder.join(name), self.planted.conceal_values(&text)).await;
        }
    }

    async fn fetch_pods(&self) -> Vec<Value> {
        let paths = self
            .namespaces
            .all()
            .iter()
            .map(|name| format!("/api/v1/namespaces/{}/pods", percent_encode(name)));
        let lists = join_all(paths.map(|path| self.run.own.fetch_body(path))).await;
        lists
            .into_iter()
            .flatten()
            .flat_map(|list| list["items"].as_array().cloned().unwrap_or_default())
            .collect()
    }

    /// What containers that ever ran have said.
    async fn logs_of(&self, pods: &[Value]) -> Vec<(String, String)> {
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
                    "/api/v1/namespaces/{namespace}/pods/{name}/log?container={container}&tailLines=200"
                );
                let exchange = self.run.own.send_call(api::ApiCall::get(path)).await;
                if let ApiReply::Http {
                    body: ReplyBody::Text(said),
                    ..
                } = exchange.reply
                {
                    files.push((
                        format!("{name}.{container}.log"),
                        redact::redact_pod_text(&said),
                    ));
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
    use super::last_lines;

    #[test]
    fn ends_of_logs() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(last_lines("a\nb\nc", 2), "b\nc");
        assert_eq!(last_lines("a\n", 5), "a\n");
        assert_eq!(last_lines("", 5), "");
    }
}

//! An HTTP server for one test: what it says comes from an [`Answerer`].

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use cluster::Cluster;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Where answers come from.
pub(crate) trait Answerer: Send + Sync + 'static {
    /// The code and the body of the answer; a text is sent as it is.
    fn answer<'a>(&'a self, request: &'a ApiRequest) -> BoxFuture<'a, (u16, Value)>;
}

/// A request that came in.
pub(crate) struct ApiRequest {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    /// Their names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

/// Starts a server, which runs until its runtime ends.
pub(crate) async fn start_server(answerer: Arc<dyn Answerer>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&answerer)));
        }
    });
    address
}

/// The cluster whose API server is at this address, with its kubeconfig in this folder.
pub(crate) async fn attach_cluster(address: SocketAddr, folder: &Path) -> Cluster {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "script",
        "clusters": [{"name": "script", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "script", "user": {}}],
        "contexts": [{"name": "script", "context": {"cluster": "script", "user": "script"}}],
    });
    let path = folder.join("kubeconfig");
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    Cluster::attach_existing(Some(&path), None, true)
        .await
        .unwrap()
}

/// Answers one connection's requests.
async fn serve(stream: TcpStream, answerer: Arc<dyn Answerer>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = ApiRequest::read(&mut stream).await {
        let (code, reply) = answerer.answer(&request).await;
        let reply = match reply {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let head = format!(
            "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            reply.len()
        );
        if stream
            .get_mut()
            .write_all(format!("{head}{reply}").as_bytes())
            .await
            .is_err()
        {
            return;
        }
    }
}

impl ApiRequest {
    /// The next one of a connection.
    async fn read(stream: &mut BufReader<TcpStream>) -> Option<Self> {
        let (mut first, mut headers) = (String::new(), Vec::new());
        stream.read_line(&mut first).await.ok()?;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            match line.trim().split_once(':') {
                Some((name, value)) => headers.push((name.to_lowercase(), value.trim().to_owned())),
                None => break,
            }
        }
        let mut words = first.split_whitespace();
        let mut request = Self {
            method: words.next()?.to_owned(),
            path: words.next()?.to_owned(),
            headers,
            body: Value::Null,
        };
        let length = request.header("content-length").next();
        let mut body = vec![0; length.map_or(Some(0), |length| length.parse().ok())?];
        stream.read_exact(&mut body).await.ok()?;
        request.body = serde_json::from_slice(&body).unwrap_or_default();
        Some(request)
    }

    /// The values of a header, whose name is in lower case.
    pub(crate) fn header(&self, name: &str) -> impl Iterator<Item = &str> {
        let found = self.headers.iter().filter(move |(one, _)| one == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Method and path, without the query.
    pub(crate) fn ask(&self) -> String {
        let path = self.path.split('?').next().unwrap_or(&self.path);
        format!("{} {path}", self.method)
    }
}

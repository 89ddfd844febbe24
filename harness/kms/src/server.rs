//! The gRPC server on its Unix socket.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use prost::Message;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::Error;
use crate::plugin::KmsPlugin;
use crate::wire::{DECRYPT_PATH, ENCRYPT_PATH, STATUS_PATH};

/// Runs the plugin of a folder behind a Unix socket, until the process ends. A socket that an
/// earlier one left is replaced.
///
/// # Errors
/// When the folder or the socket cannot be used.
pub fn serve_plugin(socket: &Path, folder: &Path) -> Result<(), Error> {
    let plugin = Arc::new(KmsPlugin::new(folder)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(Error::file("serve", socket))?
        .block_on(run_server(socket, plugin))
}

async fn run_server(socket: &Path, plugin: Arc<KmsPlugin>) -> Result<(), Error> {
    match fs::remove_file(socket) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(Error::file("remove", socket)(source));
        }
        _ => {}
    }
    let listener = UnixListener::bind(socket).map_err(Error::file("listen at", socket))?;
    let service = service_fn(move |request| {
        let plugin = Arc::clone(&plugin);
        async move { Ok::<_, Infallible>(route_call(plugin, request).await) }
    });
    let served = Server::builder()
        .serve_with_incoming(service, UnixListenerStream::new(listener))
        .await;
    served.map_err(|source| Error::Server { source })
}

async fn route_call(plugin: Arc<KmsPlugin>, request: http::Request<Body>) -> http::Response<Body> {
    match request.uri().path() {
        STATUS_PATH => unary_call(plugin, request, KmsPlugin::status).await,
        ENCRYPT_PATH => unary_call(plugin, request, KmsPlugin::encrypt).await,
        DECRYPT_PATH => unary_call(plugin, request, KmsPlugin::decrypt).await,
        _ => Status::unimplemented("a plugin of KMS v2 has no such method").into_http(),
    }
}

/// One call: a message comes in, one goes out.
async fn unary_call<Q, A, F>(
    plugin: Arc<KmsPlugin>,
    request: http::Request<Body>,
    answer: fn(Arc<KmsPlugin>, Q) -> F,
) -> http::Response<Body>
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    F: Future<Output = Result<A, Status>>,
{
    let service = service_fn(move |asked: Request<Q>| {
        let answering = answer(Arc::clone(&plugin), asked.into_inner());
        async move { answering.await.map(Response::new) }
    });
    Grpc::new(ProstCodec::<A, Q>::default())
        .unary(service, request)
        .await
}

//! Plain requests to an API server and the replies to them, exactly as they came: no client's view
//! lies between.
//!
//! An [`ApiCaller`] is somebody who asks: a connection, and what goes with each request. A [`ApiCall`]
//! is one request; [`Caller::ask`] gives the reply, [`Caller::send_call`] the whole [`Exchange`]
//! whatever comes of it, and [`Caller::obtain`] the body that was asked for.

mod call;
mod caller;
mod error;
mod kind;
mod reply;
mod token;
mod warning;

// The client wants one release of the API to be chosen.
use k8s_openapi as _;

pub use call::{
    APPLY_PATCH, ApiCall, JSON_BODY, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, percent_encode,
};
pub use caller::{ApiCaller, ApiExchange, REPLIES_WITHIN, RequestListener, read_reply};
pub use error::Error;
pub use kind::{collection_path, object_path};
pub use reply::{
    condition_status, reply_body, reply_json, reply_message, server_message, status_code, was_taken,
};
pub use token::{TokenRequest, reply_token};

//! Plain requests to an API server and the replies to them, exactly as they came: no client's view lies between.
//!
//! A [`Caller`] is somebody who asks: a connection, and what goes with each request. A [`Call`] is one request; [`Caller::ask`]
//! gives the reply, [`Caller::send`] the whole [`Exchange`] whatever comes of it, and [`Caller::obtain`] the body that was asked for.

mod call;
mod caller;
mod error;
mod kind;
mod reply;
mod token;
mod warning;

// The client wants one release of the API to be chosen.
use k8s_openapi as _;

pub use call::{APPLY, Call, JSON, JSON_PATCH, MERGE, STRATEGIC_MERGE, encode};
pub use caller::{Caller, DEADLINE, Exchange, read};
pub use error::{Error, chain};
pub use kind::{collection, path, plural};
pub use reply::{body, code, condition, json, message, said, taken};
pub use token::{TokenRequest, token};

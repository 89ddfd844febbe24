//! A key management plugin for tests: it speaks KMS v2, the gRPC service that an API server asks to
//! seal the keys of its Secrets, and it fails, dawdles, and loses keys when it is told to. Its keys
//! lie beside it in a file. It keeps no secret and is for tests only.
//!
//! All that it knows is in one folder, which the test shares with it:
//!
//! | file | what |
//! |---|---|
//! | `settings.json` | [`PluginSettings`], read afresh at every call; the defaults where there is none |
//! | `calls.jsonl` | one line for each [`KmsCallRecord`] |
//! | `master` | 32 random bytes that the key of every key id is derived from; made at the first start |

mod calls;
mod error;
mod keys;
mod plugin;
mod server;
mod settings;
mod wire;

pub use calls::{KmsCallRecord, KmsOperation, read_calls};
pub use error::Error;
pub use server::serve_plugin;
pub use settings::PluginSettings;

#[cfg(test)]
mod tests;

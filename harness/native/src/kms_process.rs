//! The box's key management plugins: this program, run again as one.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use error_chain::error_chain;
use nix::sys::signal::SigSet;

/// The hidden word; see [`crate::hidden_main`].
pub(crate) const KMS_ARGUMENT: &str = "__kms";

/// The folder with a folder for each plugin, below the one that a box shares with the host.
pub(crate) const KMS_FOLDER: &str = "kms";

/// `__kms SOCKET FOLDER`.
pub(crate) fn run_kms_plugin(words: &[OsString]) -> io::Result<ExitCode> {
    let [socket, folder] = words else {
        return Err(io::Error::other("expected SOCKET and FOLDER"));
    };
    SigSet::empty().thread_set_mask()?; // the mask comes down from a launcher that waits for signals itself
    let served = kms::serve_plugin(Path::new(socket), Path::new(folder));
    served
        .map(|()| ExitCode::SUCCESS)
        .map_err(|error| io::Error::other(error_chain(&error)))
}

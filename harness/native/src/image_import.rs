//! Images for the nodes of a box that is up.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use crate::config::{IMAGE_NAMESPACE, containerd_socket};
use crate::node::BoxNode;
use crate::{Error, RunningBox};

impl RunningBox {
    /// Gives every node the images of an archive (OCI, or of `docker save`), under the names that
    /// the archive has for them.
    ///
    /// # Errors
    /// A file that cannot be read, or is not an archive of images; a box that has ended, or has no node.
    pub fn import_images(&self, archive: &Path) -> Result<(), Error> {
        let has_runtime =
            |node: &BoxNode| self.process_status(&node.own_name("containerd")).is_some();
        let mut nodes = BoxNode::all_nodes(crate::MOST_NODES)
            .filter(has_runtime)
            .peekable();
        if nodes.peek().is_none() {
            return Err(Error::NoNodes(self.name.clone()));
        }
        nodes.try_for_each(|node| self.import_on_node(node, archive))
    }

    /// The archive goes in as standard input: the box need not see its folder.
    fn import_on_node(&self, node: BoxNode, archive: &Path) -> Result<(), Error> {
        let file = File::open(archive).map_err(Error::file("open", archive))?;
        let socket = containerd_socket(node);
        let words = [
            "ctr",
            "-a",
            &socket,
            "-n",
            IMAGE_NAMESPACE,
            "images",
            "import",
            "-",
        ];
        let output = self
            .enter_command()
            .args(words)
            .stdin(file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .map_err(Error::system("run `ctr` in the box"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Command {
            command: format!("ctr images import < {}", archive.display()),
            why: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }
}

//! What the inside of a box is made of: what it shows of the host, and what is written into it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use model::FileText;

use super::reservation::BoxReservation;
use crate::config::{BoxBlueprint, OWN_ENCRYPTION};
use crate::needed::shown_programs;
use crate::node::BoxNode;
use crate::places::{DOOR_PORT, LATE_DOOR_PORT, OURSELVES, WORK};
use crate::protocol::{BindMount, BoxLayout, FurtherNode};
use crate::template::ClusterTemplate;
use crate::{Error, image, kms_process, runc};

pub(super) fn box_layout(
    claim: &BoxReservation,
    blueprint: &BoxBlueprint,
    seed: Option<&ClusterTemplate>,
) -> Result<BoxLayout, Error> {
    let cache = &claim.cache;
    let bind = |from: PathBuf, to: &str, read_only| BindMount {
        from,
        to: to.into(),
        read_only,
    };
    let mut binds = Vec::new();
    if blueprint.cluster.needs_probe() {
        binds.push(bind(image::probe_image(cache)?, "images", true));
    }
    let mut ourselves = vec![PathBuf::from(OURSELVES)];
    if blueprint.cluster.enforce_network_policy {
        ourselves.push(format!("bin/{}", enforcer::plugin::NAME).into());
        components::cache::private_dir(&claim.dir.join(WORK).join(enforcer::FOLDER))?;
    }
    if blueprint.confined {
        ourselves.push(format!("bin/{}", runc::NAME).into());
    }
    for component in shown_programs(cache, blueprint.cluster)? {
        for part in [components::BIN, components::DATA]
            .into_iter()
            .take(1 + usize::from(component.has_data()))
        {
            let from = cache.component_dir(component).join(part);
            binds.push(bind(from, &format!("{part}/{}", component.name), true));
        }
    }
    for shared in ["logs", "seed", WORK] {
        components::cache::private_dir(&claim.dir.join(shared))?;
        binds.push(bind(claim.dir.join(shared), shared, false));
    }
    for name in &blueprint.cluster.kms {
        components::cache::private_dir(&claim.dir.join(WORK).join(kms_process::FOLDER).join(name))?;
    }
    if let Some(FileText(text)) = blueprint.cluster.encryption.file() {
        components::cache::write_atomically(
            &claim.dir.join(WORK).join(OWN_ENCRYPTION),
            text.as_bytes(),
        )?;
    }
    let door = SocketAddr::from((Ipv4Addr::LOCALHOST, DOOR_PORT));
    let mut doors = vec![door];
    let nodes = blueprint.cluster.nodes;
    let dual_stack = blueprint.cluster.dual_stack;
    let network =
        blueprint
            .addresses
            .inside_commands(blueprint.first_service().is_some(), nodes, dual_stack);
    let further: Vec<FurtherNode> = BoxNode::further_nodes(nodes)
        .map(|node| FurtherNode {
            node,
            network: node.inside_commands(nodes, dual_stack),
            door,
        })
        .collect();
    doors.extend(blueprint.first_service());
    Ok(BoxLayout {
        stage: claim.dir.join("root"),
        host_name: BoxNode::FIRST.name(),
        binds,
        ourselves,
        copies: seed
            .map(|seed| (seed.etcd_data(), "etcd".into()))
            .into_iter()
            .collect(),
        files: blueprint.files()?,
        outside: blueprint.outside_files(),
        network,
        dual_stack,
        nodes: further,
        doors,
        late_door: SocketAddr::from((Ipv4Addr::LOCALHOST, LATE_DOOR_PORT)),
    })
}

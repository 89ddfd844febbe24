//! What the inside of a box is made of: what it shows of the host, and what is written into it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use model::FileText;

use super::reservation::BoxReservation;
use crate::config::{BoxBlueprint, OWN_ENCRYPTION};
use crate::needed::shown_programs;
use crate::node::BoxNode;
use crate::places::{API_GATE_PORT, LATE_API_GATE_PORT, OWN_PROGRAM, WORK_FOLDER};
use crate::protocol::{BindMount, BoxLayout, FurtherNode};
use crate::template::ClusterTemplate;
use crate::{Error, image, kms_process, runc};

pub(super) fn box_layout(
    reservation: &BoxReservation,
    blueprint: &BoxBlueprint,
    template: Option<&ClusterTemplate>,
) -> Result<BoxLayout, Error> {
    let cache = &reservation.cache;
    let bind = |from: PathBuf, to: &str, read_only| BindMount {
        from,
        to: to.into(),
        read_only,
    };
    let mut binds = Vec::new();
    if blueprint.cluster.needs_probe() {
        binds.push(bind(image::probe_image(cache)?, "images", true));
    }
    let mut own_programs = vec![PathBuf::from(OWN_PROGRAM)];
    if blueprint.cluster.enforce_network_policy {
        own_programs.push(format!("bin/{}", enforcer::plugin::PROGRAM_NAME).into());
        components::cache::private_dir(
            &reservation
                .dir
                .join(WORK_FOLDER)
                .join(enforcer::REPORT_FOLDER),
        )?;
    }
    if blueprint.confined {
        own_programs.push(format!("bin/{}", runc::PROGRAM_NAME).into());
    }
    for component in shown_programs(cache, blueprint.cluster)? {
        for part in [components::BIN_FOLDER, components::DATA_FOLDER]
            .into_iter()
            .take(1 + usize::from(component.has_data()))
        {
            let from = cache.component_dir(component).join(part);
            binds.push(bind(from, &format!("{part}/{}", component.name), true));
        }
    }
    for shared in ["logs", "template", WORK_FOLDER] {
        components::cache::private_dir(&reservation.dir.join(shared))?;
        binds.push(bind(reservation.dir.join(shared), shared, false));
    }
    for name in &blueprint.cluster.kms {
        components::cache::private_dir(
            &reservation
                .dir
                .join(WORK_FOLDER)
                .join(kms_process::KMS_FOLDER)
                .join(name),
        )?;
    }
    if let Some(FileText(text)) = blueprint.cluster.encryption.file() {
        components::cache::write_atomically(
            &reservation.dir.join(WORK_FOLDER).join(OWN_ENCRYPTION),
            text.as_bytes(),
        )?;
    }
    let api_gate = SocketAddr::from((Ipv4Addr::LOCALHOST, API_GATE_PORT));
    let mut api_gates = vec![api_gate];
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
            gate: api_gate,
        })
        .collect();
    api_gates.extend(blueprint.first_service());
    Ok(BoxLayout {
        stage: reservation.dir.join("root"),
        host_name: BoxNode::FIRST.name(),
        binds,
        own_programs,
        copies: template
            .map(|template| (template.etcd_data(), "etcd".into()))
            .into_iter()
            .collect(),
        files: blueprint.files()?,
        outside: blueprint.outside_files(),
        network,
        dual_stack,
        nodes: further,
        api_gates,
        late_api_gate: SocketAddr::from((Ipv4Addr::LOCALHOST, LATE_API_GATE_PORT)),
    })
}

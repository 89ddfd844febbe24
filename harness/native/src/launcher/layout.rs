//! What the inside of a box is made of: what it shows of the host, and what is written into it.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::claim::Claim;
use crate::config::{Blueprint, DOOR_PORT, LATE_DOOR_PORT, OURSELVES};
use crate::enter::WORK;
use crate::protocol::{Bind, Layout};
use crate::seed::Seed;
use crate::{Error, components, runc};

pub(super) fn layout(claim: &Claim, blueprint: &Blueprint, seed: Option<&Seed>) -> Result<Layout, Error> {
    let cache = &claim.cache;
    let bind = |from: PathBuf, to: &str, read_only| Bind { from, to: to.into(), read_only };
    let program = std::env::current_exe().map_err(Error::system("find this program"))?;
    let mut binds = vec![bind(cache.probe_image()?, "images", true), bind(program.clone(), OURSELVES, true)];
    if blueprint.confined {
        binds.push(bind(program, &format!("bin/{}", runc::NAME), true));
    }
    for component in cache.shown(blueprint.shape)? {
        for part in [components::BIN, components::DATA].into_iter().take(1 + usize::from(component.has_data())) {
            let from = cache.component_dir(component).join(part);
            binds.push(bind(from, &format!("{part}/{}", component.name), true));
        }
    }
    for shared in ["logs", "seed", WORK] {
        crate::cache::private_dir(&claim.dir.join(shared))?;
        binds.push(bind(claim.dir.join(shared), shared, false));
    }
    let mut doors = vec![SocketAddr::from(([127, 0, 0, 1], DOOR_PORT))];
    doors.extend(blueprint.first_service());
    Ok(Layout {
        stage: claim.dir.join("root"),
        host_name: "gauntlet".into(),
        binds,
        copies: seed.map(|seed| (seed.etcd(), "etcd".into())).into_iter().collect(),
        files: blueprint.files()?,
        outside: blueprint.outside(),
        network: blueprint.addresses.inside_commands(doors.len() > 1),
        doors,
        late_door: SocketAddr::from(([127, 0, 0, 1], LATE_DOOR_PORT)),
    })
}

//! Rendering a Helm chart of a module with Helm's own engine, so that what a release consists of is
//! neither kept here nor written by hand. The program that does it is in `chart-renderer`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::build::{BuildFolder, run_fed};
use crate::component::{Chart, PinnedComponent};
use crate::feed::BuildFeed;
use crate::go::{go_command, module_folder};

/// The renderer, as files of a Go module.
pub(crate) const RENDERER_FILES: [(&str, &str); 3] = [
    ("go.mod", include_str!("../chart-renderer/go.mod")),
    ("go.sum", include_str!("../chart-renderer/go.sum")),
    ("main.go", include_str!("../chart-renderer/main.go")),
];

/// The renderer's folder, beside the component's own source.
const RENDERER_FOLDER: &str = "chart-renderer";

/// Renders a chart of a module that the build has fetched, below `source`.
pub(crate) fn render_chart(
    workshop: &BuildFolder<'_>,
    chart: &Chart,
    source: &Path,
    feed: &mut BuildFeed,
) -> Result<(), Error> {
    let BuildFolder {
        component,
        launcher,
        ..
    } = workshop;
    let module = module_folder(component, chart.module, launcher, source, feed)?;
    let renderer = write_renderer(workshop.temp)?;
    let mut command = go_command(launcher, &renderer, false);
    command.args(["run", "-mod=readonly", "-trimpath", "."]);
    command.arg(module.join(chart.path)).arg(chart.release);
    let rendered = run_fed(component, feed, command)?;
    let to = workshop.output_folder().join(chart.part());
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
    }
    fs::write(&to, rendered).map_err(Error::file("write", to))
}

/// Fetches what the renderer is made of, where a component has charts, into this folder's own scratch
/// room.
pub(crate) fn fetch_renderer(
    component: &PinnedComponent,
    launcher: &Path,
    folder: &Path,
    feed: &mut BuildFeed,
) -> Result<(), Error> {
    if component.charts.is_empty() {
        return Ok(());
    }
    let renderer = write_renderer(folder)?;
    let mut command = go_command(launcher, &renderer, false);
    command.args(["list", "-mod=readonly", "-deps", "."]);
    run_fed(component, feed, command).map(drop)
}

fn write_renderer(folder: &Path) -> Result<PathBuf, Error> {
    let renderer = folder.join(RENDERER_FOLDER);
    fs::create_dir_all(&renderer).map_err(Error::file("create", &renderer))?;
    for (name, text) in RENDERER_FILES {
        let path = renderer.join(name);
        fs::write(&path, text).map_err(Error::file("write", path))?;
    }
    Ok(renderer)
}

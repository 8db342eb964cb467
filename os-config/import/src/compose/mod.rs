//! Compose files (the Compose specification, as of version 2 of Docker's plugin).

mod attach;
mod declared;
mod deploy;
mod fill;
pub(crate) mod io;
mod lifecycle;
mod lookup;
mod process;
mod project;
mod rights;
mod service;
mod shape;
mod storage;

use crate::builder::Builder;
use crate::error::ImportError;
use crate::import::{Settings, Source};
use crate::name::sanitised;
use crate::note::Place;
use crate::yaml;
pub(crate) use lifecycle::shell;
use project::Project;
pub(crate) use rights::capability;
use std::rc::Rc;

/// Reads a Compose file into the builder.
pub(crate) fn read(
    builder: &mut Builder<'_>,
    source: &Source,
    settings: &Settings,
) -> Result<(), ImportError> {
    let file: Rc<str> = source.name.as_str().into();
    let document = yaml::read(&source.name, &source.text)?;
    let document = fill::filled(builder, &file, &document, &settings.variables)?;
    let no_services = || ImportError::NoContainers {
        file: source.name.clone(),
        wanted: "`services:`",
    };
    let entries = document.entries().ok_or_else(no_services)?;
    let services = document.get("services").and_then(yaml::Node::entries);
    let services = services
        .filter(|some| !some.is_empty())
        .ok_or_else(no_services)?;
    if let Some(name) = document.get("name").and_then(yaml::Node::text) {
        builder.project = sanitised(name);
    }
    let mut project = Project::default();
    let top = Place::new(&file, 1, "");
    for entry in entries {
        let place = top.below(entry.line, &entry.key);
        match entry.key.as_str() {
            "networks" => declared::networks(builder, &entry.value, &place),
            "volumes" => declared::volumes(builder, &entry.value, &place),
            "secrets" => declared::secrets(builder, &mut project, &entry.value, &place),
            "configs" => declared::configs(builder, &mut project, &entry.value, &place),
            // The version means nothing since the specification; what begins with x- is a note.
            "services" | "name" | "version" => {}
            key if key.starts_with("x-") => {}
            "include" => builder.left_out(
                &place,
                "other files are not read: import what `docker compose config` prints",
            ),
            _ => builder.left_out(&place, "Compose has no such key"),
        }
    }
    service::services(builder, &mut project, settings, services, &file);
    Ok(())
}

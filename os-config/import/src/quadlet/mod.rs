//! Quadlet units (podman-systemd.unit(5)): containers, and the networks and volumes beside them.

mod attach;
mod container;
mod declared;
mod health;
mod mounts;
mod podman_args;
mod sections;
mod unit;

use crate::builder::Builder;
use crate::error::ImportError;
use crate::import::Source;
use unit::Unit;

/// Reads all units into the builder.
pub(crate) fn read(builder: &mut Builder<'_>, sources: &[Source]) -> Result<(), ImportError> {
    let units = sources
        .iter()
        .map(Unit::read)
        .collect::<Result<Vec<_>, _>>()?;
    if !units.iter().any(|unit| unit.kind == "container") {
        let first = sources.first().map(|source| source.name.clone());
        return Err(ImportError::NoContainers {
            file: first.unwrap_or_default(),
            wanted: "[Container] beside it: give the .container unit along",
        });
    }
    for unit in &units {
        name(builder, unit);
    }
    for unit in &units {
        match unit.kind.as_str() {
            "network" => declared::network(builder, unit),
            "volume" => declared::volume(builder, unit),
            _ => {}
        }
    }
    for unit in units.iter().filter(|unit| unit.kind == "container") {
        container::container(builder, unit, &units);
    }
    Ok(())
}

/// Gives a unit its name in the TOML, by which other units find it.
fn name(builder: &mut Builder<'_>, unit: &Unit) {
    let stem = &unit.stem;
    match unit.kind.as_str() {
        "container" => {
            let own = unit.last("Container", "ContainerName");
            let own =
                own.and_then(|entry| Some((unit.filled(&entry.value).ok()?, unit.place(entry))));
            let (text, place) = own.unwrap_or_else(|| (stem.clone(), unit.top()));
            builder.name(|names| &mut names.containers, &text, &place);
            for other in [
                stem.clone(),
                format!("{stem}.container"),
                format!("{stem}.service"),
            ] {
                builder.names.containers.also(&other, &text);
            }
        }
        "network" => {
            builder.name(|names| &mut names.networks, stem, &unit.top());
            builder
                .names
                .networks
                .also(&format!("{stem}.network"), stem);
        }
        _ => {
            builder.name(|names| &mut names.volumes, stem, &unit.top());
            builder.names.volumes.also(&format!("{stem}.volume"), stem);
        }
    }
}

//! What all namespace nodes share: a registry with the images, a network.

use crate::{Options, Outcome};
use orlop_machines::{Lan, Registry, Scratch};
use std::path::PathBuf;

/// Tag of the OS image that a node boots first.
pub(crate) const FIRST: &str = "1";
/// Tag of the one that it is updated to.
pub(crate) const SECOND: &str = "2";
/// Port of the container `web` on the node.
pub(crate) const WEB_PORT: u16 = 8080;
/// Port of a container that is added, on the node.
pub(crate) const ADDED_PORT: u16 = 8081;

/// The file of the counting container, on the node's state partition.
pub(crate) const COUNTS: &str = "volumes/counts/counts";

/// A registry, a network and a folder for nodes.
pub(crate) struct Rig {
    pub(crate) registry: Registry,
    pub(crate) lan: Lan,
    pub(crate) os: PathBuf,
    // Last: what runs is gone before its folders.
    pub(crate) scratch: Scratch,
}

/// A program that was built with this one.
pub(crate) fn program(name: &str) -> Outcome<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

impl Rig {
    pub(crate) fn new(options: &Options) -> Outcome<Self> {
        let scratch = Scratch::new()?;
        let registry = Registry::start(&scratch.path().join("registry"))?;
        let os = options.os.canonicalize()?;
        registry.push(&os, SECOND, "orlop/os")?;
        registry.push(&options.app.canonicalize()?, "1", "bench/app")?;
        Ok(Self {
            registry,
            lan: Lan::new()?,
            os,
            scratch,
        })
    }

    /// Puts another OS image into the registry.
    pub(crate) fn push_os(&self, tag: &str) -> Outcome<()> {
        Ok(self.registry.push(&self.os, tag, "orlop/os")?)
    }

    /// An image's name for a node.
    pub(crate) fn image(&self, repository_and_tag: &str) -> String {
        format!("{}/{repository_and_tag}", self.registry.name_for_machines())
    }

    /// The TOML of a node with the container `web`.
    pub(crate) fn config(&self) -> String {
        let web = self.container("web", WEB_PORT);
        format!("{}\n{web}", self.config_alone())
    }

    /// The same without containers.
    pub(crate) fn config_alone(&self) -> String {
        let registry = self.registry.name_for_machines();
        format!(
            r#"schema = 1

[gate]
hold = "1s"
deadline = "60s"

[registry."{registry}"]
plain_http = true
"#
        )
    }

    /// The same with one more container of the same image.
    pub(crate) fn config_with_added(&self) -> String {
        format!("{}\n{}", self.config(), self.container("added", ADDED_PORT))
    }

    /// The same with a container that counts, into [`COUNTS`].
    pub(crate) fn config_with_counter(&self) -> String {
        let image = self.image("bench/app:1");
        format!(
            "{}\n[volume.counts]\n[container.counter]\nimage = \"{image}\"\n\
             env = {{ APP_COUNT_TO = \"/data/counts\" }}\nvolumes = [\"counts:/data\"]\n",
            self.config()
        )
    }

    fn container(&self, name: &str, port: u16) -> String {
        let image = self.image("bench/app:1");
        format!(
            "[container.{name}]\nimage = \"{image}\"\nports = [\"{port}:8080\"]\n\
             health = {{ http = \":8080/healthz\", every = \"1s\" }}\n"
        )
    }
}

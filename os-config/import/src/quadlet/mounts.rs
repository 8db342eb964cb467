//! What a `.container` unit mounts and reads.

use super::container::Reading;
use crate::env_file::parse_env_file;
use crate::files::Found;
use crate::mount::{Mount, is_propagation};
use crate::note::Place;
use crate::quantity;
use std::collections::BTreeMap;

/// Words of a `Volume=` that mean nothing on a node: SELinux, and how volumes are filled.
const NO_MEANING: [&str; 4] = ["rw", "z", "Z", "nocopy"];

impl Reading<'_, '_> {
    pub(super) fn mounts_key(&mut self, key: &str, value: &str, place: &Place) -> bool {
        match key {
            "Volume" => self.volume(value, place),
            "Mount" => self.mount(value, place),
            "Tmpfs" => {
                let (path, options) = value.split_once(':').unwrap_or((value, ""));
                self.tmpfs(path, options, place);
            }
            "ShmSize" => self.size("shm_size", value, place),
            "AddDevice" => match value.strip_prefix('-') {
                Some(_) => {
                    let why = "a device has to be there: write it without `-` where it is";
                    self.builder.left_out(place, why);
                }
                None => self.out.push("devices", value, place),
            },
            "Secret" => self.secret(value, place),
            _ => return false,
        }
        true
    }

    fn volume(&mut self, value: &str, place: &Place) {
        if let Some(mount) = self.builder.short_mount(value, &NO_MEANING, place) {
            self.put(mount, place);
        }
    }

    fn put(&mut self, mut mount: Mount, place: &Place) {
        // A volume may be named by its unit.
        let unit = mount.source.as_deref();
        if let Some(volume) = unit.and_then(|text| text.strip_suffix(".volume")) {
            mount.source = Some(volume.to_owned());
        }
        let name = self.name.clone();
        self.builder.mount(&mut self.out, &name, &mount, place);
    }

    /// `type=bind,source=/a,destination=/b,ro`.
    fn mount(&mut self, value: &str, place: &Place) {
        let mut fields = BTreeMap::new();
        for field in value.split(',') {
            let (name, text) = field.split_once('=').unwrap_or((field, "true"));
            let name = match name {
                "src" => "source",
                "dst" | "target" => "destination",
                "readonly" => "ro",
                name => name,
            };
            fields.insert(name, text);
        }
        let kind = fields.remove("type").unwrap_or("volume");
        let source = fields.remove("source");
        let Some(target) = fields.remove("destination") else {
            return self.builder.not_so(place, "a mount with a destination");
        };
        if kind == "tmpfs" {
            let size = fields.get("tmpfs-size");
            let options = size.map(|size| format!("size={size}"));
            return self.tmpfs(target, &options.unwrap_or_default(), place);
        }
        let read_only = fields.remove("ro").and_then(quantity::boolean) == Some(true);
        let mut propagation = fields.remove("bind-propagation").map(str::to_owned);
        if propagation
            .as_deref()
            .is_some_and(|word| !is_propagation(word))
        {
            propagation = None;
            self.builder
                .not_so(place, "a propagation, such as `bind-propagation=rslave`");
        }
        for name in fields.keys() {
            let why = format!("mounts have no option `{name}`; it is mounted without");
            self.builder.left_out(place, why);
        }
        match kind {
            "bind" | "volume" => {
                let mount = Mount {
                    source: source.map(str::to_owned),
                    target: target.to_owned(),
                    read_only,
                    propagation,
                };
                self.put(mount, place);
            }
            _ => {
                let why = format!("there are no mounts of the type `{kind}`");
                self.builder.left_out(place, why);
            }
        }
    }

    fn tmpfs(&mut self, path: &str, options: &str, place: &Place) {
        self.builder
            .tmpfs(&mut self.out, (path, options), &[], place);
    }

    /// `name[,type=mount|env][,target=…]`.
    fn secret(&mut self, value: &str, place: &Place) {
        let mut parts = value.split(',');
        let text = parts.next().unwrap_or_default();
        let mut as_variable = false;
        let mut target = None;
        for part in parts {
            match part.split_once('=') {
                Some(("type", "env")) => as_variable = true,
                Some(("type", "mount")) => {}
                Some(("target", text)) => target = Some(text),
                _ => {
                    let why = format!(
                        "`{part}`: a secret belongs to the container's user, with mode 0400"
                    );
                    self.builder.left_out(place, why);
                }
            }
        }
        let target = match (as_variable, target) {
            (true, target) => target.unwrap_or(text).to_owned(),
            (false, Some(path)) if path.starts_with('/') => path.to_owned(),
            (false, target) => format!("/run/secrets/{}", target.unwrap_or(text)),
        };
        let holds = format!("the text of Podman's secret {text}");
        let name = self.builder.secret(text, place, &holds);
        self.out.table("secrets").set(&target, name, place);
    }

    pub(super) fn env_file(&mut self, value: &str, place: &Place) {
        let optional = value.starts_with('-');
        let path = value.trim_start_matches('-');
        if path.starts_with('/') {
            return self.out.push("env_files", path, place);
        }
        let text = match self.builder.files.find(&place.file, path) {
            Found::Text(text) => text,
            Found::Missing if optional => return,
            _ => {
                let why =
                    format!("{path} is no text beside the unit: write what it holds into `env`");
                return self.builder.left_out(place, why);
            }
        };
        let (pairs, wrong) = parse_env_file(&text, &BTreeMap::new());
        for (name, value) in pairs {
            self.out.table("env").set(&name, value, place);
        }
        for line in wrong {
            let why = format!("line {line} of {path} is not NAME=VALUE");
            self.builder.left_out(place, why);
        }
    }
}

//! What a `.container` unit mounts and reads.

use super::container::Reading;
use crate::env_file::parse_env_file;
use crate::files::Found;
use crate::mount::Mount;
use crate::note::Place;
use crate::quantity;
use std::collections::BTreeMap;

/// The size of a tmpfs that the unit gives none.
const TMPFS: &str = crate::compose::TMPFS;

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
        let parts: Vec<&str> = value.split(':').collect();
        let (source, target, options) = match parts[..] {
            [target] => (None, target, ""),
            [source, target] => (Some(source), target, ""),
            [source, target, options] => (Some(source), target, options),
            _ => return self.builder.not_so(place, "`source:/target[:options]`"),
        };
        let mut read_only = false;
        for option in options.split(',').filter(|one| !one.is_empty()) {
            match option {
                "ro" => read_only = true,
                "rw" | "z" | "Z" | "nocopy" => {}
                other => {
                    let why = format!("mounts have no option `{other}`; it is mounted without");
                    self.builder.left_out(place, why);
                }
            }
        }
        self.put(source, target, read_only, place);
    }

    fn put(&mut self, source: Option<&str>, target: &str, read_only: bool, place: &Place) {
        let source = source.map(|text| text.strip_suffix(".volume").unwrap_or(text));
        let mount = Mount {
            source: source.map(str::to_owned),
            target: target.to_owned(),
            read_only,
        };
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
        for name in fields.keys() {
            let why = format!("mounts have no option `{name}`; it is mounted without");
            self.builder.left_out(place, why);
        }
        match kind {
            "bind" | "volume" => self.put(source, target, read_only, place),
            _ => {
                let why = format!("there are no mounts of the type `{kind}`");
                self.builder.left_out(place, why);
            }
        }
    }

    fn tmpfs(&mut self, path: &str, options: &str, place: &Place) {
        let mut size = None;
        for option in options.split(',').filter(|one| !one.is_empty()) {
            match option.split_once('=') {
                Some(("size", text)) => size = quantity::size(text),
                _ => {
                    let why = format!("memory file systems have no option `{option}`");
                    self.builder.left_out(place, why);
                }
            }
        }
        if size.is_none() {
            let why = format!("it names no size, and has {TMPFS}");
            self.builder.changed(place, why);
        }
        let size = size.unwrap_or_else(|| TMPFS.to_owned());
        self.out.table("tmpfs").set(path, size, place);
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

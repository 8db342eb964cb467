//! What a container has in its file system: volumes, binds, files, secrets, devices.

use super::super::context::{Context, Noun};
use super::super::node::name;
use super::super::section::Section;
use super::said;
use crate::forms::{self, DeviceWish, Leave, Problem};
use crate::model::{Bind, ByteSize, CdiDevice, Device, InlineFile, Name, Storage, VolumeMount};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

const DEFAULT_SHM: ByteSize = ByteSize(64 * 1024 * 1024);
const DEFAULT_MODE: u32 = 0o444;
/// Where the time zone is.
const LOCAL_TIME: &str = "/etc/localtime";

/// What is mounted where in one container.
#[derive(Default)]
struct Taken(BTreeMap<String, String>);

impl Taken {
    /// Notes that `what` is at `path`, or reports what is there already.
    fn take(&mut self, cx: &mut Context, span: Range<usize>, path: &str, what: String) {
        if let Some(other) = self.0.get(path) {
            let problem = Problem::new(format!("{other} is mounted on `{path}` already"));
            cx.report(span, problem.help("mount each on a path of its own"));
        } else {
            self.0.insert(path.to_owned(), what);
        }
    }
}

pub(super) fn storage(cx: &mut Context, section: &Section<'_>) -> (Vec<VolumeMount>, Storage) {
    let mut taken = Taken::default();
    let privileged = section.boolean("privileged").unwrap_or(false);
    if section.has("timezone") {
        let span = section.span_of("timezone");
        taken.take(cx, span, LOCAL_TIME, "`timezone`".to_owned());
    }
    let volumes = volumes(cx, section, &mut taken);
    let (devices, cdi) = devices(cx, section);
    let storage = Storage {
        binds: binds(cx, section, &mut taken, privileged),
        tmpfs: tmpfs(cx, section, &mut taken),
        shm_size: said(section.text(cx, "shm_size", forms::size), DEFAULT_SHM),
        files: files(cx, section, &mut taken),
        secrets: secrets(cx, section, &mut taken),
        devices,
        cdi,
    };
    (volumes, storage)
}

fn volumes(cx: &mut Context, section: &Section<'_>, taken: &mut Taken) -> Vec<VolumeMount> {
    let mounts = section
        .texts(cx, "volumes", forms::volume_mount)
        .unwrap_or_default();
    for (span, mount) in &mounts {
        cx.refer(Noun::Volume, mount.volume.as_str(), span.clone());
        let what = format!("volume `{}`", mount.volume);
        taken.take(cx, span.clone(), &mount.path, what);
    }
    mounts.into_iter().map(|(_, mount)| mount).collect()
}

fn binds(
    cx: &mut Context,
    section: &Section<'_>,
    taken: &mut Taken,
    privileged: bool,
) -> Vec<Bind> {
    let binds = section.texts(cx, "binds", forms::bind).unwrap_or_default();
    for (span, bind) in &binds {
        taken.take(cx, span.clone(), &bind.path, format!("`{}`", bind.host));
        if !privileged {
            report_host_path(cx, span.clone(), &bind.host, !bind.read_only);
        }
    }
    binds.into_iter().map(|(_, bind)| bind).collect()
}

/// Files with environment, of the paths that may be bound.
pub(super) fn env_files(cx: &mut Context, section: &Section<'_>) -> Vec<String> {
    let privileged = section.boolean("privileged").unwrap_or(false);
    let files = section
        .texts(cx, "env_files", forms::path)
        .unwrap_or_default();
    for (span, path) in &files {
        if !privileged {
            report_host_path(cx, span.clone(), path, false);
        }
    }
    files.into_iter().map(|(_, path)| path).collect()
}

fn report_host_path(cx: &mut Context, span: Range<usize>, path: &str, writes: bool) {
    let problem = match forms::leave(path) {
        Leave::Write => return,
        Leave::Read if !writes => return,
        Leave::Read => Problem::new(format!("`{path}` of the host may only be read"))
            .help("write `:ro` at its end"),
        Leave::None => Problem::new(format!("`{path}` of the host is not for containers")).help(
            "take a volume, or a path below `/mnt`, `/media` or `/var/srv`; with \
             `privileged = true` any path is allowed",
        ),
    };
    cx.report(span, problem);
}

fn tmpfs(cx: &mut Context, section: &Section<'_>, taken: &mut Taken) -> BTreeMap<String, ByteSize> {
    let pairs = section.pairs(cx, "tmpfs", forms::path, forms::size);
    for pair in &pairs {
        taken.take(cx, pair.at.clone(), &pair.name, "a tmpfs".to_owned());
    }
    pairs
        .into_iter()
        .map(|pair| (pair.name, pair.value))
        .collect()
}

fn files(
    cx: &mut Context,
    section: &Section<'_>,
    taken: &mut Taken,
) -> BTreeMap<String, InlineFile> {
    let mut out = BTreeMap::new();
    for (path, file) in section.named(cx, "files", forms::path) {
        taken.take(cx, file.span(), &path, "a file".to_owned());
        let content = file.text(cx, "content", |text| Ok(text.to_owned()));
        let mode = file.text(cx, "mode", forms::mode).unwrap_or(DEFAULT_MODE);
        let owner = file.text(cx, "owner", forms::user);
        if let Some(content) = content {
            out.insert(
                path,
                InlineFile {
                    content,
                    mode,
                    owner,
                },
            );
        }
    }
    out
}

fn secrets(cx: &mut Context, section: &Section<'_>, taken: &mut Taken) -> BTreeMap<String, Name> {
    let target = |text: &str| {
        if text.starts_with('/') {
            forms::path(text)
        } else {
            forms::env_name(text)
        }
    };
    let plain = section.text_map(cx, "env", |name| Ok(name.to_owned()), |_| Ok(()));
    let pairs = section.pairs(cx, "secrets", target, name);
    for pair in &pairs {
        cx.refer(Noun::Secret, pair.value.as_str(), pair.value_at.clone());
        if pair.name.starts_with('/') {
            let what = format!("secret `{}`", pair.value);
            taken.take(cx, pair.at.clone(), &pair.name, what);
        } else if plain.contains_key(&pair.name) {
            let problem = Problem::new(format!("`{}` is in `env` too", pair.name));
            cx.report(pair.at.clone(), problem.help("remove one of the two"));
        }
    }
    pairs
        .into_iter()
        .map(|pair| (pair.name, pair.value))
        .collect()
}

fn devices(cx: &mut Context, section: &Section<'_>) -> (Vec<Device>, Vec<CdiDevice>) {
    let wishes = section
        .texts(cx, "devices", forms::device_wish)
        .unwrap_or_default();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let (mut devices, mut cdi) = (Vec::new(), Vec::new());
    for (span, wish) in wishes {
        let (name, help) = match &wish {
            DeviceWish::Path(device) => (&*device.path, "give each device a path of its own"),
            DeviceWish::Cdi(device) => (device.as_str(), "remove one of the two"),
        };
        if !seen.insert(name.to_owned()) {
            let problem = Problem::new(format!("`{name}` is there already"));
            cx.report(span, problem.help(help));
        }
        match wish {
            DeviceWish::Path(device) => devices.push(device),
            DeviceWish::Cdi(device) => cdi.push(device),
        }
    }
    (devices, cdi)
}

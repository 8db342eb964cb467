//! Mounts and hooks as the OCI runtime specification has them. Pure.

use super::grants::{Grants, is_bind};
use super::spec::Hook;
use oci_spec::OciSpecError;
use oci_spec::runtime::{self, HookBuilder, Hooks, HooksBuilder, Mount, MountBuilder};

/// The mounts that come with devices.
pub(in super::super) fn mounts(grants: &Grants) -> Result<Vec<Mount>, OciSpecError> {
    let mut all = Vec::new();
    for (path, mount) in &grants.mounts {
        let mut options = mount.options.clone();
        let mut kind = mount.kind.as_str();
        if is_bind(mount) {
            kind = "bind";
            if !options.iter().any(|one| one == "bind" || one == "rbind") {
                options.push("rbind".to_owned());
            }
        }
        let mount = MountBuilder::default()
            .destination(path)
            .typ(kind)
            .source(&mount.host_path)
            .options(options);
        all.push(mount.build()?);
    }
    Ok(all)
}

/// The hooks that come with devices, in the order of their specs; none where there are none.
pub(in super::super) fn hooks(grants: &Grants) -> Result<Option<Hooks>, OciSpecError> {
    if grants.hooks.is_empty() {
        return Ok(None);
    }
    let of = |name: &str| -> Result<Vec<runtime::Hook>, OciSpecError> {
        let named = grants.hooks.iter().filter(|hook| hook.hook_name == name);
        named.map(hook).collect()
    };
    let hooks = HooksBuilder::default()
        .prestart(of("prestart")?)
        .create_runtime(of("createRuntime")?)
        .create_container(of("createContainer")?)
        .start_container(of("startContainer")?)
        .poststart(of("poststart")?)
        .poststop(of("poststop")?);
    hooks.build().map(Some)
}

fn hook(hook: &Hook) -> Result<runtime::Hook, OciSpecError> {
    let mut out = HookBuilder::default()
        .path(&hook.path)
        .args(hook.args.clone())
        .env(hook.env.clone());
    if let Some(seconds) = hook.timeout {
        out = out.timeout(seconds);
    }
    out.build()
}

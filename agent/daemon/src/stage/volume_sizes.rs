//! Whether the node can hold volumes to their sizes: told before anything is fetched.

use crate::chain::chain;
use crate::runtime::can_limit;
use orlop_api::{Fault, FaultKind};
use orlop_config::NodeConfig;
use std::path::Path;

/// Refuses a config with limited volumes where `state`, a folder of the state partition, has no limits.
///
/// # Errors
/// `Config`; `Internal` where it cannot be told.
pub(super) fn can_be_kept(config: &NodeConfig, state: &Path) -> Result<(), Fault> {
    let mut volumes = config.volume.iter();
    let Some((name, size)) = volumes.find_map(|(name, one)| Some((name, one.size?))) else {
        return Ok(());
    };
    let limits = can_limit(state).map_err(|error| {
        let message = format!(
            "cannot tell whether volumes can be limited: {}",
            chain(&error)
        );
        Fault::new(FaultKind::Internal, message)
    })?;
    if limits {
        return Ok(());
    }
    let message = format!(
        "cannot limit volume {name} to {size}: the state partition is mounted without project quotas"
    );
    Err(Fault::new(FaultKind::Config, message)
        .hint(format!("remove `size` from [volume.{name}], which is without a limit then"))
        .hint("a disk that `orlop-image disk` of this version makes has them; after a live swap from an OS that knew none, restart the machine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_refused_where_nothing_would_hold_it_and_no_size_never_is() {
        let parse = |text: &str| orlop_config::parse("node.toml", text).unwrap();
        let free = parse("schema = 1\n[volume.data]\n");
        can_be_kept(&free, Path::new("/proc")).unwrap();
        let limited = parse("schema = 1\n[volume.a]\n[volume.data]\nsize = \"2 GiB\"\n");
        let fault = can_be_kept(&limited, Path::new("/proc")).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Config);
        assert_eq!(
            fault.message,
            "cannot limit volume data to 2 GiB: the state partition is mounted without project quotas"
        );
        assert!(fault.hints[0].contains("[volume.data]"));
    }
}

//! Our tables of rules in the kernel: put in place at once, looked after, and put again where others
//! have changed them.

use super::super::command::{find, output, run_well};
use super::super::error::StepError;
use super::netlink::rules_generation;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::Mutex;

/// Where distributions put nft.
const NFT: [&str; 2] = ["/usr/sbin/nft", "/sbin/nft"];
/// Some milliseconds; this is for a loaded machine and a cold disk.
const NFT_LIMIT: Duration = Duration::from_secs(30);

/// All tables of ours.
#[derive(Default)]
pub(super) struct Tables {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    tables: BTreeMap<&'static str, Table>,
    /// The kernel's number of the rules that were looked at last.
    generation: Option<u32>,
}

struct Table {
    /// What was put in place, as for `nft -f`.
    rules: String,
    /// How nft lists that.
    listing: Vec<u8>,
}

fn nft() -> Result<PathBuf, StepError> {
    find("nft", &NFT)
}

impl Tables {
    /// Makes the table `name` what `rules` say, in one transaction, unless that was done already.
    /// Connections that are open go on.
    pub(super) async fn put(&self, name: &'static str, rules: String) -> Result<(), StepError> {
        let mut known = self.known.lock().await;
        if known
            .tables
            .get(name)
            .is_some_and(|table| table.rules == rules)
        {
            return Ok(());
        }
        let table = apply(name, rules).await?;
        known.tables.insert(name, table);
        Ok(())
    }

    /// Puts every table again that is not as it was put, and names those.
    pub(super) async fn look(&self) -> Result<Vec<&'static str>, StepError> {
        let mut known = self.known.lock().await;
        let generation = generation()?;
        if known.tables.is_empty() || known.generation == Some(generation) {
            return Ok(Vec::new());
        }
        let mut mended = Vec::new();
        for (name, table) in &mut known.tables {
            if listing(name).await? != table.listing {
                *table = apply(name, std::mem::take(&mut table.rules)).await?;
                mended.push(*name);
            }
        }
        if mended.is_empty() {
            // Not after a mend: who changed them may have done so in the meantime.
            known.generation = Some(generation);
        }
        Ok(mended)
    }
}

fn generation() -> Result<u32, StepError> {
    rules_generation().map_err(|source| StepError::Rules { source })
}

async fn apply(name: &'static str, rules: String) -> Result<Table, StepError> {
    run_well(&nft()?, ["-f", "-"], rules.as_bytes(), NFT_LIMIT).await?;
    let listing = listing(name).await?;
    Ok(Table { rules, listing })
}

/// The table as the kernel has it; nothing without the table.
async fn listing(name: &str) -> Result<Vec<u8>, StepError> {
    let ended = output(&nft()?, ["list", "table", "inet", name], NFT_LIMIT).await?;
    Ok(ended.unwrap_or_default())
}

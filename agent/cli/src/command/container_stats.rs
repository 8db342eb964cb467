//! `orlop container stats`: what containers use.

use super::{Ending, Outcome, container_name};
use crate::client::Client;
use crate::moment;
use crate::screen::Screen;
use crate::table::Table;
use orlop_api::{ContainerStats, Fault};
use std::time::Duration;

/// The time between the two samples that processor use is told from.
const BETWEEN: Duration = Duration::from_secs(1);

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The containers; all of them where none is named.
    names: Vec<String>,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let names = options.names.iter().map(|name| container_name(name));
    let names: Vec<String> = names
        .map(|name| Ok(name?.to_string()))
        .collect::<Result<_, Fault>>()?;
    let path = format!("/v1/stats?names={}", names.join(","));
    let before: Vec<ContainerStats> = client.get(&path).await?;
    tokio::time::sleep(BETWEEN).await;
    let mut now: Vec<ContainerStats> = client.get(&path).await?;
    for sample in &mut now {
        let earlier = before.iter().find(|one| one.name == sample.name);
        sample.cpu_percent = earlier.and_then(|earlier| percent(earlier, sample));
    }
    screen.show(&now, |screen| text(screen, &now))?;
    Ok(Ending::Done)
}

/// None where it was started again in between, so that its time begins anew.
#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of a second or two are small"
)]
fn percent(before: &ContainerStats, now: &ContainerStats) -> Option<f64> {
    let used = now.cpu_usec?.checked_sub(before.cpu_usec?)?;
    let passed = now.at_micros.checked_sub(before.at_micros)?;
    (passed > 0).then(|| used as f64 * 100.0 / passed as f64)
}

fn text(screen: &Screen, list: &[ContainerStats]) -> String {
    let unknown = || "-".to_owned();
    let bytes = |count: Option<u64>| count.map_or_else(unknown, moment::bytes);
    let number = |count: Option<u64>| count.map_or_else(unknown, |count| count.to_string());
    let mut table = Table::new(&[
        "NAME",
        "CPU",
        "MEMORY",
        "LIMIT",
        "SWAP",
        "PIDS",
        "PIDS LIMIT",
        "READ",
        "WRITTEN",
    ]);
    for one in list {
        let cpu = one.cpu_percent;
        table.row(vec![
            one.name.as_str().into(),
            cpu.map_or_else(unknown, |cpu| format!("{cpu:.1} %")).into(),
            bytes(one.memory).into(),
            bytes(one.memory_max).into(),
            bytes(one.swap).into(),
            number(one.pids).into(),
            number(one.pids_max).into(),
            bytes(one.io_read).into(),
            bytes(one.io_write).into(),
        ]);
    }
    table.render(screen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_micros: u64, cpu_usec: u64) -> ContainerStats {
        ContainerStats {
            at_micros,
            cpu_usec: Some(cpu_usec),
            ..ContainerStats::default()
        }
    }

    #[test]
    fn processor_use_is_told_from_two_samples_of_the_same_run() {
        let before = sample(1_000_000, 100_000);
        assert_eq!(percent(&before, &sample(2_000_000, 350_000)), Some(25.0));
        assert_eq!(percent(&before, &sample(2_000_000, 2_100_000)), Some(200.0));
        assert_eq!(percent(&before, &sample(2_000_000, 5)), None);
        assert_eq!(percent(&before, &sample(1_000_000, 100_000)), None);
    }
}

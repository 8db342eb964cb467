//! `orlop-machine list`.

use super::Outcome;
use orlop_machines::{Home, MachineKind, Power, Publish, Resident};
use std::process::ExitCode;

/// Options of `list`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Shows the nodes.
pub(super) fn run(home: &Home, options: &Options) -> Outcome {
    let residents = home.list()?;
    if options.json {
        let list: Vec<_> = residents
            .iter()
            .map(|Resident { spec, status }| serde_json::json!({ "spec": spec, "status": status }))
            .collect();
        println!("{}", serde_json::to_string_pretty(&list)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{:<20} {:<10} {:<8} {:>5}  PORTS",
        "NAME", "KIND", "POWER", "BOOTS"
    );
    for Resident { spec, status } in &residents {
        let (kind, publish) = match &spec.kind {
            MachineKind::Namespace(namespace) => ("namespace", &namespace.publish),
            MachineKind::Qemu(qemu) => ("qemu", &qemu.publish),
        };
        let power = match status.as_ref().map(|status| &status.power) {
            Some(Power::On) => "on",
            Some(Power::Off) => "off",
            Some(Power::Broken(_)) => "broken",
            None => "stopped",
        };
        let boots = status.as_ref().map_or(0, |status| status.boots);
        println!(
            "{:<20} {kind:<10} {power:<8} {boots:>5}  {}",
            spec.name,
            ports(publish)
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn ports(publish: &[Publish]) -> String {
    let forwards = publish
        .iter()
        .map(|Publish { host, port }| format!("{host}->{port}"));
    forwards.collect::<Vec<_>>().join(" ")
}

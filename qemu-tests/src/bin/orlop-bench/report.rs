//! Measures everything and writes it down.

use crate::peers::{self, Records};
use crate::rig::{FIRST, Rig};
use crate::rounds::Rounds;
use crate::swaps::Swaps;
use crate::{Options, Outcome, image_size, qemu_boot, surroundings, table};
use std::fs;

/// Measures, and prints the tables or puts them into the document.
pub(crate) fn make(options: &Options) -> Outcome<()> {
    // A document that cannot take the tables is found before minutes are spent.
    if let Some(path) = &options.write {
        let document = fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        table::replace(&document, "").map_err(|why| format!("{}: {why}", path.display()))?;
    }
    let measured = measure(options)?;
    let Some(path) = &options.write else {
        print!("{measured}");
        return Ok(());
    };
    let new = table::replace(&fs::read_to_string(path)?, &measured)?;
    fs::write(path, new).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    eprintln!("wrote the tables to {}", path.display());
    Ok(())
}

fn measure(options: &Options) -> Outcome<String> {
    eprintln!("the size of the OS image");
    let size = image_size::measure(&options.os, FIRST)?;
    let mut rounds = Rounds::default();
    let swaps;
    let mut beside = Records::default();
    {
        let rig = Rig::new(options)?;
        eprintln!("live swaps and restarts of a namespace node");
        swaps = Swaps::measure(&rig)?;
        for number in 1..=options.nodes {
            eprintln!("namespace node {number} of {}", options.nodes);
            rounds.add(&rig, number, options.starts, size.compressed_bytes)?;
        }
        if let Some(root) = &options.peers {
            eprintln!("podman, containerd and Orlop by turns");
            beside = peers::measure(&rig, root)?;
        }
    }
    eprintln!("{} boots of a QEMU node", options.qemu_boots);
    let qemu = qemu_boot::measure(options)?;
    let sections = [
        ("Size of the OS image", vec![size.total(), size.by_part()]),
        ("Memory of the agent", vec![rounds.memory_table()]),
        ("Boot", vec![rounds.boot_table(), qemu.table()]),
        ("Update", vec![rounds.update_table(), swaps.table()]),
        (
            "Start of a container",
            vec![rounds.starts.table(), rounds.added_table()],
        ),
        ("Next to podman and containerd", vec![beside.table()]),
    ];
    let mut text = surroundings::describe()?;
    text.push('\n');
    for (title, tables) in sections {
        text.push_str(&format!("\n### {title}\n"));
        for table in tables {
            text.push('\n');
            text.push_str(table.text());
        }
    }
    Ok(text)
}

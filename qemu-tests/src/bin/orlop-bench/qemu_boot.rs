//! Boots of the whole machine: firmware, boot loader, kernel, initrd, systemd, agent.

use crate::rig::{FIRST, program};
use crate::samples::Samples;
use crate::table::Table;
use crate::{Options, Outcome};
use orlop_machines::qemu::QemuSpec;
use orlop_machines::{
    API_PORT, ApiAccess, Life, Machine, MachineKind, MachineSpec, Publish, Scratch, fingerprint,
    free_port,
};
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// For one boot, translated, on a host with all its processors busy.
const DEADLINE: Duration = Duration::from_secs(300);
/// What the firmware says when it starts the boot loader.
const LOADER_STARTS: &str = "BdsDxe: starting";
/// Memory of the machine.
const MEMORY_MIB: u32 = 1024;

/// Seconds from power on.
#[derive(Debug, Default)]
pub(crate) struct QemuBoots {
    to_loader: Samples,
    first: Samples,
    later: Samples,
}

/// Boots a node as often as asked for.
pub(crate) fn measure(options: &Options) -> Outcome<QemuBoots> {
    let mut boots = QemuBoots::default();
    if options.qemu_boots == 0 {
        return Ok(boots);
    }
    let scratch = Scratch::new()?;
    let access = ApiAccess::make(&program("orlop")?, &scratch.path().join("pki"))?;
    let disk = disk(options, scratch.path(), &access)?;
    let api = free_port()?;
    let (machine, begun) = start(&disk, scratch.path(), api)?;
    boots.watch(&machine, &access, api, begun, true)?;
    for _ in 1..options.qemu_boots {
        // The power is cut: the next boot has a journal to replay, as after the worst of ends.
        machine.cut_power()?;
        let begun = Instant::now();
        machine.power_on()?;
        boots.watch(&machine, &access, api, begun, false)?;
    }
    Ok(boots)
}

fn disk(options: &Options, dir: &Path, access: &ApiAccess) -> Outcome<PathBuf> {
    let (config, disk) = (dir.join("node.toml"), dir.join("disk.img"));
    fs::write(&config, format!("schema = 1\n\n{}", access.toml()?))?;
    let os = options.os.canonicalize()?;
    let output = Command::new(program("orlop-image")?)
        .args(["disk", "--image", &format!("{}:{FIRST}", os.display())])
        .arg("--output")
        .arg(&disk)
        .arg("--config")
        .arg(&config)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(disk);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("orlop-image disk failed: {}", said.trim()).into())
}

fn start(disk: &Path, dir: &Path, api: SocketAddr) -> Outcome<(Machine, Instant)> {
    let publish = vec![Publish {
        host: api,
        port: API_PORT,
    }];
    let spec = MachineSpec {
        name: "bench-qemu".to_owned(),
        dir: dir.join("machine"),
        life: Life::Tethered,
        kind: MachineKind::Qemu(QemuSpec {
            disk: disk.to_owned(),
            memory_mib: MEMORY_MIB,
            cpus: 2,
            publish,
            credentials: BTreeMap::new(),
            record_writes: false,
            arguments: Vec::new(),
        }),
    };
    let begun = Instant::now();
    Ok((Machine::start(&program("orlop-machine")?, &spec)?, begun))
}

impl QemuBoots {
    /// Follows one boot to the API's first answer.
    fn watch(
        &mut self,
        machine: &Machine,
        access: &ApiAccess,
        api: SocketAddr,
        begun: Instant,
        first: bool,
    ) -> Outcome<()> {
        let boot = machine.status()?.boots as usize;
        machine.wait("the boot loader", DEADLINE, || {
            let seen = machine.console().matches(LOADER_STARTS).count();
            if seen >= boot {
                Ok(())
            } else {
                Err(String::new())
            }
        })?;
        self.to_loader.push(begun.elapsed().as_secs_f64());
        let orlop = program("orlop")?;
        machine.wait("an answer of the API", DEADLINE, || {
            let console = machine.console();
            fingerprint(&console).ok_or("no fingerprint on the console")?;
            let output = Command::new(&orlop)
                .args(["--json", "status"])
                .envs(access.environment(api.port(), &console))
                .stdin(Stdio::null())
                .output()
                .map_err(|error| error.to_string())?;
            if output.status.success() {
                return Ok(());
            }
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        })?;
        let took = begun.elapsed().as_secs_f64();
        let samples = if first {
            &mut self.first
        } else {
            &mut self.later
        };
        samples.push(took);
        Ok(())
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(&["QEMU node", "median", "least", "most", "boots"]);
        let rows = [
            ("power on to the boot loader (firmware), s", &self.to_loader),
            (
                "first boot (seals the store), power on to first API answer, s",
                &self.first,
            ),
            (
                "later boot, after a power cut, power on to first API answer, s",
                &self.later,
            ),
        ];
        for (what, samples) in rows {
            table.measured(what, &samples.cells(1));
        }
        table
    }
}

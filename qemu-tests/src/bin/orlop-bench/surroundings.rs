//! The machine that was measured on.

use crate::Outcome;
use orlop_machines::qemu::Accel;
use std::fs;

/// A sentence about processors, memory, kernel and KVM.
pub(crate) fn describe() -> Outcome<String> {
    let cpus = std::thread::available_parallelism()?;
    let cpu_info = fs::read_to_string("/proc/cpuinfo")?;
    let model = field(&cpu_info, "model name").unwrap_or("unknown model");
    let memory = fs::read_to_string("/proc/meminfo")?;
    let memory_kib: u64 = field(&memory, "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .ok_or("/proc/meminfo has no MemTotal")?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel: String = release
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let kvm = match Accel::best()? {
        Accel::Kvm => "with KVM",
        Accel::Tcg => "without KVM: QEMU translates every instruction (TCG)",
    };
    let gib = memory_kib as f64 / f64::from(1 << 20);
    Ok(format!(
        "Measured on a virtual machine with {cpus} processors ({model}), {gib:.0} GiB of memory, \
         Linux {kernel}, {kvm}."
    ))
}

/// The value of a line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

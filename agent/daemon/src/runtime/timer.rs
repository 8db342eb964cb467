//! The text of the timer of a container with a schedule (systemd.timer(5)). Pure.

use super::instance::Instance;
use super::places::unit_name;
use orlop_config::{Name, Schedule};

/// The timer that starts container `name` when `schedule` says. A time that was missed while the
/// machine was off, or swapped its OS live, is made up for; systemd keeps the last one in
/// `/var/lib/systemd/timers`. So no run begins in the middle of a swap, when networks are not whole.
pub(super) fn timer_unit(name: &Name, schedule: &Schedule) -> String {
    format!(
        "# Written by orlopd, and again whenever the container changes.\n\
         [Unit]\n\
         Description=Schedule of Orlop container {name}\n\
         \n\
         [Timer]\n\
         Unit={unit}\n\
         OnCalendar={schedule}\n\
         Persistent=yes\n\
         AccuracySec=1s\n",
        unit = unit_name(&Instance::first(name)),
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::name;
    use super::*;

    #[test]
    fn the_timer_is_as_recorded() {
        let schedule = "daily 03:00".parse().unwrap();
        insta::assert_snapshot!(timer_unit(&name("backup"), &schedule));
    }
}

//! The health probe of a `.container` unit.

use super::container::Reading;
use crate::compose::shell;
use crate::note::Place;
use toml::Value;

const HEALTH: &str = "health";
/// Podman's own defaults, which are not Orlop's.
const DEFAULTS: [(&str, &str); 2] = [("every", "30s"), ("timeout", "30s")];

impl Reading<'_, '_> {
    pub(super) fn health_key(&mut self, key: &str, value: &str, place: &Place) -> bool {
        let time = match key {
            "HealthInterval" => "every",
            "HealthTimeout" => "timeout",
            "HealthStartPeriod" => "start",
            "HealthCmd" => {
                self.probe(value, place);
                return true;
            }
            "HealthRetries" => {
                match value.parse::<i64>() {
                    Ok(retries) => self.out.table(HEALTH).set("retries", retries, place),
                    Err(_) => self.builder.not_so(place, "a number"),
                }
                return true;
            }
            "HealthOnFailure" => {
                self.on_failure(value, place);
                return true;
            }
            // That others wait for its health is theirs to say, and is said: see `After=`.
            "Notify" if value == "healthy" => return true,
            "Notify" => {
                let why = "programs do not tell that they are up: write a `HealthCmd=`";
                self.builder.left_out(place, why);
                return true;
            }
            _ if key.starts_with("HealthStartup") => {
                let why = "there is one probe: `HealthStartPeriod=` gives the time to start";
                self.builder.left_out(place, why);
                return true;
            }
            _ => return false,
        };
        match crate::quantity::duration(value) {
            Some(text) => self.out.table(HEALTH).set(time, text, place),
            None => self.builder.not_so(place, "a duration"),
        }
        true
    }

    fn probe(&mut self, value: &str, place: &Place) {
        if value == "none" {
            return;
        }
        // Podman takes a JSON array of words, else gives the line to the shell.
        let words = toml::from_str::<toml::Table>(&format!("words = {value}"));
        let words = words.ok().and_then(|mut table| table.remove("words"));
        let exec = match words {
            Some(Value::Array(mut words)) => {
                let first = words.first().and_then(Value::as_str);
                match first {
                    Some("CMD") => {
                        words.remove(0);
                        words
                    }
                    Some("CMD-SHELL") => {
                        let line = words.get(1).and_then(Value::as_str).unwrap_or_default();
                        shell(line)
                    }
                    _ => words,
                }
            }
            _ => shell(value),
        };
        self.out.table(HEALTH).set("exec", exec, place);
    }

    fn on_failure(&mut self, value: &str, place: &Place) {
        match value {
            "none" => {}
            "kill" | "restart" => self.out.table(HEALTH).set("unhealthy", "restart", place),
            "stop" => self.out.table(HEALTH).set("unhealthy", "stop", place),
            _ => self.builder.not_so(place, "none, kill, restart or stop"),
        }
    }

    /// Podman's defaults for what the unit does not say; a probe that asks nothing is none.
    pub(super) fn finish_health(&mut self) {
        if !self.out.has(HEALTH) {
            return;
        }
        let health = self.out.table(HEALTH);
        if !health.has("exec") {
            let places: Vec<Place> = health
                .0
                .iter()
                .filter_map(|(_, item)| item.place().cloned())
                .collect();
            self.out.remove_key(HEALTH);
            for place in places {
                let why = "it has no HealthCmd=: probes of images are not used";
                self.builder.left_out(&place, why);
            }
            return;
        }
        let place = self.unit.top();
        for (key, default) in DEFAULTS {
            if !health.has(key) {
                health.set(key, default, &place);
            }
        }
    }
}

//! When a service runs, and how it is known to be well.

use super::service::Service;
use super::shape;
use crate::draft::Table;
use crate::note::Place;
use crate::quantity;
use crate::yaml::{Data, Node};
use toml::Value;

/// Docker's own defaults, which are not Orlop's.
const HEALTH_DEFAULTS: [(&str, &str); 2] = [("every", "30s"), ("timeout", "30s")];

impl Service<'_, '_> {
    pub(super) fn lifecycle(&mut self, key: &str, value: &Node, place: &Place) -> bool {
        match key {
            "restart" => self.restart(value, place),
            "depends_on" => self.depends_on(value, place),
            "healthcheck" => self.health(value, place),
            "logging" => self.logging(value, place),
            "scale" => self.replicas(value, place),
            _ => return false,
        }
        true
    }

    fn restart(&mut self, value: &Node, place: &Place) {
        let text = value.text().unwrap_or("no");
        let (policy, limit) = match text.split_once(':') {
            Some((policy, limit)) => (policy, Some(limit)),
            None => (text, None),
        };
        let policy = match policy {
            "always" | "unless-stopped" => "always",
            "on-failure" => "on-failure",
            "no" | "false" | "none" => "never",
            _ => return self.builder.not_so(place, "a restart policy"),
        };
        self.out.set("restart", policy, place);
        if let Some(limit) = limit.and_then(|limit| limit.parse::<i64>().ok()) {
            self.out.set("restart_limit", limit, place);
        }
    }

    pub(super) fn replicas(&mut self, value: &Node, place: &Place) {
        if value.text() == Some("0") {
            self.out.set("enabled", false, place);
        } else if value.text() != Some("1") {
            let why =
                "each container is one: write another `[container.NAME]` for each further one";
            self.builder.left_out(place, why);
        }
    }

    fn depends_on(&mut self, value: &Node, place: &Place) {
        let list = match &value.data {
            Data::Map(map) => map
                .iter()
                .map(|entry| {
                    let condition = entry.value.get("condition").and_then(Node::text);
                    let condition = condition.unwrap_or("service_started");
                    (entry.key.clone(), condition.to_owned(), entry.line)
                })
                .collect(),
            _ => match shape::texts(value) {
                Some(texts) => texts
                    .into_iter()
                    .map(|(text, line)| (text, "service_started".to_owned(), line))
                    .collect::<Vec<_>>(),
                None => return self.builder.not_so(place, "a list or mapping of services"),
            },
        };
        for (service, condition, line) in list {
            let place = place.below(line, &service);
            let condition = match condition.as_str() {
                "service_started" => "started",
                "service_healthy" => "healthy",
                "service_completed_successfully" => {
                    self.project.awaited.insert(service.clone());
                    "completed"
                }
                _ => {
                    self.builder.not_so(&place, "a condition");
                    continue;
                }
            };
            let restarts = value.get(&service).and_then(|one| one.get("restart"));
            if restarts.and_then(shape::boolean) == Some(true) {
                let why = "a container is not restarted because another one was";
                self.builder.left_out(&place.below(line, "restart"), why);
            }
            let name = self.builder.names.containers.given(&service);
            match name.map(str::to_owned) {
                Some(name) => self.out.table("after").set(&name, condition, &place),
                None => {
                    let why =
                        format!("there is no service {service}, or its profile is not asked for");
                    self.builder.left_out(&place, why);
                }
            }
        }
    }

    fn health(&mut self, value: &Node, place: &Place) {
        let disabled = value.get("disable").and_then(shape::boolean) == Some(true);
        let Some(test) = value.get("test").filter(|_| !disabled) else {
            if !disabled {
                let why = "it has no `test`: probes of images are not used";
                self.builder.left_out(place, why);
            }
            return;
        };
        let mut out = Table::from(place);
        let at = place.below(test.line, "test");
        let list = test.elements().map(|_| shape::texts(test));
        match (test.text(), list) {
            (Some(line), _) => out.set("exec", shell(line), &at),
            (None, Some(Some(words))) => {
                let words: Vec<String> = words.into_iter().map(|(word, _)| word).collect();
                match words.split_first() {
                    Some((kind, _)) if kind == "NONE" => return,
                    Some((kind, words)) if kind == "CMD" => out.set("exec", words.to_vec(), &at),
                    Some((kind, [line])) if kind == "CMD-SHELL" => {
                        out.set("exec", shell(line), &at);
                    }
                    _ => {
                        return self
                            .builder
                            .not_so(&at, "a test with CMD, CMD-SHELL or NONE");
                    }
                }
            }
            _ => return self.builder.not_so(&at, "a text or a list of texts"),
        }
        for (key, default) in HEALTH_DEFAULTS {
            out.set(key, default, place);
        }
        self.health_times(&mut out, value, place);
        self.out.put("health", out);
    }

    fn health_times(&mut self, out: &mut Table, value: &Node, place: &Place) {
        for entry in value.entries().unwrap_or_default() {
            let place = place.below(entry.line, &entry.key);
            let text = entry.value.text().unwrap_or_default();
            let key = match entry.key.as_str() {
                "interval" => "every",
                "timeout" => "timeout",
                "start_period" => "start",
                "retries" => {
                    match text.parse::<i64>() {
                        Ok(retries) => out.set("retries", retries, &place),
                        Err(_) => self.builder.not_so(&place, "a number"),
                    }
                    continue;
                }
                "test" | "disable" => continue,
                key if key.starts_with("x-") => continue,
                "start_interval" => {
                    let why = "probes are `interval` apart from the start on";
                    self.builder.left_out(&place, why);
                    continue;
                }
                _ => {
                    self.builder.left_out(&place, "probes have no such key");
                    continue;
                }
            };
            match quantity::duration(text) {
                Some(time) => out.set(key, time, &place),
                None => self.builder.not_so(&place, "a duration"),
            }
        }
    }

    fn logging(&mut self, value: &Node, place: &Place) {
        let driver = value.get("driver");
        match driver.and_then(Node::text).unwrap_or("json-file") {
            "json-file" | "local" | "journald" => {
                let why = "logs go to the journal, which bounds them: `log_limit`, `orlop container logs`";
                self.builder.changed(place, why);
            }
            other => {
                let why = format!("there is no log driver `{other}`: logs go to the journal");
                self.builder.left_out(place, why);
            }
        }
    }
}

/// A line for the shell of the image.
pub(crate) fn shell(line: &str) -> Vec<Value> {
    ["/bin/sh", "-c", line].map(Value::from).to_vec()
}

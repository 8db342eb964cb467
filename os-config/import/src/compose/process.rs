//! What a service runs, and with what.

use super::service::Service;
use super::{declared, shape};
use crate::env_file::parse_env_file;
use crate::note::Place;
use crate::quantity;
use crate::yaml::{Data, Node};
use toml::Value;

impl Service<'_, '_> {
    pub(super) fn process(&mut self, key: &str, value: &Node, place: &Place) -> bool {
        match key {
            "image" => self.text("image", value, place),
            "entrypoint" => self.command("command", value, place),
            "command" => self.command("args", value, place),
            "environment" => self.environment(value, place),
            "env_file" => self.env_files(value, place),
            "working_dir" => self.text("workdir", value, place),
            "user" => self.text("user", value, place),
            "hostname" => self.text("hostname", value, place),
            "init" => self.flag("init", value, place),
            "tty" => self.flag("tty", value, place),
            "stdin_open" => self.flag("stdin", value, place),
            "group_add" => self.list("groups", value, place),
            "stop_signal" => self.read_text("stop_signal", value, place, "a signal", |text| {
                Some(match text.starts_with("SIG") {
                    true => text.into(),
                    false => format!("SIG{text}").into(),
                })
            }),
            "stop_grace_period" => {
                self.read_text("stop_timeout", value, place, "a duration", |text| {
                    quantity::duration(text).map(Value::from)
                });
            }
            "ulimits" => self.ulimits(value, place),
            "sysctls" => self.table("sysctl", value, place),
            "labels" => self.table("labels", value, place),
            _ => return false,
        }
        true
    }

    fn command(&mut self, key: &str, value: &Node, place: &Place) {
        if matches!(value.data, Data::Null) {
            return;
        }
        match shape::command(value) {
            Some(words) => self.out.set(key, words, place),
            None => {
                let expected = "a command, as a list or as a line with its quotes closed";
                self.builder.not_so(place, expected);
            }
        }
    }

    fn environment(&mut self, value: &Node, place: &Place) {
        let Some(pairs) = shape::pairs(value) else {
            let expected = "a mapping of texts or a list of NAME=VALUE";
            return self.builder.not_so(place, expected);
        };
        for pair in pairs {
            let place = place.below(pair.line, &pair.name);
            let value = pair
                .value
                .as_ref()
                .or_else(|| self.variables.get(&pair.name));
            match value {
                Some(value) => {
                    let value = value.clone();
                    self.out.table("env").set(&pair.name, value, &place);
                }
                None => {
                    let why = format!("it is taken from outside: give --env {}=VALUE", pair.name);
                    self.builder.left_out(&place, why);
                }
            }
        }
    }

    fn env_files(&mut self, value: &Node, place: &Place) {
        let single = [std::rc::Rc::new(value.clone())];
        for one in value.elements().unwrap_or(&single) {
            let place = place.at(one.line);
            let path = one.text().or_else(|| one.get("path").and_then(Node::text));
            let Some(path) = path else {
                self.builder.not_so(&place, "a path");
                continue;
            };
            if path.starts_with('/') {
                self.out.push("env_files", path, &place);
                continue;
            }
            let needed = one.get("required").and_then(shape::boolean) != Some(false);
            let found = self.builder.files.find(&place.file, path);
            if !needed && found == crate::files::Found::Missing {
                continue;
            }
            let Some(text) = declared::file(self.builder, path, &place) else {
                continue;
            };
            let (pairs, wrong) = parse_env_file(&text, self.variables);
            for (name, value) in pairs {
                self.out.table("env").set(&name, value, &place);
            }
            for line in wrong {
                let why = format!("line {line} of {path} is not NAME=VALUE");
                self.builder.left_out(&place, why);
            }
        }
    }

    /// An array of texts.
    pub(super) fn list(&mut self, key: &str, value: &Node, place: &Place) {
        let Some(texts) = shape::texts(value) else {
            return self.builder.not_so(place, "a list of texts");
        };
        for (text, line) in texts {
            self.out.push(key, text, &place.at(line));
        }
    }

    /// A table of texts.
    fn table(&mut self, key: &str, value: &Node, place: &Place) {
        let Some(pairs) = shape::pairs(value) else {
            let expected = "a mapping of texts or a list of NAME=VALUE";
            return self.builder.not_so(place, expected);
        };
        for pair in pairs {
            let place = place.below(pair.line, &pair.name);
            let value = pair.value.unwrap_or_default();
            self.out.table(key).set(&pair.name, value, &place);
        }
    }

    fn ulimits(&mut self, value: &Node, place: &Place) {
        for entry in value.entries().unwrap_or_default() {
            let place = place.below(entry.line, &entry.key);
            let one = |key| entry.value.get(key).and_then(Node::text);
            let number = |text: &str| match text {
                "-1" => "unlimited".to_owned(),
                text => text.to_owned(),
            };
            let limit = match (entry.value.text(), one("soft"), one("hard")) {
                (Some(both), _, _) => number(both),
                (None, Some(soft), Some(hard)) => format!("{}:{}", number(soft), number(hard)),
                _ => {
                    self.builder
                        .not_so(&place, "a number, or `soft` and `hard`");
                    continue;
                }
            };
            self.out.table("ulimits").set(&entry.key, limit, &place);
        }
    }
}

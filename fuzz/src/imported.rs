//! Compose files and Quadlet units: what comes of them is a TOML that a node takes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orlop_import::{Files, Found, Settings, Source, import};

/// No file that is pointed at is there.
struct Alone;

impl Files for Alone {
    fn find(&self, _: &str, _: &str) -> Found {
        Found::Missing
    }
}

fuzz_target!(|text: &str| {
    // Told by the text, so that a seed is a file as it is.
    let is_unit = text.trim_start().starts_with(['[', '#']);
    let name = if is_unit {
        "a.container"
    } else {
        "compose.yaml"
    };
    let source = Source {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let settings = Settings {
        project: "project".to_owned(),
        ..Settings::default()
    };
    if let Ok(imported) = import(&[source], &settings, &Alone) {
        let again = orlop_config::parse("node.toml", &imported.toml);
        assert!(again.is_ok(), "{}", imported.toml);
    }
});

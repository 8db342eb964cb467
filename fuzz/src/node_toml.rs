//! The node's TOML: its diagnostics, and the files that are rendered from it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orlop_config::{NodeFacts, parse, render};

fuzz_target!(|text: &str| {
    match parse("node.toml", text) {
        Err(problems) => {
            assert!(!problems.list().is_empty(), "refused without a reason");
            let lines = text.split('\n').count();
            for problem in problems.list() {
                assert!(
                    problem.line >= 1 && problem.line <= lines,
                    "line {}",
                    problem.line
                );
            }
            assert!(!problems.render().is_empty());
        }
        Ok(config) => {
            let facts = NodeFacts {
                machine_id: "0".repeat(32),
            };
            for file in render(&config, &facts) {
                assert!(file.path.starts_with("/etc/"), "{}", file.path);
                assert!(!file.path.contains("/../"), "{}", file.path);
            }
        }
    }
});

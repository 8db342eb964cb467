//! Every kind of diagnostic, with its place and its words.

use orlop_config::{Diagnostics, parse};

fn problems(text: &str) -> Diagnostics {
    match parse("node.toml", text) {
        Ok(config) => panic!("should be refused, gave {config:?}"),
        Err(diagnostics) => diagnostics,
    }
}

#[test]
fn three_errors_are_shown_at_once_each_with_its_line_underlined() {
    let text = "\
schema = 1

[host]
nmae = \"edge-17\"

[container.web]
image = \"registry.example.com/web:1.4\"
memory = \"256M\"
networks = [\"frnot\"]

[net.front]
subnet = \"10.88.1.0/24\"
";
    insta::assert_snapshot!(problems(text).render());
}

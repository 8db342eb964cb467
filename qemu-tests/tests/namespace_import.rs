//! A Compose file and a Quadlet unit that the command imports run on a node.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[cfg(test)]
mod rig;

use orlop_api::HealthState;
use rig::containers::{apply, file, wait_answer, wait_view};
use rig::node::Rig;
use rig::tree;
use std::fs;
use std::process::Command;

/// Where the containers of the two files are published.
const SHOP: u16 = 8082;
const SIDE: u16 = 8083;

fn compose(rig: &Rig) -> String {
    let image = rig.image("test/app:1");
    format!(
        r#"
x-app: &app
  image: {image}
  restart: unless-stopped
  healthcheck:
    test: [CMD, /app, --exit, "0"]
    interval: 1s
    timeout: 5s
services:
  db:
    <<: *app
    container_name: database
    volumes:
      - db_data:/data
    networks: [back]
    deploy:
      resources:
        limits: {{ cpus: "0.5", memory: 64M }}
  shop:
    <<: *app
    user: "1000:1000"
    environment:
      - GREETING=hello
    ports:
      - "{SHOP}:8080"
    volumes:
      - ./motd:/etc/motd:ro
    tmpfs:
      - /scratch:size=1m
    cap_drop: [ALL]
    read_only: true
    networks: [front, back]
    depends_on:
      db:
        condition: service_healthy
networks:
  front:
  back:
    internal: true
volumes:
  db_data:
"#
    )
}

fn unit(rig: &Rig) -> String {
    let image = rig.image("test/app:1");
    format!(
        r#"[Unit]
Description=Beside the shop
After=network-online.target

[Container]
Image={image}
PublishPort={SIDE}:8080
HealthCmd=["/app", "--exit", "0"]
HealthInterval=1s
HealthTimeout=5s
Environment="GREETING=good day"
ReadOnly=true

[Service]
Restart=always

[Install]
WantedBy=default.target
"#
    )
}

/// The TOML that the command prints for a file, without the line of the schema; and its notes.
fn imported(rig: &Rig, name: &str, text: &str) -> (String, String) {
    let folder = rig.dir("shop");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), text).unwrap();
    fs::write(folder.join("motd"), "welcome\n").unwrap();
    let output = Command::new(tree::program().with_file_name("orlop"))
        .args(["config", "import", "--strict", name])
        .current_dir(&folder)
        .output()
        .expect("the command is there: `make images` builds it");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let toml = out.strip_prefix("schema = 1\n").unwrap();
    (toml.to_owned(), err)
}

#[test]
fn a_compose_file_and_a_quadlet_unit_are_imported_and_run() {
    let rig = Rig::new();
    let node = rig.node("import", "1", &rig.config("1"));
    node.wait_idle();
    let (shop, notes) = imported(&rig, "compose.yaml", &compose(&rig));
    assert!(
        notes.contains("volumes.db_data: changed: its name is `db-data` now"),
        "{notes}"
    );
    let (side, notes) = imported(&rig, "side.container", &unit(&rig));
    assert_eq!(notes, "");
    apply(&node, &format!("{}{shop}{side}", rig.config("1")));
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    for name in ["db", "shop", "side"] {
        wait_view(&node, name, "a healthy container", |view| {
            view.health == HealthState::Healthy
        });
    }
    wait_answer(&node, SHOP, "/healthz");
    wait_answer(&node, SIDE, "/healthz");
    assert_eq!(file(&node, SHOP, "/etc/motd"), "welcome\n");
    let status = file(&node, SHOP, "/proc/self/status");
    assert!(status.contains("Uid:\t1000\t1000"), "{status}");
}

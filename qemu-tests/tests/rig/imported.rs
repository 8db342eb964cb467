//! A Compose file and a Quadlet unit of the sample app, as the command imports them.

use super::containers::wait_view;
use super::node::{Node, Rig};
use super::tree;
use orlop_api::HealthState;
use std::fs;
use std::process::Command;

/// Where the containers of the two files are published.
pub(crate) const SHOP: u16 = 8085;
pub(crate) const SIDE: u16 = 8086;

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
  store:
    <<: *app
    container_name: database
    volumes:
      - db_data:/data
    networks: [inner]
    deploy:
      resources:
        limits: {{ cpus: "0.5", memory: 64M }}
  shop:
    <<: *app
    user: "1000:1000"
    init: true
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
    networks: [outer, inner]
    depends_on:
      store:
        condition: service_healthy
networks:
  outer:
  inner:
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
RunInit=yes

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

/// The TOML of both, without the line of the schema.
pub(crate) fn all(rig: &Rig) -> String {
    let (shop, notes) = imported(rig, "compose.yaml", &compose(rig));
    assert!(
        notes.contains("volumes.db_data: changed: its name is `db-data` now"),
        "{notes}"
    );
    let (side, notes) = imported(rig, "side.container", &unit(rig));
    assert_eq!(notes, "");
    format!("{shop}{side}")
}

/// Their containers.
pub(crate) const NAMES: [&str; 3] = ["store", "shop", "side"];

/// Waits until all of them are healthy.
pub(crate) fn wait_well(node: &Node<'_>) {
    for name in NAMES {
        wait_view(node, name, "a healthy container", |view| {
            view.health == HealthState::Healthy
        });
    }
}

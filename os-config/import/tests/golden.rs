//! Files as they are found in the wild: the TOML and the notes that come of them.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on ends by panicking"
)]

use orlop_import::{Files, Found, Settings, Source, import};
use std::collections::{BTreeMap, BTreeSet};

/// What stands beside the files.
struct Beside;

impl Files for Beside {
    fn find(&self, _: &str, path: &str) -> Found {
        match path.trim_start_matches("./") {
            "uploads.ini" => Found::Text("upload_max_filesize = 64M\n".to_owned()),
            "nextcloud.env" => {
                Found::Text("NEXTCLOUD_ADMIN_USER=admin\nREDIS_HOST=other\n".to_owned())
            }
            "prometheus.yml" => Found::Text("global:\n  scrape_interval: 15s\n".to_owned()),
            "grafana.ini" => Found::Text("[server]\nhttp_port = 3000\n".to_owned()),
            "app.env" => Found::Text("MODE=production # not debug\n".to_owned()),
            "motd" => Found::Text("A \"quoted\" \\ line.\n".to_owned()),
            "data" | "rules" => Found::Directory,
            _ => Found::Missing,
        }
    }
}

fn imported(files: &[(&str, &str)]) -> String {
    let sources = files.iter().map(|(name, text)| Source {
        name: (*name).to_owned(),
        text: (*text).to_owned(),
    });
    let settings = Settings {
        project: "My Project".to_owned(),
        variables: BTreeMap::from([("REDIS_PASSWORD".to_owned(), "s3cret $x".to_owned())]),
        profiles: BTreeSet::new(),
    };
    match import(&sources.collect::<Vec<_>>(), &settings, &Beside) {
        Ok(imported) => {
            orlop_config::parse("node.toml", &imported.toml).unwrap();
            let notes: Vec<_> = imported.notes.iter().map(ToString::to_string).collect();
            format!("{}\n--- notes\n{}\n", imported.toml, notes.join("\n"))
        }
        Err(error) => format!("error: {error}\n"),
    }
}

macro_rules! golden {
    ($name:ident: $($file:literal),+) => {
        #[test]
        fn $name() {
            let files = [$(($file, include_str!(concat!("files/", $file)))),+];
            insta::assert_snapshot!(imported(&files));
        }
    };
}

golden!(wordpress_and_mariadb: "wordpress.yaml");
golden!(nextcloud_with_redis_and_postgres: "nextcloud.yaml");
golden!(a_proxy_with_labels: "traefik.yaml");
golden!(grafana_and_prometheus_with_configs: "monitoring.yaml");
golden!(gitea: "gitea.yaml");
golden!(home_assistant_in_the_hosts_network: "home_assistant.yaml");
golden!(a_home_with_devices_and_limits: "hardware.yaml");
golden!(a_game_server_with_a_console: "minecraft.yaml");
golden!(containers_that_share_memory: "transcoder.yaml");
golden!(a_unit_with_a_terminal: "console.container");
golden!(three_quadlet_units_with_a_network_and_a_volume:
    "db.container", "app.container", "backup.container", "app.network", "pgdata.volume");
golden!(a_unit_without_the_units_that_it_names: "app.container");

#[test]
fn what_cannot_be_imported_at_all_is_an_error() {
    let cases: [&[(&str, &str)]; 9] = [
        &[("compose.txt", "")],
        &[
            ("compose.yaml", "services:\n  a: {image: x}\n"),
            ("b.container", ""),
        ],
        &[("compose.yaml", "services: [")],
        &[("compose.yaml", "volumes: {}\n")],
        &[("compose.yaml", "- a\n")],
        &[(
            "compose.yaml",
            "services:\n  a:\n    image: ${TAG:?say which}\n",
        )],
        &[("a.network", "[Network]\n")],
        &[("a.container", "[Container]\nImage\n")],
        &[("compose.yaml", "services:\n  a: &a {image: x}\n  a: *a\n")],
    ];
    let errors: Vec<String> = cases.iter().map(|files| imported(files)).collect();
    insta::assert_snapshot!(errors.concat());
}

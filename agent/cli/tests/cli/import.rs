//! `orlop config import`: what is read beside the file, and how it exits.

use crate::run::{orlop, shown};
use std::fs;

const COMPOSE: &str = "\
services:
  web:
    image: nginx:${TAG:-1}
    restart: always
    env_file: web.env
    volumes:
      - ./nginx.conf:/etc/nginx/nginx.conf:ro
      - ../secret.txt:/secret.txt:ro
    environment:
      HOME_OF: $HOME
";

async fn import(arguments: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let shop = dir.path().join("shop");
    fs::create_dir(&shop).unwrap();
    for (name, text) in [
        ("shop/compose.yaml", COMPOSE),
        ("shop/.env", "TAG=2\n"),
        ("shop/web.env", "MODE=fast\n"),
        ("shop/nginx.conf", "events {}\n"),
        (
            "shop/good.yml",
            "services: {web: {image: nginx, restart: always}}\n",
        ),
        (
            "shop/bad.yml",
            "services: {web: {image: \"${TAG:?}${WHICH:?say which}\"}}\n",
        ),
        (
            "shop/side.container",
            "[Container]\nImage=quay.io/a/b:1\n[Install]\nWantedBy=default.target\n",
        ),
        ("secret.txt", "not to be read"),
    ] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let mut command = orlop(&[&["config", "import"], arguments].concat());
    // The process's own variables are not looked at.
    command
        .current_dir(&shop)
        .env("HOME", "/root")
        .env("TAG", "9");
    shown(&command.output().await.unwrap())
}

#[tokio::test]
async fn files_and_variables_beside_the_file_are_read_and_nothing_outside_of_its_folder() {
    let shown = import(&["compose.yaml"]).await;
    assert!(!shown.contains("not to be read"), "{shown}");
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn strict_ends_with_10_where_something_was_left_out_and_with_0_where_nothing_was() {
    let shown = import(&["--strict", "--env", "TAG=3", "compose.yaml"]).await;
    assert!(shown.starts_with("exit 10\n"), "{shown}");
    assert!(shown.contains("image = \"nginx:3\""), "{shown}");
    let shown = import(&["--strict", "good.yml"]).await;
    assert!(shown.starts_with("exit 0\n"), "{shown}");
    let shown = import(&["--strict", "side.container"]).await;
    assert!(shown.starts_with("exit 0\n"), "{shown}");
}

#[tokio::test]
async fn what_cannot_be_imported_is_an_error_with_what_to_do() {
    let mut all = String::new();
    for arguments in [
        &["bad.yml"][..],
        &["missing.yml"],
        &["web.env"],
        &["good.yml", "side.container"],
        &["--env", "TAG", "good.yml"],
        &["."],
    ] {
        all.push_str(&import(arguments).await);
    }
    insta::assert_snapshot!(all);
}

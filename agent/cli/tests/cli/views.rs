//! Each view, for people and as JSON.

use crate::node::MemoryNode;
use crate::run::Door;
use orlop_api::Phase;
use std::os::fd::AsRawFd;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

macro_rules! view {
    ($name:ident, $($argument:literal),+) => {
        #[tokio::test]
        async fn $name() {
            let door = Door::new(MemoryNode::default());
            insta::assert_snapshot!(door.run(&[$($argument),+]).await);
        }
    };
}

view!(status_shows_the_trial_and_its_checks, "status");
view!(status_as_json, "status", "--json");
view!(generations_are_a_table, "generations");
view!(generations_as_json, "generations", "--json");
view!(diff_shows_each_part_that_differs, "diff");
view!(diff_names_the_files, "diff", "1", "4", "--files");
view!(diff_as_json, "diff", "1", "--json");
view!(diff_of_one_that_is_not_there, "diff", "9");
view!(a_pin_is_answered_with_the_list, "generations", "pin", "1");
view!(why_names_the_check_and_shows_its_log, "why");
view!(why_as_json, "why", "--json");
view!(config_show_prints_the_toml, "config", "show");
view!(config_show_as_json, "config", "show", "--json");
view!(
    containers_are_a_table_without_control_characters,
    "container",
    "ls"
);
view!(containers_as_json, "container", "ls", "--json");
view!(inspect_is_json, "container", "inspect", "web");
view!(top_is_a_table, "container", "top", "web");
view!(top_of_one_that_is_not_there, "container", "top", "wep");
view!(
    stats_are_a_table_of_two_samples,
    "container",
    "stats",
    "web",
    "db"
);
view!(a_stop_tells_who_has_stopped_it, "container", "stop", "db");
view!(
    a_start_tells_how_it_stands,
    "container",
    "start",
    "db",
    "--json"
);
view!(a_kill_of_one_that_is_not_there, "container", "kill", "wep");
view!(
    a_signal_that_is_none,
    "container",
    "kill",
    "db",
    "--signal",
    "SIGNONE"
);
view!(images_are_a_table, "image", "ls");
view!(images_as_json, "image", "ls", "--json");
view!(
    an_image_is_json,
    "image",
    "inspect",
    "registry.example.com/tool:2"
);
view!(
    an_image_that_is_not_there,
    "image",
    "inspect",
    "registry.example.com/tool:2&3"
);
view!(
    a_pull_waits_and_tells_what_came_of_it,
    "image",
    "pull",
    "tool:2"
);
view!(a_removal_tells_what_it_freed, "image", "rm", "tool:2");
view!(a_pruning_that_frees_nothing, "image", "prune");
view!(volumes_are_a_table, "volume", "ls");
view!(a_volume_is_json, "volume", "inspect", "data");
view!(a_volume_removed, "volume", "rm", "old", "--force");
view!(a_volume_out_to_stdout, "volume", "export", "data");
view!(
    a_volume_that_breaks_off,
    "volume",
    "export",
    "cut",
    "-o",
    "cut.tar"
);
view!(
    a_volume_of_a_file_that_is_not_there,
    "volume",
    "import",
    "data",
    "none.tar"
);
view!(networks_are_a_table, "network", "ls");
view!(a_network_is_json, "network", "inspect", "default");
view!(a_network_that_is_not_there, "network", "inspect", "none");
view!(a_copy_with_both_ends_here, "container", "cp", "a", "b");
view!(
    a_copy_from_a_container_that_is_not_there,
    "container",
    "cp",
    "wep:/etc",
    "new"
);
view!(
    a_copy_of_a_file_that_is_not_there,
    "container",
    "cp",
    "none",
    "web:/etc"
);
view!(logs_are_the_lines, "container", "logs", "web");
view!(logs_with_times, "container", "logs", "web", "-t", "-n", "1");
view!(logs_as_json, "container", "logs", "web", "--json");
view!(a_running_job_shows_how_far_it_is, "job", "6");
view!(a_failed_job_shows_why, "job", "5");
view!(job_as_json, "job", "4", "--json");
view!(
    stage_waits_and_tells_what_came_of_it,
    "update",
    "stage",
    "os:2"
);
view!(stage_as_json, "update", "stage", "--json");
view!(stage_need_not_wait, "update", "stage", "--no-wait");
view!(a_dry_run_prints_the_plan, "update", "apply", "--dry-run");
view!(
    a_dry_run_as_json,
    "rollback",
    "--to",
    "1",
    "--dry-run",
    "--json"
);
view!(apply_tells_the_job, "update", "apply");
view!(rollback_tells_the_job_as_json, "rollback", "--json");

view!(
    a_command_in_a_container_that_is_not_there,
    "container",
    "exec",
    "wep",
    "--",
    "true"
);
view!(
    a_command_without_input_ends_with_its_own_status,
    "container",
    "exec",
    "web",
    "--",
    "sh",
    "-c",
    "cat; echo out; echo err >&2; exit 42"
);

#[tokio::test]
async fn a_command_gets_all_input_and_its_end() {
    let door = Door::new(MemoryNode::default());
    let arguments = ["container", "exec", "-i", "web", "--", "wc", "-c"];
    let mut child = door
        .command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&[b'x'; 300_000]).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "300000\n");
    assert!(output.status.success());
}

#[tokio::test]
async fn what_is_typed_at_an_attached_container_reaches_it_and_its_end_is_the_commands() {
    let door = Door::new(MemoryNode::default());
    let mut child = door
        .command(&["container", "attach", "web"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"hello\n").await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "got hello\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "what is typed goes to web; Ctrl-C leaves it\n");
    assert_eq!(output.status.code(), Some(4));
    drop(stdin);
}

#[tokio::test]
async fn a_command_ends_with_the_client_that_asked_for_it() {
    let door = Door::new(MemoryNode::default());
    let (reader, writer) = std::io::pipe().unwrap();
    let path = format!("/proc/{}/fd/{}", std::process::id(), writer.as_raw_fd());
    let script = format!("exec 9>{path}; echo up; exec sleep 600");
    let mut client = door
        .command(&["container", "exec", "web", "--", "sh", "-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0; 3];
    let stdout = client.stdout.as_mut().unwrap();
    stdout.read_exact(&mut line).await.unwrap();
    assert_eq!(&line, b"up\n");
    client.kill().await.unwrap();
    drop(writer);
    // The pipe ends when the command, which holds it too, does.
    let ended = tokio::task::spawn_blocking(move || {
        let mut reader = reader;
        std::io::Read::read_to_end(&mut reader, &mut Vec::new())
    });
    assert_eq!(ended.await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_command_beyond_those_that_may_run_at_once_is_refused_and_not_started() {
    const MOST_SESSIONS: usize = 32;
    let door = Door::new(MemoryNode::default());
    let script = [
        "container",
        "exec",
        "-i",
        "web",
        "--",
        "sh",
        "-c",
        "echo up; cat",
    ];
    let mut clients = Vec::new();
    for _ in 0..MOST_SESSIONS {
        let client = door
            .command(&script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut client = client.unwrap();
        let mut line = [0; 3];
        let stdout = client.stdout.as_mut().unwrap();
        stdout.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"up\n");
        clients.push(client);
    }
    let one_more = door.command(&script).output().await.unwrap();
    let said = String::from_utf8_lossy(&one_more.stderr).into_owned();
    assert_eq!(one_more.status.code(), Some(6), "{said}");
    assert!(said.contains("32 sessions run already"), "{said}");
    assert_eq!(door.node.asked.lock().unwrap().len(), MOST_SESSIONS);
}

#[tokio::test]
async fn an_idle_node_shows_no_trial() {
    let door = Door::new(MemoryNode::default());
    *door.node.phase.lock().unwrap() = Phase::Idle;
    insta::assert_snapshot!(door.run(&["status"]).await);
}

#[tokio::test]
async fn a_config_is_checked_on_the_node_and_then_applied() {
    let door = Door::new(MemoryNode::default());
    std::fs::write(door.path("node.toml"), "schema = 1\n").unwrap();
    insta::assert_snapshot!(door.run(&["config", "apply", "node.toml"]).await, @r"
    exit 0
    --- stdout
    job 4
    --- stderr
    ");
    assert_eq!(
        door.asked(),
        [
            "uid 0: apply config ApplyConfigRequest { config: \"schema = 1\\n\", mode: None, confirm_secs: None, dry_run: false }"
        ]
    );
}

#[tokio::test]
async fn a_config_that_the_node_refuses_is_not_applied() {
    let door = Door::new(MemoryNode::default());
    std::fs::write(door.path("node.toml"), "scheme = 1\n").unwrap();
    insta::assert_snapshot!(door.run(&["config", "apply", "node.toml"]).await, @r"
    exit 3
    --- stdout
    --- stderr
    error: `schema` is missing
    cannot use node.toml: 1 problem
    ");
    assert!(door.asked().is_empty());
}

#[tokio::test]
async fn a_volume_goes_to_a_file_and_comes_from_stdin() {
    let door = Door::new(MemoryNode::default());
    let said = door
        .run(&["volume", "export", "data", "-o", "data.tar"])
        .await;
    assert_eq!(said, "exit 0\n--- stdout\n--- stderr\n");
    assert_eq!(std::fs::read(door.path("data.tar")).unwrap(), b"data");
    assert!(!door.path("data.tar.part").exists());
    let mut child = door
        .command(&["volume", "import", "data", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&vec![b'x'; 200_000]).await.unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.stdout, b"volume data holds the archive\n");
    let asked = door.asked();
    assert!(
        asked.contains(&"uid 0: it has 200000 bytes".to_owned()),
        "{asked:?}"
    );
}

#[tokio::test]
async fn files_are_copied_out_by_a_name_of_ones_own_and_in_by_theirs() {
    let door = Door::new(MemoryNode::default());
    let said = door.run(&["container", "cp", "web:/x/comm", "mine"]).await;
    assert_eq!(said, "exit 0\n--- stdout\n--- stderr\n");
    assert!(door.path("mine").is_file());
    std::fs::create_dir(door.path("folder")).unwrap();
    let said = door
        .run(&["container", "cp", "web:/x/comm", "folder"])
        .await;
    assert_eq!(said, "exit 0\n--- stdout\n--- stderr\n");
    assert!(door.path("folder/comm").is_file());
    let said = door
        .run(&["container", "cp", "-a", "folder", "web:/y"])
        .await;
    assert_eq!(
        said,
        "exit 0\n--- stdout\ncopied to /y in web\n--- stderr\n"
    );
    let asked = door.asked();
    let last = asked.last().unwrap();
    assert!(
        last.contains(r#"copy ["folder/", "folder/comm"] as CopyInQuery"#),
        "{last}"
    );
    assert!(last.contains("keep_owner: true"), "{last}");
}

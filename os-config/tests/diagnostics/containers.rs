//! Diagnostics about a container.

use super::said_about;
use orlop_config::parse;

/// A node with container `web`, which has these keys.
fn web(keys: &str) -> String {
    format!("schema = 1\n[container.web]\nimage = \"web\"\n{keys}")
}

#[test]
fn what_a_container_may_not_have_of_the_host_is_said() {
    let said = said_about(&[
        &web("binds = [\"/state:/x\", \"/mnt:/y:rw\", \"/var/log:/z\", \"/mnt/a:/../b\"]"),
        &web("binds = [\"/:/host:ro\"]\nenv_files = [\"/etc/shadow\"]"),
        &web("devices = [\"/etc/passwd\", \"/dev/sda:x\", \"/dev/a:/dev/b\", \"/dev/c:/dev/b\"]"),
        &web("host = [\"netwrok\"]\nsysctl = { \"kernel.panic\" = \"1\" }"),
        &web(
            "capabilities = { drop = [\"chown\"], add = [\"CAP_NET_ADMIN\", \"all\", \"chown\"] }",
        ),
        &web(
            "devices = [\"nvidia.com/gpu=0\", \"nvidia.com/gpu=0\", \"nvidia.com/gpu\", \"gpu=0\", \"1a/b=0\", \"a/b=-\"]",
        ),
        &web("privileged = true\nseccomp = \"off\""),
        &web("spec_patch = '[1]'"),
        &web("host = [\"network\"]\nports = [\"80:80\"]\nnetwork = \"none\""),
        &web("network = \"container:wbe\"\nnetworks = [\"default\"]"),
        &web(
            "unmask = [\"/proc/irq\", \"/proc/self\"]\numask = \"9\"\nplatform = \"darwin/arm64\"",
        ),
        &web(
            "network = \"none\"\ndns = [\"9.9.9.9\"]\nhosts = { node = \"host-gateway\", x = \"y\" }",
        ),
        &web("dns = [\"10.0.0.1\", \"10.0.0.2\", \"10.0.0.3\", \"10.0.0.4\"]\npull = \"newer\""),
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn what_is_in_a_containers_file_system_twice_or_nowhere_is_said() {
    let said = said_about(&[
        "schema = 1\n[volume.data]\n[container.web]\nimage = \"web\"\nvolumes = [\"data:/a\"]\n\
         tmpfs = { \"/a\" = \"1 MiB\", \"/b\" = \"much\" }\nfiles = { \"/a\" = { content = \"\" }, \"etc\" = {} }",
        &web(
            "secrets = { A = \"pasword\" }\nenv = { A = \"b\" }\n[secret.password]\nfrom = \"credential\"\npath = \"/x\"",
        ),
        "schema = 1\n[secret.a]\nfrom = \"vault\"\n[secret.b]\npath = \"x\"",
        &web("files = { \"/a\" = { content = \"\", mode = \"4755\", owner = \"a b\" } }"),
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn what_can_never_come_true_of_a_containers_life_is_said() {
    let said = said_about(&[
        "schema = 1\n[container.a]\nimage = \"a\"\nafter = { b = \"started\" }\n\
         [container.b]\nimage = \"b\"\nafter = { c = \"started\" }\n\
         [container.c]\nimage = \"c\"\nafter = { a = \"started\", d = \"started\" }\n\
         [container.d]\nimage = \"d\"\nafter = { d = \"started\" }",
        "schema = 1\n[container.a]\nimage = \"a\"\n[container.b]\nimage = \"b\"\n\
         after = { a = \"healthy\", x = \"started\" }\n[container.c]\nimage = \"c\"\n\
         after = { a = \"completed\", b = \"up\" }",
        &web("schedule = \"daily\""),
        &web(
            "kind = \"task\"\nrestart = \"always\"\nschedule = \"daily 25:00\"\nafter = { web = \"started\" }",
        ),
        &web("kind = \"task\"\nrestart_limit = 3"),
        &web("kind = \"task\"\nrestart = \"on-failure\"\nschedule = \"daily\"\nrestart_limit = 3"),
        &web("restart_delay = \"1m\"\nstop_timeout = \"1h\"\nstop_signal = \"TERM\""),
        &web(
            "memory = \"64 MiB\"\nmemory_high = \"64 MiB\"\ncpuset = \"3-0\"\nulimits = { files = \"1\", nofile = \"2:1\" }",
        ),
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn what_two_instances_cannot_have_at_once_is_not_updated_start_first() {
    let said = said_about(&[
        &web("update = \"start-first\"\nkind = \"task\""),
        &web("update = \"start-first\"\nhost = [\"network\"]"),
        &web("update = \"start-first\"\n[container.web.networks.default]\naddress = \"10.89.0.7\""),
        &web(
            "update = \"start-first\"\n[container.web.networks.default]\nmac = \"02:42:ac:11:00:02\"",
        ),
        &web(
            "update = \"start-first\"\nnetwork = \"container:db\"\n[container.db]\nimage = \"db\"",
        ),
        &web(
            "update = \"start-first\"\n[container.beside]\nimage = \"b\"\nnetwork = \"container:web\"",
        ),
        &web("update = \"rolling\""),
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn what_is_not_enabled_is_not_waited_for_and_holds_nothing() {
    let off = "[container.off]\nenabled = false\nimage = \"off\"\nports = [\"80:80\"]\n\
               [container.off.networks.default]\naddress = \"10.89.0.7\"\n";
    let with = |keys: &str| web(&format!("{keys}\n{off}"));
    let said = said_about(&[
        &with("after = { off = \"started\" }"),
        &with("network = \"container:off\""),
        &with("[[gate.check]]\ncontainer = \"off\""),
        &with(
            "[container.other]\nenabled = false\nimage = \"other\"\nafter = { offf = \"started\" }\nbinds = [\"/\"]",
        ),
    ]);
    insta::assert_snapshot!(said);

    let fine = with(
        "ports = [\"80:80\"]\n[container.web.networks.default]\naddress = \"10.89.0.7\"\n\
         [container.beside]\nenabled = false\nimage = \"b\"\nnetwork = \"container:off\"",
    );
    let node = parse("node.toml", &fine).unwrap();
    let names =
        |all: Vec<&orlop_config::Name>| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(node.container.keys().collect()), ["web"]);
    assert_eq!(names(node.disabled.keys().collect()), ["beside", "off"]);
}

#[test]
fn what_runs_once_is_a_task_without_a_schedule() {
    let said = said_about(&[
        &web("run = \"once\""),
        &web("kind = \"task\"\nrun = \"once\"\nschedule = \"daily\""),
        &web("kind = \"task\"\nrun = \"twice\""),
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn a_time_zone_or_an_option_of_the_resolver_that_cannot_be_is_said() {
    let said = said_about(&[&web(
        "timezone = \"Europe/../Berlin\"\ndns_options = [\"ndots:\", \"Rotate\", \"rotate\"]",
    )]);
    insta::assert_snapshot!(said);
}

#[test]
fn the_time_zone_of_the_host_is_the_one_that_it_names_or_utc() {
    for (host, zone) in [
        ("", "UTC"),
        ("[host]\ntimezone = \"Europe/Berlin\"", "Europe/Berlin"),
    ] {
        let text = web(&format!("timezone = \"host\"\n{host}"));
        let node = parse("node.toml", &text).unwrap();
        let web = node.container.values().next().unwrap();
        assert_eq!(web.process.timezone.as_deref(), Some(zone));
    }
}

#[test]
fn what_containers_cannot_share_is_said() {
    let two =
        |keys: &str, other: &str| format!("{}\n[container.db]\nimage = \"db\"\n{other}", web(keys));
    let shares = "ipc = \"container:db\"";
    let said = said_about(&[
        &web("ipc = \"shareable\"\npid = \"container:db\""),
        &web("ipc = \"container:db\""),
        &web("ipc = \"container:web\""),
        &two(&format!("{shares}\nhost = [\"ipc\"]"), ""),
        &two(shares, "host = [\"ipc\"]"),
        &two(
            "network = \"container:db\"\nipc = \"container:db\"",
            "kind = \"task\"\nrun = \"once\"",
        ),
        &two(
            &format!(
                "{shares}\nshm_size = \"1 MiB\"\nsysctl = {{ \"kernel.shmmax\" = \"1\", \"net.core.somaxconn\" = \"1\" }}"
            ),
            "",
        ),
        &two(&format!("{shares}\nupdate = \"start-first\""), ""),
        &two(shares, "update = \"start-first\""),
        &two(&format!("{shares}\nprivileged = true"), ""),
        &two(&format!("{shares}\nuserns = \"own\""), "userns = \"host\""),
        &two(shares, "network = \"container:web\""),
        &two(
            &format!("{shares}\nnetwork = \"container:x\""),
            "[container.x]\nimage = \"x\"",
        ),
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn ipc_is_shared_within_one_user_namespace() {
    let two =
        |keys: &str, other: &str| format!("{}\n[container.db]\nimage = \"db\"\n{other}", web(keys));
    let shares = "ipc = \"container:db\"";
    for text in [
        two(shares, "shm_size = \"1 MiB\""),
        two(shares, "privileged = true"),
        two(&format!("{shares}\nprivileged = true"), "userns = \"host\""),
        two(&format!("{shares}\nnetwork = \"container:db\""), ""),
        two(
            &format!("{shares}\nnetwork = \"container:x\""),
            "network = \"container:x\"\n[container.x]\nimage = \"x\"",
        ),
    ] {
        let parsed = parse("node.toml", &text);
        assert!(parsed.is_ok(), "{text}\n{parsed:?}");
    }
}

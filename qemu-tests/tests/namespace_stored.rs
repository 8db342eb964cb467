//! Images, volumes and networks on a real node: what is there, what goes, what is refused.

#[cfg(test)]
mod rig;

use looks::{has, images, wait_counted};
use orlop_api::{NetworkView, VolumeDetail, VolumeView};
use rig::containers::{apply, config, container, file, wait_view};
use rig::node::Rig;
use serde_json::json;

/// A port of the node for the container `app`.
const APP: u16 = 8081;
const KEYS: &str = "ports = [\"8081:8080\"]\nvolumes = [\"data:/data\"]\nenv = { APP_COUNT_TO = \"/data/count\" }\n[volume.data]";

#[cfg(test)]
mod looks {
    //! What tests see of a node's images and volumes.

    use super::APP;
    use super::rig::node::{Node, READY};
    use orlop_api::StoredImage;

    pub(super) fn images(node: &Node<'_>) -> Vec<StoredImage> {
        node.api().get("/v1/images").unwrap()
    }

    pub(super) fn has(node: &Node<'_>, reference: &str) -> bool {
        let images = images(node);
        images
            .iter()
            .any(|image| image.reference.ends_with(reference))
    }

    pub(super) fn wait_counted(node: &Node<'_>) {
        let counted = node.machine.wait("a count", READY, || {
            match node.ask(APP, "/file/data/count") {
                Ok(answer) if !answer.body.is_empty() && answer.status.is_success() => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        counted.unwrap_or_else(|error| panic!("{error}\n{}", node.journal()));
    }
}

#[test]
fn an_image_pulled_by_hand_stays_over_switches_until_it_is_removed_and_one_that_is_needed_stays() {
    let rig = Rig::new();
    let node = rig.node("images", "1", &rig.config("1"));
    node.wait_idle();
    let (first, second) = (rig.image("test/app:1"), rig.image("test/app:2"));
    let said = node.orlop(&["image", "pull", &second]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = node.orlop(&["image", "pull", &rig.image("test/none:1")]);
    assert_eq!(said.code, Some(7), "{said:?}");
    // A switch frees what no generation needs.
    apply(&node, &config(&rig, &[container(&rig, "app", "")]));
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    node.wait_idle_on(2);
    let found = images(&node);
    let pulled = found.iter().find(|image| image.reference == second);
    assert!(pulled.unwrap().pulled, "{found:?}");
    let needed = found.iter().find(|image| image.reference == first).unwrap();
    let users = [
        "generation 1",
        "generation 2",
        "container app",
        "container web",
    ];
    assert_eq!(needed.used_by, users);

    let said = node.orlop(&["image", "rm", &first]);
    assert_eq!(said.code, Some(6));
    let refusal = format!(
        "error: cannot remove image {first}: {} needs it\n",
        users.join(", ")
    );
    assert!(said.err.starts_with(&refusal), "{said:?}");
    let said = node.orlop(&["image", "rm", &second]);
    assert_eq!(said.code, Some(0), "{said:?}");
    // The two differ in nothing but how they are run.
    assert_eq!(
        said.out,
        format!("removed {second}\nfreed 0 B\n"),
        "{said:?}"
    );
    assert!(!has(&node, "test/app:2"));

    node.job("/v1/images/pull", &json!({ "image": second }));
    let killed = node.kill_agent("");
    node.wait_agent(&killed);
    node.wait_idle();
    assert!(has(&node, "test/app:2"));
    let said = node.orlop(&["image", "prune"]);
    assert!(
        said.out.starts_with(&format!("removed {second}\n")),
        "{said:?}"
    );
    assert_eq!(node.orlop(&["image", "prune"]).out, "freed 0 B\n");
    node.wait_web("/");
    let said = node.orlop(&["image", "ls"]);
    assert!(said.out.contains("the OS that runs"), "{said:?}");
    let log = node.run(&["journalctl", "--no-pager", "--output=cat"]);
    assert!(log.contains("uid 0 asked for prune-images: done"), "{log}");
}

#[test]
fn a_volume_goes_out_and_comes_back_whole_and_is_not_taken_from_a_container() {
    let rig = Rig::new();
    let with_app = config(&rig, &[container(&rig, "app", KEYS)]);
    let node = rig.node("volumes", "1", &with_app);
    node.wait_idle();
    wait_counted(&node);
    let volume =
        |name: &str| -> VolumeDetail { node.api().get(&format!("/v1/volumes/{name}")).unwrap() };
    assert!(volume("data").entries >= 1);
    for refused in [
        &["volume", "rm", "data"][..],
        &["volume", "import", "data", "/run/out.tar", "--replace"],
    ] {
        node.orlop(&["volume", "export", "data", "-o", "/run/out.tar"]);
        let said = node.orlop(refused);
        assert_eq!(said.code, Some(6), "{said:?}");
        assert!(said.err.contains("container app uses it"), "{said:?}");
    }

    node.orlop(&["container", "stop", "app"]);
    let said = node.orlop(&["volume", "export", "data", "-o", "/run/out.tar"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let counted = node.read("/state/volumes/data/count");
    let said = node.orlop(&["volume", "import", "data", "/run/out.tar"]);
    assert!(said.err.contains("it is not empty"), "{said:?}");
    // Half an archive changes nothing.
    let whole = std::fs::read(rig::containers::outside(&node, "/run/out.tar")).unwrap();
    let half = rig::containers::outside(&node, "/run/half.tar");
    std::fs::write(half, &whole[..whole.len() / 2]).unwrap();
    let said = node.orlop(&["volume", "import", "data", "/run/half.tar", "--replace"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert_eq!(node.read("/state/volumes/data/count"), counted);
    let said = node.orlop(&["volume", "import", "data", "/run/out.tar", "--replace"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = node.orlop(&["volume", "import", "copy", "/run/out.tar"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(node.read("/state/volumes/data/count"), counted);
    assert_eq!(node.read("/state/volumes/copy/count"), counted);
    node.orlop(&["container", "start", "app"]);
    wait_counted(&node);
    assert!(file(&node, APP, "/data/count").starts_with(&counted));

    // The host's file system knows no limits: nothing is promised that would not be held.
    let limited = with_app.replace("[volume.data]", "[volume.data]\nsize = \"1 MiB\"");
    assert_ne!(limited, with_app);
    let fault = node.end_of("/v1/config/apply", &json!({ "config": limited }));
    let said = format!("{fault:?}");
    assert!(
        said.contains("cannot limit volume data to 1 MiB: the state partition is mounted without project quotas"),
        "{said}"
    );

    let said = node.orlop(&["volume", "rm", "copy"]);
    assert_eq!(said.out, "removed volume copy\n", "{said:?}");
    apply(&node, &rig.config("1"));
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    node.wait_idle_on(2);
    let said = node.orlop(&["volume", "rm", "data"]);
    assert!(
        said.err.contains("generation 1 on record use it"),
        "{said:?}"
    );
    let said = node.orlop(&["volume", "rm", "data", "--force"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let left: Vec<VolumeView> = node.api().get("/v1/volumes").unwrap();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(node.run(&["orlop", "volume", "ls"]).lines().count(), 1);
}

#[test]
fn what_an_agent_that_was_killed_left_of_volumes_is_removed_and_networks_are_told() {
    let rig = Rig::new();
    let keys = "networks = [\"back\"]\n[net.back]\nsubnet = \"10.77.0.0/24\"";
    let node = rig.node(
        "leftovers",
        "1",
        &config(&rig, &[container(&rig, "app", keys)]),
    );
    node.wait_idle();
    for left in [".data.import", ".data.gone"] {
        let dir = rig::containers::outside(&node, &format!("/state/volumes/{left}/deep"));
        std::fs::create_dir_all(dir).unwrap();
    }
    let killed = node.kill_agent("");
    node.wait_agent(&killed);
    node.wait_idle();
    let gone = node
        .machine
        .wait("the end of leftovers", rig::node::READY, || {
            match node.has("/state/volumes/.data.import") || node.has("/state/volumes/.data.gone") {
                true => Err("there".to_owned()),
                false => Ok(()),
            }
        });
    gone.unwrap();

    let app = wait_view(&node, "app", "an address", |view| {
        !view.addresses.is_empty()
    });
    let networks: Vec<NetworkView> = node.api().get("/v1/networks").unwrap();
    let names: Vec<&str> = networks
        .iter()
        .map(|network| network.name.as_str())
        .collect();
    assert_eq!(names, ["back", "default"]);
    let members = |index: usize| -> Vec<&str> {
        let members = &networks[index].containers;
        members.iter().map(|member| member.name.as_str()).collect()
    };
    assert_eq!((members(0), members(1)), (vec!["app"], vec!["web"]));
    assert_eq!(networks[0].containers[0].addresses, app.addresses);
}

#[test]
fn files_are_copied_as_the_container_sees_them_and_no_link_leads_out() {
    let rig = Rig::new();
    let node = rig.node(
        "copies",
        "1",
        &config(&rig, &[container(&rig, "app", KEYS)]),
    );
    node.wait_idle();
    wait_counted(&node);
    let copy = |from: &str, to: &str| node.orlop(&["container", "cp", from, to]);
    let said = copy("app:/data/count", "/run/count");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(node.read("/run/count").starts_with("0 "));

    node.put("letter", "to whom it may concern\n");
    let said = copy("/run/letter", "app:/data");
    assert_eq!(said.out, "copied to /data in app\n", "{said:?}");
    assert_eq!(
        node.read("/state/volumes/data/letter"),
        "to whom it may concern\n"
    );
    let said = copy("/run/letter", "app:/data/other");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(file(&node, APP, "/data/other"), "to whom it may concern\n");
    let said = copy("/run/letter", "app:/none/other");
    assert_eq!(said.code, Some(7), "{said:?}");

    // Out of the container, but for the container: to its own `/etc`.
    let link = rig::containers::outside(&node, "/state/volumes/data/link");
    std::os::unix::fs::symlink("/etc", link).unwrap();
    let said = copy("app:/data/link/hostname", "/run/name");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(node.read("/run/name"), "app\n");
    let link = rig::containers::outside(&node, "/state/volumes/data/up");
    std::os::unix::fs::symlink("../../../../../../run", link).unwrap();
    let said = copy("app:/data/up/letter", "/run/stolen");
    assert_eq!(said.code, Some(7), "{said:?}");
    assert!(!node.has("/run/stolen"));
    let said = copy("app:/proc/1/root/run/letter", "/run/stolen");
    assert_ne!(said.code, Some(0), "{said:?}");

    node.orlop(&["container", "stop", "app"]);
    let said = copy("app:/data/count", "/run/count");
    assert_eq!(said.code, Some(6), "{said:?}");
    let log = node.run(&["journalctl", "--no-pager", "--output=cat"]);
    assert!(log.contains("uid 0 asked for copy-in app: done"), "{log}");
}

//! Other people's tools: umoci, skopeo, buildah and podman, with their storage in a scratch folder.

use crate::material::Material;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The tools. Storage is of the driver `vfs`: plain directories, so nothing is mounted that a test that
/// is killed would leave mounted, and a layer is unpacked over the whole of those below it.
pub(crate) struct Peers {
    dir: PathBuf,
    /// Podman takes at most 50 bytes of path here.
    run: PathBuf,
}

/// Runs a program, and gives what it says.
fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; `make setup` installs it"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Peers {
    pub(crate) fn new(scratch: &Path) -> Self {
        let dir = scratch.join("containers");
        fs::create_dir_all(&dir).unwrap();
        // Not everybody's system has one.
        let policy = r#"{"default": [{"type": "insecureAcceptAnything"}]}"#;
        fs::write(dir.join("policy.json"), policy).unwrap();
        Self {
            dir,
            run: scratch.join("r"),
        }
    }

    /// `podman` or `buildah`, with their storage in the scratch folder.
    fn containers(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg("--root")
            .arg(self.dir.join("storage"))
            .arg("--runroot")
            .arg(&self.run)
            .args(["--storage-driver", "vfs"]);
        if program == "podman" {
            command
                .arg("--tmpdir")
                .arg(self.dir.join("tmp"))
                .args(["--events-backend", "none"]);
        }
        command
    }

    fn buildah(&self, arguments: &[&str]) -> String {
        run(self.containers("buildah").args(arguments))
    }

    fn policy(&self) -> String {
        self.dir.join("policy.json").display().to_string()
    }

    /// A layout with one image, made of tars; umoci packs them with gzip.
    pub(crate) fn umoci_layout(&self, layout: &Path, tag: &str, layers: &[PathBuf]) {
        if !layout.exists() {
            run(Command::new("umoci")
                .arg("init")
                .arg("--layout")
                .arg(layout));
        }
        let image = format!("{}:{tag}", layout.display());
        run(Command::new("umoci").args(["new", "--image", &image]));
        for layer in layers {
            run(Command::new("umoci")
                .args(["raw", "add-layer", "--image", &image])
                .arg(layer));
        }
    }

    /// Copies an image into a registry.
    pub(crate) fn skopeo_copy(&self, from: &str, to: &str, options: &[&str]) {
        run(Command::new("skopeo")
            .args([
                "--insecure-policy",
                "copy",
                "--quiet",
                "--dest-tls-verify=false",
            ])
            .args(options)
            .args([from, &format!("docker://{to}")]));
    }

    /// Builds an image of two layers; the second changes and removes what is in the first.
    pub(crate) fn buildah_image(&self, material: &Material) -> String {
        let first = self.buildah_layer("scratch", "first", |root| {
            material.unpack_first(root);
        });
        self.buildah_layer(&first, "second", |root| material.change(root))
    }

    fn buildah_layer(&self, from: &str, name: &str, fill: impl FnOnce(&Path)) -> String {
        let container = self.buildah(&["from", "--signature-policy", &self.policy(), from]);
        fill(Path::new(&self.buildah(&["mount", &container])));
        let image = format!("localhost/{name}");
        self.buildah(&[
            "commit",
            "--quiet",
            "--rm",
            "--signature-policy",
            &self.policy(),
            &container,
            &image,
        ]);
        image
    }

    pub(crate) fn buildah_push(&self, built: &str, image: &str, options: &[&str]) {
        let policy = self.policy();
        let mut arguments = vec!["push", "--quiet", "--tls-verify=false"];
        arguments.extend(["--signature-policy", &policy]);
        arguments.extend(options);
        let target = format!("docker://{image}");
        arguments.extend([built, &target]);
        self.buildah(&arguments);
    }

    /// An index of three architectures, each image with a file that names its own.
    pub(crate) fn buildah_index(&self, layer: &Path, image: &str) {
        self.buildah(&["manifest", "create", "localhost/all"]);
        for architecture in ["arm64", "amd64", "riscv64"] {
            let policy = self.policy();
            let container = self.buildah(&[
                "from",
                "--signature-policy",
                &policy,
                "--arch",
                architecture,
                "scratch",
            ]);
            let root = self.buildah(&["mount", &container]);
            crate::material::unpack(layer, Path::new(&root));
            fs::write(
                Path::new(&root).join("architecture"),
                format!("{architecture}\n"),
            )
            .unwrap();
            self.buildah(&["config", "--arch", architecture, &container]);
            self.buildah(&[
                "commit",
                "--quiet",
                "--rm",
                "--signature-policy",
                &policy,
                "--manifest",
                "localhost/all",
                &container,
            ]);
        }
        let policy = self.policy();
        let target = format!("docker://{image}");
        self.buildah(&[
            "manifest",
            "push",
            "--all",
            "--quiet",
            "--tls-verify=false",
            "--signature-policy",
            &policy,
            "localhost/all",
            &target,
        ]);
    }

    fn podman_pull(&self, image: &str) -> Command {
        let mut command = self.containers("podman");
        command
            .args(["pull", "--quiet", "--tls-verify=false"])
            .args(["--signature-policy", &self.policy(), image]);
        command
    }

    /// Where podman has the file tree of an image that it pulls from a registry.
    pub(crate) fn podman_mount(&self, image: &str) -> PathBuf {
        run(&mut self.podman_pull(image));
        run(self.containers("podman").args(["image", "mount", image])).into()
    }

    /// Why podman does not pull an image.
    pub(crate) fn podman_refusal(&self, image: &str) -> String {
        let output = self.podman_pull(image).output().unwrap();
        assert!(!output.status.success(), "podman pulls {image}");
        String::from_utf8(output.stderr).unwrap()
    }
}

//! One container with some of everything, for the tests of this module.

use super::desired::{Desired, DesiredContainer, ImageRecord, ImageRun};
use orlop_config::{
    ByteSize, Container, Cpus, Digest, Health, Lifecycle, Name, OciRuntime, Port, Probe, Process,
    Protocol, Resources, Restart, Security, Storage, VolumeMount,
};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) fn name(text: &str) -> Name {
    Name::new(text).expect("a test's name is one")
}

pub(super) fn desired_web() -> Desired {
    let config = Container {
        image: "registry.example.com/web:1.4".parse().expect("a reference"),
        command: None,
        args: Some(vec!["--listen".into(), ":80".into()]),
        env: BTreeMap::from([("MODE".into(), "fast".into())]),
        ports: vec![Port {
            host_ip: None,
            host: 8080,
            container: 80,
            protocol: Protocol::Tcp,
            count: 1,
        }],
        networks: Vec::new(),
        volumes: vec![VolumeMount {
            volume: name("data"),
            path: "/var/lib/data".into(),
            read_only: false,
        }],
        health: Some(Health {
            probe: Probe::Http {
                port: 80,
                path: "/healthz".into(),
            },
            every: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            retries: 3,
            start: Duration::ZERO,
            unhealthy: orlop_config::Unhealthy::None,
        }),
        restart: Restart::Always,
        memory: Some(ByteSize(256 << 20)),
        cpus: Some(Cpus(1500)),
        pids: Some(200),
        read_only: true,
        process: Process::default(),
        storage: Storage::default(),
        lifecycle: Lifecycle::default(),
        resources: Resources::default(),
        security: Security::default(),
        network: None,
        lookup: orlop_config::Lookup::default(),
        pull: orlop_config::PullPolicy::default(),
        platform: None,
        runtime: OciRuntime::Crun,
        labels: BTreeMap::new(),
    };
    Desired {
        containers: vec![DesiredContainer::new(name("web"), config, image_of_web())],
        volumes: BTreeMap::from([(name("data"), orlop_config::Volume::default())]),
        ..Desired::default()
    }
}

fn image_of_web() -> ImageRecord {
    ImageRecord {
        reference: "registry.example.com/web:1.4".into(),
        manifest: Digest::of(b"manifest"),
        root: Digest::of(b"root").hex().parse().expect("hex of a sha256"),
        run: ImageRun {
            entrypoint: vec!["/app/server".into()],
            cmd: vec!["--default".into()],
            env: vec![
                "PATH=/usr/local/bin:/usr/bin:/bin".into(),
                "MODE=slow".into(),
            ],
            user: "1000:1000".into(),
            working_dir: "/app".into(),
            stop_signal: Some("SIGQUIT".into()),
            version: Some("1.4".into()),
        },
    }
}

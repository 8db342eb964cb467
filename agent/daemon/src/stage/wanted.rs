//! What a generation is to be made of: which images keep their digest, which are resolved anew.

use crate::config;
use orlop_api::{Fault, FaultKind, StageRequest};
use orlop_config::{Digest, ImageRef, NodeConfig, PullPolicy};
use orlop_core::{Generation, OsImage};
use std::collections::BTreeMap;

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It keeps the digest that it was resolved to before.
    Locked {
        /// The manifest.
        manifest: Digest,
        /// As it was named then.
        reference: String,
    },
    /// Its reference is resolved now.
    Named(ImageRef),
}

impl Source {
    /// The reference, for people and for the record.
    pub fn reference(&self) -> String {
        match self {
            Self::Locked { reference, .. } => reference.clone(),
            Self::Named(image) => image.to_string(),
        }
    }

    fn locked(manifest: &Digest, reference: &str) -> Self {
        Self::Locked {
            manifest: manifest.clone(),
            reference: reference.to_owned(),
        }
    }
}

/// What a generation is to be made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The TOML's text.
    pub text: String,
    /// The TOML.
    pub config: NodeConfig,
    /// The OS.
    pub os: Source,
    /// Images by container.
    pub containers: BTreeMap<String, Source>,
}

/// What `request` asks for on a node that runs `current` by the TOML `current_text`.
///
/// - Neither OS nor config given: an update. Every reference is resolved anew, but for containers that say
///   otherwise (`pull`).
/// - An OS given: that OS; the containers keep their digests.
/// - A config given: what it names as the old one did keeps its digest; the rest is resolved.
///
/// # Errors
/// `Config` for a TOML that cannot be used, `Usage` for an OS reference that is none.
pub fn wanted(
    request: &StageRequest,
    current: &Generation,
    current_text: &str,
) -> Result<Wanted, Fault> {
    let text = request.config.as_deref().unwrap_or(current_text);
    let config = config::parse(text)?;
    // A TOML that an older agent took and this one does not cannot say what is the same.
    let old = config::parse(current_text).ok();
    let update = request.os.is_none() && request.config.is_none();
    let os = match &request.os {
        Some(reference) => Source::Named(parse_os(reference)?),
        None => {
            let named = config.os.as_ref().map(|os| &os.image);
            let before = old
                .as_ref()
                .and_then(|old| old.os.as_ref())
                .map(|os| &os.image);
            match named {
                Some(image) if update || before != Some(image) => Source::Named(image.clone()),
                _ => Source::locked(&current.os.manifest, &current.os.reference),
            }
        }
    };
    let mut containers = BTreeMap::new();
    for (name, container) in &config.container {
        let same = old
            .as_ref()
            .and_then(|old| old.container.get(name))
            .is_some_and(|old| {
                (&old.image, &old.platform) == (&container.image, &container.platform)
            });
        let keeps = !update || container.pull != PullPolicy::Always;
        let source = match current.containers.get(name.as_str()) {
            Some(image) if same && keeps => Source::locked(&image.manifest, &image.reference),
            _ => Source::Named(container.image.clone()),
        };
        containers.insert(name.to_string(), source);
    }
    Ok(Wanted {
        text: text.to_owned(),
        config,
        os,
        containers,
    })
}

/// What a node's first generation is made of: the OS that runs, and the TOML's containers.
pub fn first(text: String, config: NodeConfig, running: &OsImage) -> Wanted {
    let containers = config
        .container
        .iter()
        .map(|(name, container)| (name.to_string(), Source::Named(container.image.clone())))
        .collect();
    let os = Source::locked(&running.manifest, &running.reference);
    Wanted {
        text,
        config,
        os,
        containers,
    }
}

fn parse_os(reference: &str) -> Result<ImageRef, Fault> {
    reference
        .parse()
        .map_err(|error: orlop_config::ImageRefError| {
            Fault::new(FaultKind::Usage, error.to_string())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use orlop_core::{ContainerImage, GenerationId, Origin, Timestamp};

    const TEXT: &str = r#"
        schema = 1
        os = { image = "r.example/os:stable" }
        container = { web = { image = "r.example/web:1" }, db = { image = "r.example/db:1" } }
    "#;

    fn current() -> Generation {
        let image = |name: &str| ContainerImage {
            reference: format!("r.example/{name}:1"),
            manifest: Digest::of(name.as_bytes()),
            root: "ab".repeat(32).parse().unwrap(),
        };
        Generation {
            id: GenerationId(1),
            os: OsImage {
                reference: "r.example/os:stable".into(),
                manifest: Digest::of(b"os"),
                root: "cd".repeat(32).parse().unwrap(),
                version: "1".into(),
                boot: Digest::of(b"boot"),
            },
            config: Digest::of(TEXT.as_bytes()),
            containers: [("web".into(), image("web")), ("db".into(), image("db"))].into(),
            created: Timestamp(0),
            origin: Origin::FirstBoot,
        }
    }

    fn named(wanted: &Wanted) -> Vec<String> {
        let all = [("os", &wanted.os)].into_iter().chain(
            wanted
                .containers
                .iter()
                .map(|(name, source)| (name.as_str(), source)),
        );
        all.filter(|(_, source)| matches!(source, Source::Named(_)))
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    fn ask(os: Option<&str>, config: Option<&str>) -> Wanted {
        let request = StageRequest {
            os: os.map(str::to_owned),
            config: config.map(str::to_owned),
        };
        wanted(&request, &current(), TEXT).unwrap()
    }

    #[test]
    fn an_update_resolves_everything_anew() {
        assert_eq!(named(&ask(None, None)), ["os", "db", "web"]);
    }

    #[test]
    fn an_update_asks_for_no_tag_whose_container_has_its_image() {
        for policy in ["missing", "never"] {
            let web = format!(r#"web:1", pull = "{policy}""#);
            let text = TEXT.replace("web:1\"", &web);
            let request = StageRequest {
                os: None,
                config: None,
            };
            let update = wanted(&request, &current(), &text).unwrap();
            assert_eq!(named(&update), ["os", "db"]);
            let other = text.replace("web:1", "web:2");
            let config = StageRequest {
                os: None,
                config: Some(other),
            };
            assert_eq!(named(&wanted(&config, &current(), &text).unwrap()), ["web"]);
        }
    }

    #[test]
    fn an_os_alone_leaves_the_containers_locked() {
        assert_eq!(named(&ask(Some("r.example/os:2"), None)), ["os"]);
    }

    #[test]
    fn a_config_resolves_only_what_it_names_otherwise() {
        assert_eq!(named(&ask(None, Some(TEXT))), Vec::<String>::new());
        let other = TEXT.replace("web:1", "web:2");
        assert_eq!(named(&ask(None, Some(&other))), ["web"]);
        let other = TEXT.replace("os:stable", "os:edge");
        assert_eq!(named(&ask(None, Some(&other))), ["os"]);
    }

    #[test]
    fn an_os_that_is_no_reference_is_refused_before_anything_is_fetched() {
        let request = StageRequest {
            os: Some("NOT A REF".into()),
            config: None,
        };
        let fault = wanted(&request, &current(), TEXT).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Usage);
        assert!(fault.message.contains("NOT A REF"), "{fault}");
    }
}

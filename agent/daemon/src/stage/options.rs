//! How a registry is reached, as the node's TOML says it.

use crate::runtime::node_secret;
use orlop_api::{Fault, FaultKind};
use orlop_config::{ImageRef, NodeConfig, Platform, Registry};
use orlop_image::{Expect, Login, Mirror, Proxy, PullOptions};
use std::error::Error as _;

/// How to pull `image`.
///
/// # Errors
/// A password that is not there.
pub(super) fn pull_options(
    config: &NodeConfig,
    image: &ImageRef,
    expect: Option<Expect>,
    platform: Option<&Platform>,
) -> Result<PullOptions, Fault> {
    let mut options = PullOptions {
        expect,
        platform: platform.cloned(),
        proxy: Proxy {
            https: config.proxy.https.clone(),
            http: config.proxy.http.clone(),
            except: config.proxy.except.clone(),
        },
        ..PullOptions::default()
    };
    let ImageRef::Registry { registry, .. } = image else {
        return Ok(options);
    };
    let Some(found) = config.registry.get(registry) else {
        return Ok(options);
    };
    options.plain_http = found.plain_http;
    options.ca = found.ca.clone();
    options.login = login(config, found)?;
    for mirror in &found.mirrors {
        let own = config.registry.get(&mirror.host);
        options.mirrors.push(Mirror {
            host: mirror.host.clone(),
            prefix: mirror.prefix.clone(),
            plain_http: mirror.plain_http,
            ca: own.and_then(|own| own.ca.clone()),
            login: match own {
                Some(own) => login(config, own)?,
                None => None,
            },
        });
    }
    Ok(options)
}

fn login(config: &NodeConfig, registry: &Registry) -> Result<Option<Login>, Fault> {
    let Some(login) = &registry.login else {
        return Ok(None);
    };
    let missing = |why: String| {
        let message = format!("cannot log in as {}: {why}", login.user);
        let hint = format!(
            "put the password where [secret.{}] says it is",
            login.password
        );
        Fault::new(FaultKind::Config, message).hint(hint)
    };
    let secret = config.secret.get(&login.password);
    let secret = secret.ok_or_else(|| missing(format!("there is no secret {}", login.password)))?;
    let password = node_secret(&login.password, secret).map_err(|error| {
        let cause = error.source().map(|cause| format!(": {cause}"));
        missing(format!("{error}{}", cause.unwrap_or_default()))
    })?;
    Ok(Some(Login {
        user: login.user.clone(),
        password,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(toml: &str, image: &str) -> Result<PullOptions, Fault> {
        let config = orlop_config::parse("node.toml", toml).unwrap();
        pull_options(
            &config,
            &image.parse().unwrap(),
            Some(Expect::Container),
            None,
        )
    }

    #[test]
    fn logins_mirrors_and_proxies_reach_the_pull_with_passwords_from_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub");
        std::fs::write(&path, "s3cret\n").unwrap();
        let toml = format!(
            r#"
schema = 1
[registry."docker.io"]
mirrors = ["https://mirror.example.com/hub/", "http://10.0.0.2:5000"]
login = {{ user = "puller", password = {{ secret = "hub" }} }}
[registry."mirror.example.com"]
login = {{ user = "other", password = {{ secret = "hub" }} }}
[proxy]
https = "http://proxy:3128"
except = ["10.0.0.0/8"]
[secret.hub]
from = "file"
path = "{}"
"#,
            path.display()
        );
        let login = |user: &str| {
            Some(Login {
                user: user.to_owned(),
                password: "s3cret".to_owned(),
            })
        };
        let hub = options(&toml, "docker.io/library/web:1").unwrap();
        assert_eq!(hub.login, login("puller"));
        let [first, second] = &hub.mirrors[..] else {
            unreachable!("{:?}", hub.mirrors);
        };
        assert_eq!(
            (&*first.host, &*first.prefix),
            ("mirror.example.com", "hub")
        );
        assert_eq!(
            (first.login.clone(), first.plain_http),
            (login("other"), false)
        );
        assert_eq!((&*second.host, second.plain_http), ("10.0.0.2:5000", true));
        assert_eq!(second.login, None);
        assert_eq!(hub.proxy.https.as_deref(), Some("http://proxy:3128"));
        assert_eq!(hub.proxy.except, ["10.0.0.0/8"]);
        let elsewhere = options(&toml, "registry.example.com/web:1").unwrap();
        assert_eq!((elsewhere.login, elsewhere.mirrors), (None, vec![]));

        std::fs::remove_file(&path).unwrap();
        let fault = options(&toml, "docker.io/library/web:1").unwrap_err();
        assert_eq!(fault.kind, FaultKind::Config);
        assert!(
            fault.message.starts_with("cannot log in as puller: "),
            "{fault}"
        );
    }
}

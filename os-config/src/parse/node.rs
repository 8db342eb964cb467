//! `[host]`, `[os]`, `[api]`, `[registry]`, `[proxy]`, `[secret]` and `[volume]`.

use super::context::{Context, Noun, Published};
use super::section::Section;
use crate::forms::{self, Problem};
use crate::image_ref::ImageRef;
use crate::model::{Api, Host, Login, Name, Os, Port, Protocol, Proxy, Registry, Secret, Volume};
use std::collections::BTreeMap;

/// Where a secret is that comes from a file without a path of its own.
const SECRETS: &str = "/state/orlop/secrets";

pub(super) fn host(cx: &mut Context, root: &Section<'_>) -> Host {
    let Some(host) = root.section(cx, "host") else {
        return Host::default();
    };
    Host {
        name: host.text(cx, "name", forms::host_name),
        timezone: host.text(cx, "timezone", forms::timezone),
        labels: host.text_map(cx, "labels", forms::label_name, forms::label_value),
    }
}

pub(super) fn os(cx: &mut Context, root: &Section<'_>) -> Option<Os> {
    let os = root.section(cx, "os")?;
    Some(Os {
        image: os.text(cx, "image", image)?,
    })
}

/// An image reference.
pub(super) fn image(text: &str) -> Result<ImageRef, Problem> {
    text.parse().map_err(|error: crate::ImageRefError| {
        Problem::new(format!("`{text}` is not an image reference")).help(error.why)
    })
}

pub(super) fn api(cx: &mut Context, root: &Section<'_>) -> Api {
    let Some(api) = root.section(cx, "api") else {
        return Api::default();
    };
    let listen = api.text(cx, "listen", forms::listen);
    let clients = api.text(cx, "clients", forms::certificates);
    match (api.has("listen"), api.has("clients")) {
        (true, false) => cx.report(
            api.span_of("listen"),
            Problem::new("the API would listen without knowing whom to let in")
                .help("add `clients` with the certificate of the CA that signs your clients"),
        ),
        (false, true) => cx.report(
            api.span_of("clients"),
            Problem::new("`clients` has no effect without `listen`")
                .help("add `listen = \"0.0.0.0:6443\"`, or remove `clients`"),
        ),
        _ => {}
    }
    if let Some(address) = listen {
        let port = Port {
            host_ip: Some(address.ip()),
            host: address.port(),
            container: address.port(),
            protocol: Protocol::Tcp,
            count: 1,
        };
        let span = api.span_of("listen");
        cx.published.push(Published {
            span,
            holder: "the API".to_owned(),
            port,
        });
    }
    Api { listen, clients }
}

pub(super) fn registries(cx: &mut Context, root: &Section<'_>) -> BTreeMap<String, Registry> {
    let mut out = BTreeMap::new();
    for (name, section) in root.named(cx, "registry", forms::registry_host) {
        let plain_http = section.boolean("plain_http").unwrap_or(false);
        let ca = section.text(cx, "ca", forms::certificates);
        if plain_http && section.has("ca") {
            let problem = Problem::new("a CA has no effect with `plain_http`")
                .help("remove one of the two; `plain_http` means that nothing is verified by TLS");
            cx.report(section.span_of("ca"), problem);
        }
        let mirrors = section.texts(cx, "mirrors", forms::mirror);
        let registry = Registry {
            plain_http,
            ca,
            mirrors: values(mirrors),
            login: login(cx, &section),
        };
        out.insert(name, registry);
    }
    out
}

fn login(cx: &mut Context, registry: &Section<'_>) -> Option<Login> {
    let login = registry.section(cx, "login")?;
    let user = login.text(cx, "user", forms::login_name);
    let password = login.section(cx, "password")?;
    let secret = password.text(cx, "secret", name)?;
    cx.refer(Noun::Secret, secret.as_str(), password.span_of("secret"));
    Some(Login {
        user: user?,
        password: secret,
    })
}

pub(super) fn proxy(cx: &mut Context, root: &Section<'_>) -> Proxy {
    let Some(proxy) = root.section(cx, "proxy") else {
        return Proxy::default();
    };
    Proxy {
        https: proxy.text(cx, "https", forms::proxy_url),
        http: proxy.text(cx, "http", forms::proxy_url),
        except: values(proxy.texts(cx, "except", forms::not_proxied)),
    }
}

/// The elements of an array without their places.
fn values<T>(elements: Option<Vec<(std::ops::Range<usize>, T)>>) -> Vec<T> {
    let elements = elements.unwrap_or_default().into_iter();
    elements.map(|(_, value)| value).collect()
}

/// The name of a container, network, volume or secret.
pub(super) fn name(text: &str) -> Result<Name, Problem> {
    Name::new(text).ok_or_else(|| {
        Problem::new(format!("`{text}` is not a name")).help(format!(
            "1 to {} of `a-z`, `0-9` and `-`, neither first nor last a `-`",
            Name::MAX_LEN
        ))
    })
}

pub(super) fn secrets(cx: &mut Context, root: &Section<'_>) -> BTreeMap<Name, Secret> {
    let mut out = BTreeMap::new();
    for (name, section) in root.named(cx, "secret", name) {
        let path = section.text(cx, "path", forms::path);
        let secret = if section.word("from") == Some("file") {
            Secret::File(path.unwrap_or_else(|| format!("{SECRETS}/{name}")))
        } else {
            if section.has("path") {
                let problem = Problem::new("`path` has no effect without `from = \"file\"`");
                cx.report(section.span_of("path"), problem.help("remove it"));
            }
            Secret::Credential
        };
        out.insert(name, secret);
    }
    out
}

pub(super) fn volumes(cx: &mut Context, root: &Section<'_>) -> BTreeMap<Name, Volume> {
    root.named(cx, "volume", name)
        .into_iter()
        .map(|(name, section)| {
            let size = section.text(cx, "size", forms::volume_size);
            (name, Volume { size })
        })
        .collect()
}

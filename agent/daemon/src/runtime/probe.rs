//! Asks a container whether it is well.

use super::exec::exec_by;
use super::instance::Instance;
use crate::http_status::{NoStatus, http_status};
use orlop_config::{Health, Probe};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use tokio::net::TcpStream;

/// Runs the probe once. A failure says why, in words for people.
pub(super) async fn probe(
    health: &Health,
    instance: &Instance,
    address: Option<IpAddr>,
    program: &Path,
    state: &Path,
) -> Result<(), String> {
    let asked = async {
        match (&health.probe, address) {
            (Probe::Exec(words), _) => {
                exec_by(program, state, words, instance, health.timeout).await
            }
            (_, None) => Err("it has no address".to_owned()),
            (Probe::Http { port, path }, Some(ip)) => http(SocketAddr::new(ip, *port), path).await,
            (Probe::Tcp(port), Some(ip)) => tcp(SocketAddr::new(ip, *port)).await.map(drop),
        }
    };
    match tokio::time::timeout(health.timeout, asked).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {:?}", health.timeout)),
    }
}

async fn tcp(address: SocketAddr) -> Result<TcpStream, String> {
    let connected = TcpStream::connect(address).await;
    connected.map_err(|error| format!("cannot connect to {address}: {error}"))
}

async fn http(address: SocketAddr, path: &str) -> Result<(), String> {
    let stream = tcp(address).await?;
    let status = http_status(stream, &address.to_string(), path)
        .await
        .map_err(|why| match why {
            NoStatus::Handshake(error) | NoStatus::Answer(error) => {
                format!("no answer from {address}: {error}")
            }
            NoStatus::Request(error) => format!("cannot ask for {path}: {error}"),
        })?;
    match status {
        200..=399 => Ok(()),
        other => Err(format!("status {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::name;
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn serve(answer: &'static [u8]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /healthz HTTP/1.1\r\n"));
            if answer.is_empty() {
                std::future::pending::<()>().await;
            }
            stream.write_all(answer).await.unwrap();
        });
        port
    }

    async fn ask(probe: Probe, timeout: Duration) -> Result<(), String> {
        let every = Duration::from_secs(1);
        let health = Health {
            probe,
            every,
            timeout,
            retries: 1,
            start: Duration::ZERO,
            unhealthy: orlop_config::Unhealthy::None,
        };
        let address = Some("127.0.0.1".parse().unwrap());
        super::probe(
            &health,
            &Instance::first(&name("web")),
            address,
            Path::new("/bin/false"),
            Path::new("/run/orlop/crun"),
        )
        .await
    }

    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_good_status_is_well_and_any_other_is_named() {
        for (answer, expected) in [
            (&b"HTTP/1.1 200 OK\r\n\r\n"[..], Ok(())),
            (b"HTTP/1.1 302 Found\r\nlocation: /\r\n\r\n", Ok(())),
            (b"HTTP/1.1 503 Busy\r\n\r\n", Err("status 503".to_owned())),
        ] {
            let probe = Probe::Http {
                port: serve(answer).await,
                path: "/healthz".into(),
            };
            assert_eq!(ask(probe, LONG).await, expected);
        }
    }

    #[tokio::test]
    async fn one_that_does_not_answer_fails_in_time() {
        let probe = Probe::Http {
            port: serve(b"").await,
            path: "/healthz".into(),
        };
        let result = ask(probe, Duration::from_millis(100)).await;
        assert_eq!(result, Err("no answer within 100ms".to_owned()));
    }

    #[tokio::test]
    async fn a_port_is_open_or_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(ask(Probe::Tcp(port), LONG).await, Ok(()));
        drop(listener);
        let error = ask(Probe::Tcp(port), LONG).await.unwrap_err();
        assert!(
            error.starts_with(&format!("cannot connect to 127.0.0.1:{port}: ")),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_command_that_fails_tells_its_status() {
        let result = ask(Probe::Exec(vec!["check".into()]), LONG).await;
        assert_eq!(result, Err("exit status: 1".to_owned()));
    }
}

//! `orlop pki client`: a client's key and certificate, signed by the CA of `orlop pki init`.

use super::pki_init::{CA_CERT, CA_KEY, Made, ca_params, new_key, not_made, tell, write_pair};
use super::{Ending, Outcome};
use crate::client::certificates;
use crate::screen::Screen;
use clap::ValueEnum;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use orlop_api::{Fault, FaultKind};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest common name (RFC 5280, ub-common-name).
const MAX_NAME_LEN: usize = 64;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The directory of the CA; NAME.pem and NAME.key are put there too.
    dir: PathBuf,
    /// Who it is for: letters, digits, `.`, `_`, `@` and `-`.
    #[arg(long)]
    name: String,
    /// What the client may do.
    #[arg(long, value_enum)]
    role: Role,
    /// Days until it expires.
    #[arg(long, default_value_t = 365)]
    days: u16,
}

/// What a client may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// See everything.
    Reader,
    /// Stage, apply, roll back, configure too.
    Operator,
    /// Everything.
    Admin,
}

pub(crate) fn run(options: &Options, screen: &Screen) -> Outcome {
    check_name(&options.name)?;
    let dir = &options.dir;
    let ca = certificates(&dir.join(CA_CERT))
        .map_err(|fault| fault.hint(format!("`orlop pki init {}` makes a CA", dir.display())))?;
    let issuer = Issuer::new(ca_params(), read_key(&dir.join(CA_KEY))?);
    let key = new_key()?;
    let cert = params(options)?
        .signed_by(&key, &issuer)
        .map_err(not_made)?;
    check_chain(&dir.join(CA_CERT), &ca, cert.der())?;
    let made = Made {
        cert: dir.join(format!("{}.pem", options.name)),
        key: dir.join(format!("{}.key", options.name)),
    };
    write_pair(&made, &cert.pem(), &key.serialize_pem())?;
    tell(screen, &made)?;
    Ok(Ending::Done)
}

fn check_name(name: &str) -> Result<(), Fault> {
    let good = (1..=MAX_NAME_LEN).contains(&name.len())
        && !name.starts_with('.')
        && name != "ca"
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._@-".contains(&b));
    if good {
        return Ok(());
    }
    Err(Fault::new(
        FaultKind::Usage,
        format!("cannot use {name:?} as a client's name"),
    )
    .hint(format!(
        "write 1 to {MAX_NAME_LEN} letters, digits, `.`, `_`, `@` and `-`, not `ca`"
    )))
}

fn read_key(path: &Path) -> Result<KeyPair, Fault> {
    let fail = |why: &dyn std::fmt::Display| {
        Fault::new(
            FaultKind::Usage,
            format!("cannot use CA key {}: {why}", path.display()),
        )
    };
    let pem = std::fs::read_to_string(path).map_err(|error| fail(&error))?;
    KeyPair::from_pem(&pem).map_err(|error| fail(&error))
}

fn params(options: &Options) -> Result<CertificateParams, Fault> {
    let mut params = CertificateParams::default();
    let role = match options.role {
        Role::Reader => "orlop:reader",
        Role::Operator => "orlop:operator",
        Role::Admin => "orlop:admin",
    };
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, role);
    params
        .distinguished_name
        .push(DnType::CommonName, options.name.as_str());
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    // The start stays at rcgen's 1975: a node whose clock is not yet set must let its operator in.
    let end = Timestamp::now()
        .to_zoned(TimeZone::UTC)
        .date()
        .saturating_add(i64::from(options.days).days());
    let (month, day) = (end.month().unsigned_abs(), end.day().unsigned_abs());
    params.not_after = date_time_ymd(i32::from(end.year()), month, day);
    Ok(params)
}

/// Proves that nodes that trust this CA will let the certificate in.
fn check_chain(
    path: &Path,
    ca: &[CertificateDer<'static>],
    cert: &CertificateDer<'static>,
) -> Result<(), Fault> {
    let fail = |why: &dyn std::fmt::Display| {
        Fault::new(
            FaultKind::Usage,
            format!("cannot sign with the CA of {}: {why}", path.display()),
        )
        .hint("the directory must hold ca.pem and ca.key as `orlop pki init` made them")
    };
    let mut roots = RootCertStore::empty();
    for certificate in ca {
        roots
            .add(certificate.clone())
            .map_err(|error| fail(&error))?;
    }
    WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::new(ring::default_provider()),
    )
    .build()
    .map_err(|error| fail(&error))?
    .verify_client_cert(cert, &[], UnixTime::now())
    .map_err(|error| fail(&error))?;
    Ok(())
}

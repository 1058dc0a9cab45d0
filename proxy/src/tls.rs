//! TLS towards origins, for https targets that a client asks this proxy to fetch.
//!
//! Decides which certificates are trusted: the system's, Mozilla's (for machines without
//! any) and those configured; always against the name asked for (threat model §4). TLS 1.2
//! is the oldest version spoken.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, IpAddr as ServerAddress, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use weir_config::{Fault, Faults};
use weir_host::Host;

/// Why there is no TLS with an origin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// The certificate is not one for this name that somebody trusted has signed.
    #[error("the site's certificate is not valid: {0}")]
    Certificate(rustls::CertificateError),
    /// The origin refused.
    #[error("the site ended the handshake: {0:?}")]
    Alert(rustls::AlertDescription),
    /// The origin does not speak TLS as we do.
    #[error("the site does not speak TLS that can be used: {0}")]
    Protocol(rustls::Error),
    /// The connection broke.
    #[error("the connection ended during the handshake: {0}")]
    Connection(io::Error),
    /// The handshake took too long.
    #[error("the site did not finish the handshake in time")]
    Timeout,
}

impl HandshakeError {
    /// The error type for `Proxy-Status`, logs and metrics (RFC 9209 §2.3).
    pub(crate) fn label(&self) -> &'static str {
        match self {
            HandshakeError::Certificate(_) => "tls_certificate_error",
            HandshakeError::Alert(_) => "tls_alert_received",
            HandshakeError::Protocol(_) => "tls_protocol_error",
            HandshakeError::Connection(_) => "connection_terminated",
            HandshakeError::Timeout => "connection_timeout",
        }
    }
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            Some(rustls::Error::InvalidCertificate(why)) => {
                HandshakeError::Certificate(why.clone())
            }
            Some(rustls::Error::AlertReceived(alert)) => HandshakeError::Alert(*alert),
            Some(other) => HandshakeError::Protocol(other.clone()),
            None => HandshakeError::Connection(error),
        }
    }
}

/// The configuration for every origin. Reads the certificate files anew.
///
/// # Errors
/// Each of `trusted_roots` that cannot be read or holds no certificate. The system's own
/// files are taken as far as they can be read: Mozilla's roots are there as well.
pub(crate) fn client_config(trusted_roots: &[PathBuf]) -> Result<Arc<ClientConfig>, Faults> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "some of the system's certificates cannot be read");
    }
    roots.add_parsable_certificates(system.certs);
    let faults: Vec<Fault> = trusted_roots
        .iter()
        .filter_map(|path| add_file(&mut roots, path).err())
        .collect();
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("invariant: the provider has suites for the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), Fault> {
    let fault = |message: String| Fault {
        file: path.to_owned(),
        line: None,
        key: "origin.trusted_roots".to_owned(),
        message,
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| fault(format!("cannot be read as PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(fault("holds no certificate".to_owned()));
    }
    for certificate in certificates {
        let added = roots.add(certificate);
        added.map_err(|error| fault(format!("holds an unusable certificate: {error}")))?;
    }
    Ok(())
}

/// Speaks TLS on `stream` with the origin that must prove to be `host`.
///
/// # Errors
/// Why there is no TLS; nothing of a request was sent.
pub(crate) async fn handshake(
    config: &Arc<ClientConfig>,
    host: &Host,
    stream: TcpStream,
    deadline: Duration,
) -> Result<TlsStream<TcpStream>, HandshakeError> {
    let connector = TlsConnector::from(config.clone());
    let handshake = connector.connect(server_name(host)?, stream);
    match tokio::time::timeout(deadline, handshake).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(HandshakeError::Timeout),
    }
}

/// The name that the certificate must be for. A host with characters that no certificate
/// can name has none.
fn server_name(host: &Host) -> Result<ServerName<'static>, HandshakeError> {
    let not_valid = |_| HandshakeError::Certificate(rustls::CertificateError::NotValidForName);
    match host {
        Host::Name(name) => ServerName::try_from(name.as_str().to_owned()).map_err(not_valid),
        Host::V4(address) => Ok(ServerName::IpAddress(ServerAddress::V4((*address).into()))),
        Host::V6(address) => Ok(ServerName::IpAddress(ServerAddress::V6((*address).into()))),
    }
}

#[cfg(test)]
mod tests;

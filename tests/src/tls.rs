//! A certificate authority for one test, and TLS on both ends with it. Nothing here is trusted outside the
//! test that made it.

use std::io::{self, Read, Write};
use std::sync::Arc;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};

/// A fresh root that signs leaves for test names.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// # Errors
    /// Only when the machine gives no randomness.
    pub fn new() -> Result<Authority> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "Weir test authority");
        Ok(Authority {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)?,
        })
    }

    /// The root certificate, for `origin.trusted_roots`, curl's `--cacert` and a browser's store.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server's side for these names, speaking HTTP/1.1.
    ///
    /// # Errors
    /// A name that no certificate may hold.
    pub fn server(&self, names: &[&str]) -> Result<Arc<ServerConfig>> {
        let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
        let key = KeyPair::generate()?;
        let leaf = CertificateParams::new(names)?.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// A client's side that trusts this root alone.
    ///
    /// # Errors
    /// None in practice: the root was made here.
    pub fn client(&self) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone())?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }

    /// TLS as a client over `stream`, naming `name` in the hello; handshakes at the first use.
    ///
    /// # Errors
    /// A name that is not a valid server name.
    pub fn over<S: Read + Write>(
        &self,
        stream: S,
        name: &str,
    ) -> Result<StreamOwned<ClientConnection, S>> {
        let name = ServerName::try_from(name.to_owned())?;
        Ok(StreamOwned::new(
            ClientConnection::new(self.client()?, name)?,
            stream,
        ))
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A ClientHello record as rustls writes it; without `name` it carries no SNI.
///
/// # Errors
/// A name that is not a valid server name.
pub fn hello(name: Option<&str>) -> Result<Vec<u8>> {
    let server = ServerName::try_from(name.unwrap_or("sni.invalid").to_owned())?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.enable_sni = name.is_some();
    let mut connection = ClientConnection::new(Arc::new(config), server)?;
    let mut record = Vec::new();
    connection.write_tls(&mut record)?;
    Ok(record)
}

/// The same hello with the SNI replaced by bytes of equal length: names that no library would send.
///
/// # Panics
/// When the hello does not hold `from` once, or the lengths differ.
pub fn renamed(hello: &[u8], from: &str, to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "a replacement must keep the length");
    let at = hello
        .windows(from.len())
        .position(|w| w == from.as_bytes())
        .expect("the hello holds the name");
    let mut changed = hello.to_vec();
    changed[at..at + to.len()].copy_from_slice(to);
    changed
}

/// One hello spread over many TLS records of `size` bytes of handshake each (RFC 8446 §5.1).
///
/// # Panics
/// When `hello` is not one handshake record.
pub fn refragmented(hello: &[u8], size: usize) -> Vec<u8> {
    assert_eq!(hello.first(), Some(&22), "a handshake record");
    let (version, body) = (&hello[1..3], &hello[5..]);
    let mut records = Vec::new();
    for part in body.chunks(size) {
        records.push(22);
        records.extend_from_slice(version);
        records.extend_from_slice(&(part.len() as u16).to_be_bytes());
        records.extend_from_slice(part);
    }
    records
}

/// A hello with a second server_name extension, which RFC 6066 §3 and RFC 8446 §4.2 forbid.
///
/// # Panics
/// When `hello` is not a complete ClientHello record.
pub fn twice_named(hello: &[u8], second: &str) -> Vec<u8> {
    let name = second.as_bytes();
    let mut data = ((name.len() + 3) as u16).to_be_bytes().to_vec();
    data.push(0);
    data.extend_from_slice(&(name.len() as u16).to_be_bytes());
    data.extend_from_slice(name);
    with_extension(hello, 0, &data)
}

/// A hello with one more extension.
///
/// # Panics
/// When `hello` is not a complete ClientHello record.
pub fn with_extension(hello: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let session = 9 + 2 + 32;
    let mut at = session + 1 + usize::from(hello[session]);
    at += 2 + usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
    at += 1 + usize::from(hello[at]);
    let mut extension = kind.to_be_bytes().to_vec();
    extension.extend_from_slice(&(data.len() as u16).to_be_bytes());
    extension.extend_from_slice(data);
    let mut changed = hello.to_vec();
    changed.extend_from_slice(&extension);
    grow(&mut changed, at, extension.len());
    grow(&mut changed, 7, extension.len());
    grow(&mut changed, 3, extension.len());
    changed
}

/// Adds `by` to the 16-bit length at `at`.
fn grow(bytes: &mut [u8], at: usize, by: usize) {
    let length = usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]])) + by;
    bytes[at..at + 2].copy_from_slice(&(length as u16).to_be_bytes());
}

/// Reads until the peer ends TLS or the connection; a cut without close_notify counts as an end.
///
/// # Errors
/// A deadline, or bytes that are not TLS.
pub fn read_rest(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match from.read_to_end(&mut bytes) {
        Err(error) if !crate::wire::is_cut(&error) => Err(error),
        _ => Ok(bytes),
    }
}

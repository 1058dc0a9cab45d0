#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn file(&self, directory: &Path) -> PathBuf {
        let path = directory.join("root.pem");
        std::fs::write(&path, self.0.pem()).unwrap();
        path
    }

    /// An origin on a local port whose certificate is for `names`.
    async fn origin(&self, names: &[&str]) -> std::net::SocketAddr {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &self.0)
            .unwrap();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    stream.write_all(b"hello").await.unwrap();
                    stream.shutdown().await.unwrap();
                }
            }
        });
        address
    }
}

async fn shake(
    config: &Arc<ClientConfig>,
    address: std::net::SocketAddr,
    host: &str,
) -> Result<TlsStream<TcpStream>, HandshakeError> {
    let stream = TcpStream::connect(address).await.unwrap();
    handshake(
        config,
        &Host::parse(host).unwrap(),
        stream,
        Duration::from_secs(5),
    )
    .await
}

#[tokio::test]
async fn an_origin_with_a_configured_root_is_spoken_to() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let config = client_config(&[authority.file(directory.path())]).unwrap();
    let origin = authority.origin(&["origin.example", "127.0.0.1"]).await;
    for host in ["origin.example", "127.0.0.1"] {
        let mut text = String::new();
        shake(&config, origin, host)
            .await
            .unwrap()
            .read_to_string(&mut text)
            .await
            .unwrap();
        assert_eq!(text, "hello");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_or_from_an_unknown_root_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let trusting = client_config(&[authority.file(directory.path())]).unwrap();
    let origin = authority.origin(&["origin.example"]).await;
    for host in [
        "other.example",
        "www.origin.example",
        "127.0.0.1",
        "a_b.origin.example",
    ] {
        let error = shake(&trusting, origin, host).await.unwrap_err();
        assert_eq!(error.label(), "tls_certificate_error", "{host}: {error}");
    }
    let distrusting = client_config(&[]).unwrap();
    let error = shake(&distrusting, origin, "origin.example")
        .await
        .unwrap_err();
    assert_eq!(error.label(), "tls_certificate_error", "{error}");
}

#[tokio::test]
async fn an_origin_that_speaks_no_tls_or_says_nothing_is_told_apart() {
    let config = client_config(&[]).unwrap();
    for (says, label) in [
        (&b"HTTP/1.1 400 Bad\r\n\r\n"[..], "tls_protocol_error"),
        (b"", "connection_timeout"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(says).await.unwrap();
            std::future::pending::<()>().await;
        });
        let stream = TcpStream::connect(address).await.unwrap();
        let host = Host::parse("origin.example").unwrap();
        let error = handshake(&config, &host, stream, Duration::from_millis(300))
            .await
            .unwrap_err();
        assert_eq!(error.label(), label, "{error}");
    }
}

#[test]
fn every_faulty_root_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let files = [
        directory.path().join("missing.pem"),
        write("empty.pem", ""),
        write(
            "broken.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ),
        Authority::new().file(directory.path()),
    ];
    let faults = client_config(&files).unwrap_err().0;
    let named: Vec<_> = faults
        .iter()
        .map(|fault| fault.file.file_name().unwrap())
        .collect();
    assert_eq!(named, ["missing.pem", "empty.pem", "broken.pem"]);
    assert!(
        faults
            .iter()
            .all(|fault| fault.key == "origin.trusted_roots")
    );
}

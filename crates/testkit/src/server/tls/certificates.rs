//! Certificates made as a test runs: nothing to expire in the repository, and no key in it.

use std::{fmt, fs, io, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// An authority of its own, and what it has signed for one server and one client; each as PEM text.
///
/// # Examples
/// ```
/// use cachekit_testkit::server::Certificates;
///
/// let ours = Certificates::for_host("127.0.0.1");
/// let others = Certificates::for_host("127.0.0.1");
/// assert_ne!(ours.ca_pem(), others.ca_pem());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Certificates {
    ca: String,
    server: Signed,
    client: Signed,
}

#[derive(Clone, PartialEq, Eq)]
struct Signed {
    certificate: String,
    key: String,
}

impl Certificates {
    /// Makes an authority, a certificate for a server at `host`, `localhost` or `127.0.0.1`, and one for a client.
    ///
    /// # Panics
    /// For a host that can be no name in a certificate.
    #[must_use]
    pub fn for_host(host: &str) -> Self {
        let authority = authority();
        let names = ["127.0.0.1", "localhost", host].map(str::to_owned);
        Self {
            ca: authority.pem(),
            server: sign(
                &authority,
                "server",
                names.into(),
                ExtendedKeyUsagePurpose::ServerAuth,
            ),
            client: sign(
                &authority,
                "client",
                Vec::new(),
                ExtendedKeyUsagePurpose::ClientAuth,
            ),
        }
    }

    /// The authority's certificate: what a client has to trust.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca
    }

    /// The server's certificate.
    #[must_use]
    pub fn server_cert_pem(&self) -> &str {
        &self.server.certificate
    }

    /// The server's private key.
    #[must_use]
    pub fn server_key_pem(&self) -> &str {
        &self.server.key
    }

    /// A client's certificate.
    #[must_use]
    pub fn client_cert_pem(&self) -> &str {
        &self.client.certificate
    }

    /// The client's private key.
    #[must_use]
    pub fn client_key_pem(&self) -> &str {
        &self.client.key
    }

    /// Writes a file for each into an existing folder, for other processes.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        for (name, text) in NAMES.into_iter().zip(self.texts()) {
            fs::write(folder.join(name), text)?;
        }
        Ok(())
    }

    /// Reads what [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let text = |index: usize| fs::read_to_string(folder.join(NAMES[index]));
        let signed = |index| {
            Ok::<_, io::Error>(Signed {
                certificate: text(index)?,
                key: text(index + 1)?,
            })
        };
        Ok(Self {
            ca: text(0)?,
            server: signed(1)?,
            client: signed(3)?,
        })
    }

    fn texts(&self) -> [&str; 5] {
        let (server, client) = (&self.server, &self.client);
        [
            &self.ca,
            &server.certificate,
            &server.key,
            &client.certificate,
            &client.key,
        ]
    }
}

/// The files of [`Certificates::write`], in the order of [`Certificates::texts`].
const NAMES: [&str; 5] = [
    "ca.pem",
    "server.pem",
    "server-key.pem",
    "client.pem",
    "client-key.pem",
];

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    // Two of one name would be taken for each other, and the signature found wrong instead of the signer unknown.
    let name = format!("authority {:08x}", fastrand::u32(..));
    let mut params = named(&name, Vec::new());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, key()).expect("a new key can sign its own certificate")
}

fn sign(
    authority: &CertifiedIssuer<'static, KeyPair>,
    name: &str,
    names: Vec<String>,
    purpose: ExtendedKeyUsagePurpose,
) -> Signed {
    let mut params = named(name, names);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    let key = key();
    let certificate = params
        .signed_by(&key, authority)
        .expect("an authority can sign");
    Signed {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

/// With names of their own: an authority and a server of one name count as the same.
fn named(name: &str, names: Vec<String>) -> CertificateParams {
    let mut params = CertificateParams::new(names).expect("the host can be a name");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("the system has random numbers")
}

#[cfg(test)]
mod tests {
    use super::Certificates;

    #[test]
    fn what_was_written_is_read() {
        let certificates = Certificates::for_host("example.org");
        let folder = std::env::temp_dir().join(format!("cachekit-pem-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        certificates.write(&folder).unwrap();
        let read = Certificates::read(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(read == certificates);
        assert!(read.client_key_pem().contains("PRIVATE KEY"));
    }

    #[test]
    fn nothing_of_a_key_shows() {
        let shown = format!("{:?}", Certificates::for_host("localhost"));
        assert_eq!(shown, "Certificates { .. }");
    }
}

//! TLS, with a certificate that is made for the test, against curl's own client.

use std::io::{BufReader, Write as _};
use std::process::{Command, Output};

use atrest_server::{Tls, TlsError};
use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::support::*;

pub(crate) fn made() -> (String, String) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

fn curl(server: &Running, arguments: &[&str], path: &str) -> Output {
    Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--noproxy",
            "*",
        ])
        .args(arguments)
        .arg(format!("https://{}{path}", server.address))
        .output()
        .expect("curl is installed")
}

/// Turns a bit of a byte of a file round.
fn damage(file: &std::path::Path, at: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[at] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn clips_go_and_come_over_tls_by_http_1_and_2() {
    let (files, store) = folder();
    let (certificate, key) = made();
    let tls = Tls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let server = start(builder(store).tls(tls));
    let folder = tempfile::tempdir().unwrap();
    let (ca, clip) = (folder.path().join("ca.pem"), folder.path().join("clip"));
    std::fs::write(&ca, &certificate).unwrap();
    std::fs::write(&clip, content(7_000_000)).unwrap();
    let (ca, clip) = (ca.to_str().unwrap(), clip.to_str().unwrap());
    let bearer = format!("Authorization: Bearer {WRITER}");
    for (version, number) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let name = format!("/clips/clip-{number}");
        let say = ["--cacert", ca, version, "-H", &bearer];
        let wanted = format!("201 {number}");
        let up = [
            &say[..],
            &["-T", clip, "-w", "%{http_code} %{http_version}"],
        ]
        .concat();
        let up = curl(&server, &up, &name);
        assert_eq!(String::from_utf8_lossy(&up.stdout), wanted, "{up:?}");
        let down = curl(
            &server,
            &[&say[..], &["-r", "16000-6999000"]].concat(),
            &name,
        );
        assert!(
            down.stdout == content(7_000_000)[16_000..=6_999_000],
            "{number}"
        );
    }
    assert_eq!(crate::support::files(files.path()).len(), 2);

    // What does not open in the middle ends in an error in both.
    for (version, number) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let file = files.path().join(format!("clip-{number}"));
        damage(&file, 6_500_000);
        let say = ["--cacert", ca, version, "-H", &bearer];
        let cut = curl(&server, &say, &format!("/clips/clip-{number}"));
        assert!(!cut.status.success(), "{number}");
        assert!(cut.stdout.len() < 6_500_000 && content(7_000_000).starts_with(&cut.stdout));
    }

    // Who does not know the certificate is not talked to, nor who speaks no TLS.
    let stranger = curl(&server, &[], "/healthz");
    assert_eq!(stranger.status.code(), Some(60), "{stranger:?}");
    let mut plain = server.connect();
    plain
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = std::io::Read::read_to_end(&mut BufReader::new(plain), &mut answer);
    assert!(!answer.starts_with(b"HTTP"));
}

#[test]
fn what_is_no_certificate_is_refused_with_what_to_do() {
    let ((certificate, key), (_, other)) = (made(), made());
    let (certificate, key, other) = (certificate.as_bytes(), key.as_bytes(), other.as_bytes());
    let error = |certificate, key| Tls::from_pem(certificate, key).unwrap_err();
    assert!(matches!(error(b"", key), TlsError::Certificate(_)));
    assert!(matches!(error(key, key), TlsError::Certificate(_)));
    assert!(matches!(error(certificate, b""), TlsError::Key(_)));
    assert!(matches!(error(certificate, other), TlsError::Pair(_)));
    for error in [
        error(b"", key),
        error(certificate, b""),
        error(certificate, other),
    ] {
        assert!(error.to_string().contains("; give"), "{error}");
    }
}

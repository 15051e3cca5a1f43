//! Certificate and key of a server.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use atrest_engine::policy::Policy;
use atrest_server::Tls;
use zeroize::Zeroizing;

use crate::args::ServeArgs;
use crate::output::warn;

/// The files of the certificate and the key: those of the command line, else of the
/// policy.
pub(super) fn files(args: &ServeArgs, policy: &Policy) -> Option<(PathBuf, PathBuf)> {
    let said = policy.serve.as_ref().and_then(|serve| serve.tls.as_ref());
    match (&args.tls_cert, &args.tls_key, said) {
        (Some(certificate), Some(key), _) => Some((certificate.clone(), key.clone())),
        (_, _, Some((certificate, key))) => {
            let folder = policy.directory();
            Some((folder.join(certificate), folder.join(key)))
        }
        _ => None,
    }
}

/// What those files hold.
pub(super) fn tls(args: &ServeArgs, policy: &Policy) -> anyhow::Result<Option<Tls>> {
    let Some((certificate, key)) = files(args, policy) else {
        return Ok(None);
    };
    let certificates = read(&certificate)?;
    let secret = read(&key)?;
    if let Some(mode) = readable(&key) {
        warn(&format!(
            "{} can be read by others (mode {mode:04o}); chmod 600 it",
            key.display()
        ));
    }
    let tls = Tls::from_pem(&certificates, &secret).with_context(|| {
        format!(
            "TLS cannot be set up with {} and {}",
            certificate.display(),
            key.display()
        )
    })?;
    Ok(Some(tls))
}

fn read(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let read = std::fs::read(path).map(Zeroizing::new);
    read.with_context(|| format!("cannot read {}; name a PEM file", path.display()))
}

/// The file's mode if others can read it.
fn readable(path: &Path) -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o7777;
        (mode & 0o077 != 0).then_some(mode)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

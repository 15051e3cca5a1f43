//! `atrest key generate` and `atrest key list`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use atrest_core::Key;
use atrest_engine::RunOptions;
use atrest_engine::report::{ColumnReport, KeyUsage, key_usage};
use atrest_keys::Password;
use atrest_media::folder;
use zeroize::Zeroizing;

use crate::Outcome;
use crate::args::{GenerateArgs, Global, KeyArgs, KeyCommand, KeyFormat};
use crate::files::Locations;
use crate::output::{Envelope, warn};
use crate::session::{Connected, Session};

/// Runs the verb.
pub(crate) async fn run(args: KeyArgs, global: &Global) -> anyhow::Result<Outcome> {
    match args.command {
        KeyCommand::Generate(args) => generate(&args, global),
        KeyCommand::List => list(global).await,
    }
}

fn generate(args: &GenerateArgs, global: &Global) -> anyhow::Result<Outcome> {
    if let Some(secret) = &args.password {
        println!("{}", Password::new_uri(secret)?);
        eprintln!(
            "put it into [keys] of {}, as it stands: without its salt and iterations the key is lost",
            global.policy.display()
        );
        return Ok(Outcome::Clean);
    }
    let key = Key::generate()?;
    let text = match args.format {
        KeyFormat::Base64 => key.to_base64url(),
        KeyFormat::Hex => hex(key.expose_secret()),
    };
    match &args.out {
        Some(path) => {
            write_new(path, &text)?;
            eprintln!("key {} in {}", key.id(), path.display());
        }
        None => {
            let mut out = std::io::stdout();
            out.write_all(text.as_bytes())
                .and_then(|()| out.write_all(b"\n"))
                .and_then(|()| out.flush())
                .context("the key could not be printed; nothing keeps it: run the command again")?;
            eprintln!("key {}", key.id());
        }
    }
    Ok(Outcome::Clean)
}

fn hex(bytes: &[u8; 32]) -> Zeroizing<String> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Zeroizing::new(String::with_capacity(64));
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(nibble)]));
        }
    }
    text
}

/// A new file that only its owner can read, durable.
fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || {
        let mut file = options.open(path)?;
        writeln!(file, "{text}")?;
        file.sync_all()
    };
    write().with_context(|| {
        format!(
            "cannot write the key to {}; a key file is never overwritten: name a new one",
            path.display()
        )
    })
}

async fn list(global: &Global) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let session = Session::load(global)?;
    let nothing = session.policy.columns.is_empty() && session.policy.files.is_empty();
    let (session, usage) = match nothing {
        true => uncounted(session),
        false => counted(session, global).await?,
    };
    if global.json {
        let columns: Vec<ColumnReport> = Vec::new();
        let file = session.path;
        Envelope::new("key list", true, columns, begin.elapsed().as_secs_f64())
            .with("policy", file)?
            .with("keys", usage)?
            .print()?;
    } else {
        super::status::keys(&usage);
    }
    Ok(Outcome::Clean)
}

/// With how many values and files each key holds, when the database can be reached and
/// the locations are there.
async fn counted(session: Session, global: &Global) -> anyhow::Result<(Session, Vec<KeyUsage>)> {
    if !session.policy.columns.is_empty()
        && let Err(error) = session.database().await
    {
        warn(&format!("values and files were not counted: {error}"));
        return Ok(uncounted(session));
    }
    let connected = session.connect(global).await?;
    let locations = match Locations::open(&connected, None, global).await {
        Ok(locations) => locations,
        Err(error) => {
            warn(&format!("values and files were not counted: {error:#}"));
            return Ok(uncounted(connected.session));
        }
    };
    let usage = count(&connected, &locations, global).await?;
    drop(locations);
    Ok((connected.session, usage))
}

async fn count(
    connected: &Connected,
    locations: &Locations<'_>,
    global: &Global,
) -> anyhow::Result<Vec<KeyUsage>> {
    let runs = match connected.columns(global)?.is_empty() {
        true => Vec::new(),
        false => connected.engine()?.open_runs().await?,
    };
    let columns = super::verify::read(connected, &RunOptions::default(), global).await?;
    let files = locations.run(folder::Operation::Look, |_| {}).await?;
    let session = &connected.session;
    let origin = |id| session.origin(id);
    Ok(key_usage(
        session.keyring(),
        &columns,
        &files,
        &runs,
        &origin,
    ))
}

fn uncounted(session: Session) -> (Session, Vec<KeyUsage>) {
    let usage = KeyUsage::uncounted(session.keyring(), &|id| session.origin(id));
    (session, usage)
}

//! `atrest demo`: the whole life of encrypted columns and files, on a database and a
//! folder made for it. Every step is the real command, run by this same program as a person would
//! type it; what the demo adds are the data and the proofs.
//!
//! | file | what it is for |
//! |---|---|
//! | `people.rs` | invented people and face templates, the same in every run |
//! | `database.rs` | the SQLite file |
//! | `media.rs` | clips and images, and the proofs about them |
//! | `serve.rs` | a clip over HTTP, by range |
//! | `shell.rs` | the commands, shown and run |
//! | `rotate.rs` | the policy's edits: a second key, another database |
//! | `proof.rs` | row by row: nothing clear left, the copy equal to the original |

mod database;
mod media;
mod people;
mod proof;
mod rotate;
mod serve;
mod shell;

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::Outcome;
use crate::args::{DemoArgs, Global};
use crate::output::{bytes, count, line};
use shell::Shell;

const DATABASE: &str = "attendance.sqlite";
const ORIGINAL: &str = "original.sqlite";
const COPY: &str = "copy.sqlite";
const COPY_POLICY: &str = "copy.toml";
const MEDIA: &str = "media";
const ORIGINAL_MEDIA: &str = "original-media";
const COPY_MEDIA: &str = "copy-media";
const NEW_KEY: &str = "atrest-2.key";

/// The row that is shown all along.
const SHOWN: &str = "SELECT e.id, u.first_name, substr(u.email, 1, 40), substr(e.face_template, 1, 40) \
                     FROM attendance_events e JOIN users u ON u.id = e.user_id WHERE e.id = 4711";

/// Runs the story; any step that fails ends it.
///
/// # Errors
/// When the folder is in use, a command fails, or a proof does.
pub(crate) async fn run(args: DemoArgs, global: &Global) -> anyhow::Result<Outcome> {
    if global.json {
        bail!("demo is there to be read; run it without --json");
    }
    let folder = new_folder(&args.folder)?;
    let shell = Shell::new(&folder)?;
    let file = |name: &str| folder.join(name);

    title("1. A database and a folder with what should not lie there in clear");
    line(&format!("Making {} …", file(DATABASE).display()));
    database::make(&file(DATABASE))?;
    copy(&file(DATABASE), &file(ORIGINAL))?;
    line(&format!(
        "{} attendance events with face templates, {} users with names and e-mail addresses, \
         all invented; {}. {ORIGINAL} is a copy for the comparison at the end.",
        count(database::EVENTS),
        count(database::USERS),
        bytes(size(&file(DATABASE))?)
    ));
    line(&format!("Making {} …", file(MEDIA).display()));
    let (files, media_bytes) = media::make(&file(MEDIA))?;
    media::copy(&file(MEDIA), &file(ORIGINAL_MEDIA))?;
    line(&format!(
        "{files} clips and images, drawn by this program; {}. {ORIGINAL_MEDIA} is a copy.",
        bytes(media_bytes)
    ));
    show_row(&file(DATABASE))?;

    title("2. Find what is sensitive");
    shell
        .run(&["init", "--url", &format!("sqlite:{DATABASE}"), "--yes"])
        .await?;
    rotate::add_files(&file("atrest.toml"), MEDIA)?;
    line(&format!(
        "Into atrest.toml, by hand: [[files]] location = \"{MEDIA}\""
    ));

    title("3. What would be done");
    shell.run(&["plan"]).await?;

    title("4. Encrypt, in place");
    let took = shell.run(&["encrypt", "--yes"]).await?;
    let encrypted = took.as_secs_f64();

    title("5. Prove it");
    shell.run(&["verify"]).await?;
    show_row(&file(DATABASE))?;
    let sealed = proof::nothing_clear(&file(ORIGINAL), &file(DATABASE))?;
    line(&format!(
        "Looked at every value of every table: {} are tokens, and none of the {} values that were \
         in clear stands anywhere.",
        count(sealed.tokens),
        count(sealed.secrets)
    ));
    line(&format!(
        "And at every file: {} are encrypted, and nothing of what they held stands in them.",
        media::nothing_clear(&file(ORIGINAL_MEDIA), &file(MEDIA))?
    ));
    free_pages(&file(DATABASE))?;
    shell.run(&["inspect", "users", "7"]).await?;
    shell.run(&["inspect", MEDIA, "clips/gate-07.y4m"]).await?;

    title("6. Rotate: a new key, and everything under it");
    shell.run(&["key", "generate", "--out", NEW_KEY]).await?;
    rotate::new_key(&file("atrest.toml"), NEW_KEY)?;
    line(&format!(
        "In atrest.toml: primary = \"file:{NEW_KEY}\", previous = [\"file:atrest.key\"]\n"
    ));
    let rotated = shell.run(&["rotate", "--yes"]).await?.as_secs_f64();
    shell.run(&["verify"]).await?;

    title("7. Serve: a part of an encrypted clip, in clear, over HTTP");
    let clip = "clips/gate-07.y4m";
    serve::a_range(&shell, clip, &file(ORIGINAL_MEDIA).join(clip)).await?;

    title("8. The way out, on a copy");
    copy(&file(DATABASE), &file(COPY))?;
    media::copy(&file(MEDIA), &file(COPY_MEDIA))?;
    rotate::other_data(&file("atrest.toml"), &file(COPY_POLICY), COPY, COPY_MEDIA)?;
    line(&format!(
        "{COPY} and {COPY_MEDIA} are copies of what is encrypted; {COPY_POLICY} is the policy with \
         their names.\n"
    ));
    let decrypted = shell
        .run(&["decrypt", "--policy", COPY_POLICY, "--yes"])
        .await?
        .as_secs_f64();
    let compared = proof::same(&file(ORIGINAL), &file(COPY))?;
    line(&format!(
        "Compared with {ORIGINAL}: {} tables and their definitions, {} rows, every value and its \
         type: identical, byte for byte. With {ORIGINAL_MEDIA}: {} files, identical.",
        compared.tables,
        count(compared.rows),
        media::same(&file(ORIGINAL_MEDIA), &file(COPY_MEDIA))?
    ));

    title("Before and after");
    for text in [
        format!(
            "values in clear   {:>9}  →  0",
            count(sealed.secrets_stored)
        ),
        format!("values encrypted  {:>9}  →  {}", 0, count(sealed.tokens)),
        format!("files encrypted   {:>9}  →  {files}", 0),
        format!(
            "database          {:>9}  →  {}",
            bytes(size(&file(ORIGINAL))?),
            bytes(size(&file(DATABASE))?)
        ),
        String::new(),
        speed("encrypt", sealed.tokens, encrypted),
        speed("rotate", sealed.tokens, rotated),
        speed("decrypt", sealed.tokens, decrypted),
        String::new(),
        "On a database of your own:".to_owned(),
        "  atrest init --url postgresql://user@localhost/app    or mysql://…, sqlite:app.db"
            .to_owned(),
        "  and for files, into atrest.toml: [[files]] location = \"data/clips\"".to_owned(),
        "  atrest plan".to_owned(),
        "  atrest encrypt".to_owned(),
        "  atrest verify".to_owned(),
        format!(
            "\nEverything of this demo is in {}; delete the folder when done.",
            folder.display()
        ),
    ] {
        line(&text);
    }
    Ok(Outcome::Clean)
}

fn title(text: &str) {
    line(&format!(
        "\n── {text} {}",
        "─".repeat(74_usize.saturating_sub(text.chars().count()))
    ));
}

fn speed(verb: &str, values: u64, seconds: f64) -> String {
    format!(
        "{verb:<8} {} values in {seconds:.1} s, from start to exit: {}",
        count(values),
        crate::output::rate(values, seconds)
            .replace("rows/s", "values/s, backup and files included")
    )
}

/// Makes the folder, or takes an empty one.
fn new_folder(folder: &Path) -> anyhow::Result<std::path::PathBuf> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                bail!(
                    "{} is not empty, and demo overwrites nothing; delete that folder, or name \
                     another: atrest demo FOLDER",
                    folder.display()
                );
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        Err(error) => {
            return Err(error).with_context(|| {
                format!(
                    "{} cannot be used as the demo's folder; name another: atrest demo FOLDER",
                    folder.display()
                )
            });
        }
    }
    std::path::absolute(folder).context("the demo's folder")
}

fn show_row(file: &Path) -> anyhow::Result<()> {
    line("Event 4711 (values cut to 40 characters):");
    let values = database::row(file, SHOWN)?;
    for (name, value) in ["id", "first_name", "email", "face_template"]
        .iter()
        .zip(values)
    {
        line(&format!(
            "  {name:<13}  {}",
            value.chars().take(40).collect::<String>()
        ));
    }
    line("");
    Ok(())
}

/// The file's raw bytes, too: before and after `VACUUM`.
fn free_pages(file: &Path) -> anyhow::Result<()> {
    let before = proof::raw_addresses(file)?;
    line(&format!(
        "In the file's raw bytes, {} clear e-mail addresses are left. SQLite may keep old bytes in \
         free pages (and other databases in dead rows) until it is told to clean up:\n\
         \n$ sqlite3 {DATABASE} VACUUM",
        count(before)
    ));
    database::vacuum(file)?;
    let after = proof::raw_addresses(file)?;
    if after > 0 {
        bail!(
            "{after} clear e-mail addresses are left in {} after VACUUM",
            file.display()
        );
    }
    line("After it: none.\n");
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::copy(from, to)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn size(file: &Path) -> anyhow::Result<u64> {
    Ok(std::fs::metadata(file)
        .with_context(|| format!("cannot look at {}", file.display()))?
        .len())
}

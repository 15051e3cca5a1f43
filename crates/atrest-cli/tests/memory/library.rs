//! A program that holds a keyring, seals and opens with it, and drops it.
//!
//! It has the system's allocator, not the command's, which wipes what is freed: here
//! the crates have to do it themselves.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use atrest_core::hazmat::{Aes256CbcFile, Mac, Xaes256Gcm};
use atrest_core::object::{open_object, seal_object};
use atrest_core::{
    Context, FieldOpener, FieldSealer, Form, Key, KeyWrapper, Purpose, SecretMemory, Suite,
};
use atrest_keys::{Environment, FileAccess, Settings, load_keyring};
use zeroize::Zeroizing;

use crate::search::{Secrets, search};
use crate::write;

/// Names the holder's folder; without it the holder does nothing.
const FOLDER: &str = "ATREST_TEST_MEMORY";
const CLEAR: usize = 200;

/// The program: says a word after each step and waits for a line.
#[test]
#[ignore = "the tests below run it, as a process of its own"]
fn holder() {
    let folder = PathBuf::from(std::env::var(FOLDER).expect("the tests below say where"));
    let step = |word: &str| {
        println!("\nstep {word}");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
    };
    let settings = Settings::new(&folder);
    let password = std::fs::read_to_string(folder.join("password.uri")).unwrap();
    let previous = ["file:hex.key".to_owned(), password];
    let env = Environment::default()
        .with_env_file(folder.join("dotenv"), FileAccess::OwnerOnly)
        .unwrap();
    let loaded = load_keyring("file:list.key", &previous, &env, &settings).unwrap();
    drop(env);
    assert_eq!(loaded.origins.len(), 4);
    let memory = SecretMemory::now();
    assert_eq!(memory.undumped, memory.bytes);
    work(&loaded.keyring, &folder);
    let fresh = KeyWrapper::new(loaded.keyring.primary());
    let place = Context::new("keyring");
    let wrapped = fresh.wrap(loaded.keyring.primary(), &place).unwrap();
    let again = fresh.unwrap(&wrapped, &place).unwrap();
    step("held");

    drop((again, fresh, loaded));
    step("dropped");

    // The control: what no type of ours holds is found.
    let leaked = std::fs::read(folder.join("hex.key")).unwrap();
    let raw = *Key::parse(std::str::from_utf8(&leaked).unwrap())
        .unwrap()
        .expose_secret();
    let kept = Box::new(raw);
    step("leaked");
    drop(std::hint::black_box((leaked, kept)));
}

/// Seals and opens a clear value in every way there is.
fn work(keyring: &atrest_core::Keyring, folder: &Path) {
    let clear = {
        let mut bytes = Zeroizing::new(vec![0; CLEAR]);
        let mut file = std::fs::File::open(folder.join("clear")).unwrap();
        std::io::Read::read_exact(&mut file, &mut bytes).unwrap();
        bytes
    };
    let place = Context::new("people.extras");
    let mut opened = Zeroizing::new(Vec::new());
    let mut opener = FieldOpener::new(keyring);
    for suite in Suite::ALL {
        for form in [Form::Text, Form::Bytes] {
            let mut token = Vec::new();
            let mut sealer = FieldSealer::new(keyring, suite, 1_767_225_600).unwrap();
            for _ in 0..10 {
                token.clear();
                sealer.seal(form, &place, &clear, &mut token).unwrap();
                opener.open(form, &place, &token, &mut opened).unwrap();
                assert_eq!(*opened, *clear);
            }
        }
    }
    let object = seal_object(keyring, b"clip", &clear).unwrap();
    let whole = Zeroizing::new(open_object(keyring, b"clip", &object).unwrap());
    assert_eq!(*whole, *clear);
    let (mut sealed, mut plain) = (Vec::new(), Zeroizing::new(Vec::with_capacity(1000)));
    atrest_media::seal(&clear[..], &mut sealed, keyring, b"clip", 2, &|_| {}).unwrap();
    atrest_media::open(&sealed[..], &mut *plain, keyring, b"clip", 2, &|_| {}).unwrap();
    assert_eq!(*plain, *clear);
    // What the engine makes of every key, for its journal and its backups.
    for key in keyring.keys() {
        let mac = Mac::new(key, Purpose::Journal);
        assert!(mac.verify(&[b"a record"], &mac.tag(&[b"a record"])));
        let backup = Xaes256Gcm::of(key, Purpose::Backup);
        let mut frame = Zeroizing::new(Vec::with_capacity(CLEAR + 16));
        frame.extend_from_slice(&clear);
        backup
            .seal_in_place_append_tag(&[1; 24], b"", &mut frame)
            .unwrap();
        let length = backup.open_in_place(&[1; 24], b"", &mut frame).unwrap();
        assert_eq!(frame[..length], clear[..]);
        drop(Aes256CbcFile::new(key.expose_secret()));
    }
}

struct Holder {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Holder {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "library::holder", "--ignored", "--nocapture"])
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Reads on until the holder has done this step, and waits.
    fn reaches(&mut self, step: &str) {
        let wanted = format!("step {step}\n");
        let mut line = String::new();
        while line != wanted {
            line.clear();
            let read = self.output.read_line(&mut line).unwrap();
            assert!(read > 0, "the holder ended before it had {step}");
        }
    }

    fn go_on(&mut self) {
        self.input.write_all(b"\n").unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hex(key: &Key) -> String {
    let bytes = key.expose_secret();
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn nothing_is_left_of_keys_subkeys_and_clear_values_that_were_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let keys: Vec<Key> = (0..3).map(|_| Key::generate().unwrap()).collect();
    let list = format!(
        "# two\nb'{}'\n{}\n",
        *keys[0].to_base64url(),
        hex(&keys[1]).to_uppercase()
    );
    write(&path("list.key"), list.as_bytes());
    write(&path("hex.key"), hex(&keys[2]).as_bytes());
    // Random letters, so that nothing else in the process looks like them.
    let random = || Key::generate().unwrap().to_base64url()[..43].to_owned();
    let password = random();
    write(&path("password"), format!("{password}\n").as_bytes());
    let uri = "password:file:password?salt=AAECAwQFBgcICQoLDA0ODw&iterations=100000";
    write(&path("password.uri"), uri.as_bytes());
    let dotenv = random();
    let lines = format!("# the application's\nOTHER=1\nexport KEY='{dotenv}' # ours\n");
    write(&path("dotenv"), lines.as_bytes());
    let clear: String = (0..5).map(|_| random()).collect::<String>()[..CLEAR].to_owned();
    write(&path("clear"), clear.as_bytes());
    // Too few iterations for new data, so it has to be a previous one.
    let of_password = load_keyring(
        "file:hex.key",
        &[uri.to_owned()],
        &Environment::default(),
        &Settings::new(folder.path()),
    )
    .unwrap();
    let of_password = of_password.keyring.keys().nth(1).unwrap();

    let (mut raw, mut rest) = (Secrets::default(), Secrets::default());
    for (at, key) in keys.iter().chain([of_password]).enumerate() {
        let name = format!("key {}", at + 1);
        raw.add(&name, key.expose_secret());
        rest.add(&name, key.expose_secret());
        rest.add_spellings(&name, key);
        rest.add_subkeys(&name, key);
    }
    rest.add("the password", password.as_bytes());
    rest.add("a variable of .env", dotenv.as_bytes());
    rest.add("the clear value", clear.as_bytes());

    let mut holder = Holder::start(folder.path());
    holder.reaches("held");
    let found = search(holder.child.id(), &raw);
    // Each key, in halves of 16 bytes, in the keyring; the schedule of Fernet, which has
    // no subkey of its own, begins with the half that encrypts.
    for at in 1..=keys.len() + 1 {
        for half in [0, 16] {
            let name = format!("key {at} from byte {half}");
            let seen = found.iter().filter(|f| f.what == name && f.protected);
            assert!(seen.count() >= 1, "{name} is held: {found:#?}");
        }
    }
    for found in found.iter().filter(|found| !found.protected) {
        assert!(found.what.ends_with("from byte 16"), "{found:?}");
    }

    holder.go_on();
    holder.reaches("dropped");
    let found = search(holder.child.id(), &rest);
    assert!(found.is_empty(), "{found:#?}");

    holder.go_on();
    holder.reaches("leaked");
    let found = search(holder.child.id(), &rest);
    let leaked = |what: &str| found.iter().any(|f| f.what == what && !f.protected);
    for name in [
        "key 3 from byte 0",
        "key 3 from byte 16",
        "key 3 in hex from byte 0",
    ] {
        assert!(leaked(name), "{name}: {found:#?}");
    }
}

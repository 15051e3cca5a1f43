//! A root key inside a token: SoftHSM2, with what tokens and their users do wrong.
//!
//! SoftHSM reads the place of its tokens from its process's environment, once. So each
//! test runs in a process of its own, with tokens of its own: this program again.
//! `ATREST_TEST_PKCS11` names the module; without it Debian's place is tried.
#![cfg(all(feature = "pkcs11", unix))]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use atrest_core::{Context, Key};
use atrest_keys::{
    Environment, KeySource, KeySourceError, NewKey, RemoteProblem, Settings, generate_in, source,
};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

const PIN: &str = "314159";
const WRONG: &str = "271828";

/// Each test twice: by its name, which starts a process; and within, which is the test.
macro_rules! in_processes {
    ($($(#[$doc:meta])* fn $name:ident() $body:block)*) => {
        $(
            $(#[$doc])*
            #[test]
            fn $name() {
                in_a_process(stringify!($name));
            }
        )*
        mod within {
            use super::*;
            $(
                #[test]
                #[ignore = "run in a process of its own, with tokens of its own"]
                fn $name() $body
            )*
        }
    };
}

fn module() -> PathBuf {
    let module = std::env::var_os("ATREST_TEST_PKCS11")
        .map_or_else(|| "/usr/lib/softhsm/libsofthsm2.so".into(), PathBuf::from);
    assert!(
        module.is_file(),
        "no PKCS#11 module at {}: `scripts/test` installs SoftHSM2, or name its library in ATREST_TEST_PKCS11",
        module.display()
    );
    module
}

/// Runs this test in a process of its own, where SoftHSM has two tokens, `atrest` and
/// `other`.
fn in_a_process(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let conf = folder.path().join("softhsm2.conf");
    std::fs::write(
        &conf,
        format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        ),
    )
    .unwrap();
    for label in ["atrest", "other"] {
        let out = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", label])
            .args(["--pin", PIN, "--so-pin", "12345678"])
            .arg("--module")
            .arg(module())
            .env("SOFTHSM2_CONF", &conf)
            .output()
            .expect("softhsm2-util, which scripts/test installs");
        assert!(out.status.success(), "{out:?}");
    }
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture"])
        .arg(format!("within::{name}"))
        .env("SOFTHSM2_CONF", &conf)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.status.success() && text.contains("1 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

fn uri(object: &str) -> String {
    format!(
        "pkcs11:token=atrest;object={object};type=secret-key?module-path={}&pin-source=env:HSM_PIN",
        module().display()
    )
}

fn env(pin: &str) -> Environment {
    Environment::new([("HSM_PIN".to_owned(), pin.to_owned())])
}

/// Nothing is kept, so that the token is asked each time.
fn uncached() -> Settings {
    Settings {
        cache: Duration::ZERO,
        grace: Duration::ZERO,
        ..Settings::new("/")
    }
}

fn parse(uri: &str) -> Box<dyn KeySource> {
    source::parse(uri, &uncached()).unwrap()
}

fn made(object: &str) -> Box<dyn KeySource> {
    generate_in(&uri(object), &env(PIN), &uncached()).unwrap();
    parse(&uri(object))
}

fn place() -> Context {
    Context::new("people.extras")
}

fn key() -> Key {
    Key::from_bytes([7; 32])
}

/// The problem and the whole message, in which no secret may be.
fn problem<T: std::fmt::Debug>(result: Result<T, KeySourceError>) -> (RemoteProblem, String) {
    let error = result.unwrap_err();
    let message = error.to_string();
    for secret in [PIN, WRONG] {
        assert!(!message.contains(secret) && !format!("{error:?}").contains(secret));
    }
    match error {
        KeySourceError::Remote {
            origin, problem, ..
        } => {
            assert!(origin.starts_with("pkcs11:"), "{origin}");
            assert!(!origin.contains('?'), "{origin}");
            (problem, message)
        }
        other => panic!("{other}"),
    }
}

fn initialize(context: &Pkcs11) {
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Another user of the module in this process.
fn another() -> (Pkcs11, Slot) {
    let context = Pkcs11::new(module().canonicalize().unwrap()).unwrap();
    initialize(&context);
    let slots = context.get_slots_with_initialized_token().unwrap();
    let slot = slots
        .into_iter()
        .find(|slot| context.get_token_info(*slot).unwrap().label() == "atrest")
        .unwrap();
    (context, slot)
}

/// Another user of the module finalises it: all sessions and logins are gone.
fn finalize() {
    let (context, _) = another();
    context.finalize().unwrap();
}

fn logged_in() -> (Pkcs11, Session) {
    let (context, slot) = another();
    let session = context.open_rw_session(slot).unwrap();
    match session.login(UserType::User, Some(&AuthPin::new(PIN.into()))) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => (context, session),
        Err(error) => panic!("{error}"),
    }
}

/// A key that somebody put there with other attributes than ours.
fn put(session: &Session, label: &str, bytes: &[u8], and: &[Attribute]) {
    let mut template = vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Label(label.as_bytes().to_vec()),
        Attribute::Value(bytes.to_vec()),
    ];
    template.extend_from_slice(and);
    session.create_object(&template).unwrap();
}

fn good() -> [Attribute; 4] {
    [
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

in_processes! {
    fn a_key_made_in_the_token_wraps_for_one_place_and_shows_nothing() {
        let new = generate_in(&uri("root"), &env(PIN), &uncached()).unwrap();
        let origin = "pkcs11:token=atrest;object=root;type=secret-key".to_owned();
        assert_eq!(new, NewKey::Wraps { origin: origin.clone() });
        let source = parse(&uri("root"));
        assert_eq!(source.name(), origin);
        assert!(!source.delivers());
        assert!(matches!(source.keys(&env(PIN)), Err(KeySourceError::WrapsOnly { .. })));

        let wrapped = source.wrap_key(&key(), &place(), &env(PIN)).unwrap();
        assert_eq!((wrapped.len(), wrapped[0]), (61, 2));
        let opened = source.unwrap_key(&wrapped, &place(), &env(PIN)).unwrap();
        assert_eq!(opened.expose_secret(), key().expose_secret());

        let refused = |source: &dyn KeySource, wrapped: &[u8], place: &Context| {
            let (problem, message) = problem(source.unwrap_key(wrapped, place, &env(PIN)));
            assert_eq!(problem, RemoteProblem::NotItsKey, "{message}");
        };
        refused(&*source, &wrapped, &Context::new("people.other"));
        refused(&*made("another"), &wrapped, &place());
        for at in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[at] ^= 1;
            refused(&*source, &changed, &place());
            refused(&*source, &wrapped[..at], &place());
        }
        refused(&*source, &[&wrapped[..], &[0]].concat(), &place());
        // And after all this it still opens.
        source.unwrap_key(&wrapped, &place(), &env(PIN)).unwrap();
    }

    /// spec/formats.md, "Key wrapped in a token"; the value is pyca/cryptography's.
    fn the_example_of_the_spec_opens() {
        let (_context, session) = logged_in();
        let root: Vec<u8> = (0..32).collect();
        put(&session, "known", &root, &good());
        let wrapped = unhex(concat!(
            "02404142434445464748494a4b",
            "c2988c000219a124e5ed3d1db7493d7449f7606f830039144f7e74deab2ed3e4",
            "aebe16a17c7c9e0124ed48beebc53c54",
        ));
        let opened = parse(&uri("known")).unwrap_key(&wrapped, &place(), &env(PIN)).unwrap();
        let want: Vec<u8> = (0x20..0x40).collect();
        assert_eq!(opened.expose_secret()[..], want);
    }

    /// spec/atrest_spec.py shares no code with ours.
    fn the_second_implementation_opens_what_the_token_wrapped() {
        let (_context, session) = logged_in();
        put(&session, "known", &[9; 32], &good());
        let source = parse(&uri("known"));
        let wrapped = source.wrap_key(&key(), &place(), &env(PIN)).unwrap();
        let python = std::env::var("ATREST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let out = Command::new(python)
            .args(["-c", "\
import atrest_spec, sys
wrapped, context = bytes.fromhex(sys.argv[1]), atrest_spec.encode_context([sys.argv[2]])
print(atrest_spec.unwrap_token_key(bytes([9] * 32), wrapped, context).hex())
print(atrest_spec.unwrap_token_key(bytes([8] * 32), wrapped, context))
"])
            .args([&hex(&wrapped), "people.extras"])
            .env("PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .expect("a Python with cryptography; scripts/test installs one and sets ATREST_PYTHON");
        assert!(out.status.success(), "{out:?}");
        assert_eq!(String::from_utf8(out.stdout).unwrap(), format!("{}\nNone\n", "07".repeat(32)));
    }

    fn no_iv_is_used_twice() {
        let source = made("root");
        let mut seen = HashSet::new();
        for _ in 0..200 {
            let wrapped = source.wrap_key(&key(), &place(), &env(PIN)).unwrap();
            assert!(seen.insert(wrapped[1..13].to_vec()));
        }
    }

    fn an_unwrapped_key_is_kept_and_the_token_asked_once() {
        made("root");
        let source = source::parse(&uri("root"), &Settings::new("/")).unwrap();
        let wrapped = source.wrap_key(&key(), &place(), &env(PIN)).unwrap();
        for _ in 0..50 {
            source.unwrap_key(&wrapped, &place(), &env(PIN)).unwrap();
        }
        assert_eq!(source.health().unwrap().answered, 2);
    }

    fn many_threads_share_the_token() {
        let source = made("root");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let wrapped = source.wrap_key(&key(), &place(), &env(PIN)).unwrap();
                        source.unwrap_key(&wrapped, &place(), &env(PIN)).unwrap();
                    }
                });
            }
        });
    }

    fn the_key_that_is_made_cannot_leave_the_token_and_is_never_overwritten() {
        made("root");
        let (_context, session) = logged_in();
        let labelled = || session.find_objects(&[Attribute::Label(b"root".to_vec())]).unwrap();
        let found = labelled();
        assert_eq!(found.len(), 1);
        let wanted = [
            Attribute::Sensitive(true), Attribute::AlwaysSensitive(true),
            Attribute::Extractable(false), Attribute::NeverExtractable(true),
            Attribute::Local(true), Attribute::Private(true), Attribute::Token(true),
            Attribute::Wrap(false), Attribute::Unwrap(false), Attribute::Derive(false),
            Attribute::ValueLen(32.into()),
        ];
        let types: Vec<AttributeType> = wanted.iter().map(Attribute::attribute_type).collect();
        assert_eq!(session.get_attributes(found[0], &types).unwrap(), wanted);
        let shown = session.get_attributes(found[0], &[AttributeType::Value]).unwrap();
        assert_eq!(shown, []);

        let (problem, message) = problem(generate_in(&uri("root"), &env(PIN), &uncached()));
        assert_eq!(problem, RemoteProblem::Refused);
        assert!(message.contains("never overwritten"), "{message}");
        assert_eq!(labelled().len(), 1);

        let by_id = uri("x").replace("object=x", "object=y;id=%01%02");
        generate_in(&by_id, &env(PIN), &uncached()).unwrap();
        let again = uri("x").replace("object=x", "object=z;id=%01%02");
        assert!(generate_in(&again, &env(PIN), &uncached()).is_err());
        let only_id = uri("x").replace("object=x", "id=%01%02");
        parse(&only_id).wrap_key(&key(), &place(), &env(PIN)).unwrap();
        let error = generate_in(&only_id, &env(PIN), &uncached()).unwrap_err();
        assert!(error.to_string().contains("a new key needs a name"), "{error}");
    }

    fn a_key_that_could_leave_the_token_or_does_not_fit_is_refused_with_how_to_make_one() {
        let (_context, session) = logged_in();
        let with = |attribute: Attribute| {
            let mut all = good().to_vec();
            all.retain(|other| other.attribute_type() != attribute.attribute_type());
            all.push(attribute);
            all
        };
        put(&session, "shown", &[1; 32], &with(Attribute::Sensitive(false)));
        put(&session, "extractable", &[2; 32], &with(Attribute::Extractable(true)));
        put(&session, "short", &[3; 16], &good());
        put(&session, "encrypts", &[4; 32], &with(Attribute::Decrypt(false)));
        put(&session, "twice", &[5; 32], &good());
        put(&session, "twice", &[6; 32], &good());
        for (object, kind, want) in [
            ("shown", RemoteProblem::Format, "not CKA_SENSITIVE"),
            ("extractable", RemoteProblem::Format, "CKA_EXTRACTABLE"),
            ("short", RemoteProblem::Format, "no AES key of 256 bits"),
            ("encrypts", RemoteProblem::Format, "CKA_DECRYPT"),
            ("twice", RemoteProblem::Format, "name the one by its `id`"),
            ("missing", RemoteProblem::NotFound, "atrest key generate --in 'pkcs11:"),
        ] {
            let source = parse(&uri(object));
            for result in [
                source.wrap_key(&key(), &place(), &env(PIN)).map(drop),
                source.unwrap_key(&[2; 61], &place(), &env(PIN)).map(drop),
            ] {
                let (problem, message) = problem(result);
                assert_eq!(problem, kind, "{message}");
                assert!(message.contains(want), "{message} does not say {want}");
            }
        }
    }

    fn a_wrong_pin_is_tried_once_and_never_again() {
        made("root");
        // Whoever is logged in stays so for the whole process: start from nothing.
        finalize();
        let (context, slot) = another();
        let failed_before = || context.get_token_info(slot).unwrap().user_pin_count_low();
        assert!(!failed_before());

        let (kind, message) = problem(parse(&uri("root")).wrap_key(&key(), &place(), &env(WRONG)));
        assert_eq!(kind, RemoteProblem::Unauthenticated);
        assert!(message.contains("the PIN is wrong: C_Login: PinIncorrect"), "{message}");
        assert!(message.contains("not tried again"), "{message}");
        assert!(failed_before(), "the token saw one attempt");

        // The token's own count is set back; an attempt would set it again.
        let session = context.open_ro_session(slot).unwrap();
        session.login(UserType::User, Some(&AuthPin::new(PIN.into()))).unwrap();
        session.logout().unwrap();
        assert!(!failed_before());
        for _ in 0..10 {
            let source = parse(&uri("root"));
            let (kind, message) = problem(source.wrap_key(&key(), &place(), &env(WRONG)));
            assert_eq!(kind, RemoteProblem::Unauthenticated);
            assert!(message.contains("was not tried again"), "{message}");
            assert!(generate_in(&uri("new"), &env(WRONG), &uncached()).is_err());
        }
        assert!(!failed_before(), "the token saw no other attempt");

        // Corrected, in the same process.
        parse(&uri("root")).wrap_key(&key(), &place(), &env(PIN)).unwrap();
    }

    fn a_pin_that_cannot_be_had_is_said_and_one_in_a_file_is_read() {
        made("root");
        finalize();
        let none = Environment::default();
        let wrap = |uri: &str, env: &Environment| parse(uri).wrap_key(&key(), &place(), env);
        let (kind, message) = problem(wrap(&uri("root"), &none));
        assert_eq!(kind, RemoteProblem::Unauthenticated);
        assert!(message.contains("HSM_PIN is not set"), "{message}");
        let (_, message) = problem(wrap(&uri("root"), &env("")));
        assert!(message.contains("the PIN in HSM_PIN is empty"), "{message}");
        let without = uri("root").replace("&pin-source=env:HSM_PIN", "");
        let (_, message) = problem(wrap(&without, &env(PIN)));
        assert!(message.contains("add `pin-source=env:NAME`"), "{message}");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        let of_file = uri("root").replace("env:HSM_PIN", &format!("file:{}", path.display()));
        let (_, message) = problem(wrap(&of_file, &none));
        assert!(message.contains("cannot read"), "{message}");
        std::fs::write(&path, format!("{PIN}\n")).unwrap();
        set_mode(&path, 0o644);
        let (_, message) = problem(wrap(&of_file, &none));
        assert!(message.contains("chmod 600"), "{message}");
        set_mode(&path, 0o600);
        wrap(&of_file, &none).unwrap();
        // Logged in by now: the PIN is not needed, and not missed.
        wrap(&uri("root"), &none).unwrap();

        // As Docker mounts it.
        finalize();
        let mounted = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
        std::fs::write(mounted.path(), PIN).unwrap();
        set_mode(mounted.path(), 0o444);
        let secret = format!("secret:{}", mounted.path().display());
        wrap(&uri("root").replace("env:HSM_PIN", &secret), &none).unwrap();
    }

    fn a_session_that_is_lost_is_made_anew() {
        let source = made("root");
        let wrapped = source.wrap_key(&key(), &place(), &env(PIN)).unwrap();
        let works = |after: &str| {
            let opened = source.unwrap_key(&wrapped, &place(), &env(PIN));
            assert!(opened.is_ok(), "{after}: {opened:?}");
        };
        works("nothing");
        // CKR_USER_NOT_LOGGED_IN, and private keys that are not found.
        let (_context, session) = logged_in();
        session.logout().unwrap();
        works("another user of the module logged out");
        // CKR_CRYPTOKI_NOT_INITIALIZED.
        finalize();
        works("another user of the module finalised it");
        finalize();
        generate_in(&uri("made-then"), &env(PIN), &uncached()).unwrap();
        // CKR_SESSION_HANDLE_INVALID.
        finalize();
        drop(another());
        works("another user of the module initialised it anew");
        // Somebody else's sessions under the handles of ours.
        finalize();
        let (context, slot) = another();
        let theirs: Vec<Session> = (0..4).map(|_| context.open_ro_session(slot).unwrap()).collect();
        works("others have sessions under the handles of ours");
        for session in &theirs {
            session.get_session_info().unwrap();
        }
    }

    fn a_pin_that_was_changed_meanwhile_is_tried_once() {
        let source = made("root");
        let (_context, session) = logged_in();
        session.set_pin(&AuthPin::new(PIN.into()), &AuthPin::new(WRONG.into())).unwrap();
        session.logout().unwrap();
        let (kind, _) = problem(source.wrap_key(&key(), &place(), &env(PIN)));
        assert_eq!(kind, RemoteProblem::Unauthenticated);
        let (_, message) = problem(source.wrap_key(&key(), &place(), &env(PIN)));
        assert!(message.contains("was not tried again"), "{message}");
        source.wrap_key(&key(), &place(), &env(WRONG)).unwrap();
    }

    fn what_is_not_there_is_named_within_the_time_limit() {
        made("root");
        let begin = Instant::now();
        let good = uri("root");
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = file.path().display().to_string();
        let real = module().display().to_string();
        for (uri, kind, want) in [
            (good.replace("token=atrest", "token=nobody"), RemoteProblem::Unreachable, "but `atrest`, `other`"),
            (good.replace("token=atrest", "token=atrest;serial=0"), RemoteProblem::Unreachable, "check `token`"),
            (good.replace("token=atrest", "token=atrest;slot-id=99"), RemoteProblem::Unreachable, "shows no such token"),
            (good.replace(&real, "/no/such/module.so"), RemoteProblem::Unusable, "cannot read the module /no/such/module.so"),
            (good.replace(&real, &text), RemoteProblem::Unusable, "cannot load the module"),
        ] {
            let (problem, message) = problem(parse(&uri).wrap_key(&key(), &place(), &env(PIN)));
            assert_eq!(problem, kind, "{message}");
            assert!(message.contains(want), "{message} does not say {want}");
        }
        assert!(begin.elapsed() < Settings::TIMEOUT, "{:?}", begin.elapsed());
    }

    fn tokens_are_told_apart_by_serial_and_slot() {
        made("root");
        let (context, slot) = another();
        let info = context.get_token_info(slot).unwrap();
        for by in [format!("serial={}", info.serial_number()), format!("slot-id={}", slot.id())] {
            let source = parse(&uri("root").replace("token=atrest", &by));
            let error = source.wrap_key(&key(), &place(), &env(PIN)).err();
            assert!(error.is_none(), "{by}: {error:?}");
        }
        // The other token has no such key.
        let other = parse(&uri("root").replace("token=atrest", "token=other"));
        let (kind, _) = problem(other.wrap_key(&key(), &place(), &env(PIN)));
        assert_eq!(kind, RemoteProblem::NotFound);
    }

    fn two_tokens_of_one_name_are_not_guessed_between() {
        made("root");
        let (context, slot) = another();
        let free = context.get_all_slots().unwrap().into_iter().find(|other| {
            *other != slot && !context.get_token_info(*other).unwrap().token_initialized()
        });
        context.init_token(free.unwrap(), &AuthPin::new("12345678".into()), "atrest").unwrap();
        let (kind, message) = problem(parse(&uri("root")).wrap_key(&key(), &place(), &env(PIN)));
        assert_eq!(kind, RemoteProblem::Refused);
        assert!(message.contains("name the one by its `serial`"), "{message}");
    }
}

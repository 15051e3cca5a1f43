//! What earlier systems wrote.

use std::io::Read;

use atrest_core::object::open_object;
use atrest_core::{Context, Form, Key, Keyring, Suite, seal_one};
use atrest_media::{OldFormat, OldReader};
use atrest_testing::earlier::aes_256_cbc;

const KEY: [u8; 32] = [7; 32];

fn keyring(first: u8, more: &[u8]) -> Keyring {
    let more = more.iter().map(|n| Key::from_bytes([*n; 32])).collect();
    Keyring::new(Key::from_bytes([first; 32]), more).unwrap()
}

fn read(file: &[u8], format: OldFormat, keyring: &Keyring) -> std::io::Result<Vec<u8>> {
    let mut clear = Vec::new();
    OldReader::new(file, format, keyring).read_to_end(&mut clear)?;
    Ok(clear)
}

#[test]
fn aes_256_cbc_of_every_length() {
    for length in [
        0, 1, 15, 16, 17, 1_000, 262_143, 262_144, 262_145, 1_000_000,
    ] {
        let clear: Vec<u8> = (0..length).map(|i| (i / 3) as u8).collect();
        let file = aes_256_cbc(&KEY, &clear);
        assert_eq!(
            read(&file, OldFormat::Aes256Cbc, &keyring(7, &[])).unwrap(),
            clear
        );
        let mut object = Vec::new();
        let reader = OldReader::new(&file[..], OldFormat::Aes256Cbc, &keyring(7, &[]));
        atrest_media::seal(reader, &mut object, &keyring(1, &[]), b"clip", 2, &|_| {}).unwrap();
        assert_eq!(
            open_object(&keyring(1, &[]), b"clip", &object).unwrap(),
            clear
        );
    }
}

#[test]
fn a_wrong_key_or_a_cut_is_noticed_and_makes_no_object() {
    let file = aes_256_cbc(&KEY, &[b'x'; 100_000]);
    for (file, key) in [
        (&file[..], 8),
        (&file[..file.len() - 1], 7),
        (&file[..16], 7),
        (&file[..3], 7),
        (&[][..], 7),
    ] {
        let keyring = keyring(key, &[]);
        let error = read(file, OldFormat::Aes256Cbc, &keyring).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        let (mut object, reader) = (
            Vec::new(),
            OldReader::new(file, OldFormat::Aes256Cbc, &keyring),
        );
        atrest_media::seal(reader, &mut object, &keyring, b"", 2, &|_| {}).unwrap_err();
        assert!(open_object(&keyring, b"", &object).is_err());
    }
}

#[test]
fn fernet_with_any_key_and_nothing_else() {
    let (old, context) = (keyring(7, &[]), Context::new(""));
    let clear = vec![b'f'; 300_000];
    let token = |suite| seal_one(&old, suite, 1_767_225_600, Form::Text, &context, &clear).unwrap();
    let file = token(Suite::Fernet);
    for file in [&file[..], &[&file[..], b"\n"].concat()] {
        assert_eq!(
            read(file, OldFormat::Fernet, &keyring(1, &[7])).unwrap(),
            clear
        );
    }
    let mut flipped = file.clone();
    flipped[200_000] ^= 1;
    for (file, key) in [
        (&file[..], 8),
        (&flipped[..], 7),
        (&file[..file.len() - 4], 7),
        (&token(Suite::Xaes256Gcm)[..], 7),
        (b"clear", 7),
        (b"", 7),
    ] {
        let mut reader = OldReader::new(file, OldFormat::Fernet, &keyring(key, &[]));
        let mut out = [0; 10];
        assert!(reader.read(&mut out).is_err(), "not one byte");
        assert_eq!(out, [0; 10]);
    }
}

#[test]
fn formats_by_name() {
    for format in OldFormat::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    assert!(
        "des"
            .parse::<OldFormat>()
            .unwrap_err()
            .to_string()
            .contains("aes-256-cbc")
    );
}

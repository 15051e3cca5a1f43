//! XAES-256-GCM: the specification's vectors, its accumulated hashes, and another
//! implementation.

use serde_json::Value;
use shake::Shake128;
use shake::digest::{ExtendableOutput, Update, XofReader};
use xaes_256_gcm::aead::{Aead, KeyInit, Payload};

use super::hex;
use crate::hazmat::Xaes256Gcm;

fn data() -> Value {
    serde_json::from_str(include_str!("../../tests/data/xaes_256_gcm.json")).unwrap()
}

#[test]
fn c2sp_xaes_256_gcm_vectors() {
    let data = data();
    let mut ran = 0;
    for vector in data["vectors"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap();
        let cipher = Xaes256Gcm::new(hex(text("key"))[..].try_into().unwrap());
        let nonce: &[u8; 24] = text("nonce_ascii").as_bytes().try_into().unwrap();
        let (aad, plaintext) = (
            text("aad_ascii").as_bytes(),
            text("plaintext_ascii").as_bytes(),
        );
        let ciphertext = hex(text("ciphertext"));

        // The derived key: AES-256-GCM under it gives the same.
        let derived = hex(text("derived_key"));
        let subkey = crate::xaes::Subkey::new(derived[..].try_into().unwrap()).unwrap();
        let mut direct = vec![0; ciphertext.len()];
        let rest = nonce[12..].try_into().unwrap();
        subkey.seal_into(rest, aad, plaintext, &mut direct).unwrap();
        assert_eq!(direct, ciphertext);

        let mut message = plaintext.to_vec();
        cipher
            .seal_in_place_append_tag(nonce, aad, &mut message)
            .unwrap();
        assert_eq!(message, ciphertext);
        let length = cipher.open_in_place(nonce, aad, &mut message).unwrap();
        assert_eq!(&message[..length], plaintext);
        ran += 1;
    }
    assert_eq!(ran, 2);
}

#[test]
fn c2sp_xaes_256_gcm_accumulated_10_000() {
    accumulated(10_000);
}

#[test]
fn c2sp_xaes_256_gcm_accumulated_1_000_000() {
    accumulated(1_000_000);
}

fn accumulated(iterations: usize) {
    let mut random = Shake128::default().finalize_xof();
    let mut hash = Shake128::default();
    let (mut key, mut nonce) = ([0; 32], [0; 24]);
    for _ in 0..iterations {
        random.read(&mut key);
        random.read(&mut nonce);
        let mut sized = || {
            let mut length = [0];
            random.read(&mut length);
            let mut bytes = vec![0; usize::from(length[0])];
            random.read(&mut bytes);
            bytes
        };
        let (plaintext, aad) = (sized(), sized());
        let cipher = Xaes256Gcm::new(&key);
        let mut message = plaintext.clone();
        cipher
            .seal_in_place_append_tag(&nonce, &aad, &mut message)
            .unwrap();
        hash.update(&message);
        let length = cipher.open_in_place(&nonce, &aad, &mut message).unwrap();
        assert_eq!(message[..length], plaintext);
    }
    let mut sum = [0; 32];
    hash.finalize_xof().read(&mut sum);
    let data = data();
    assert_eq!(
        sum[..],
        hex(data["accumulated"][iterations.to_string()]
            .as_str()
            .unwrap())
    );
}

/// RustCrypto's implementation and ours, on the same inputs, both ways.
#[test]
fn differential_rustcrypto_xaes_256_gcm() {
    let mut random = Shake128::default().chain(b"differential").finalize_xof();
    let mut ran = 0;
    for length in 0..1_000 {
        let (mut key, mut nonce) = ([0; 32], [0; 24]);
        let (mut plaintext, mut aad) = (vec![0; length], vec![0; length % 67]);
        for part in [&mut key[..], &mut nonce, &mut plaintext, &mut aad] {
            random.read(part);
        }
        let theirs = xaes_256_gcm::Xaes256Gcm::new(&key.into());
        let want = theirs
            .encrypt(
                &nonce.into(),
                Payload {
                    msg: &plaintext,
                    aad: &aad,
                },
            )
            .unwrap();
        let ours = Xaes256Gcm::new(&key);
        let mut message = plaintext.clone();
        ours.seal_in_place_append_tag(&nonce, &aad, &mut message)
            .unwrap();
        assert_eq!(message, want);
        let back = theirs.decrypt(
            &nonce.into(),
            Payload {
                msg: &message,
                aad: &aad,
            },
        );
        assert_eq!(back.unwrap(), plaintext);
        assert_eq!(ours.open_in_place(&nonce, &aad, &mut message), Ok(length));
        assert_eq!(message[..length], plaintext);
        ran += 1;
    }
    assert_eq!(ran, 1_000);
}

/// RustCrypto's AES-256-GCM against the one that tokens go through.
#[test]
fn differential_rustcrypto_aes_gcm() {
    let mut random = Shake128::default()
        .chain(b"differential aes-gcm")
        .finalize_xof();
    for length in 0..600 {
        let (mut key, mut nonce) = ([0; 32], [0; 12]);
        let (mut plaintext, mut aad) = (vec![0; length], vec![0; length % 67]);
        for part in [&mut key[..], &mut nonce, &mut plaintext, &mut aad] {
            random.read(part);
        }
        let theirs = aes_gcm::Aes256Gcm::new(&key.into());
        let want = theirs
            .encrypt(
                &nonce.into(),
                Payload {
                    msg: &plaintext,
                    aad: &aad,
                },
            )
            .unwrap();
        let mut sealed = vec![0; length + 16];
        let ours = crate::xaes::Subkey::new(&key).unwrap();
        ours.seal_into(nonce, &aad, &plaintext, &mut sealed)
            .unwrap();
        assert_eq!(sealed, want);
    }
}

//! Files as other systems wrote them, to be taken over.

use aws_lc_rs::cipher::{AES_256, PaddedBlockEncryptingKey, UnboundCipherKey};

/// AES-256-CBC as a program of pyca/cryptography writes it: 16 bytes of IV, then `clear`
/// with PKCS#7's padding.
#[must_use]
pub fn aes_256_cbc(key: &[u8; 32], clear: &[u8]) -> Vec<u8> {
    let key = UnboundCipherKey::new(&AES_256, key).unwrap();
    let mut sealed = clear.to_vec();
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).unwrap();
    let iv = key.encrypt(&mut sealed).unwrap();
    let iv: &[u8] = (&iv).try_into().unwrap();
    [iv, &sealed].concat()
}

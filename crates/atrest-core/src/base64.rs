//! Base64, strict: no padding where there should be none, full padding where
//! there should be some, spare bits zero, no other characters.

use ::base64_simd::{AsOut, Base64};

use crate::buffer;

/// base64url, unpadded: the text form of our tokens.
pub(crate) const URL: Base64 = ::base64_simd::URL_SAFE_NO_PAD;
/// base64url, padded: Fernet tokens and keys.
pub(crate) const URL_PADDED: Base64 = ::base64_simd::URL_SAFE;
/// base64, unpadded.
pub(crate) const STANDARD: Base64 = ::base64_simd::STANDARD_NO_PAD;

/// Decodes into `out`, which has room; gives how many bytes. `None`: not
/// canonical base64 of this alphabet.
pub(crate) fn decode(alphabet: &Base64, text: &[u8], out: &mut [u8]) -> Option<usize> {
    let length = alphabet.decoded_length(text).ok()?;
    let out = out.get_mut(..length)?;
    alphabet
        .decode(text, out.as_out())
        .ok()
        .map(|bytes| bytes.len())
}

/// Decodes into `out` in place of what was there. `None`: not canonical. Reserves
/// what the result needs, exactly.
pub(crate) fn decode_to(alphabet: &Base64, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    buffer::empty(out, alphabet.decoded_length(text).ok()?);
    alphabet.decode_append(text, out).ok() // it has room: nothing is left behind elsewhere
}

/// Bytes enough for the text of `length` bytes.
pub(crate) const fn room(length: usize) -> usize {
    length / 3 * 4 + 4
}

/// Writes the text of `bytes` to `out`, which has exactly its length.
pub(crate) fn encode(alphabet: &Base64, bytes: &[u8], out: &mut [u8]) {
    let _all_of_out: &[u8] = alphabet.encode(bytes, out.as_out());
}

/// Appends the text of `bytes`.
pub(crate) fn encode_to(alphabet: &Base64, bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(room(bytes.len())); // encode_append alone would grow exactly
    alphabet.encode_append(bytes, out);
}

#[cfg(test)]
mod tests {
    use super::{URL, URL_PADDED, decode};

    /// Every text of up to three characters, and every way to spoil a longer one,
    /// against the definition: a text is canonical when it is what encoding its
    /// bytes gives.
    #[test]
    fn decoding_accepts_exactly_what_encoding_gives() {
        let mut ok = [0; 3];
        for alphabet in [URL, URL_PADDED] {
            for length in 1..=4usize {
                // Low characters vary fully, high ones over the interesting few.
                let few = b"AQgw9-_=+/ \n\0.\xff";
                let mut index = vec![0usize; length];
                'all: loop {
                    let text: Vec<u8> = index.iter().map(|&i| few[i]).collect();
                    let mut bytes = [0; 3];
                    if let Some(n) = decode(&alphabet, &text, &mut bytes) {
                        assert_eq!(alphabet.encode_to_string(&bytes[..n]).as_bytes(), text);
                        ok[n - 1] += 1;
                    }
                    for i in &mut index {
                        *i += 1;
                        if *i < few.len() {
                            continue 'all;
                        }
                        *i = 0;
                    }
                    break;
                }
            }
        }
        assert!(ok.iter().all(|&n| n > 0), "{ok:?}");
        // Long enough for the vector code, with every other byte at every place.
        let bytes: Vec<u8> = (0..100).collect();
        let text = URL.encode_to_string(&bytes).into_bytes();
        let mut out = vec![0; 100];
        for at in 0..text.len() {
            for byte in 0..=255 {
                let mut spoilt = text.clone();
                spoilt[at] = byte;
                if let Some(n) = decode(&URL, &spoilt, &mut out) {
                    assert_eq!(URL.encode_to_string(&out[..n]).as_bytes(), spoilt);
                }
            }
        }
    }
}

//! AES-CBC with PKCS #7 padding (SP 800-38A §6.2, RFC 5652 §6.3), for messages
//! that a MAC has vouched for: a wrong padding is as opaque as a wrong MAC.

use aes::cipher::{
    Array, Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser, consts::U16,
};

/// One AES block.
pub(crate) const BLOCK: usize = 16;

/// A block cipher with AES's block size, both ways.
pub(crate) trait Aes:
    BlockSizeUser<BlockSize = U16> + BlockCipherEncrypt + BlockCipherDecrypt
{
}
impl Aes for aes::Aes128 {}
impl Aes for aes::Aes256 {}

/// The length that `length` bytes have when padded: always longer.
pub(crate) const fn padded(length: usize) -> usize {
    (length / BLOCK + 1) * BLOCK
}

/// Appends PKCS #7 padding to the part of `buffer` that starts at `from`, and
/// encrypts that part where it is.
pub(crate) fn encrypt(aes: &impl Aes, iv: &[u8; BLOCK], buffer: &mut Vec<u8>, from: usize) {
    let length = buffer.len().saturating_sub(from);
    let pad = padded(length) - length;
    buffer.resize(buffer.len() + pad, pad as u8); // 1 to 16
    let (blocks, _) = buffer
        .get_mut(from..)
        .unwrap_or_default()
        .as_chunks_mut::<BLOCK>();
    let mut chain = Array::from(*iv);
    for block in blocks {
        chain
            .iter_mut()
            .zip(block.iter())
            .for_each(|(c, b)| *c ^= b);
        aes.encrypt_block(&mut chain);
        *block = chain.into();
    }
}

/// Decrypts `message` where it is and checks its padding; gives the clear length.
/// `None`: not whole blocks, or no padding.
pub(crate) fn decrypt(aes: &impl Aes, iv: &[u8; BLOCK], message: &mut [u8]) -> Option<usize> {
    if message.is_empty() || !message.len().is_multiple_of(BLOCK) {
        return None;
    }
    let mut before = *iv;
    decrypt_blocks(aes, &mut before, message)?;
    unpadded(message)
}

/// Decrypts whole blocks where they are. `before` is the ciphertext block before
/// them (the IV at the beginning), and afterwards the last of them.
pub(crate) fn decrypt_blocks(
    aes: &impl Aes,
    before: &mut [u8; BLOCK],
    blocks: &mut [u8],
) -> Option<()> {
    // Eight blocks at a time: the processor works on them in parallel.
    const STRIDE: usize = 8 * BLOCK;
    let mut ciphertext = [0; STRIDE];
    for stride in blocks.chunks_mut(STRIDE) {
        let ciphertext = ciphertext.get_mut(..stride.len())?;
        ciphertext.copy_from_slice(stride);
        let (blocks, _) = Array::slice_as_chunks_mut(stride);
        let blocks: &mut [Block<aes::Aes128>] = blocks;
        aes.decrypt_blocks(blocks);
        let chain = before.iter().chain(ciphertext.iter());
        stride.iter_mut().zip(chain).for_each(|(b, c)| *b ^= c);
        *before = *ciphertext.last_chunk()?;
    }
    Some(())
}

/// The clear length of a decrypted message; `None` without padding.
pub(crate) fn unpadded(message: &[u8]) -> Option<usize> {
    let pad = usize::from(*message.last()?);
    let length = message.len().checked_sub(pad)?;
    let padding = message.get(length..)?;
    let good = (1..=BLOCK).contains(&pad) && padding.iter().all(|&b| usize::from(b) == pad);
    good.then_some(length)
}

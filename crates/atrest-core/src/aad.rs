//! The additional data of our tokens: `header | context`.

use crate::{Context, header};

/// Kept from value to value: a page's values mostly share it, and what was written byte by
/// byte just now is slow to read as a block.
#[derive(Default)]
pub(crate) struct FieldAad(Vec<u8>);

impl FieldAad {
    /// The additional data of a token with this header at `context`.
    pub(crate) fn of(&mut self, head: &[u8; header::LEN], context: &Context) -> &[u8] {
        let context = context.encoded();
        let held = self.0.split_first_chunk();
        if held.is_none_or(|(h, rest)| h != head || rest != context) {
            self.0.clear();
            self.0.extend_from_slice(head);
            self.0.extend_from_slice(context);
        }
        &self.0
    }
}

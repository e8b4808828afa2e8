//! Text that may be a secret and is put together piece by piece.

use zeroize::Zeroizing;

/// Adds to a text. Where it grows it moves, and leaves no copy.
pub(super) fn append(text: &mut Zeroizing<String>, more: &str) {
    let length = text.len().saturating_add(more.len());
    if length > text.capacity() {
        let mut larger = Zeroizing::new(String::with_capacity(length));
        larger.push_str(text);
        *text = larger;
    }
    text.push_str(more);
}

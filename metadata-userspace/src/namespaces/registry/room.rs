//! Whether there is room for as many namespaces as there are.

use crate::open_files;

/// How many files may be open.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    limit: u64,
    /// It was said already that it does not suffice.
    is_too_small: bool,
}

impl Room {
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            is_too_small: false,
        }
    }

    /// Says once, and again after it sufficed, that so many do not fit.
    pub(super) fn heed(&mut self, namespaces: usize) {
        let wanted = open_files::needed(namespaces);
        let was_too_small = std::mem::replace(&mut self.is_too_small, wanted > self.limit);
        if self.is_too_small && !was_too_small {
            tracing::error!(
                namespaces,
                limit = self.limit,
                wanted,
                "more namespaces than open files may suffice for: raise the limit \
                 (LimitNOFILE in the unit), or some are not served"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_too_small_from_the_namespace_on_that_does_not_fit() {
        let mut room = Room::new(open_files::needed(10));
        let too_small = [9, 10, 11, 12, 10].map(|namespaces| {
            room.heed(namespaces);
            room.is_too_small
        });
        assert_eq!(too_small, [false, false, true, true, false]);
    }
}

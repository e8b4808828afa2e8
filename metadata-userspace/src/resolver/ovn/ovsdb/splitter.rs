//! Cuts what a server sends into JSON objects: they follow each other without
//! any length or separator (RFC 7047, section 4).

use bytes::BytesMut;
use serde_json::Value;

/// Longest message, bytes: the rows of a large cloud come in one.
const LONGEST: usize = 256 << 20;
/// OVSDB's own messages nest a dozen levels.
const DEEPEST: usize = 64;

/// What is no sequence of JSON objects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Garbage {
    #[error("its bytes are not JSON objects")]
    NotJson,
    #[error("a message is longer than {LONGEST} bytes")]
    TooLong,
    #[error("a message nests deeper than {DEEPEST} levels")]
    TooDeep,
}

/// Bytes in, objects out. Each byte is looked at once, however small the pieces
/// are in which it comes.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    pub(crate) buffer: BytesMut,
    /// Bytes of the buffer that are known to be inside of one object.
    scanned: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Splitter {
    /// The next object, or `None` until more bytes have come.
    pub(crate) fn next(&mut self) -> Result<Option<Value>, Garbage> {
        if self.scanned == 0 {
            self.skip_space()?;
        }
        let Some(length) = self.end()? else {
            return match self.buffer.len() > LONGEST {
                true => Err(Garbage::TooLong),
                false => Ok(None),
            };
        };
        let object = self.buffer.split_to(length);
        self.scanned = 0;
        let value = serde_json::from_slice(&object).map_err(|_| Garbage::NotJson)?;
        Ok(Some(value))
    }

    fn skip_space(&mut self) -> Result<(), Garbage> {
        let space = self
            .buffer
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace());
        let space = space.count();
        drop(self.buffer.split_to(space));
        match self.buffer.first() {
            None | Some(b'{') => Ok(()),
            Some(_) => Err(Garbage::NotJson),
        }
    }

    /// How long the object at the start of the buffer is, if its end is there.
    fn end(&mut self) -> Result<Option<usize>, Garbage> {
        let unseen = self.buffer.get(self.scanned..).unwrap_or_default();
        for (offset, byte) in unseen.iter().enumerate() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Ok(Some(self.scanned + offset + 1));
                    }
                }
                _ => {}
            }
            if self.depth > DEEPEST {
                return Err(Garbage::TooDeep);
            }
        }
        self.scanned = self.buffer.len();
        Ok(None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn all(splitter: &mut Splitter, bytes: &[u8]) -> Result<Vec<Value>, Garbage> {
        splitter.buffer.extend_from_slice(bytes);
        let mut objects = Vec::new();
        while let Some(object) = splitter.next()? {
            objects.push(object);
        }
        Ok(objects)
    }

    #[test]
    fn objects_are_told_apart_without_separators() {
        let text = br#"{"a":"}{\"\\"}{"b":[{}]} {"c":1}  "#;
        let objects = all(&mut Splitter::default(), text).unwrap();
        assert_eq!(
            objects,
            [json!({"a": "}{\"\\"}), json!({"b": [{}]}), json!({"c": 1})]
        );
    }

    #[test]
    fn garbage_is_noticed() {
        for (bytes, garbage) in [
            (&b"SSH-2.0-OpenSSH"[..], Garbage::NotJson),
            (b"\x16\x03\x01", Garbage::NotJson),
            (b"{]", Garbage::NotJson),
            (b"{\"a\":}", Garbage::NotJson),
            (b"{}}", Garbage::NotJson),
            (&[b'{'; 100], Garbage::TooDeep),
        ] {
            assert_eq!(all(&mut Splitter::default(), bytes), Err(garbage));
        }
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(texts in prop::collection::vec(any::<String>(), 1..5), size in 1usize..9) {
            let objects: Vec<Value> = texts.iter().map(|text| json!({text: [text]})).collect();
            let bytes: Vec<u8> = objects.iter().flat_map(|object| object.to_string().into_bytes()).collect();
            let mut splitter = Splitter::default();
            let mut found = Vec::new();
            for piece in bytes.chunks(size) {
                found.extend(all(&mut splitter, piece).unwrap());
            }
            prop_assert_eq!(found, objects);
        }

        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = all(&mut Splitter::default(), &bytes);
        }
    }
}

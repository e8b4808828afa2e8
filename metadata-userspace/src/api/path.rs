//! Request paths as Nova reads them: percent-decoded, then made normal as POSIX does.

/// The path's segments: empty ones, `.` and `..` are resolved; above the root is
/// the root. None when what is decoded is not UTF-8.
pub(super) fn segments(path: &str) -> Option<Vec<String>> {
    let decoded = String::from_utf8(percent_decoded(path)).ok()?;
    let mut segments = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            named => segments.push(named.to_owned()),
        }
    }
    Some(segments)
}

/// A `%` without two digits behind it stands for itself.
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if let (b'%', [high, low, after @ ..]) = (byte, after)
            && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
        {
            decoded.push((high << 4) | low);
            rest = after;
        } else {
            decoded.push(byte);
        }
    }
    decoded
}

fn hex_digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_normal() {
        for (path, normal) in [
            ("", ""),
            ("/", ""),
            ("/../..", ""),
            ("latest", "latest"),
            ("//latest///meta-data/", "latest/meta-data"),
            ("/latest/./x/../meta-data/.", "latest/meta-data"),
            ("/latest%2Fmeta-data", "latest/meta-data"),
            ("/latest/%2e%2E/openstack", "openstack"),
            ("/a%20b", "a b"),
            ("/100%/%4", "100%/%4"),
            ("/%zz", "%zz"),
        ] {
            assert_eq!(segments(path).unwrap().join("/"), normal, "{path}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_no_path() {
        assert_eq!(segments("/%ff"), None);
    }
}

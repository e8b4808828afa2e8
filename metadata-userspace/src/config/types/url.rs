//! Values that say where an HTTP API is.

use super::OptionType;
use crate::http_url::HttpUrl;

/// An HTTP URL, or nothing.
#[derive(Debug)]
pub(in crate::config) struct Url;

impl OptionType for Url {
    type Value = Option<HttpUrl>;

    fn parse(&self, text: &str) -> Option<Option<HttpUrl>> {
        if text.is_empty() {
            return Some(None);
        }
        text.parse().ok().map(Some)
    }

    fn allowed(&self) -> String {
        "a URL like https://HOST:PORT/PATH, or empty".to_owned()
    }
}

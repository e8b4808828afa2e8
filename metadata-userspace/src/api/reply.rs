//! Answers before they are HTTP.

use bytes::Bytes;
use hyper::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::accept::ErrorForm;

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
}

const HTML: &str = "text/html; charset=UTF-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=UTF-8";

impl Reply {
    /// The form of values and listings, and of user data whatever it is.
    pub(super) fn text(body: impl Into<Bytes>) -> Self {
        Self::ok(TEXT, body.into())
    }

    /// The form of answers about the password.
    pub(super) fn html(body: impl Into<Bytes>) -> Self {
        Self::ok(HTML, body.into())
    }

    pub(super) fn json(value: &impl Serialize) -> Self {
        Self::serialized(JSON, value)
    }

    /// JSON that Nova calls plain text.
    pub(super) fn json_as_text(value: &impl Serialize) -> Self {
        Self::serialized(TEXT, value)
    }

    /// Names, one a line, without an end to the last.
    pub(super) fn listing<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::text(names.into_iter().collect::<Vec<_>>().join("\n"))
    }

    fn ok(content_type: &'static str, body: Bytes) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            body,
        }
    }

    fn serialized(content_type: &'static str, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::ok(content_type, body.into()),
            Err(error) => {
                tracing::error!(%error, "an answer has no form in JSON");
                Refusal::INTERNAL.reply(ErrorForm::Text)
            }
        }
    }
}

/// An answer that is no metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// For the guest: tells nothing about other instances.
    pub(super) message: &'static str,
}

impl Refusal {
    pub(super) const NOT_FOUND: Self = Self {
        status: StatusCode::NOT_FOUND,
        message: "There is nothing here for this instance.",
    };
    pub(super) const INTERNAL: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        message: "The metadata service failed. Please try again.",
    };

    pub(super) const fn bad_request(message: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message,
        }
    }

    pub(super) fn reply(self, form: ErrorForm) -> Reply {
        let Self { status, message } = self;
        let (content_type, body) = match form {
            ErrorForm::Html => (
                HTML,
                format!(
                    "<html><head><title>{status}</title></head><body><h1>{status}</h1><p>{message}</p></body></html>\n"
                ),
            ),
            ErrorForm::Json => {
                let title = status.canonical_reason().unwrap_or_default();
                let error = json!({
                    "message": message, "code": status.to_string(), "title": title,
                });
                (JSON, error.to_string())
            }
            ErrorForm::Text => (TEXT, format!("{status}\n\n{message}\n")),
        };
        Reply {
            status,
            content_type,
            body: body.into(),
        }
    }
}

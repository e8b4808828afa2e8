//! Replies as oslo.messaging's servers write them
//! (oslo_messaging/_drivers/amqpdriver.py, `_send_reply`).

use serde::Deserialize;
use serde_json::Value;

/// Some 2 kB a port: a network of 30,000 ports.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// Of a remote exception, that is repeated in messages.
const LONGEST_TEXT: usize = 400;

/// A reply that has been understood.
#[derive(Debug, PartialEq)]
pub(crate) struct Reply {
    /// Of the request that it answers.
    pub message_id: String,
    pub news: News,
}

/// What it says.
#[derive(Debug, PartialEq)]
pub(crate) enum News {
    /// What the method returned; null when it has nothing to say.
    Returned(Value),
    /// The method failed.
    Raised(RemoteError),
    /// A result has come or will come in a message of its own: old servers sent
    /// two messages, and those that monitor calls send signs of life.
    More(Option<Value>),
}

/// An exception of the server's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{class}: {message}")]
pub(crate) struct RemoteError {
    pub class: String,
    pub message: String,
}

/// A message that is no reply.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoReply {
    #[error("a message of {0} bytes, more than the {MOST_BYTES} that a reply may have")]
    TooLong(usize),
    #[error("a message that is not JSON: {0}")]
    NotJson(serde_json::Error),
    #[error("a message that is not of oslo.messaging: {0}")]
    Shape(serde_json::Error),
    #[error("a message of envelope version {0:?}, while 2.0 is spoken here")]
    Version(String),
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "oslo.version")]
    version: String,
    #[serde(rename = "oslo.message")]
    message: String,
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "_msg_id")]
    message_id: String,
    #[serde(default)]
    result: Value,
    /// JSON of its own.
    #[serde(default)]
    failure: Option<Value>,
    #[serde(default)]
    ending: bool,
}

impl Reply {
    /// Reads the payload of a message.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, NoReply> {
        if payload.len() > MOST_BYTES {
            return Err(NoReply::TooLong(payload.len()));
        }
        let envelope: Envelope = serde_json::from_slice(payload).map_err(misread)?;
        // oslo_messaging/_utils.py, version_is_compatible: same major, no newer minor.
        if envelope.version != "2.0" {
            return Err(NoReply::Version(shortened(&envelope.version)));
        }
        let body: Body = serde_json::from_str(&envelope.message).map_err(misread)?;
        let news = match body.failure {
            Some(failure) if is_true(&failure) => News::Raised(RemoteError::read(&failure)),
            _ if body.ending => News::Returned(body.result),
            _ => News::More(Some(body.result).filter(|result| !result.is_null())),
        };
        Ok(Self {
            message_id: body.message_id,
            news,
        })
    }
}

fn misread(error: serde_json::Error) -> NoReply {
    if error.is_data() {
        NoReply::Shape(error)
    } else {
        NoReply::NotJson(error)
    }
}

/// As Python decides `if failure:`.
fn is_true(failure: &Value) -> bool {
    match failure {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}

impl RemoteError {
    /// `serialize_remote_exception` of oslo_messaging/_drivers/common.py.
    fn read(failure: &Value) -> Self {
        #[derive(Deserialize)]
        struct Failure {
            class: String,
            #[serde(default)]
            message: Value,
        }
        let text = failure.as_str().unwrap_or_default();
        match serde_json::from_str::<Failure>(text) {
            Ok(failure) => Self {
                class: shortened(&failure.class),
                message: match &failure.message {
                    Value::String(text) => shortened(text),
                    other => shortened(&other.to_string()),
                },
            },
            Err(_) => Self {
                class: "an exception".to_owned(),
                message: shortened(&failure.to_string()),
            },
        }
    }
}

/// One line, not endless.
fn shortened(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = printable.take(LONGEST_TEXT).collect();
    if text.chars().nth(LONGEST_TEXT).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    fn enveloped(body: &Value) -> Vec<u8> {
        let envelope = json!({"oslo.version": "2.0", "oslo.message": body.to_string()});
        envelope.to_string().into_bytes()
    }

    fn news(body: &Value) -> News {
        let reply = Reply::parse(&enveloped(body)).unwrap();
        assert_eq!(reply.message_id, "m");
        reply.news
    }

    #[test]
    fn a_result_ends_a_call() {
        let body = json!({"_msg_id": "m", "_unique_id": "u", "result": [1], "failure": null,
                          "ending": true});
        assert_eq!(news(&body), News::Returned(json!([1])));
        let nothing = json!({"_msg_id": "m", "result": null, "failure": null, "ending": true});
        assert_eq!(news(&nothing), News::Returned(Value::Null));
    }

    #[test]
    fn more_may_follow() {
        let alive = json!({"_msg_id": "m", "result": null, "failure": null, "ending": false});
        assert_eq!(news(&alive), News::More(None));
        let first_of_two = json!({"_msg_id": "m", "result": {"a": 1}, "failure": null});
        assert_eq!(news(&first_of_two), News::More(Some(json!({"a": 1}))));
    }

    #[test]
    fn a_failure_names_class_and_message() {
        let failure = json!({"class": "DBConnectionError", "module": "oslo_db.exception",
                             "message": "gone\naway", "tb": [], "args": [], "kwargs": {}});
        let body = json!({"_msg_id": "m", "result": null, "failure": failure.to_string(),
                          "ending": true});
        let News::Raised(error) = news(&body) else {
            unreachable!("a failure");
        };
        assert_eq!(error.to_string(), "DBConnectionError: gone away");
        let odd = json!({"_msg_id": "m", "failure": {"what": 1}, "ending": true});
        assert!(matches!(news(&odd), News::Raised(_)));
        let long = json!({"class": "E", "message": "é".repeat(5000)});
        let body = json!({"_msg_id": "m", "failure": long.to_string(), "ending": true});
        let News::Raised(error) = news(&body) else {
            unreachable!("a failure");
        };
        assert_eq!(error.message.chars().count(), LONGEST_TEXT + 1);
    }

    #[test]
    fn garbage_is_told_apart() {
        for (payload, said) in [
            (&b""[..], "not JSON"),
            (b"\xff\xfe", "not JSON"),
            (b"[]", "not of oslo.messaging"),
            (b"{\"oslo.version\": \"2.0\"}", "not of oslo.messaging"),
            (
                br#"{"oslo.version": "2.0", "oslo.message": "{"}"#,
                "not JSON",
            ),
            (
                br#"{"oslo.version": "2.0", "oslo.message": "[]"}"#,
                "not of oslo.messaging",
            ),
            (
                br#"{"oslo.version": "2.0", "oslo.message": "{}"}"#,
                "not of oslo.messaging",
            ),
            (
                br#"{"oslo.version": "3.0", "oslo.message": "{}"}"#,
                "envelope version \"3.0\"",
            ),
        ] {
            let error = Reply::parse(payload).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        let long = vec![b' '; MOST_BYTES + 1];
        assert!(matches!(Reply::parse(&long), Err(NoReply::TooLong(_))));
    }
}

//! JSON-RPC 1.0, as RFC 7047 uses it.

use serde_json::{Value, json};

use super::Failure;

/// What a server sends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    /// It wants an answer.
    Request {
        method: String,
        id: Value,
    },
    Notification {
        method: String,
        params: Vec<Value>,
    },
    Reply {
        id: u64,
        /// The error as the server put it.
        result: Result<Value, String>,
    },
}

impl Message {
    pub(crate) fn parse(mut value: Value) -> Result<Self, Failure> {
        let id = value.get_mut("id").map(Value::take).unwrap_or_default();
        let Some(method) = value.get_mut("method").map(Value::take) else {
            return reply(&id, value);
        };
        let (Value::String(method), params) = (method, value.get_mut("params").map(Value::take))
        else {
            return Err(unexpected(&value));
        };
        Ok(match (id, params) {
            (Value::Null, Some(Value::Array(params))) => Self::Notification { method, params },
            (Value::Null, _) => return Err(unexpected(&value)),
            (id, _) => Self::Request { method, id },
        })
    }
}

fn reply(id: &Value, mut value: Value) -> Result<Message, Failure> {
    let Some(id) = id.as_u64() else {
        return Err(unexpected(&value));
    };
    let error = value.get_mut("error").map(Value::take).unwrap_or_default();
    let result = match error {
        Value::Null => Ok(value.get_mut("result").map(Value::take).unwrap_or_default()),
        error => Err(error_text(&error)),
    };
    Ok(Message::Reply { id, result })
}

/// Errors are an object with `error` and `details`, or mere strings.
pub(super) fn error_text(error: &Value) -> String {
    let part = |name| error.get(name).and_then(Value::as_str);
    match (error.as_str(), part("error"), part("details")) {
        (Some(text), ..) | (_, Some(text), None) => text.to_owned(),
        (_, Some(text), Some(details)) => format!("{text} ({details})"),
        _ => shortened(error),
    }
}

/// As much of a value as a log line can take.
pub(super) fn shortened(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

fn unexpected(value: &Value) -> Failure {
    Failure::Unexpected(shortened(value))
}

pub(super) fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({"id": id, "method": method, "params": params})
}

/// The only request that servers make is `echo`, which wants its parameters back;
/// none makes it with any.
pub(super) fn echo_reply(id: &Value) -> Value {
    json!({"id": id, "result": [], "error": null})
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn requests_notifications_and_replies_are_told_apart() {
        let echo = json!({"method": "echo", "params": [], "id": "echo"});
        assert_eq!(
            Message::parse(echo).unwrap(),
            Message::Request {
                method: "echo".into(),
                id: json!("echo")
            }
        );
        let update = json!({"method": "update2", "params": [1, {}], "id": null});
        assert_eq!(
            Message::parse(update).unwrap(),
            Message::Notification {
                method: "update2".into(),
                params: vec![json!(1), json!({})]
            }
        );
        let answer = json!({"id": 7, "result": {}, "error": null});
        assert_eq!(
            Message::parse(answer).unwrap(),
            Message::Reply {
                id: 7,
                result: Ok(json!({}))
            }
        );
    }

    #[test]
    fn errors_are_readable() {
        let parse = |error| match Message::parse(json!({"id": 7, "error": error})).unwrap() {
            Message::Reply { result, .. } => result.unwrap_err(),
            _ => unreachable!(),
        };
        assert_eq!(parse(json!("unknown method")), "unknown method");
        let database = json!({"error": "unknown database", "details": "no X"});
        assert_eq!(parse(database), "unknown database (no X)");
    }

    #[test]
    fn other_objects_are_refused() {
        for value in [
            json!({}),
            json!({"id": "x", "result": 1}),
            json!({"method": 1, "id": null}),
            json!({"method": "update", "id": null, "params": {}}),
        ] {
            assert!(Message::parse(value.clone()).is_err(), "{value}");
        }
    }
}

use serde_json::{Value, json};

use super::assert_printable;
use crate::resolver::neutron_rpc::reply::{News, Reply};

/// Characters of a remote exception's class and of its message, each with an ellipsis.
const LONGEST_TEXT: usize = 401;

/// oslo.messaging's replies ([`crate::resolver::neutron_rpc`]): a result that is put into
/// an envelope again is the same result, and what a server says of an exception fits
/// into a log line.
pub fn oslo_messaging(data: &[u8]) {
    match Reply::parse(data) {
        Ok(reply) => assert_is_read_again(reply),
        Err(no_reply) => assert_printable(&no_reply.to_string()),
    }
}

fn assert_is_read_again(reply: Reply) {
    let (result, ending) = match &reply.news {
        News::Returned(result) => (result.clone(), true),
        News::More(result) => (result.clone().unwrap_or(Value::Null), false),
        News::Raised(error) => {
            for text in [&error.class, &error.message] {
                assert!(!text.chars().any(char::is_control), "{text:?}");
                assert!(text.chars().count() <= LONGEST_TEXT);
            }
            return;
        }
    };
    if has_fraction(&result) {
        return;
    }
    let body = json!({
        "_msg_id": reply.message_id,
        "result": result,
        "failure": null,
        "ending": ending,
    });
    let envelope = json!({"oslo.version": "2.0", "oslo.message": body.to_string()});
    let again = Reply::parse(envelope.to_string().as_bytes());
    assert_eq!(again.ok(), Some(reply));
}

/// serde_json reads a fraction to the last digit but one; nothing in a port is one.
fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(values) => values.iter().any(has_fraction),
        Value::Object(members) => members.values().any(has_fraction),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

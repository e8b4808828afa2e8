//! Requests as oslo.messaging's clients write them
//! (oslo_messaging/rpc/client.py, _drivers/amqpdriver.py and _drivers/common.py).

use std::time::SystemTime;

use serde_json::{Map, Value, json};
use uuid::Uuid;

/// A method of Neutron's server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Method {
    /// The queue at which it is served.
    pub topic: &'static str,
    pub name: &'static str,
    /// The least version of its interface that has it.
    pub version: &'static str,
}

/// Where an answer shall go, and how it is told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Return<'a> {
    pub queue: &'a str,
    pub message_id: &'a str,
}

/// The body of a message that has `method` called with `arguments`; with no answer
/// when `answer` is none.
pub(super) fn body(
    method: Method,
    arguments: Value,
    answer: Option<Return<'_>>,
    now: SystemTime,
) -> String {
    let mut message = Map::new();
    let mut put = |key: &str, value: Value| message.insert(key.to_owned(), value);
    put("method", method.name.into());
    put("args", arguments);
    put("version", method.version.into());
    if let Some(answer) = answer {
        put("_msg_id", answer.message_id.into());
        put("_reply_q", answer.queue.into());
        // The server shall send no signs of life while it works on the answer.
        put("_timeout", Value::Null);
    }
    put("_unique_id", unique().into());
    for (key, value) in admin_context(now) {
        put(&format!("_context_{key}"), value);
    }
    let message = Value::Object(message).to_string();
    json!({"oslo.version": "2.0", "oslo.message": message}).to_string()
}

/// An id in oslo's form.
pub(super) fn unique() -> String {
    Uuid::new_v4().simple().to_string()
}

/// neutron_lib's `get_admin_context_without_session().to_dict()`.
fn admin_context(now: SystemTime) -> Map<String, Value> {
    let nobody = [
        "user",
        "user_id",
        "user_name",
        "project",
        "project_id",
        "project_name",
        "domain",
        "user_domain",
        "project_domain",
        "system_scope",
        "auth_token",
        "global_request_id",
        "resource_uuid",
    ];
    let mut context: Map<_, _> = nobody
        .into_iter()
        .map(|key| (key.to_owned(), Value::Null))
        .collect();
    let admin = json!({
        "is_admin": true,
        "is_admin_project": true,
        "has_global_access": true,
        "can_set_project_id": true,
        "read_only": false,
        "show_deleted": false,
        "roles": ["admin", "member", "reader"],
        "request_id": format!("req-{}", Uuid::new_v4()),
        "timestamp": utc(now, " "),
        "user_identity": "- - - - -",
    });
    if let Value::Object(admin) = admin {
        context.extend(admin);
    }
    context
}

/// Date and time of day in UTC, as Python's `strftime` writes them.
pub(super) fn utc(time: SystemTime, separator: &str) -> String {
    let text = humantime::format_rfc3339_micros(time).to_string();
    text.trim_end_matches('Z').replace('T', separator)
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const GET_PORTS: Method = Method {
        topic: "q-plugin",
        name: "get_ports",
        version: "1.0",
    };

    fn message_in(body: &str) -> Map<String, Value> {
        let envelope: Map<String, Value> = serde_json::from_str(body).unwrap();
        assert_eq!(envelope.len(), 2);
        assert_eq!(envelope["oslo.version"], "2.0");
        serde_json::from_str(envelope["oslo.message"].as_str().unwrap()).unwrap()
    }

    #[test]
    fn a_call_has_the_fields_of_oslo_messaging() {
        let answer = Return {
            queue: "reply_1",
            message_id: "abc",
        };
        let now = UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_001);
        let body = body(GET_PORTS, json!({"filters": {}}), Some(answer), now);
        let message = message_in(&body);
        let plain: Vec<_> = message
            .keys()
            .filter(|key| !key.starts_with("_context_"))
            .collect();
        let expected = [
            "_msg_id",
            "_reply_q",
            "_timeout",
            "_unique_id",
            "args",
            "method",
            "version",
        ];
        assert_eq!(plain, expected);
        assert_eq!(message["method"], "get_ports");
        assert_eq!(message["version"], "1.0");
        assert_eq!(message["args"], json!({"filters": {}}));
        assert_eq!(message["_msg_id"], "abc");
        assert_eq!(message["_reply_q"], "reply_1");
        assert_eq!(message["_unique_id"].as_str().unwrap().len(), 32);
        assert_eq!(message["_context_is_admin"], true);
        assert_eq!(message["_context_timestamp"], "2023-11-14 22:13:20.000001");
        assert_eq!(message["_context_user_id"], Value::Null);
        assert!(
            message["_context_request_id"]
                .as_str()
                .unwrap()
                .starts_with("req-")
        );
    }

    #[test]
    fn a_cast_asks_for_no_reply() {
        let message = message_in(&body(GET_PORTS, json!({}), None, UNIX_EPOCH));
        for key in ["_msg_id", "_reply_q", "_timeout"] {
            assert!(!message.contains_key(key), "{key}");
        }
    }

    #[test]
    fn no_two_messages_have_the_same_id() {
        let id = || message_in(&body(GET_PORTS, json!({}), None, UNIX_EPOCH))["_unique_id"].clone();
        assert_ne!(id(), id());
    }
}

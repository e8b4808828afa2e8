//! What a guest saw, and whether two guests saw the same.

use std::fmt;

use serde_json::Value;

use crate::lab::http::{self, Response};

/// All that came back on one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answers(Vec<Response>),
    /// The connection was closed without an answer.
    Closed,
    Silence,
    NoConnection(String),
    Malformed(String),
}

impl Outcome {
    pub(super) fn parse(mut bytes: &[u8], is_head: bool) -> Self {
        if bytes.is_empty() {
            return Self::Closed;
        }
        let mut answers = Vec::new();
        while !bytes.is_empty() {
            let answer = if is_head {
                http::read_head(&mut bytes)
            } else {
                http::read_response(&mut bytes)
            };
            match answer {
                Ok(answer) => answers.push(answer),
                Err(error) => return Self::Malformed(format!("{error:#}")),
            }
        }
        Self::Answers(answers)
    }

    /// The only answer, if there is just one.
    pub(super) fn answer(&self) -> Option<&Response> {
        match self {
            Self::Answers(answers) => match answers.as_slice() {
                [answer] => Some(answer),
                _ => None,
            },
            _ => None,
        }
    }

    /// What matters to a guest: status, type, length and body, without what is
    /// fresh in each answer.
    pub(super) fn essence(&self) -> Self {
        let Self::Answers(answers) = self else {
            return self.clone();
        };
        Self::Answers(answers.iter().map(essence).collect())
    }
}

fn essence(answer: &Response) -> Response {
    let kept = ["content-type", "content-length"];
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| kept.contains(&name.as_str()));
    headers.sort();
    Response {
        status: answer.status,
        headers,
        body: without_seed(&answer.body).unwrap_or_else(|| answer.body.clone()),
    }
}

/// The rest of a document that has a `random_seed`.
fn without_seed(body: &[u8]) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(body).ok()?;
    document.as_object_mut()?.remove("random_seed")?;
    Some(document.to_string().into_bytes())
}

/// Short: a status and what the body is.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers(answers) => {
                for answer in answers {
                    let kind = answer.header("content-type").unwrap_or("no type");
                    let length = answer.header("content-length").unwrap_or("none");
                    let start: String = answer.text().chars().take(80).collect();
                    write!(f, "[{} {kind} length {length} {start:?}]", answer.status)?;
                }
                Ok(())
            }
            Self::Closed => write!(f, "[closed]"),
            Self::Silence => write!(f, "[no answer]"),
            Self::NoConnection(error) => write!(f, "[no connection: {error}]"),
            Self::Malformed(error) => write!(f, "[malformed: {error}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str) -> Outcome {
        Outcome::parse(text.as_bytes(), false).essence()
    }

    #[test]
    fn fresh_seeds_and_other_headers_do_not_count() {
        let one = outcome(
            "HTTP/1.1 200 OK\r\nserver: a\r\ncontent-length: 32\r\n\r\n{\"random_seed\": \"abc\", \"a\": [1]}",
        );
        let two = outcome(
            "HTTP/1.1 200 OK\r\ncontent-length: 32\r\n\r\n{\"random_seed\": \"def\", \"a\": [1]}",
        );
        let other = outcome(
            "HTTP/1.1 200 OK\r\ncontent-length: 32\r\n\r\n{\"random_seed\": \"def\", \"a\": [2]}",
        );
        assert_eq!(one, two);
        assert_ne!(one, other);
    }

    #[test]
    fn statuses_types_and_bodies_count() {
        let one = outcome("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na");
        assert_ne!(
            one,
            outcome("HTTP/1.1 404 no\r\ncontent-length: 1\r\n\r\na")
        );
        assert_ne!(
            one,
            outcome("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nb")
        );
        assert_ne!(
            one,
            outcome("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-type: x\r\n\r\na")
        );
        assert_ne!(one, outcome(""));
    }

    #[test]
    fn pipelined_answers_are_told_apart() {
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na".repeat(2);
        assert!(matches!(outcome(&text), Outcome::Answers(answers) if answers.len() == 2));
        let head = Outcome::parse(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", true);
        assert!(head.answer().is_some());
    }
}

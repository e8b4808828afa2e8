//! Rate limits, as `[metadata_rate_limiting]` makes Neutron write them down: two
//! tables of request rates, and for each a rule that counts and one that denies.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::reader::{Problem, shown};
use super::words::{count, seconds};
use crate::config::{RateLimits, RateWindow};

const BASE: &str = "base_rate_limiter";
const BURST: &str = "burst_rate_limiter";

/// A `stick-table`.
#[derive(Clone, Copy, Debug)]
struct Table {
    /// Whether its keys are IPv6 addresses.
    ipv6: bool,
    window: Duration,
}

/// What was read of the limits so far.
#[derive(Debug, Default)]
pub(super) struct LimitReader {
    tables: BTreeMap<String, Table>,
    /// Tables in which the requests are counted.
    counted: BTreeSet<String>,
    /// How many requests a table's window allows.
    most: BTreeMap<String, u32>,
}

impl LimitReader {
    /// A line of the backend that holds a table.
    pub(super) fn table(&mut self, name: &str, word: &str, rest: &[&str]) -> Result<(), Problem> {
        let (ipv6, expire, store) = match (word, rest) {
            (
                "stick-table",
                [
                    "type",
                    family @ ("ip" | "ipv6"),
                    "size",
                    _,
                    "expire",
                    expire,
                    "store",
                    store,
                ],
            ) => (*family == "ipv6", expire, store),
            _ => return Err(format!("`{}` in a backend is not understood", shown(word))),
        };
        seconds(expire)?;
        let window = argument(store, "http_req_rate")?;
        let window = seconds(window)?;
        if window.is_zero() {
            return Err("a rate needs a time".to_owned());
        }
        self.tables.insert(name.to_owned(), Table { ipv6, window });
        Ok(())
    }

    /// What follows `http-request`.
    pub(super) fn rule(&mut self, words: &[&str]) -> Result<(), Problem> {
        match words {
            ["track-sc0" | "track-sc1", "src", "table", name] => {
                self.counted.insert((*name).to_owned());
            }
            [
                "deny",
                "deny_status",
                "429",
                "if",
                "{",
                rate,
                "gt",
                most,
                "}",
            ] => {
                let name = argument(rate, "src_http_req_rate")?;
                self.most.insert(name.to_owned(), count(most)?);
            }
            _ => {
                let line = words.join(" ");
                return Err(format!("`http-request {}` is not understood", shown(&line)));
            }
        }
        Ok(())
    }

    /// All lines were read. A table of IPv6 addresses counts IPv4 guests too where
    /// haproxy listens for both on `::`.
    pub(super) fn finish(self, is_dual_stack: bool) -> Result<Option<RateLimits>, Problem> {
        if self.tables.is_empty() && self.counted.is_empty() && self.most.is_empty() {
            return Ok(None);
        }
        let (base, ipv6) = self.window(BASE)?;
        let (burst, burst_ipv6) = self.window(BURST)?;
        if ipv6 != burst_ipv6 {
            return Err(format!("{BASE} and {BURST} are of two types"));
        }
        Ok(Some(RateLimits {
            ipv4: !ipv6 || is_dual_stack,
            ipv6,
            base,
            burst,
        }))
    }

    fn window(&self, name: &str) -> Result<(RateWindow, bool), Problem> {
        match (self.tables.get(name), self.most.get(name)) {
            (Some(table), Some(&requests)) if self.counted.contains(name) => {
                let duration = table.window;
                Ok((RateWindow { duration, requests }, table.ipv6))
            }
            _ => Err(format!(
                "{name} lacks its table, the rule that counts, or the one that denies"
            )),
        }
    }
}

/// What stands in the brackets of `function(…)`.
fn argument<'a>(text: &'a str, function: &str) -> Result<&'a str, Problem> {
    text.strip_prefix(function)
        .and_then(|rest| rest.strip_prefix('(')?.strip_suffix(')'))
        .ok_or_else(|| format!("`{}` is no `{function}(…)`", shown(text)))
}

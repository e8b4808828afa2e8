//! The page as its reader sees it, from small documents like those that parts leave.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod fixtures;

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use self::fixtures::{comparison, conditions, fairness, neighbours, restarts, scale, storm};
use super::write;
use crate::bench::load::Workload;
use crate::bench::memory::{Growth, Growths};
use crate::bench::report::{Aim, Part};
use crate::bench::rounds::{Comparison, Sample, Series};
use crate::bench::usage::Memory;

/// A page and its plots.
struct Drawn {
    docs: TempDir,
    page: String,
}

impl Drawn {
    fn of(documents: &[(&str, Value)]) -> Self {
        Self::with_conditions(&conditions(), documents)
    }

    fn with_conditions(conditions: &Value, documents: &[(&str, Value)]) -> Self {
        let docs = tempfile::tempdir().unwrap();
        let results = results(conditions, documents);
        let page = write(results.path(), docs.path()).unwrap();
        Self {
            page: fs::read_to_string(page).unwrap(),
            docs,
        }
    }

    fn plots(&self) -> BTreeMap<String, String> {
        let files = fs::read_dir(self.docs.path().join("benchmarks")).unwrap();
        let files = files.map(|entry| entry.unwrap().path());
        let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        files
            .map(|path| (name(&path), fs::read_to_string(&path).unwrap()))
            .collect()
    }

    fn says(&self, text: &str) {
        assert!(self.page.contains(text), "no `{text}` in:\n{}", self.page);
    }
}

fn results(conditions: &Value, documents: &[(&str, Value)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, part) in documents {
        let mut document = conditions.clone();
        let fields = document.as_object_mut().unwrap();
        fields.insert((*name).to_owned(), part.clone());
        let file = directory.path().join(format!("{name}.json"));
        fs::write(file, document.to_string()).unwrap();
    }
    directory
}

fn path() -> Value {
    comparison(
        "iptables + haproxy",
        "metadatad",
        [[1_000.0, 900.0], [2_000.0, 2_800.0]],
    )
}

fn openstack() -> Value {
    comparison(
        "haproxy + Neutron's agent",
        "metadatad",
        [[30.0, 6_000.0], [32.0, 21_000.0]],
    )
}

fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("openstack", openstack()),
        ("storm", storm()),
        ("path", path()),
        ("restarts", restarts()),
        ("memory", serde_json::to_value(growths()).unwrap()),
        ("scale", scale()),
        ("neighbours", neighbours()),
        ("fairness", fairness()),
        (
            "steering",
            comparison(
                "iptables REDIRECT",
                "TC steering",
                [[66.0, 70.0], [10.0, 12.0]],
            ),
        ),
    ]
}

fn growths() -> Growths {
    let growth = |name, kib_per_further_router, seconds_until_all_answer| Growth {
        name,
        routers: 200,
        one: Memory::default(),
        all: Memory::default(),
        kib_per_further_router,
        seconds_until_all_answer,
    };
    Growths {
        name: "memory",
        notes: &["idle"],
        growths: vec![
            growth("haproxy", 3_571.0, 10.7),
            growth("metadatad", 5.0, 0.36),
        ],
    }
}

#[test]
fn parts_that_were_never_measured_are_named_with_what_measures_them() {
    let drawn = Drawn::of(&[("path", path())]);
    for part in [
        "openstack",
        "memory",
        "scale",
        "fairness",
        "neighbours",
        "restarts",
        "storm",
        "steering",
    ] {
        drawn.says(&format!(
            "Not measured yet: `cargo xtask bench --report --only {part}`."
        ));
    }
    assert!(
        !drawn.page.contains("--report --only path`"),
        "{}",
        drawn.page
    );
}

#[test]
fn an_answer_says_how_many_times_and_where_ours_is_worse() {
    let drawn = Drawn::of(&[("path", path())]);
    drawn.says("metadatad answers 0.90 to 1.40 times as many requests as iptables + haproxy.");
    drawn.says("metadatad is worse with keep-alive, 1 connection: 0.90 times");
    assert!(
        !drawn.page.contains("is worse with keep-alive, 64"),
        "{}",
        drawn.page
    );
}

#[test]
fn what_was_aimed_at_is_met_or_missed() {
    let drawn = Drawn::of(&[("path", path()), ("neighbours", neighbours())]);
    drawn.says("| 0.90 (0.85–0.95) | at least 1.2: missed |");
    drawn.says("| 1.40 (1.35–1.45) | at least 1.2: met |");
    drawn.says("Of the rate, 0.92 is left with metadatad (aim at least 0.98: missed).");
}

#[test]
fn failed_requests_are_told_in_plot_and_table() {
    let mut part = openstack();
    let sample = part.pointer_mut("/cases/1/series/0/samples/0/failed_share");
    *sample.unwrap() = json!(0.11);
    let drawn = Drawn::of(&[("openstack", part)]);
    drawn.says("32.0, 11.0 % fail");
    assert!(drawn.plots()["openstack-rate.svg"].contains("32.0, 11.0 % fail"));
}

#[test]
fn where_when_and_by_what_is_said() {
    let drawn = Drawn::of(&[("path", path())]);
    drawn.says(
        "Measured on 2026-11-25 17:46 UTC, 5 rounds of 3 s, commit `0123456789ab`, by `cargo xtask \
         bench --only path --rounds 5 --seconds 3`.",
    );
    drawn.says("2 × A processor, kernel 6.18.44; haproxy 2.6; nginx 1.22.");
    assert!(
        !drawn.page.contains("**"),
        "an idle machine: {}",
        drawn.page
    );
}

#[test]
fn what_makes_figures_worth_less_is_said() {
    let mut conditions = conditions();
    conditions["command"] = json!("cargo xtask bench --only path --quick");
    conditions["machine"]["load_average"] = json!(3.5);
    let drawn = Drawn::with_conditions(&conditions, &[("path", path())]);
    drawn.says("A quick run");
    drawn.says("its load average was 3.5");
}

#[test]
fn documents_without_date_and_command_are_older_ones() {
    let mut conditions = conditions();
    conditions.as_object_mut().unwrap().remove("measured");
    conditions.as_object_mut().unwrap().remove("command");
    let drawn = Drawn::with_conditions(&conditions, &[("path", path())]);
    drawn.says("Measured at a time that was not written down");
}

#[test]
fn guests_that_never_got_their_metadata_are_counted() {
    let drawn = Drawn::of(&[("storm", storm())]);
    drawn.says("not yet with haproxy + Neutron's agent (only 1 of 4 had it)");
    drawn.says("after 12.0 s with metadatad");
    drawn.says("2 boot without it with haproxy + Neutron's agent");
}

#[test]
fn requests_that_should_not_have_failed_are_told_by_what_was_done() {
    let drawn = Drawn::of(&[("restarts", restarts())]);
    drawn.says("2 failed and 0 connections were refused; kills cut off 7 that were in flight.");
    drawn.says("None should have failed or been refused: kill -9 of both (2 failed, 0 refused).");
}

#[test]
fn floods_that_others_feel_are_named() {
    let drawn = Drawn::of(&[("fairness", fairness())]);
    drawn.says("up to 3.00 times as long with metadatad (slow reads)");
    drawn.says("metadatad's aim, at most 2 times, is missed with slow reads.");
}

#[test]
fn a_figure_that_the_page_does_not_know_is_in_the_table_of_all() {
    let mut part = scale();
    for size in part["metadatad"].as_array_mut().unwrap() {
        size["worker"] = json!({ "later_kib": 77 });
    }
    let drawn = Drawn::of(&[("scale", part)]);
    drawn.says("| worker later kib | 77.0 | 77.0 |");
    drawn.says("metadatad serves 1,000 routers after 2.00 s.");
}

#[test]
fn plots_are_xml_with_a_title_and_all_figures_in_words() {
    let drawn = Drawn::of(&all());
    assert!(drawn.plots().len() >= 15, "{:?}", drawn.plots().keys());
    for (name, text) in drawn.plots() {
        let svg = roxmltree::Document::parse(&text);
        assert!(svg.is_ok(), "{name}: {svg:?}");
        let svg = svg.unwrap();
        let find = |tag| svg.descendants().find(|node| node.tag_name().name() == tag);
        let text_of = |tag| find(tag).and_then(|node| node.text()).unwrap_or_default();
        assert_eq!(
            find("rect").unwrap().attribute("fill"),
            Some("#ffffff"),
            "{name}"
        );
        assert!(text_of("title").ends_with('?'), "{name}");
        assert!(text_of("desc").len() > 20, "{name}");
    }
}

#[test]
fn nothing_is_cut_off_at_the_edges() {
    for (name, text) in Drawn::of(&all()).plots() {
        let svg = roxmltree::Document::parse(&text).unwrap();
        for node in svg
            .descendants()
            .filter(|node| node.tag_name().name() == "text")
        {
            let x: f64 = node.attribute("x").unwrap().parse().unwrap();
            let width = super::plot::width(node.text().unwrap().trim());
            let left = match node.attribute("text-anchor").unwrap() {
                "start" => x,
                "middle" => x - width / 2.0,
                _ => x - width,
            };
            assert!(
                left >= 0.0 && left + width <= 800.0,
                "{name}: {:?}",
                node.text()
            );
        }
    }
}

#[test]
fn the_same_figures_make_the_same_bytes() {
    let (one, other) = (Drawn::of(&all()), Drawn::of(&all()));
    assert_eq!(one.page, other.page);
    assert_eq!(one.plots(), other.plots());
}

#[test]
fn all_links_lead_somewhere() {
    let drawn = Drawn::of(&all());
    let plots = drawn.plots();
    for name in plots.keys() {
        drawn.says(&format!("](benchmarks/{name})"));
    }
    assert_eq!(drawn.page.matches("](benchmarks/").count(), plots.len());
    let anchors = drawn.page.split("](#").skip(1);
    for anchor in anchors.map(|rest| rest.split(')').next().unwrap()) {
        drawn.says(&format!("<a id=\"{anchor}\">"));
    }
}

#[test]
fn plots_of_an_earlier_page_are_removed() {
    let drawn = Drawn::of(&all());
    let fewer = results(&conditions(), &[("path", path())]);
    write(fewer.path(), drawn.docs.path()).unwrap();
    assert!(drawn.plots().keys().all(|name| name.starts_with("path-")));
}

#[test]
fn a_wrong_shape_leaves_the_earlier_page_alone() {
    let drawn = Drawn::of(&[("path", path())]);
    let mut wrong = path();
    wrong["cases"][0]["series"][1]["samples"][0]["p99_us"] = json!("long");
    let results = results(&conditions(), &[("path", wrong)]);
    let error = write(results.path(), drawn.docs.path())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("path.json: field `path.cases[0].series[1].samples[0].p99_us`"),
        "{error}"
    );
    assert_eq!(drawn.plots().len(), 3);
}

/// What the other tests write by hand is what parts really leave.
#[test]
fn documents_of_the_parts_themselves_are_understood() {
    const AIMS: &[Aim] = &[Aim::keep_alive(
        "metadatad",
        "iptables + haproxy",
        Some(1.2),
    )];
    let sample = |requests_per_second| Sample {
        requests_per_second,
        failed_share: 0.0,
        p50_us: 100.0,
        p90_us: 200.0,
        p99_us: 300.0,
        machine_us: 90.0,
        softirq_us: 10.0,
        process_us: BTreeMap::from([("proxy", 50.0)]),
    };
    let series = |name, rate| Series {
        name,
        samples: vec![sample(rate)],
    };
    let mut part = Part::new("path", &["a note"], AIMS);
    part.add(Comparison {
        workload: Workload {
            connections: 8,
            keep_alive: true,
            may_fail: false,
        },
        series: vec![
            series("iptables + haproxy", 1_000.0),
            series("metadatad", 1_500.0),
        ],
    });
    let drawn = Drawn::of(&[
        ("path", serde_json::to_value(part).unwrap()),
        ("memory", serde_json::to_value(growths()).unwrap()),
    ]);
    drawn.says("metadatad answers 1.50 times as many requests as iptables + haproxy.");
    drawn.says("at least 1.2: met");
    drawn.says("It takes 5.00 KiB with metadatad and 3,571 KiB with haproxy, 714 times as much.");
    drawn.says("- a note");
}

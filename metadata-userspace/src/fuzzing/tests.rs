#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::TARGETS;

/// Of each target, besides the seeds.
const CASES: u32 = 2000;
const MOST_EDITS: usize = 8;

/// What may happen to a seed.
#[derive(Clone, Debug)]
enum Edit {
    Set(Index, u8),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// Bytes from one place go to another, too.
    Repeat(Index, Index, usize),
    /// What follows comes from another seed.
    Splice(Index, Index, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let place = any::<Index>;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (place(), 0..8u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        (place(), vec(any::<u8>(), 1..6)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (place(), 1..40usize).prop_map(|(at, count)| Edit::Remove(at, count)),
        (place(), place(), 1..40usize).prop_map(|(from, to, count)| Edit::Repeat(from, to, count)),
        (place(), place(), place()).prop_map(|(at, seed, from)| Edit::Splice(at, seed, from)),
    ]
}

impl Edit {
    fn apply(self, data: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let length = data.len();
        let end = |start: usize, count: usize| (start + count).min(length);
        match self {
            Self::Insert(at, bytes) => {
                let at = at.index(length + 1);
                data.splice(at..at, bytes);
            }
            _ if data.is_empty() => {}
            Self::Set(at, byte) => *at.get_mut(data) = byte,
            Self::Flip(at, bit) => *at.get_mut(data) ^= 1 << bit,
            Self::Remove(at, count) => {
                let at = at.index(length);
                data.drain(at..end(at, count));
            }
            Self::Repeat(from, to, count) => {
                let (from, to) = (from.index(length), to.index(length));
                let bytes = data.get(from..end(from, count)).unwrap().to_vec();
                data.splice(to..to, bytes);
            }
            Self::Splice(at, seed, from) => {
                let other = seed.get(seeds);
                data.truncate(at.index(length));
                data.extend(other.get(from.index(other.len() + 1)..).unwrap());
            }
        }
    }
}

fn files(directory: &str) -> Vec<PathBuf> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let files = fs::read_dir(fuzz.join(directory)).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let paths = files(&format!("seeds/{target}"));
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn holds_for_seeds_and_their_like(target: &str) {
    let (_, property) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let seeds = seeds(target);
    seeds.iter().for_each(|seed| property(seed));
    let strategy = (any::<Index>(), vec(edit(), 1..MOST_EDITS));
    let config = ProptestConfig::with_cases(CASES);
    proptest!(config, |((seed, edits) in strategy)| {
        let mut data = seed.get(&seeds).clone();
        for edit in edits {
            edit.apply(&mut data, &seeds);
        }
        property(&data);
    });
}

macro_rules! properties {
    ($($target:ident),*) => {
        $(
            #[test]
            fn $target() {
                holds_for_seeds_and_their_like(stringify!($target));
            }
        )*

        #[test]
        fn every_target_is_tried() {
            let tried = [$(stringify!($target)),*];
            assert!(TARGETS.iter().map(|(name, _)| *name).eq(tried));
            for directory in ["seeds", "targets"] {
                let files = files(directory);
                let names = files.iter().map(|path| path.file_stem().unwrap());
                assert!(names.eq(tried), "{directory}");
            }
        }
    };
}

properties!(
    haproxy_config,
    http_head,
    oslo_config,
    oslo_messaging,
    ovsdb,
    packet,
    saved_syn
);

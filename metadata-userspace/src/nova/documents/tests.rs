use bytes::Bytes;
use hyper::HeaderMap;

use super::super::question::Page;
use super::*;
use crate::identity::Instance;

const MINUTE: Duration = Duration::from_secs(60);

fn question(instance: usize, page: usize) -> Question {
    Question {
        instance: Instance {
            id: format!("instance-{instance}").into(),
            project_id: "project".into(),
        },
        page: Page {
            address: "10.0.0.5".parse().unwrap(),
            target: format!("/{page}").parse().unwrap(),
        },
    }
}

fn answer(size: usize) -> WholeAnswer {
    WholeAnswer {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body: Bytes::from(vec![b'x'; size]),
    }
}

fn documents() -> Documents {
    Documents::new(Lifetimes {
        fresh: MINUTE,
        stale: MINUTE,
    })
}

fn knows(documents: &Documents, instance: usize, page: usize, now: Instant) -> bool {
    documents
        .last_good(&question(instance, page), now)
        .is_some()
}

#[test]
fn a_document_is_fresh_then_stale_then_gone() {
    let (documents, start) = (documents(), Instant::now());
    let asked = question(1, 1);
    documents.learn(&asked, &answer(1), start);
    for (age, fresh, good) in [
        (0, true, true),
        (59, true, true),
        (60, false, true),
        (119, false, true),
        (120, false, false),
    ] {
        let now = start + Duration::from_secs(age);
        assert_eq!(documents.fresh(&asked, now).is_some(), fresh, "{age}");
        assert_eq!(documents.last_good(&asked, now).is_some(), good, "{age}");
    }
}

#[test]
fn only_the_same_instance_project_address_and_page_has_it() {
    let (documents, now) = (documents(), Instant::now());
    let asked = question(1, 1);
    documents.learn(&asked, &answer(1), now);
    let mut others = [asked.clone(), asked.clone(), asked.clone(), asked.clone()];
    let [instance, project, address, page] = &mut others;
    instance.instance.id = "instance-2".into();
    project.instance.project_id = "other".into();
    address.page.address = "10.0.0.6".parse().unwrap();
    page.page.target = "/2".parse().unwrap();
    for other in &others {
        assert!(documents.fresh(other, now).is_none(), "{other:?}");
        assert!(documents.last_good(other, now).is_none(), "{other:?}");
    }
    assert!(documents.fresh(&asked, now).is_some());
}

#[test]
fn the_newest_answer_counts_and_one_that_is_not_kept_leaves_none() {
    let (documents, now) = (documents(), Instant::now());
    let asked = question(1, 1);
    for size in [5, 3] {
        documents.learn(&asked, &answer(size), now);
    }
    let kept = documents.fresh(&asked, now).unwrap();
    assert_eq!(kept.answer.body.len(), 3);
    documents.forget(&asked);
    assert!(!knows(&documents, 1, 1, now));
}

#[test]
fn a_greedy_instance_takes_only_its_own_place() {
    let (documents, now) = (documents(), Instant::now());
    documents.learn(&question(0, 0), &answer(1000), now);
    for page in 0..1000 {
        documents.learn(&question(1, page), &answer(100_000), now);
    }
    assert!(knows(&documents, 0, 0, now));
    assert!(knows(&documents, 1, 999, now) && !knows(&documents, 1, 900, now));
    assert!(documents.lock().bytes() < 1_200_000);
}

#[test]
fn memory_is_bounded_and_the_oldest_go_first() {
    let (documents, now) = (documents(), Instant::now());
    for instance in 0..2000 {
        documents.learn(&question(instance, 0), &answer(100_000), now);
        // Asked for again and again, yet not newer.
        knows(&documents, 0, 0, now);
    }
    assert!(!knows(&documents, 0, 0, now));
    assert!(!knows(&documents, 1300, 0, now) && knows(&documents, 1400, 0, now));
    assert!(documents.lock().bytes() <= 64 << 20);
}

#[test]
fn what_nobody_can_be_given_any_more_is_dropped() {
    let (documents, start) = (documents(), Instant::now());
    for instance in 0..100 {
        documents.learn(&question(instance, 0), &answer(1000), start);
    }
    documents.learn(&question(100, 0), &answer(1000), start + 3 * MINUTE);
    assert!(documents.lock().bytes() < 5000);
}

#[test]
fn a_lifetime_of_nothing_keeps_nothing() {
    let (documents, now) = (
        Documents::new(Lifetimes {
            fresh: Duration::ZERO,
            stale: Duration::ZERO,
        }),
        Instant::now(),
    );
    documents.learn(&question(1, 1), &answer(1000), now);
    assert_eq!(documents.lock().bytes(), 0);
}

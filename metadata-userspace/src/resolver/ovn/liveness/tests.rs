use super::*;
use crate::resolver::ovn::ovsdb::replica_of;

const ROW: &str = "8f3a9a93-5a1c-4ce9-9266-e3048098412a";
const NAME: &str = "compute-1";

fn rows(row: &str, nb_cfg: i64, external_ids: &[(&str, &str)]) -> Replica {
    let updates = json!({
        CHASSIS: {row: {"initial": {"name": NAME, "external_ids": ["map", external_ids]}}},
        GLOBAL: {ROW: {"initial": {"nb_cfg": nb_cfg}}},
    });
    replica_of(&[CHASSIS_TABLE, GLOBAL_TABLE], &updates)
}

fn liveness() -> Liveness {
    let mut liveness = Liveness::new(Duration::from_secs(75), || 0.5);
    liveness.set_host(Some(Arc::new(Host {
        chassis: NAME.into(),
        bridge: "br-int".into(),
    })));
    liveness
}

fn pairs(operations: &[Value]) -> Vec<(String, String)> {
    let map = operations
        .first()
        .unwrap()
        .pointer("/mutations/1/2/1")
        .unwrap();
    serde_json::from_value(map.clone()).unwrap()
}

fn registered(now: Instant) -> (Liveness, String) {
    let mut liveness = liveness();
    let operations = liveness.transaction(&rows(ROW, 7, &[]), now).unwrap();
    liveness.transacted(Ok(()), now);
    let written = pairs(&operations);
    let id = written.iter().find(|(key, _)| key == ID).unwrap().1.clone();
    (liveness, id)
}

fn present<'a>(id: &'a str, sb_cfg: &'a str) -> [(&'static str, &'a str); 3] {
    [(ID, id), (BRIDGE, "br-int"), (SB_CFG, sb_cfg)]
}

#[test]
fn ids_are_those_of_neutrons_agent() {
    // python3 -c 'import uuid; print(uuid.uuid5(uuid.UUID("8f3a…412a"), "metadata_agent"))'
    // and the same with uuid5(OVN_METADATA_UUID_NAMESPACE, "compute-1") as the namespace.
    assert_eq!(
        agent_id(ROW).to_string(),
        "422174ff-5465-59b0-8e5b-2e52cb8541b2"
    );
    assert_eq!(
        agent_id(NAME).to_string(),
        "ef4b08c7-4be3-5738-a4fa-e02d697fb653"
    );
}

#[test]
fn the_first_registration_is_immediate_and_complete() {
    let now = Instant::now();
    let others = [("neutron:ovn-neutron-agent-id", "x"), ("neutron:kept", "y")];
    let operations = liveness().transaction(&rows(ROW, 7, &others), now).unwrap();
    let mut written = pairs(&operations);
    written.sort();
    assert_eq!(
        written,
        [
            (BRIDGE.to_owned(), "br-int".to_owned()),
            (ID.to_owned(), agent_id(NAME).to_string()),
            (SB_CFG.to_owned(), "7".to_owned()),
        ]
    );
    let removed = operations
        .first()
        .unwrap()
        .pointer("/mutations/0/2/1")
        .unwrap();
    let removed: Vec<String> = serde_json::from_value(removed.clone()).unwrap();
    assert!(
        OTHER_AGENTS
            .iter()
            .all(|key| removed.contains(&(*key).to_owned()))
    );
    assert!(!removed.contains(&"neutron:kept".to_owned()));
}

#[test]
fn later_numbers_are_repeated_after_a_while() {
    let now = Instant::now();
    let (mut liveness, id) = registered(now);
    assert_eq!(
        liveness.transaction(&rows(ROW, 7, &present(&id, "7")), now),
        None
    );
    assert_eq!(liveness.wake_at(), None);
    let next = rows(ROW, 8, &present(&id, "7"));
    assert_eq!(liveness.transaction(&next, now), None);
    assert_eq!(liveness.wake_at(), Some(now + Duration::from_secs(5)));
    let due = now + Duration::from_secs(5);
    let operations = liveness.transaction(&next, due).unwrap();
    assert_eq!(pairs(&operations), [(SB_CFG.to_owned(), "8".to_owned())]);
    liveness.transacted(Ok(()), due);
    assert_eq!(liveness.wake_at(), None);
}

#[test]
fn a_row_that_was_made_anew_is_registered_anew() {
    let now = Instant::now();
    let (mut liveness, _) = registered(now);
    let other = "11111111-5a1c-4ce9-9266-e3048098412a";
    let operations = liveness.transaction(&rows(other, 8, &[]), now).unwrap();
    assert_eq!(pairs(&operations).len(), 3);
}

#[test]
fn a_reconnection_writes_nothing_when_all_is_there() {
    let now = Instant::now();
    let (mut liveness, id) = registered(now);
    liveness.connected();
    assert_eq!(
        liveness.transaction(&rows(ROW, 7, &present(&id, "7")), now),
        None
    );
    liveness.connected();
    let operations = liveness.transaction(&rows(ROW, 7, &[]), now).unwrap();
    assert_eq!(pairs(&operations).len(), 3);
}

#[test]
fn what_was_refused_is_tried_again_later() {
    let now = Instant::now();
    let mut liveness = liveness();
    let row = rows(ROW, 7, &[]);
    assert!(liveness.transaction(&row, now).is_some());
    liveness.transacted(Err("not allowed".into()), now);
    assert_eq!(liveness.transaction(&row, now), None);
    assert_eq!(liveness.wake_at(), Some(now + RETRY));
    assert!(liveness.transaction(&row, now + RETRY).is_some());
}

#[test]
fn nothing_is_waited_for_while_nothing_can_be_done() {
    let now = Instant::now();
    let (mut liveness, id) = registered(now);
    let next = rows(ROW, 8, &present(&id, "7"));
    assert_eq!(liveness.transaction(&next, now), None);
    let due = liveness.wake_at().unwrap();
    assert!(liveness.transaction(&next, due).is_some());
    assert_eq!(liveness.wake_at(), None, "the server has not answered yet");
    liveness.transacted(Ok(()), due);
    let later = rows(ROW, 9, &present(&id, "8"));
    assert_eq!(liveness.transaction(&later, due), None);
    assert!(liveness.wake_at().is_some());
    let nobody = replica_of(&[CHASSIS_TABLE, GLOBAL_TABLE], &json!({}));
    assert_eq!(liveness.transaction(&nobody, due), None);
    assert_eq!(liveness.wake_at(), None, "the chassis is gone");
}

#[test]
fn without_a_chassis_there_is_nothing_to_say() {
    let now = Instant::now();
    let mut unknown = Liveness::new(Duration::from_secs(75), || 0.5);
    assert_eq!(unknown.transaction(&rows(ROW, 7, &[]), now), None);
    let nobody = replica_of(&[CHASSIS_TABLE, GLOBAL_TABLE], &json!({}));
    assert_eq!(liveness().transaction(&nobody, now), None);
}

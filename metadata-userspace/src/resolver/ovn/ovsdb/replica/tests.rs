use serde_json::json;

use super::*;

const ID: &str = "8f3a9a93-5a1c-4ce9-9266-e3048098412a";
const OTHER: &str = "11111111-5a1c-4ce9-9266-e3048098412a";

fn touched(id: &str) -> Touched {
    Touched {
        table: "T",
        id: id.parse().unwrap(),
    }
}

fn columns() -> Columns {
    let column = |name, several| Column { name, several };
    let columns = vec![
        column("name", false),
        column("chassis", false),
        column("mac", true),
        column("external_ids", true),
    ];
    [("T", columns)].into()
}

fn replica() -> Replica {
    let mut replica = Replica::default();
    replica
        .replace(&columns(), Form::Update2, &json!({}))
        .unwrap();
    replica
}

fn apply(replica: &mut Replica, form: Form, updates: &Value) -> Vec<Touched> {
    let mut touched = Vec::new();
    replica.apply(form, updates, &mut touched).unwrap();
    touched
}

fn macs(replica: &Replica, id: &str) -> Vec<String> {
    let row = replica.row(touched(id)).unwrap();
    row.set("mac")
        .filter_map(Atom::text)
        .map(str::to_owned)
        .collect()
}

#[test]
fn differences_are_applied_to_what_is_there() {
    let mut replica = replica();
    let insert = json!({"T": {ID: {"insert": {"name": "p", "mac": ["set", ["a", "b"]]}}}});
    assert_eq!(apply(&mut replica, Form::Update2, &insert), [touched(ID)]);
    let modify = json!({"T": {ID: {"modify": {
        "mac": ["set", ["b", "c"]],
        "chassis": ["uuid", OTHER],
        "external_ids": ["map", [["k", "v"]]],
    }}}});
    apply(&mut replica, Form::Update2, &modify);
    assert_eq!(macs(&replica, ID), ["a", "c"]);
    let row = replica.row(touched(ID)).unwrap();
    assert_eq!(row.text("name"), "p");
    assert_eq!(row.reference("chassis"), Some(OTHER.parse().unwrap()));
    assert_eq!(row.value("external_ids", "k"), Some("v"));
    // An optional column's difference is its new value, here none.
    let unbound = json!({"T": {ID: {"modify": {"chassis": ["set", []]}}}});
    apply(&mut replica, Form::Update2, &unbound);
    assert_eq!(replica.row(touched(ID)).unwrap().reference("chassis"), None);
    let delete = json!({"T": {ID: {"delete": null}}});
    assert_eq!(apply(&mut replica, Form::Update2, &delete), [touched(ID)]);
    assert_eq!(replica.row(touched(ID)), None);
}

#[test]
fn whole_rows_take_the_place_of_the_old_ones() {
    let mut replica = replica();
    let new = |mac: &str| json!({"T": {ID: {"old": {}, "new": {"mac": mac}}}});
    apply(&mut replica, Form::Update, &new("a"));
    apply(&mut replica, Form::Update, &new("b"));
    assert_eq!(macs(&replica, ID), ["b"]);
    let old = json!({"T": {ID: {"old": {"mac": "b"}}}});
    apply(&mut replica, Form::Update, &old);
    assert_eq!(replica.row(touched(ID)), None);
}

#[test]
fn a_new_dump_tells_of_rows_that_went_meanwhile() {
    let mut replica = replica();
    let first = json!({"T": {ID: {"initial": {"name": "a"}}}});
    replica.replace(&columns(), Form::Update2, &first).unwrap();
    let second = json!({"T": {OTHER: {"initial": {"name": "b"}}}});
    let changes = replica.replace(&columns(), Form::Update2, &second).unwrap();
    assert_eq!(changes, [touched(OTHER), touched(ID)]);
    assert_eq!(replica.row(touched(ID)), None);
    assert_eq!(replica.rows("T").count(), 1);
}

#[test]
fn tables_and_columns_that_were_not_asked_for_are_ignored() {
    let mut replica = replica();
    let update = json!({"X": {ID: {"insert": {}}}, "T": {ID: {"insert": {"more": 1}}}});
    assert_eq!(apply(&mut replica, Form::Update2, &update), [touched(ID)]);
}

#[test]
fn updates_that_cannot_be_applied_are_errors() {
    for update in [
        json!([]),
        json!({"T": []}),
        json!({"T": {"x": {}}}),
        json!({"T": {ID: {"insert": {"mac": {}}}}}),
        json!({"T": {ID: {"modify": {"name": "no such row"}}}}),
    ] {
        let mut touched = Vec::new();
        let applied = replica().apply(Form::Update2, &update, &mut touched);
        assert!(applied.is_err(), "{update}");
        assert!(
            replica()
                .replace(&columns(), Form::Update2, &update)
                .is_err()
        );
    }
}

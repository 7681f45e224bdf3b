//! Lists in every format.

use hostler::cli::format::{Columns, FORMATS, Format, Listing, NONE};
use hostler::cli::list::{bytes, short};
use hostler::cli::show::{cell, number};
use serde_json::{Value, json};

const COLUMNS: Columns =
    Columns { usual: &["NAME", "STATUS", "MEMORY", "ID"], wide: &["LAST CONTACT"], first: "" };

fn things() -> Vec<Value> {
    vec![
        json!({ "id": "0190-aaaaaaaabbbb", "status": "running", "spec": { "name": "web, 1", "tags": ["a", "b"] }, "job": 7 }),
        json!({ "id": "0190-ccccccccdddd", "status": "off", "spec": { "name": "db \"x\"" } }),
    ]
}

fn written(format: &str, columns: &[&str]) -> Result<String, String> {
    let items = things();
    let rows = items.iter().map(|item| {
        vec![
            cell(item["spec"]["name"].as_str().unwrap()),
            cell("Shown so").exact(item["status"].as_str().unwrap()),
            bytes(2 << 30),
            short(item["id"].as_str().unwrap()),
            number("now").exact(5),
        ]
    });
    let listing = Listing { items: &items, columns: COLUMNS, rows: rows.collect() };
    let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    listing.text(&Format::read(format)?, &columns, None).map_err(|failure| failure.lines().join("\n"))
}

#[test]
fn a_table_has_the_columns_that_are_asked_for_in_their_order() {
    let usual = written("table", &[]).unwrap();
    assert!(usual.starts_with("NAME    STATUS    MEMORY  ID\n"), "{usual}");
    assert!(written("wide", &[]).unwrap().starts_with("NAME    STATUS    MEMORY  ID        LAST CONTACT\n"));
    let chosen = "MEMORY  NAME    SPEC.TAGS\n  2GiB  web, 1  [\"a\",\"b\"]\n  2GiB  db \"x\"\n";
    assert_eq!(written("columns=memory,name,spec.tags", &[]).unwrap(), chosen);
    assert_eq!(written("table", &["memory", "NAME", "spec.tags"]).unwrap(), chosen);
    assert_eq!(written("columns=last-contact", &[]).unwrap(), "LAST CONTACT\n         now\n         now\n");
    let refused = written("columns=name,nmae", &[]).unwrap_err();
    assert!(refused.contains("\"nmae\"") && refused.contains("NAME, STATUS"), "{refused}");
}

#[test]
fn csv_is_exact_and_quoted_where_it_has_to_be() {
    assert_eq!(
        written("csv", &[]).unwrap(),
        "name,status,memory,id,last_contact\n\"web, 1\",running,2147483648,0190-aaaaaaaabbbb,5\n\
         \"db \"\"x\"\"\",off,2147483648,0190-ccccccccdddd,5\n"
    );
    assert_eq!(written("csv", &["id", "job"]).unwrap(), "id,job\n0190-aaaaaaaabbbb,7\n0190-ccccccccdddd,\n");
}

#[test]
fn a_template_sees_the_members_of_json_and_else_the_columns_exact() {
    let said = written("template={{name}} {{status}} {{memory // 1024}}{% if job %} {{job}}{% endif %}", &[]);
    assert_eq!(said.unwrap(), "web, 1 running 2097152 7\ndb \"x\" off 2097152\n");
    assert_eq!(written("template={{spec.tags | join('+')}}", &[]).unwrap(), "a+b\n\n");
    let refused = written("template={{nmae}}", &[]).unwrap_err();
    assert!(refused.contains("\"nmae\""), "{refused}");
    assert!(written("template={{name", &[]).unwrap_err().contains("template"));
    assert!(written("template={{name | nonsense}}", &[]).is_err());
}

#[test]
fn names_and_lines_are_one_a_line() {
    assert_eq!(written("name", &[]).unwrap(), "web, 1\ndb \"x\"\n");
    let lines = written("jsonl", &[]).unwrap();
    let read: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, things());
    let nothing: [Value; 0] = [];
    for (format, text) in
        [("jsonl", ""), ("name", ""), ("json", "[]\n"), ("csv", "name,status,memory,id,last_contact\n")]
    {
        let listing = Listing { items: &nothing, columns: COLUMNS, rows: Vec::new() };
        assert_eq!(listing.text(&Format::read(format).unwrap(), &[], None).unwrap(), text, "{format}");
    }
}

#[test]
fn a_thing_of_which_there_is_no_list_has_the_columns_that_are_said() {
    let thing = [json!({ "version": "1.0", "settings": { "feed_days": 7 } })];
    let listing = || Listing { items: &thing, columns: NONE, rows: vec![Vec::new()] };
    let csv = listing().text(&Format::Csv, &["version".to_owned(), "settings.feed_days".to_owned()], None);
    assert_eq!(csv.unwrap(), "version,settings.feed_days\n1.0,7\n");
    assert!(listing().text(&Format::Csv, &[], None).is_err());
    let template = Format::read("template={{version}}").unwrap();
    assert_eq!(listing().text(&template, &[], None).unwrap(), "1.0\n");
}

#[test]
fn every_format_that_is_listed_can_be_said() {
    for (name, said) in FORMATS {
        let written = match name {
            "columns=" => "columns=a",
            "template=" => "template={{a}}",
            name => name,
        };
        assert!(Format::read(written).is_ok() && said.len() > 10, "{name}");
    }
}

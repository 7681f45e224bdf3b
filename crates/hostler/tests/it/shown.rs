//! What is written to standard output.

use hostler::cli::follow::{plan_text, sentence};
use hostler::cli::format::Format;
use hostler::cli::show::{Tone, cell, data, number, sheet, table};
use hostler_model::job::DryRun;
use hostler_model::view::JobView;

#[test]
fn a_table_has_no_borders_no_colours_and_no_broken_lines_where_no_terminal_is() {
    let rows = vec![
        vec![cell("web-1"), cell("Running").tone(Tone::Good), number(2), cell("a".repeat(200))],
        vec![cell("a-longer-name"), cell("Off"), number(16), cell("")],
    ];
    let text = table(&["NAME", "STATUS", "CPUS", "NOTES"], &rows, None);
    let long = "a".repeat(200);
    assert_eq!(
        text,
        format!(
            "NAME           STATUS   CPUS  NOTES\nweb-1          Running     2  {long}\na-longer-name  Off        16\n"
        )
    );
}

#[test]
fn a_table_on_a_terminal_is_coloured_and_fits_it() {
    let rows = vec![vec![cell("web-1"), cell("Running").tone(Tone::Good), cell("word ".repeat(40))]];
    let text = table(&["NAME", "STATUS", "NOTES"], &rows, Some(60));
    assert!(text.contains("\u{1b}["), "{text}");
    for line in text.lines() {
        assert!(console::measure_text_width(line) <= 60, "{line}");
    }
}

#[test]
fn what_comes_from_elsewhere_cannot_move_the_cursor() {
    let text = table(&["NOTES"], &[vec![cell("one\u{1b}[2Jtwo\nthree")]], None);
    assert_eq!(text, "NOTES\none [2Jtwo three\n");
    assert_eq!(sheet(&[("Notes", cell("a\tb")), ("Empty", cell(""))], None), "Notes:  a b\n");
}

#[test]
fn what_comes_from_elsewhere_cannot_turn_the_order_of_a_line() {
    let sly = "off\u{202e}gninnur\u{2066}\u{200f}";
    assert_eq!(sheet(&[("Notes", cell(sly))], None), "Notes:  off gninnur  \n");
}

#[test]
fn yaml_and_json_say_the_same() {
    let job: JobView = serde_json::from_str(include_str!("job.json")).unwrap();
    let json = data(&job, &Format::Json).unwrap();
    let yaml = data(&job, &Format::Yaml).unwrap();
    let first: Vec<&str> = yaml.lines().take(7).collect();
    assert_eq!(
        first,
        [
            "id: 42",
            "kind: start-vm",
            "request:",
            "  ask: start-vm",
            "  vm: 00000000-0000-7000-8000-0000000000aa",
            "actor:",
            "  is: system"
        ]
    );
    assert!(
        json.contains("\"ended\": \"2026-11-21T09:00:01.500Z\"") && yaml.contains("2026-11-21T09:00:01.500Z")
    );
    let odd =
        serde_json::json!({"a": "yes", "b": "1.0", "c": "- x: y", "d": "line\nline", "e": null, "f": "#"});
    let yaml = data(&odd, &Format::Yaml).unwrap();
    assert!(!yaml.contains("a: yes\n") && !yaml.contains("b: 1.0\n"), "texts stay texts: {yaml}");
}

#[test]
fn a_job_that_ended_is_one_sentence() {
    let job: JobView = serde_json::from_str(include_str!("job.json")).unwrap();
    assert_eq!(sentence(&job), "job 42: Start virtual machine web-1: failed, undone in 1.5 s");
}

#[test]
fn a_dry_run_names_the_host_with_its_reasons_and_every_step() {
    let plan: DryRun = serde_json::from_str(
        r#"{"kind":"create-vm","title":"web-1",
            "choices":{"vm":"0190","host":{"host":"host-a","half_stars":9,"reasons":["4096 MiB of memory stay free"]}},
            "steps":[{"key":"record","act":{"act":"record"},"undo":{"undo":"record","records":[]},"decides":false},
                     {"key":"note","act":{"act":"record"},"undo":{"undo":"none"},"decides":true}],
            "then":["start"]}"#,
    )
    .unwrap();
    assert_eq!(
        plan_text(&plan),
        "Create virtual machine web-1
  on host host-a (4.5 of 5 stars)
    4096 MiB of memory stay free
  step 1: record in the record (can be taken back)
  step 2: note in the record (decides: from here on only forward)
  then: start
Nothing was done.
"
    );
}

//! Commands that print what they know: `schema`, `explain`, `doctor`. No privileges needed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use assert_cmd::Command;

fn stdout(arguments: &str) -> String {
    let mut command = Command::cargo_bin("plumb").unwrap();
    let output = command.args(arguments.split_whitespace()).assert().success().get_output().clone();
    String::from_utf8(output.stdout).unwrap()
}

fn json(arguments: &str) -> serde_json::Value {
    serde_json::from_str(&stdout(arguments)).unwrap()
}

#[test]
fn schema_covers_every_record_in_three_forms() {
    let json = json("schema --format json");
    let (text, markdown) = (stdout("schema"), stdout("schema --markdown"));
    let records = json.as_array().unwrap();
    assert!(records.len() >= 4);
    for record in records {
        let name = record["record"].as_str().unwrap();
        assert!(markdown.contains(&format!("\n## `{name}`\n")), "{name} is not documented");
        for column in record["columns"].as_array().unwrap() {
            let (name, help) = (column["name"].as_str().unwrap(), column["help"].as_str().unwrap());
            assert!(!help.is_empty() && text.contains(help), "{name} has no help");
            assert!(markdown.contains(&format!("| `{name}` | ")));
        }
    }
    assert_eq!(stdout("schema drop").lines().next(), Some("drop"));
}

#[test]
fn explain_knows_every_reason_of_this_kernel() {
    let list = json("explain --list --format json");
    for reason in list["reasons"].as_array().unwrap() {
        assert!(reason["summary"].is_string(), "{reason} has no explanation");
    }
    assert!(stdout("explain --list").contains("NO_SOCKET"));
    assert_eq!(stdout("explain no_socket"), stdout("explain SKB_DROP_REASON_NO_SOCKET"));
    let json = json("explain NO_SOCKET --format json");
    assert_eq!(json["reason"], "NO_SOCKET");
    assert!(!json["causes"].as_array().unwrap().is_empty());
    assert!(!json["next"].as_array().unwrap().is_empty());
    if let Some(number) = json["reason_id"].as_u64() {
        assert_eq!(stdout(&format!("explain {number}")), stdout("explain NO_SOCKET"));
    }
}

#[test]
fn doctor_says_the_same_in_text_and_json() {
    let run = |arguments: &[&str]| Command::cargo_bin("plumb").unwrap().args(arguments).output().unwrap();
    let (text, json) = (run(&["doctor"]), run(&["doctor", "--json"]));
    assert_eq!(text.status.code(), json.status.code());
    assert_eq!(run(&["doctor", "--format", "json"]).status.code(), json.status.code());
    let facts: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let runs = facts["commands"][0]["runs"].as_bool().unwrap();
    assert_eq!(facts["commands"][0]["command"], "drops");
    assert_eq!(runs, json.status.code() == Some(0), "exit 0 is for a machine on which drops can run");
    let text = String::from_utf8(text.stdout).unwrap();
    for fact in facts["facts"].as_array().unwrap() {
        assert!(text.contains(fact["found"].as_str().unwrap()), "{fact} is missing in {text}");
        assert!(fact["usable"] == true || fact["costs"].is_string(), "{fact} does not say what it costs");
    }
}

use super::*;
use crate::args::{Cli, Command};
use clap::Parser;

fn about() -> About {
    match Cli::try_parse_from(["plumb", "bench"]).unwrap().command {
        Command::Bench(bench) => About::of(&bench.compare),
        other => panic!("parsed as {other:?}"),
    }
}

fn result() -> Result {
    let row = |reader: &str, rate: f64, share: f64| ReaderBench {
        reader: reader.to_owned(),
        asked_per_s: Some(rate),
        valid: true,
        offered_per_s: rate,
        process_cpu_share: Some(share),
        process_cpu_share_min: Some(share),
        process_cpu_share_max: Some(share * 1.5),
        lost_share: Some(0.0),
        lost_share_max: Some(0.1),
        ..ReaderBench::default()
    };
    let rows = vec![
        ReaderBench {
            reader: NONE.to_owned(),
            offered_per_s: 1e3,
            asked_per_s: Some(1e3),
            ..ReaderBench::default()
        },
        row("af_packet_recv", 1e3, 0.01),
        row("<script>", 1e3, 0.001),
        row("af_packet_recv", 1e5, 0.4),
        row("<script>", 1e5, 0.002),
    ];
    let fit = ReaderFit {
        reader: "af_packet_recv".into(),
        of: "process",
        ns_per_packet: 4e3,
        ..ReaderFit::default()
    };
    Result { rows, fits: vec![fit], warnings: vec!["others & more".to_owned()] }
}

#[test]
fn the_page_has_every_row_and_loads_nothing() {
    let page = page(&result(), &about()).into_string();
    // Once in the rate's table and once with all columns.
    assert_eq!(page.matches("<td>af_packet_recv</td>").count(), 2 * 2 + 2);
    assert_eq!(page.matches("<td>&lt;script&gt;</td>").count(), 2 * 2);
    assert_eq!(page.matches("<td>none</td>").count(), 2);
    for loads in ["<script", "<link", "<img", "src=", "href=", "http:", "https:", "url(", "@import"] {
        assert!(!page.contains(loads), "{loads}");
    }
    assert!(page.contains("others &amp; more") && page.contains("1.0 k/s") && !page.contains("NaN"));
    // CPU and loss of two readers at two rates; one line is fitted.
    assert_eq!(page.matches("<circle").count(), 2 * 2 * 2);
    assert_eq!(page.matches("class=\"fitted\"").count(), 1);
}

#[test]
fn tags_are_closed_in_order() {
    let page = page(&result(), &about()).into_string();
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag) {
        let name = tag.split_whitespace().next().unwrap();
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed), "{tag}"),
            None if ["!DOCTYPE", "meta"].contains(&name) => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_page_takes_its_name_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    drop(Page::create(&path).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "what was not written is gone");
    Page::create(&path).unwrap().write(&result(), &about()).unwrap();
    assert!(fs::read_to_string(&path).unwrap().starts_with("<!DOCTYPE html>"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(Page::create(&folder.path().join("no/such/folder.html")).is_err());
}

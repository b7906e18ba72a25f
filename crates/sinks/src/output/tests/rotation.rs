use super::*;
use crate::rotate::Rotate;
use std::time::Duration;

/// The files of a series in the order in which they were written.
fn files(directory: &Path, extension: &str) -> Vec<Vec<u8>> {
    let finished = (1..).map(|number| directory.join(format!("out.{number}.{extension}")));
    let current = directory.join(format!("out.{extension}"));
    let all = finished.take_while(|path| path.exists()).chain([current]);
    let files: Vec<Vec<u8>> = all.map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(files.len(), fs::read_dir(directory).unwrap().count(), "no other file");
    files
}

#[test]
fn rotation_by_size_divides_no_record_and_repeats_the_header() {
    const LIMIT: u64 = 2000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.csv");
    let mut output = Output::create(&path, encoder(Format::Csv), Some(Rotate::Size(LIMIT)), None).unwrap();
    for number in 0..200 {
        output.write(&row(number), Weight::group(1)).unwrap();
    }
    output.flush().unwrap();
    let files = files(directory.path(), "csv");
    assert!(files.len() > 2);
    let mut numbers = Vec::new();
    for file in &files {
        assert!(file.len() as u64 <= LIMIT);
        let mut reader = csv::Reader::from_reader(&file[..]);
        assert_eq!(reader.headers().unwrap().get(4), Some("packets"));
        numbers.extend(reader.records().map(|record| record.unwrap()[4].parse::<u64>().unwrap()));
    }
    assert_eq!(numbers, Vec::from_iter(0..200));
    assert_eq!(output.written(), 200);
}

#[test]
fn a_record_longer_than_the_limit_has_its_own_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.pcapng");
    let mut output = Output::create(&path, encoder(Format::Pcapng), Some(Rotate::Size(1)), None).unwrap();
    for _ in 0..3 {
        output.write(&row(0), Weight::group(1)).unwrap();
    }
    drop(output);
    assert_eq!(files(directory.path(), "pcapng"), vec![encoded(Format::Pcapng, 1); 3]);
}

#[test]
fn rotation_by_time_leaves_no_empty_file_and_goes_on_numbering() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.jsonl");
    let run = || {
        let rotate = Rotate::Every(Duration::from_nanos(1));
        let mut output = Output::create(&path, encoder(Format::Json), Some(rotate), None).unwrap();
        output.flush().unwrap();
        for _ in 0..3 {
            output.write(&row(0), Weight::group(1)).unwrap();
            output.flush().unwrap();
            output.flush().unwrap();
        }
    };
    run();
    assert_eq!(files(directory.path(), "jsonl"), vec![encoded(Format::Json, 1); 3]);
    run();
    assert_eq!(files(directory.path(), "jsonl").len(), 5, "the first run's numbered files are still there");
}

#[test]
fn rotation_that_fails_loses_only_what_it_counts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.jsonl");
    let mut output = Output::create(&path, encoder(Format::Json), Some(Rotate::Size(1)), None).unwrap();
    output.write(&row(0), Weight::group(1)).unwrap();
    output.flush().unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(output.write(&row(1), Weight::group(1)).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!((output.written(), output.lost().records), (1, 1));
}

#[test]
fn what_is_not_a_file_cannot_be_rotated() {
    let created = Output::create(Path::new("/dev/null"), encoder(Format::Json), Some(Rotate::Size(1)), None);
    assert_eq!(
        created.err().unwrap().to_string(),
        "cannot create /dev/null: only a regular file can be rotated"
    );
}

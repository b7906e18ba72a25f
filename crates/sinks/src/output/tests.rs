mod rotation;

use super::*;
use crate::format::{Format, Layout};
use crate::json::Json;
use crate::pcapng::Origin;
use crate::testing::{Packet, Sample, SampleRow};
use plumb_records::column::{Link, Shown};
use plumb_records::ledger::Ledger;
use proptest::prelude::*;
use std::fs;
use std::io::{Read as _, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

/// A disk with so much room, which takes so many bytes at once.
#[derive(Clone)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: usize,
    at_once: usize,
}

impl Disk {
    fn new(room: usize, at_once: usize) -> Self {
        Self { bytes: Arc::default(), room, at_once }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }
}

impl Write for Disk {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut bytes = self.bytes.lock().unwrap();
        let taken = data.len().min(self.at_once).min(self.room - bytes.len());
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        bytes.extend_from_slice(&data[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Target for Disk {
    fn cut(&mut self, excess: u64) -> io::Result<()> {
        let mut bytes = self.bytes.lock().unwrap();
        let kept = bytes.len() - usize::try_from(excess).unwrap();
        bytes.truncate(kept);
        Ok(())
    }
}

/// A sample with its number, and a packet so that every format takes it.
fn row(number: u64) -> SampleRow {
    let packet = Packet {
        time: number,
        interface: Some(format!("eth{}", number % 3)),
        netns: None,
        link: Link::Ip,
        length: 64,
        bytes: vec![7; number as usize % 64],
    };
    SampleRow { packet: Some(packet), ..Sample { packets: number, ..Sample::default() }.into() }
}

fn encoder(format: Format) -> Box<dyn Encode> {
    let origin = Origin { application: "plumb".to_owned(), ..Origin::default() };
    let layout = Layout { record: "sample", columns: Sample::COLUMNS, shown: Shown::ALL };
    format.encoder(layout, &origin)
}

/// What `records` rows are in this format.
fn encoded(format: Format, records: u64) -> Vec<u8> {
    let (mut encode, mut out) = (encoder(format), Vec::new());
    encode.begin(&mut out);
    assert!((0..records).all(|number| encode.encode(&row(number), &mut out)));
    out
}

fn on(disk: &Disk, format: Format) -> Output {
    Output::over(Box::new(disk.clone()), "disk".to_owned(), encoder(format), None)
}

fn any_format() -> impl Strategy<Value = Format> {
    proptest::sample::select(vec![Format::Json, Format::Csv, Format::Pcapng])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_full_disk_keeps_the_whole_records(
        format in any_format(),
        room in 0..20_000usize,
        at_once in 1..3_000usize,
        each_flush in 1..20u64,
    ) {
        const RECORDS: u64 = 120;
        let disk = Disk::new(room, at_once);
        let mut output = on(&disk, format);
        let mut failed = false;
        for number in 0..RECORDS {
            let written = output.write(&row(number), Weight::group(1));
            prop_assert_eq!(written.is_err(), failed, "an error from the first failure on");
            if number % each_flush == 0 {
                failed |= output.flush().is_err();
            }
        }
        failed |= output.flush().is_err();
        prop_assert_eq!(output.written() + output.lost().records, RECORDS);
        prop_assert_eq!(output.failure().is_some(), failed);
        let whole = encoded(format, output.written());
        prop_assert!(failed || output.lost() == Weight::default());
        if output.written() > 0 {
            prop_assert_eq!(disk.bytes(), whole, "the file ends with the last record that is whole");
        } else {
            prop_assert!(whole.starts_with(&disk.bytes()));
        }
        let next = encoded(format, output.written() + 1).len();
        prop_assert!(!failed || next > room, "not one record less than had room");
    }
}

#[test]
fn a_disk_that_is_full_at_a_boundary() {
    for format in [Format::Json, Format::Csv, Format::Pcapng] {
        for (records, more) in [(0, 0), (0, 1), (1, 0), (1, 1), (5, 0), (5, 1)] {
            let whole = encoded(format, records);
            let disk = Disk::new(whole.len() + more, usize::MAX);
            let mut output = on(&disk, format);
            (0..6).for_each(|number| output.write(&row(number), Weight::group(1)).unwrap());
            output.flush().unwrap_err();
            assert_eq!((output.written(), output.lost().records), (records, 6 - records));
            assert_eq!(disk.bytes(), whole, "{format:?} {records} {more}");
        }
    }
}

#[test]
fn the_failure_tells_the_counts() {
    let disk = Disk::new(encoded(Format::Json, 3).len() + 10, usize::MAX);
    let mut output = on(&disk, Format::Json);
    for number in 0..5 {
        output.write(&row(number), Weight::group(1)).unwrap();
    }
    let error = output.flush().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(error.to_string(), "cannot write to disk: no storage space: 3 records are whole, 2 were lost");
    assert_eq!(output.write(&row(5), Weight::group(1)).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(output.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
    let failure = output.failure().unwrap();
    assert_eq!((failure.written, failure.lost), (3, 3));
}

#[test]
fn the_kernels_full_device() {
    let mut output = Output::create(Path::new("/dev/full"), encoder(Format::Json), None, None).unwrap();
    output.write(&row(0), Weight::group(1)).unwrap();
    assert_eq!(output.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!((output.written(), output.lost().records), (0, 1));
}

#[test]
fn a_full_file_is_cut() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.jsonl");
    fs::write(&path, "one\ntwo\nth").unwrap();
    let append = || OpenOptions::new().append(true).open(&path).unwrap();
    let mut file = Stream::new(append(), None, PATIENCE).unwrap();
    file.write_all(b"ree").unwrap();
    file.cut(5).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\n");
    file.write_all(b"mine").unwrap();
    append().write_all(b"another's").unwrap();
    file.cut(4).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nmineanother's", "what others appended stays");
}

#[test]
fn a_closed_pipe_is_told_as_such() {
    let (reader, writer) = io::pipe().unwrap();
    let file = File::from(std::os::fd::OwnedFd::from(writer));
    let stream = Stream::new(file, None, PATIENCE).unwrap();
    let mut output = Output::over(Box::new(stream), "pipe".to_owned(), Box::new(Json::default()), None);
    output.write(&row(0), Weight::group(1)).unwrap();
    output.flush().unwrap();
    let mut first = vec![0; encoded(Format::Json, 1).len()];
    (&reader).read_exact(&mut first).unwrap();
    assert_eq!(first, encoded(Format::Json, 1), "a flush reaches the reader");
    drop(reader);
    output.write(&row(1), Weight::group(1)).unwrap();
    assert_eq!(output.flush().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn only_whole_records_are_written_when_the_buffer_is_full() {
    let disk = Disk::new(usize::MAX, usize::MAX);
    let mut output = on(&disk, Format::Json);
    let mut number = 0;
    while disk.bytes().is_empty() {
        output.write(&row(number), Weight::group(1)).unwrap();
        number += 1;
    }
    assert_eq!(disk.bytes(), encoded(Format::Json, number), "kill -9 here leaves whole records");
    assert!(disk.bytes().len() >= 1 << 20);
    output.write(&row(number), Weight::group(1)).unwrap();
    drop(output);
    assert_eq!(disk.bytes(), encoded(Format::Json, number + 1), "the end writes the rest");
}

#[test]
fn new_files_are_private_and_old_ones_emptied_in_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.jsonl");
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let write = |number| {
        let mut output = Output::create(&path, encoder(Format::Json), None, None).unwrap();
        output.write(&row(number), Weight::group(1)).unwrap();
        output.flush().unwrap();
    };
    write(0);
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    write(0);
    assert_eq!(mode(), 0o640);
    assert_eq!(fs::read(&path).unwrap(), encoded(Format::Json, 1));
    let link = directory.path().join("link.jsonl");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    drop(Output::create(&link, encoder(Format::Csv), None, None).unwrap());
    assert_eq!(
        (mode(), fs::read(&path).unwrap()),
        (0o640, encoded(Format::Csv, 0)),
        "the link's target is written"
    );
    let missing = directory.path().join("no/out.jsonl");
    let error = Output::create(&missing, encoder(Format::Json), None, None).err().unwrap().to_string();
    assert!(error.starts_with("cannot create ") && error.contains("no/out.jsonl: No such file"), "{error}");
}

#[test]
fn a_pipe_without_a_reader_is_refused_and_one_that_is_stuck_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.jsonl");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let (asked, ask) = std::os::unix::net::UnixStream::pair().unwrap();
    let create = |stop| Output::create(&path, encoder(Format::Json), None, stop);
    let stop = StopRequest::new(asked.into());
    let error = create(None).err().unwrap().to_string();
    assert!(error.ends_with("out.jsonl: nothing reads from this pipe; start its reader first"), "{error}");
    let reader = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(&path).unwrap();
    let mut output = create(Some(stop)).unwrap();
    (&ask).write_all(b"!").unwrap();
    let mut records = 0;
    let error = loop {
        records += 1;
        if let Err(error) = output.write(&row(records), Weight::group(1)) {
            break error;
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let (written, lost) = (output.written(), output.lost().records);
    assert!(written > 0 && lost > 0 && written + lost == records, "{written} and {lost} of {records}");
    drop(reader);
}

#[test]
fn records_about_the_run_are_not_counted_and_others_without_a_place_are_lost() {
    let disk = Disk::new(usize::MAX, usize::MAX);
    let mut output = on(&disk, Format::Csv);
    output.write(&Ledger::default(), Weight::ABOUT).unwrap();
    output.write(&row(0), Weight::group(1)).unwrap();
    output.flush().unwrap();
    assert_eq!((output.written(), output.lost()), (1, Weight::default()));
    output.write(&Ledger::default(), Weight::group(3)).unwrap();
    assert_eq!((output.written(), output.lost()), (1, Weight::group(3)));
    assert_eq!(disk.bytes(), encoded(Format::Csv, 1));
    let full = Disk::new(10, usize::MAX);
    let mut output = on(&full, Format::Json);
    output.write(&Ledger::default(), Weight::ABOUT).unwrap();
    output.write(&row(0), Weight::group(70)).unwrap();
    output.flush().unwrap_err();
    output.write(&row(0), Weight::group(7)).unwrap_err();
    output.write(&Ledger::default(), Weight::ABOUT).unwrap_err();
    assert_eq!((output.written(), output.lost()), (0, Weight { records: 2, packets: 77 }));
}

#[test]
fn a_file_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let create = || Output::create(&path, encoder(Format::Json), None, None);
    let mut first = create().unwrap();
    first.write(&row(1), Weight::group(1)).unwrap();
    first.flush().unwrap();
    let refused = create().err().unwrap();
    assert!(refused.to_string().ends_with("rows.jsonl: another process is writing to it"), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), encoded(Format::Json, 2)[encoded(Format::Json, 1).len()..]);
    drop(first);
    drop(create().unwrap());
    assert!(std::fs::read(&path).unwrap().is_empty(), "the next one empties it");
}

#[cfg(feature = "columnar")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_full_disk_keeps_whole_batches_or_no_file(room in 0..60_000usize, each_flush in 1..20u64) {
        for format in [Format::Parquet, Format::Arrow, Format::ArrowStream] {
            const RECORDS: u64 = 120;
            let disk = Disk::new(room, 1000);
            let mut output = on(&disk, format);
            let mut failed = false;
            for number in 0..RECORDS {
                failed |= output.write(&row(number), Weight::group(1)).is_err();
                if number % each_flush == 0 {
                    failed |= output.settle().is_err();
                }
            }
            failed |= output.close().is_err();
            prop_assert_eq!(output.failure().is_some(), failed);
            prop_assert_eq!(output.written() + output.lost().records, RECORDS);
            prop_assert_eq!(output.lost() == Weight::default(), !failed);
            if format == Format::ArrowStream {
                let bytes = io::Cursor::new(disk.bytes());
                let rows = arrow_ipc::reader::StreamReader::try_new(bytes, None)
                    .map_or(0, |reader| reader.map(|batch| batch.unwrap().num_rows() as u64).sum());
                prop_assert_eq!(rows, output.written(), "the stream ends with the last batch that is whole");
            } else if failed {
                prop_assert_eq!(output.written(), 0);
            }
        }
    }
}

//! What users read Parquet and Arrow with reads what we write: pyarrow, DuckDB and Polars compare every cell with JSON lines
//! of the same rows. They are in the environment that `cargo xtask setup` makes.

#![cfg(feature = "columnar")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use plumb_records::column::{Shown, Time};
use plumb_records::ledger::Ledger;
use plumb_sinks::Sink;
use plumb_sinks::columnar::batch::Policy;
use plumb_sinks::columnar::dataset::{Dataset, Limits};
use plumb_sinks::columnar::socket::Socket;
use plumb_sinks::format::{Format, Layout};
use plumb_sinks::output::{Output, Weight};
use plumb_sinks::pcapng::Origin;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

plumb_records::record! {
    /// One column of every kind.
    pub struct Every = "every" {
        time: Time as Time, "when";
        name: Option<String> as Text, "a name";
        address: Option<std::net::IpAddr> as Address, "an address";
        port: Option<u16> as Id, "a port";
        packets: u64 as Count, "how many";
        size_bytes: u32 as Bytes, "how much";
        offset_ns: i64 as Nanoseconds, "how far";
        span_us: Option<u64> as Microseconds, "how long";
        packets_per_s: Option<f64> as Rate, "how fast";
        mean: Option<f64> as Real, "on average";
        flag: Option<bool> as Bool, "whether";
        stack: Option<Vec<String>> as Texts, "frames";
        gaps_us: Option<Vec<i64>> as Integers, "gaps";
        hooks: Vec<(String, String)> as Map, "pairs";
    }
}
plumb_records::plain_row!(Every);

const EVERY: Layout = Layout { record: "every", columns: Every::COLUMNS, shown: Shown::ALL };
const ROWS: u64 = 20_000;

fn row(number: u64) -> Every {
    let some = |modulo: u64| (!number.is_multiple_of(modulo)).then_some(());
    Every {
        // Over three hours, with nanoseconds.
        time: Time(1_763_000_000_123_456_789 + number * 540_000_001),
        name: some(3).map(|()| format!("naïve \"{number}\"\n")),
        address: some(5).map(|()| {
            if number.is_multiple_of(2) {
                [10, 0, (number >> 8) as u8, number as u8].into()
            } else {
                std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(number)).into()
            }
        }),
        port: some(7).map(|()| number as u16),
        packets: if number.is_multiple_of(1000) { i64::MAX as u64 } else { number },
        size_bytes: u32::MAX - number as u32,
        offset_ns: if number.is_multiple_of(2) { i64::MIN + 1 } else { -(number as i64) },
        span_us: some(4).map(|()| number << 20),
        packets_per_s: some(6).map(|()| number as f64 / 3.0),
        mean: some(9).map(|()| if number.is_multiple_of(10) { f64::NAN } else { 1.0 / (number + 1) as f64 }),
        flag: some(8).map(|()| number.is_multiple_of(3)),
        stack: some(2).map(|()| (0..number % 4).map(|frame| format!("f{frame}+{number:#x}")).collect()),
        gaps_us: some(11).map(|()| (0..number % 21).map(|gap| gap as i64 - 10).collect()),
        hooks: vec![("rx".to_owned(), format!("tcx {number}"))],
    }
}

/// The environment's Python.
fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("readers").join("bin/python");
    assert!(python.exists(), "{} is not there: run `cargo xtask setup` first", python.display());
    python
}

fn fill(sink: &mut dyn Sink) {
    sink.write(&Ledger { seen: 1, ..Ledger::default() }, Weight::ABOUT).unwrap();
    sink.flush().unwrap();
    (0..ROWS).for_each(|number| sink.write(&row(number), Weight::group(1)).unwrap());
    sink.settle().unwrap();
    sink.write(&Ledger { seen: ROWS, ..Ledger::default() }, Weight::ABOUT).unwrap();
    sink.close().unwrap();
    assert_eq!((sink.lost(), sink.failure().is_none(), sink.notes()), (Weight::default(), true, vec![]));
}

#[test]
fn pyarrow_duckdb_and_polars_read_every_cell() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["rows.jsonl", "rows.parquet", "rows.arrow", "rows.arrows"] {
        let path = folder.path().join(name);
        let encoder = Format::of(&path).unwrap().encoder(EVERY, &Origin::default());
        fill(&mut Output::create(&path, encoder, None, None).unwrap());
    }
    let dataset = folder.path().join("dataset");
    fill(&mut Dataset::create(&dataset, "this node", EVERY, Limits::default()).unwrap());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers.py");
    let status = Command::new(python()).arg(script).arg(folder.path()).status().unwrap();
    assert!(status.success());
}

/// A client of a socket, which says that it has read the beginning.
fn client(socket: &Path) -> std::process::Child {
    let script = "import sys, socket, pyarrow as pa\n\
        s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n\
        r = pa.ipc.open_stream(s.makefile('rb')); print('begun', flush=True)\n\
        n = [x for b in r for x in b.column('size_bytes').to_pylist()]\n\
        print(len(n), r.schema.metadata[b'plumb.record'].decode(), n == [2**32 - 1 - i for i in range(len(n))])";
    let mut child = Command::new(python());
    child.args(["-c", script]).arg(socket).stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
fn each_client_of_a_socket_gets_a_stream_and_a_slow_one_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let mut socket = Socket::listen(&path, EVERY, Policy::default()).unwrap();
    let taken = Socket::listen(&path, EVERY, Policy::default()).err().unwrap();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    let stuck = UnixStream::connect(&path).unwrap();
    socket.flush().unwrap();
    let clients = [client(&path), client(&path)].map(|mut child| {
        let mut begun = [0; 6];
        child.stdout.as_mut().unwrap().read_exact(&mut begun).unwrap();
        assert_eq!(&begun, b"begun\n");
        child
    });
    // More than what a client may be behind, at a pace that the others keep up with.
    let start = Instant::now();
    let mut rows = 0;
    while rows < 100_000 {
        (rows..rows + 10_000).for_each(|number| {
            let row = Every { name: Some("x".repeat(1000)), ..row(number) };
            socket.write(&row, Weight::group(1)).unwrap();
        });
        rows += 10_000;
    }
    assert!(start.elapsed() < Duration::from_secs(60), "the stuck client holds it up");
    socket.close().unwrap();
    let read: Vec<u64> = clients
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let words: Vec<&str> = text.split_whitespace().collect();
            assert_eq!(words[1..], ["every", "True"], "{text}");
            words[0].parse().unwrap()
        })
        .into();
    assert_eq!(read, [rows, rows]);
    drop(stuck);
    let notes = socket.notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("missed") && notes[0].ends_with("read too slowly"), "{notes:?}");
    assert!(!path.exists());
}

#[test]
fn a_socket_that_nobody_listens_at_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    fill(&mut Socket::listen(&path, EVERY, Policy::default()).unwrap());
    std::fs::write(&path, "a file").unwrap();
    assert!(Socket::listen(&path, EVERY, Policy::default()).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"a file");
}

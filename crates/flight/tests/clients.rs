//! Real clients, pyarrow's, read from a real server. They are in the environment that `cargo xtask setup` makes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use plumb_flight::config::{Error, Files};
use plumb_flight::server::Bound;
use plumb_flight::{Config, Served};
use plumb_records::column::{Column, Row, Shown, Time, Value};
use plumb_records::ledger::Ledger;
use plumb_sinks::Sink;
use plumb_sinks::columnar::batch::Policy;
use plumb_sinks::format::Layout;
use plumb_sinks::output::Weight;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

plumb_records::record! {
    /// What is served.
    pub struct Flow = "flow" {
        time: Time as Time, "when";
        packets: u64 as Count, "how many";
        name: String as Text, "what";
    }
}
plumb_records::plain_row!(Flow);

/// The same under other names.
struct Renamed(u64);

const RENAMED: &[Column] =
    &[Column { name: "Total Packets", kind: plumb_records::column::Kind::Count, help: "how many" }];

impl Row for Renamed {
    fn record(&self) -> &'static str {
        Flow::RECORD
    }
    fn columns(&self) -> &'static [Column] {
        RENAMED
    }
    fn walk(&self, cell: &mut dyn FnMut(usize, Value<'_>)) {
        cell(0, Value::Number(self.0));
    }
}

const FLOWS: &str = "flows";
const PROFILE: &str = "flows?profile=renamed";

fn row(number: u64, name: &str) -> Flow {
    Flow { time: Time(number), packets: number, name: name.to_owned() }
}

/// A server and its address, with what clients need to know before it begins.
fn serve(files: &Files) -> (Served, String) {
    let config = Config::read("127.0.0.1:0".parse().unwrap(), files, false).unwrap();
    let bound = Bound::bind(config).unwrap();
    let address = bound.address().unwrap().to_string();
    let layout = |columns| Layout { record: Flow::RECORD, columns, shown: Shown::ALL };
    let feeds = vec![(FLOWS.to_owned(), layout(Flow::COLUMNS)), (PROFILE.to_owned(), layout(RENAMED))];
    let policy = Policy { rows: 1000, ..Policy::default() };
    let mut served = Served::new(bound, feeds, policy);
    served.write(&Ledger { seen: 7, ..Ledger::default() }, Weight::ABOUT).unwrap();
    served.flush().unwrap();
    (served, address)
}

/// A client that does what `mode` of the script says.
struct Client {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Client {
    fn start(mode: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(python())
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients.py"))
            .arg(mode)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line; the end of the script without one is a failure.
    fn says(&mut self) -> String {
        self.lines.next().expect("the client ended").unwrap()
    }

    fn ends(mut self) {
        assert!(self.child.wait().unwrap().success());
    }
}

fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("readers").join("bin/python");
    assert!(python.exists(), "{} is not there: run `cargo xtask setup` first", python.display());
    python
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn clients_read_what_is_published_by_ticket_and_profile() {
    let (mut served, address) = serve(&Files::default());
    let uri = format!("grpc://{address}");
    assert!(!served.is_read(FLOWS));
    let mut clients = [FLOWS, FLOWS, PROFILE].map(|ticket| Client::start("read", &[&uri, ticket]));
    for client in &mut clients {
        assert_eq!(client.says(), "begun");
    }
    until("nobody reads", || served.is_read(FLOWS) && served.is_read(PROFILE));
    for number in 0..25_500 {
        served.write(&row(number, "a"), Weight::group(1)).unwrap();
        served.write(&Renamed(number), Weight::group(1)).unwrap();
    }
    served.write(&Ledger { seen: 25_500, ..Ledger::default() }, Weight::ABOUT).unwrap();
    served.close().unwrap();
    let plain = "time,time_ns,packets,name 25500 True missed 0 ledger 25500 began 7";
    let profile = "Total Packets 25500 True missed 0 ledger 25500 began 7";
    let told: Vec<String> = clients.iter_mut().map(Client::says).collect();
    assert_eq!(told, [plain, plain, profile]);
    clients.into_iter().for_each(Client::ends);
    assert_eq!((served.notes(), served.lost()), (vec![], Weight::default()));
}

#[test]
fn a_slow_client_misses_batches_and_holds_up_nobody() {
    let (mut served, address) = serve(&Files::default());
    let uri = format!("grpc://{address}");
    let mut slow = Client::start("stuck", &[&uri, FLOWS]);
    let mut quick = Client::start("read", &[&uri, FLOWS]);
    assert_eq!((slow.says(), quick.says()), ("begun".to_owned(), "begun".to_owned()));
    let name = "x".repeat(2000);
    for number in 0..100_000 {
        served.write(&row(number, &name), Weight::group(1)).unwrap();
        if number % 10_000 == 0 {
            // The quick one is given the time that it needs on a busy machine.
            std::thread::sleep(Duration::from_millis(300));
        }
    }
    served.close().unwrap();
    let told = quick.says();
    assert!(told.starts_with("time,time_ns,packets,name 100000 True missed 0"), "{told}");
    quick.ends();
    let notes = served.notes();
    assert!(notes.len() == 1 && notes[0].contains("a client of flows, missed"), "{notes:?}");
    let mut child = slow.child;
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_there_is_can_be_asked_and_nothing_can_be_put() {
    let (mut served, address) = serve(&Files::default());
    let client = Client::start("ask", &[&format!("grpc://{address}")]);
    client.ends();
    served.close().unwrap();
}

#[test]
fn only_who_has_the_token_reads_and_only_by_tls() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(path("key.pem"))
        .arg("-out")
        .arg(path("cert.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::write(path("token"), "s3cret\n").unwrap();
    let files = Files { tls: Some((path("cert.pem"), path("key.pem"))), token: Some(path("token")) };
    let (mut served, address) = serve(&files);
    let port = address.rsplit(':').next().unwrap();
    let certificate = path("cert.pem");
    let client = Client::start("guarded", &[port, certificate.to_str().unwrap(), "s3cret"]);
    client.ends();
    served.close().unwrap();
    std::fs::write(path("key.pem"), "no key").unwrap();
    let config = Config::read("127.0.0.1:0".parse().unwrap(), &files, false).unwrap();
    let error = Bound::bind(config).err().unwrap();
    assert!(matches!(error, Error::Tls(_)), "{error}");
}

#[test]
fn an_address_that_others_reach_needs_token_and_tls() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "a token").unwrap();
    let read = |address: &str, files: &Files, exposed| {
        Config::read(address.parse().unwrap(), files, exposed).map(drop).map_err(|error| error.to_string())
    };
    let token = Files { token: Some(path.clone()), ..Files::default() };
    let refused = read("0.0.0.0:1", &Files::default(), false).unwrap_err();
    assert!(refused.starts_with("0.0.0.0:1 is not a loopback address"), "{refused}");
    assert!(read("[::]:1", &token, false).is_err());
    assert!(read("0.0.0.0:1", &Files::default(), true).is_ok());
    assert!(read("[::1]:1", &Files::default(), false).is_ok());
    let blank = read("127.0.0.1:1", &token, false).unwrap_err();
    assert!(blank.ends_with("a token is one line of visible ASCII characters"), "{blank}");
    let missing = Files { token: Some(folder.path().join("no")), ..Files::default() };
    assert!(read("127.0.0.1:1", &missing, false).unwrap_err().starts_with("cannot read "));
}

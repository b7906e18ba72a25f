use super::batch::{Policy, Rows};
use super::dataset::{Dataset, Limits};
use super::schema::schema;
use crate::format::{Format, Layout};
use crate::output::{Output, Weight};
use crate::pcapng::Origin;
use crate::rotate::Rotate;
use crate::testing::{Sample, SampleRow, any_sample, small};
use crate::{Encode, Sink};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use plumb_records::column::{Shown, Time};
use plumb_records::ledger::Ledger;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SAMPLE: Layout = Layout { record: "sample", columns: Sample::COLUMNS, shown: Shown::ALL };
const FORMATS: [Format; 3] = [Format::Parquet, Format::Arrow, Format::ArrowStream];

fn encoder(format: Format) -> Box<dyn Encode> {
    format.encoder(SAMPLE, &Origin::default())
}

/// All of `rows` in one file, with a ledger before and after them.
fn file(format: Format, rows: &[SampleRow]) -> Vec<u8> {
    let (mut encode, mut out) = (encoder(format), Vec::new());
    encode.begin(&mut out);
    assert!(!encode.encode(&ledger(1), &mut out));
    assert!(rows.iter().all(|row| encode.encode(row, &mut out)));
    assert!(!encode.encode(&ledger(2), &mut out));
    encode.end(&mut out).unwrap();
    out
}

fn ledger(seen: u64) -> Ledger {
    Ledger { seen, ..Ledger::default() }
}

/// The batches and the metadata of a file.
fn read(format: Format, bytes: Vec<u8>) -> (Vec<RecordBatch>, HashMap<String, String>) {
    match format {
        Format::Parquet => read_parquet(bytes.into()),
        Format::Arrow => {
            let reader = FileReader::try_new(Cursor::new(bytes), None).unwrap();
            let mut about = reader.schema().metadata().clone();
            about.extend(reader.custom_metadata().clone());
            (reader.map(Result::unwrap).collect(), about.into_iter().collect())
        }
        _ => {
            let reader = StreamReader::try_new(Cursor::new(bytes), None).unwrap();
            let about = reader.schema().metadata().clone();
            (reader.map(Result::unwrap).collect(), about.into_iter().collect())
        }
    }
}

fn read_parquet(bytes: bytes::Bytes) -> (Vec<RecordBatch>, HashMap<String, String>) {
    let plain = SerializedFileReader::new(bytes.clone()).unwrap();
    let pairs = plain.metadata().file_metadata().key_value_metadata().unwrap();
    let about: Vec<_> = pairs.iter().map(|pair| (pair.key.clone(), pair.value.clone().unwrap())).collect();
    let unique: HashMap<_, _> = about.iter().cloned().collect();
    assert_eq!(unique.len(), about.len(), "a key is there once");
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    (reader.map(Result::unwrap).collect(), unique)
}

/// The rows of a batch as JSON, by the names of the fields.
fn rows(batch: &RecordBatch) -> Vec<Json> {
    let mut rows = vec![json!({}); batch.num_rows()];
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        for (index, row) in rows.iter_mut().enumerate() {
            row[field.name()] = if array.is_null(index) { Json::Null } else { cell(array, index) };
        }
    }
    rows
}

fn cell(array: &dyn Array, index: usize) -> Json {
    match array.data_type() {
        DataType::Int64 => json!(array.as_primitive::<Int64Type>().value(index)),
        DataType::Float64 => json!(array.as_primitive::<Float64Type>().value(index)),
        DataType::Boolean => json!(array.as_boolean().value(index)),
        DataType::Utf8 => json!(array.as_string::<i32>().value(index)),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC" => {
            json!(array.as_primitive::<TimestampMicrosecondType>().value(index))
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>().value(index);
            (0..list.len()).map(|index| cell(&list, index)).collect()
        }
        other => panic!("{other} is not one of the types that every reader knows"),
    }
}

fn expected(sample: &Sample) -> Json {
    let fits = |number: u64| i64::try_from(number).ok();
    let hooks: serde_json::Map<_, _> =
        sample.hooks.iter().map(|(name, text)| (name.clone(), json!(text))).collect();
    json!({
        "time": sample.time.map(|at| at.0 / 1000),
        "time_ns": sample.time.and_then(|at| fits(at.0)),
        "name": sample.name,
        "address": sample.address.map(|address| address.to_string()),
        "port": sample.port,
        "packets": fits(sample.packets),
        "size_bytes": sample.size_bytes,
        "took_ns": fits(sample.took_ns),
        "offset_ns": sample.offset_ns,
        "packets_per_s": sample.packets_per_s,
        "flag": sample.flag,
        "stack": sample.stack,
        "gaps_us": sample.gaps_us,
        "span_us": sample.span_us.and_then(fits),
        "mean": sample.mean,
        "hooks": Json::Object(hooks),
    })
}

fn misfits(sample: &Sample) -> usize {
    let time = sample.time.map(|time| time.0);
    let numbers = [time, Some(sample.packets), Some(sample.took_ns), sample.span_us];
    numbers.into_iter().flatten().filter(|number| i64::try_from(*number).is_err()).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn records_read_back(samples in proptest::collection::vec(any_sample(), 0..6)) {
        let samples_rows: Vec<SampleRow> = samples.iter().cloned().map(SampleRow::from).collect();
        for format in FORMATS {
            let (batches, about) = read(format, file(format, &samples_rows));
            let mut found: Vec<Json> = batches.iter().flat_map(rows).collect();
            for row in &mut found {
                let hooks: Json = serde_json::from_str(row["hooks"].as_str().unwrap()).unwrap();
                row["hooks"] = hooks;
            }
            prop_assert_eq!(found, samples.iter().map(expected).collect::<Vec<_>>());
            prop_assert_eq!(&about["plumb.record"], "sample");
            prop_assert_eq!(&about["plumb.schema_version"], "1");
            let kept: Json = serde_json::from_str(&about["plumb.ledger"]).unwrap();
            // A stream begins with what was known then.
            prop_assert_eq!(&kept["seen"], &json!(2));
            if format != Format::ArrowStream {
                let without_place: usize = samples.iter().map(misfits).sum();
                prop_assert_eq!(&about["plumb.cells_without_place"], &without_place.to_string());
            }
        }
    }
}

#[test]
fn a_field_says_what_it_is() {
    let schema = schema(SAMPLE);
    let types: Vec<String> =
        schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
    let list = |of: &str| format!("List({of}, field: 'element')");
    let expected = [
        "time Timestamp(µs, \"UTC\")".to_owned(),
        "time_ns Int64".to_owned(),
        "name Utf8".to_owned(),
        "address Utf8".to_owned(),
        "port Int64".to_owned(),
        "packets Int64".to_owned(),
        "size_bytes Int64".to_owned(),
        "took_ns Int64".to_owned(),
        "offset_ns Int64".to_owned(),
        "packets_per_s Float64".to_owned(),
        "flag Boolean".to_owned(),
        format!("stack {}", list("Utf8")),
        format!("gaps_us {}", list("Int64")),
        "span_us Int64".to_owned(),
        "mean Float64".to_owned(),
        "hooks Utf8".to_owned(),
    ];
    assert_eq!(types, expected);
    assert!(schema.fields().iter().all(|field| field.is_nullable()));
    let about = |name: &str| schema.field_with_name(name).unwrap().metadata().clone();
    assert_eq!((&*about("took_ns")["unit"], &*about("took_ns")["help"]), ("ns", "how long"));
    assert!(!about("name").contains_key("unit"));
}

#[test]
fn what_a_row_does_not_show_is_null_and_what_the_layout_does_not_show_is_not_there() {
    let pick = |keep: &[&str]| Shown::pick(Sample::COLUMNS, |name| keep.contains(&name));
    let layout = Layout { shown: pick(&["name", "packets", "flag"]), ..SAMPLE };
    let mut collected = Rows::new(layout, Policy::default());
    let first = SampleRow { shown: pick(&["name", "packets"]), ..small().into() };
    let second = SampleRow { shown: pick(&["address", "packets", "hooks"]), ..small().into() };
    assert!(collected.push(&first) && collected.push(&second) && !collected.push(&ledger(1)));
    assert_eq!((collected.len(), collected.misfits()), (2, 0));
    let found = rows(&collected.take().unwrap());
    let expected = [
        json!({"name": "say \"hi\"", "packets": 3, "flag": null}),
        json!({"name": null, "packets": 3, "flag": null}),
    ];
    assert_eq!(found, expected);
    assert!(collected.is_empty() && collected.take().unwrap().num_rows() == 0);
}

#[test]
fn a_batch_ends_by_rows_by_age_and_by_size() {
    let full_after = |policy, name: &str| {
        let mut collected = Rows::new(SAMPLE, policy);
        let row = SampleRow::from(Sample { name: Some(name.to_owned()), ..Sample::default() });
        (1..).find(|_| collected.push(&row) && collected.is_full()).unwrap()
    };
    assert_eq!(full_after(Policy::default(), "a"), 8192);
    assert_eq!(full_after(Policy { rows: 3, ..Policy::default() }, "a"), 3);
    assert_eq!(full_after(Policy::default(), &"a".repeat(1 << 20)), 16);
    let mut old = Rows::new(SAMPLE, Policy { age: Duration::ZERO, ..Policy::default() });
    assert!(!old.is_due(), "no row waits");
    old.push(&SampleRow::from(small()));
    assert!(old.is_due() && !old.is_full());
}

fn output(path: &Path, rotate: Option<Rotate>) -> Output {
    Output::create(path, encoder(Format::of(path).unwrap()), rotate, None).unwrap()
}

fn row(number: u64) -> SampleRow {
    Sample {
        packets: number,
        name: Some(format!("{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        ..small()
    }
    .into()
}

fn write(sink: &mut dyn Sink, numbers: std::ops::Range<u64>) {
    numbers.for_each(|number| sink.write(&row(number), Weight::group(1)).unwrap());
}

fn numbers(path: &Path) -> Vec<u64> {
    let (batches, _) = read(Format::of(path).unwrap(), fs::read(path).unwrap());
    let numbers = batches.iter().flat_map(rows).map(|row| row["packets"].as_u64().unwrap());
    numbers.collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_has_its_name_once_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["rows.parquet", "rows.arrow"] {
        let path = folder.path().join(name);
        fs::write(&path, "old").unwrap();
        let mut output = output(&path, None);
        write(&mut output, 0..3);
        output.settle().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), [format!(".{name}.tmp"), name.to_owned()]);
        let second = Output::create(&path, encoder(Format::Parquet), None, None).err().unwrap();
        assert!(second.to_string().ends_with("another process is writing to it"), "{second}");
        output.close().unwrap();
        assert_eq!(names(folder.path()), [name]);
        assert_eq!(numbers(&path), [0, 1, 2]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_file(path).unwrap();
    }
    let stream = folder.path().join("rows.arrows");
    let mut growing = output(&stream, None);
    write(&mut growing, 0..3);
    growing.settle().unwrap();
    assert_eq!(numbers(&stream), [0, 1, 2], "a stream can be read while it grows");
}

#[test]
fn a_link_stays_and_what_is_no_file_is_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("rows.parquet"), folder.path().join("link.parquet"));
    fs::write(&file, "old").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let mut linked = output(&link, None);
    write(&mut linked, 0..2);
    linked.close().unwrap();
    assert!(link.is_symlink());
    assert_eq!(numbers(&file), [0, 1]);
    let null = folder.path().join("null.parquet");
    std::os::unix::fs::symlink("/dev/null", &null).unwrap();
    let mut nowhere = output(&null, None);
    write(&mut nowhere, 0..2);
    nowhere.close().unwrap();
    assert!(null.is_symlink());
}

#[test]
fn rotation_by_size_and_by_time() {
    let folder = tempfile::tempdir().unwrap();
    for (name, limit) in [("a.parquet", 200_000), ("b.arrow", 2_000_000), ("c.arrows", 2_000_000)] {
        let path = folder.path().join(name);
        let mut rotated = output(&path, Some(Rotate::Size(limit)));
        write(&mut rotated, 0..40_000);
        rotated.close().unwrap();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let mut files: Vec<PathBuf> = names(folder.path())
            .into_iter()
            .filter(|name| name.starts_with(&format!("{stem}.")))
            .map(|name| folder.path().join(name))
            .collect();
        files.sort_by_key(|file| {
            let number: Option<u64> =
                file.file_stem().and_then(|stem| Path::new(stem).extension()?.to_str()?.parse().ok());
            number.unwrap_or(u64::MAX)
        });
        assert!(files.len() > 1, "{files:?}");
        let all: Vec<u64> = files.iter().flat_map(|file| numbers(file)).collect();
        assert_eq!(all, (0..40_000).collect::<Vec<_>>(), "{name}");
        for file in &files {
            let length = fs::metadata(file).unwrap().len();
            assert!(length < limit * 3, "{file:?} has {length} bytes");
        }
    }
    let path = folder.path().join("t.parquet");
    let mut timed = output(&path, Some(Rotate::Every(Duration::ZERO)));
    for number in 0..3 {
        write(&mut timed, number..number + 1);
        timed.flush().unwrap();
    }
    timed.close().unwrap();
    assert_eq!(numbers(&folder.path().join("t.1.parquet")), [0]);
    assert_eq!(numbers(&path), [2]);
}

fn at(hour: u64, number: u64) -> SampleRow {
    let mut row = row(number);
    row.sample.time = Some(Time(hour * 3_600_000_000_000 + 1));
    row
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

#[test]
fn a_dataset_has_its_records_where_their_time_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut dataset = Dataset::create(folder.path(), "a b/c", SAMPLE, Limits::default()).unwrap();
    dataset.write(&ledger(1), Weight::ABOUT).unwrap();
    for number in 0..20 {
        dataset.write(&at(470_000 + number % 10, number), Weight::group(1)).unwrap();
    }
    let early = files_below(folder.path());
    let whole =
        |files: &[PathBuf]| files.iter().filter(|file| file.extension().unwrap() == "parquet").count();
    assert_eq!((early.len(), whole(&early)), (20, 16), "four are open at a time");
    dataset.close().unwrap();
    assert_eq!(dataset.lost(), Weight::default());
    let files = files_below(folder.path());
    assert_eq!(whole(&files), files.len());
    let mut found: Vec<u64> = files.iter().flat_map(|file| numbers(file)).collect();
    found.sort_unstable();
    assert_eq!(found, (0..20).collect::<Vec<_>>());
    let first = files[0].strip_prefix(folder.path()).unwrap().to_str().unwrap();
    let expected = "samples/v=1/date=2023-08-14/hour=08/node=a%20b%2Fc/part-";
    assert!(first.starts_with(expected), "{first}");
    for file in files {
        let (_, about) = read_parquet(fs::read(file).unwrap().into());
        assert!(about["plumb.ledger"].contains("\"seen\":1,"));
    }
}

#[test]
fn parts_of_a_dataset_end_by_size_and_by_age() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { bytes: 100_000, ..Limits::default() };
    let mut dataset = Dataset::create(folder.path(), "n", SAMPLE, limits).unwrap();
    (0..40_000).for_each(|number| dataset.write(&at(1, number), Weight::group(1)).unwrap());
    dataset.close().unwrap();
    let files = files_below(folder.path());
    let all: usize = files.iter().map(|file| numbers(file).len()).sum();
    assert!(files.len() > 1 && all == 40_000, "{} files", files.len());
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { age: Duration::ZERO, ..Limits::default() };
    let mut dataset = Dataset::create(folder.path(), "n", SAMPLE, limits).unwrap();
    dataset.write(&at(1, 1), Weight::group(1)).unwrap();
    dataset.flush().unwrap();
    assert_eq!(numbers(&files_below(folder.path())[0]), [1], "without another record");
}

#[test]
fn a_dataset_that_fails_counts_and_takes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut dataset = Dataset::create(folder.path(), "n", SAMPLE, Limits::default()).unwrap();
    dataset.write(&at(1, 1), Weight::group(5)).unwrap();
    // In the place of the next hour's directory.
    File::create(folder.path().join("samples/v=1/date=1970-01-01/hour=02")).unwrap();
    dataset.write(&at(2, 2), Weight::group(7)).unwrap_err();
    dataset.write(&at(1, 3), Weight::group(11)).unwrap_err();
    dataset.close().unwrap_err();
    assert_eq!(dataset.lost(), Weight { records: 2, packets: 18 });
    let failure = dataset.failure().unwrap();
    assert_eq!((failure.written, failure.lost), (1, 2));
    let parts: Vec<_> =
        files_below(folder.path()).into_iter().filter(|file| file.extension().is_some()).collect();
    assert_eq!(numbers(&parts[0]), [1], "what came before is whole");
}

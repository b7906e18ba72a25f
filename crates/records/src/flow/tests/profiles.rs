//! Profiles: headers as published, values that follow from the native ones.

use super::*;

fn header(table: &Table) -> String {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    names.join(",") + "\n"
}

#[test]
fn headers_are_those_of_the_published_files() {
    assert_eq!(header(&CICFLOWMETER), include_str!("../../../testdata/profiles/cicflowmeter.csv"));
    assert_eq!(header(&CICFLOWMETER_2017), include_str!("../../../testdata/profiles/cicflowmeter-2017.csv"));
    assert_eq!(header(&CICFLOWMETER_2018), include_str!("../../../testdata/profiles/cicflowmeter-2018.csv"));
    assert_eq!(header(&NFSTREAM), include_str!("../../../testdata/profiles/nfstream.csv"));
}

#[test]
fn names_are_unique() {
    for table in [CICFLOWMETER, CICFLOWMETER_2017, CICFLOWMETER_2018, NFSTREAM] {
        let names: HashSet<&str> = table.columns.iter().map(|column| column.name).collect();
        assert_eq!(names.len(), table.columns.len());
    }
}

/// Every version of the names has the same values, and they are the native ones.
#[test]
fn names_change_and_values_do_not() {
    let numbers = counted(&[Sent(1_000, false, 100), Sent(1_010, true, 200), Sent(1_040, false, 400)]);
    let [native, present, of_2018] =
        [NATIVE, CICFLOWMETER, CICFLOWMETER_2018].map(|table| cells(&table, &numbers));
    for (column, older) in CICFLOWMETER.columns.iter().zip(CICFLOWMETER_2018.columns) {
        assert_eq!(present[column.name], of_2018[older.name], "{}", column.name);
    }
    for (profile, same) in [
        ("Flow Duration", "duration_us"),
        ("Total Fwd Packet", "fwd_packets"),
        ("Flow IAT Std", "iat_std_us"),
        ("Bwd IAT Total", "bwd_iat_total_us"),
        ("Down/Up Ratio", "down_up_ratio"),
        ("Flow Packets/s", "packets_per_s"),
        ("Active Max", "active_max_us"),
    ] {
        assert_eq!(present[profile], native[same], "{profile}");
    }
    assert_eq!(present["Bwd IAT Std"], Owned::Real(0.0));
    assert_eq!(present["Idle Max"], Owned::Number(0));
    assert_eq!(present["Label"], Owned::Null);
}

#[test]
fn what_has_no_value_is_null_where_cicflowmeter_would_write_infinity() {
    let one = cells(&CICFLOWMETER, &counted(&[Sent(5, true, 60)]));
    for unknown in ["Flow Bytes/s", "Flow Packets/s", "Down/Up Ratio", "FWD Init Win Bytes"] {
        assert_eq!(one[unknown], Owned::Null, "{unknown}");
    }
}

#[test]
fn bulks_of_cicflowmeter_are_of_their_direction() {
    let mut numbers = counted(&[Sent(5, false, 60), Sent(9, true, 60)]);
    let backward = &mut numbers.stats.as_mut().unwrap().sides[1];
    (backward.bulks, backward.bulk_packets, backward.bulk_bytes, backward.bulk_us) = (2, 8, 4000, 500_000);
    let row = cells(&CICFLOWMETER, &numbers);
    for (column, forward, backward) in
        [("Bytes/Bulk Avg", 0.0, 2000.0), ("Packet/Bulk Avg", 0.0, 4.0), ("Bulk Rate Avg", 0.0, 8000.0)]
    {
        assert_eq!(row[&*format!("Fwd {column}")], Owned::Real(forward), "{column}");
        assert_eq!(row[&*format!("Bwd {column}")], Owned::Real(backward), "{column}");
    }
}

#[test]
fn nfstream_counts_whole_milliseconds_and_fills_sequences_up() {
    let mut numbers = counted(&[Sent(1_900, false, 100), Sent(2_100, true, 200)]);
    let first = |at_ns, backward| First { at_ns, backward, ip_length: 7, ..First::default() };
    let firsts = vec![first(1_900_000, false), first(2_100_000, true)];
    numbers.full = Some(Full { firsts, ..Full::default() });
    let row = NFSTREAM.row(Flow { firsts: 3, ..flow(&numbers) }, Shown::ALL);
    let mut cells = HashMap::new();
    row.walk(&mut |index, value| {
        cells.insert(NFSTREAM.columns[index].name, owned(value));
    });
    assert_eq!(cells["bidirectional_duration_ms"], Owned::Number(1));
    assert_eq!(cells["bidirectional_max_piat_ms"], Owned::Number(0));
    assert_eq!(cells["bidirectional_mean_piat_ms"], Owned::Real(0.2));
    assert_eq!(cells["splt_direction"], Owned::List(vec![0, 1, -1]));
    assert_eq!(cells["splt_ps"], Owned::List(vec![7, 7, -1]));
    assert_eq!(cells["splt_piat_ms"], Owned::List(vec![0, 1, -1]));
}

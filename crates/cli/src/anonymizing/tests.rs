use super::{Anonymizer, Key};
use plumb_records::filter::Filter;
use std::fs;
use std::net::IpAddr;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

fn keyed() -> Anonymizer {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    fs::write(&path, KEY).unwrap();
    Anonymizer::open(Some(&Key::File(path))).unwrap()
}

fn shared(a: IpAddr, b: IpAddr) -> u32 {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => 0,
    }
}

#[test]
fn prefixes_are_kept_and_families_too() {
    let anonymizer = keyed();
    let addresses = [
        "10.0.0.1",
        "10.0.0.2",
        "10.0.1.1",
        "10.128.0.0",
        "192.0.2.1",
        "255.255.255.255",
        "0.0.0.0",
        "fd00::1",
        "fd00::2",
        "fd00:0:0:1::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
        "::",
    ];
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    for a in &addresses {
        let other = anonymizer.address(*a);
        assert_eq!(other.is_ipv4(), a.is_ipv4(), "{a}");
        assert_ne!(other, *a);
        assert_eq!(anonymizer.address(*a), other, "the second time it is known");
        for b in &addresses {
            let mapped = |address: &IpAddr| address.to_string().starts_with("::ffff:");
            if a.is_ipv4() == b.is_ipv4() && !mapped(a) && !mapped(b) {
                assert_eq!(shared(other, anonymizer.address(*b)), shared(*a, *b), "{a} {b}");
            }
        }
    }
}

#[test]
fn a_key_makes_the_same_addresses_each_time() {
    let address: IpAddr = "10.0.0.1".parse().unwrap();
    assert_eq!(keyed().address(address), keyed().address(address));
    let random = Anonymizer::open(Some(&Key::Random)).unwrap();
    assert_ne!(random.address(address), Anonymizer::open(Some(&Key::Random)).unwrap().address(address));
    assert_eq!(Anonymizer::default().address(address), address);
}

#[test]
fn what_is_told_of_a_run_hides_addresses_too() {
    let anonymizer = keyed();
    let hidden = |text: &str| anonymizer.address(text.parse().unwrap()).to_string();
    let words = [
        "plumb",
        "flows",
        "--host=10.0.0.1,fd00::1",
        "--src",
        "10.0.0.2",
        "--port",
        "80",
        "--serve",
        "10.0.0.3:8815",
        "--serve=[fd00::3]:8815",
        "--",
        "ping",
        "10.0.0.1",
    ];
    let told = anonymizer.command(words.map(str::to_owned).to_vec()).join(" ");
    let expected = format!(
        "plumb flows --host={},{} --src {} --port 80 --serve {}:8815 --serve=[{}]:8815",
        hidden("10.0.0.1"),
        hidden("fd00::1"),
        hidden("10.0.0.2"),
        hidden("10.0.0.3"),
        hidden("fd00::3")
    );
    assert_eq!(told, expected);
    let filter = Filter { hosts: vec!["10.0.0.0/8".parse().unwrap()], ..Filter::default() };
    let first = hidden("10.0.0.1").split('.').next().unwrap().to_owned();
    assert_eq!(anonymizer.filters(&filter), [format!("host {first}.0.0.0/8")]);
}

#[test]
fn what_is_no_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["", "00", &KEY[2..], &KEY.replace('f', "g"), &"ab".repeat(32)] {
        let path = folder.path().join("key");
        fs::write(&path, text).unwrap();
        assert!(Anonymizer::open(Some(&Key::File(path))).is_err(), "{text:?}");
    }
    assert!(Anonymizer::open(Some(&Key::File("/nowhere".into()))).is_err());
}

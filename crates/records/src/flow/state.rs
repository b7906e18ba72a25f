//! The state of a connection in Zeek's codes, from what each side has shown.

use super::numbers::{FlowNumbers, Side};

/// Protocol numbers that have states.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Places in [`Side::flags`].
const FIN: usize = 0;
const RST: usize = 2;

/// What one side of a TCP connection has come to, as Zeek's endpoints have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    /// No packet, or none with a SYN: Zeek's partial endpoints count as inactive where it decides.
    Inactive,
    SynSent,
    SynAckSent,
    Established,
    Closed,
    Reset,
}

/// Zeek's `conn_state` of the packets of this segment.
///
/// Follows `conn_state()` of Zeek's scripts/base/protocols/conn/main.zeek: TCP by the two sides' states, UDP by who
/// sent, everything else OTH. Of earlier segments the SYNs are known.
pub(super) fn conn_state(flow: &FlowNumbers) -> &'static str {
    let [fwd, bwd] = &flow.sides;
    match flow.protocol {
        TCP => tcp(fwd, bwd),
        UDP => match (fwd.packets > 0, bwd.packets > 0) {
            (true, true) => "SF",
            (true, false) => "S0",
            (false, true) => "SHR",
            (false, false) => "OTH",
        },
        _ => "OTH",
    }
}

fn tcp(fwd: &Side, bwd: &Side) -> &'static str {
    use Endpoint::{Closed, Established, Inactive, Reset, SynAckSent, SynSent};
    let no_data = fwd.payload_bytes == 0 && bwd.payload_bytes == 0;
    match (endpoint(fwd, SynSent, bwd), endpoint(bwd, SynAckSent, fwd)) {
        (SynSent | SynAckSent, Reset) => "REJ",
        (Reset, Reset) if no_data => "REJ",
        (Inactive, Reset) => "RSTRH",
        (_, Reset) => "RSTR",
        (Reset, Inactive) if fwd.syn && fwd.flags[FIN] == 0 => "RSTOS0",
        (Reset, Inactive) => "OTH",
        (Reset, _) => "RSTO",
        (Closed, Closed) => "SF",
        (Closed, Inactive) => "SH",
        (Closed, _) => "S2",
        (Inactive, Closed) => "SHR",
        (_, Closed) => "S3",
        (SynSent, Inactive) => "S0",
        (Established, Established) => "S1",
        _ => "OTH",
    }
}

/// `begun` is the state after this side's SYN alone.
fn endpoint(side: &Side, begun: Endpoint, peer: &Side) -> Endpoint {
    match (side.syn, peer.syn) {
        _ if side.flags[RST] > 0 => Endpoint::Reset,
        _ if side.flags[FIN] > 0 => Endpoint::Closed,
        (true, true) => Endpoint::Established,
        (true, false) => begun,
        (false, _) => Endpoint::Inactive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S, F, R and D of one side.
    fn side(shown: &str) -> Side {
        let mut side = Side { packets: shown.len() as u64, syn: shown.contains('S'), ..Side::default() };
        side.flags[FIN] = shown.contains('F').into();
        side.flags[RST] = shown.contains('R').into();
        side.payload_bytes = shown.contains('D').into();
        side
    }

    #[test]
    fn as_zeek_tells_them() {
        let cases = [
            ("S", "", "S0"),
            ("S", "S", "S1"),
            ("SDF", "SDF", "SF"),
            ("S", "R", "REJ"),
            ("SR", "R", "REJ"),
            ("SDF", "SD", "S2"),
            ("SD", "SDF", "S3"),
            ("SDR", "SD", "RSTO"),
            ("SD", "SDR", "RSTR"),
            ("SR", "", "RSTOS0"),
            ("DR", "", "OTH"),
            ("", "SR", "RSTRH"),
            ("SF", "", "SH"),
            ("", "SF", "SHR"),
            ("D", "D", "OTH"),
        ];
        for (fwd, bwd, expected) in cases {
            let flow = FlowNumbers { protocol: TCP, sides: [side(fwd), side(bwd)], ..FlowNumbers::default() };
            assert_eq!(conn_state(&flow), expected, "{fwd} / {bwd}");
        }
    }

    #[test]
    fn without_connections() {
        let of = |protocol, fwd, bwd| {
            conn_state(&FlowNumbers { protocol, sides: [side(fwd), side(bwd)], ..FlowNumbers::default() })
        };
        assert_eq!([of(UDP, "D", ""), of(UDP, "D", "D"), of(UDP, "", "D")], ["S0", "SF", "SHR"]);
        assert_eq!([of(UDP, "", ""), of(1, "D", "D")], ["OTH"; 2]);
    }
}

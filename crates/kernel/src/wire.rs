//! The types that cross from BPF C to Rust, and the one way to turn bytes into them.
//!
//! The C headers hold the only definitions; a types-only object carries them through libbpf-cargo's generator.

use bytemuck::AnyBitPattern;
use plumb_records::histogram::{BUCKETS, Histogram};

skeleton!("wire");

pub use skeleton::types::*;

/// Bytes that are not a record of the expected size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record of {got} bytes where {want} were expected")]
pub struct WrongSize {
    /// Size of the type.
    pub want: usize,
    /// Size of what was read.
    pub got: usize,
}

/// Copies bytes into a wire type; the size must be exact, alignment does not matter.
pub fn read<T: AnyBitPattern>(bytes: &[u8]) -> Result<T, WrongSize> {
    bytemuck::try_pod_read_unaligned(bytes).map_err(|_| WrongSize { want: size_of::<T>(), got: bytes.len() })
}

/// Marks types as readable from any bytes and writable as bytes.
macro_rules! plain_bytes {
    ($($name:ty),* $(,)?) => { $(
        // SAFETY: libbpf-cargo emits `repr(C)` structs of integers, arrays of integers and other such structs, with
        // every gap spelled out as a byte field. Bools would come out as MaybeUninit and pointers as raw pointers;
        // the test `wire_types_hold_only_integers` walks the object's BTF and fails where a listed type has either.
        #[allow(unsafe_code, reason = "the argument above")]
        unsafe impl ::bytemuck::Zeroable for $name {}
        // SAFETY: as above: any bytes are a value of integers.
        #[allow(unsafe_code, reason = "the argument above")]
        unsafe impl ::bytemuck::AnyBitPattern for $name {}
        // SAFETY: as above: no byte of the type is padding.
        #[allow(unsafe_code, reason = "the argument above")]
        unsafe impl ::bytemuck::NoUninit for $name {}
    )* };
}
pub(crate) use plain_bytes;

plain_bytes!(
    capture_frame,
    drop_details,
    drop_event,
    drop_group,
    drop_place,
    drops_config,
    drops_counters,
    drops_late,
    filter_config,
    flow_key,
    flows_bucket,
    flows_config,
    flows_counters,
    flows_entry,
    flows_first,
    flows_key,
    flows_shared,
    flows_side,
    flows_side_full,
    flows_side_stats,
    flows_spans,
    flows_spread,
    histogram,
    irq_config,
    irq_line,
    irq_lost,
    irq_napi,
    irq_napi_key,
    latency_config,
    latency_counters,
    latency_event,
    latency_group,
    latency_journey,
    latency_owner,
    latency_place,
    latency_place_names,
    other_count,
    other_kind,
    packet_event,
    packets_config,
    packets_counters,
    ring_control,
    traffic_plan,
    traffic_stamp,
    traffic_state,
    xdp_config,
    xdp_count,
    xdp_event,
    xdp_fault_key,
    xdp_name,
    xdp_place,
    xdp_unsent_key,
    xdp_watch_config,
);

impl From<histogram> for Histogram {
    fn from(times: histogram) -> Self {
        Self {
            sum: times.sum,
            max: times.max,
            overflow: times.overflow,
            buckets: Box::new(std::array::from_fn::<u64, BUCKETS, _>(|bucket| times.buckets[bucket])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libbpf_rs::btf::types::{Array, Composite};
    use libbpf_rs::btf::{Btf, BtfKind, BtfType, HasSize};
    use proptest::prelude::*;

    /// Structs that cross the boundary, by name and size in Rust.
    const LISTED: &[(&str, usize)] = &[
        ("capture_frame", size_of::<capture_frame>()),
        ("drop_details", size_of::<drop_details>()),
        ("drop_event", size_of::<drop_event>()),
        ("drop_group", size_of::<drop_group>()),
        ("drop_place", size_of::<drop_place>()),
        ("drops_config", size_of::<drops_config>()),
        ("drops_counters", size_of::<drops_counters>()),
        ("drops_late", size_of::<drops_late>()),
        ("filter_config", size_of::<filter_config>()),
        ("flow_key", size_of::<flow_key>()),
        ("flows_bucket", size_of::<flows_bucket>()),
        ("flows_config", size_of::<flows_config>()),
        ("flows_counters", size_of::<flows_counters>()),
        ("flows_entry", size_of::<flows_entry>()),
        ("flows_first", size_of::<flows_first>()),
        ("flows_key", size_of::<flows_key>()),
        ("flows_shared", size_of::<flows_shared>()),
        ("flows_side", size_of::<flows_side>()),
        ("flows_side_full", size_of::<flows_side_full>()),
        ("flows_side_stats", size_of::<flows_side_stats>()),
        ("flows_spans", size_of::<flows_spans>()),
        ("flows_spread", size_of::<flows_spread>()),
        ("histogram", size_of::<histogram>()),
        ("irq_config", size_of::<irq_config>()),
        ("irq_line", size_of::<irq_line>()),
        ("irq_lost", size_of::<irq_lost>()),
        ("irq_napi", size_of::<irq_napi>()),
        ("irq_napi_key", size_of::<irq_napi_key>()),
        ("latency_config", size_of::<latency_config>()),
        ("latency_counters", size_of::<latency_counters>()),
        ("latency_event", size_of::<latency_event>()),
        ("latency_group", size_of::<latency_group>()),
        ("latency_journey", size_of::<latency_journey>()),
        ("latency_place", size_of::<latency_place>()),
        ("latency_place_names", size_of::<latency_place_names>()),
        ("other_count", size_of::<other_count>()),
        ("other_kind", size_of::<other_kind>()),
        ("packet_event", size_of::<packet_event>()),
        ("packets_config", size_of::<packets_config>()),
        ("packets_counters", size_of::<packets_counters>()),
        ("ring_control", size_of::<ring_control>()),
        ("traffic_plan", size_of::<traffic_plan>()),
        ("traffic_stamp", size_of::<traffic_stamp>()),
        ("traffic_state", size_of::<traffic_state>()),
        ("xdp_config", size_of::<xdp_config>()),
        ("xdp_count", size_of::<xdp_count>()),
        ("xdp_event", size_of::<xdp_event>()),
        ("xdp_fault_key", size_of::<xdp_fault_key>()),
        ("xdp_name", size_of::<xdp_name>()),
        ("xdp_place", size_of::<xdp_place>()),
        ("xdp_unsent_key", size_of::<xdp_unsent_key>()),
        ("xdp_watch_config", size_of::<xdp_watch_config>()),
    ];

    /// Fails where a type reaches anything but integers and arrays and structs of them, or hides padding.
    fn assert_integers(btf: &Btf<'_>, ty: BtfType<'_>, path: &str) -> usize {
        let ty = ty.skip_mods_and_typedefs();
        match ty.kind() {
            BtfKind::Int => {
                let int: libbpf_rs::btf::types::Int<'_> = ty.try_into().expect("an int");
                assert!(
                    !matches!(int.encoding, libbpf_rs::btf::types::IntEncoding::Bool),
                    "{path} is a bool"
                );
                int.bits as usize / 8
            }
            BtfKind::Array => {
                let array: Array<'_> = ty.try_into().expect("an array");
                array.capacity() * assert_integers(btf, array.contained_type(), &format!("{path}[]"))
            }
            BtfKind::Struct => {
                let composite: Composite<'_> = ty.try_into().expect("a struct");
                let members = composite.iter().map(|member| {
                    let name = member.name.and_then(|name| name.to_str()).unwrap_or("?");
                    let member: BtfType<'_> = btf.type_by_id(member.ty).expect("a member's type");
                    assert_integers(btf, member, &format!("{path}.{name}"))
                });
                let sum: usize = members.sum();
                assert_eq!(sum, composite.size(), "{path} has hidden padding");
                sum
            }
            kind => panic!("{path} is a {kind:?}"),
        }
    }

    #[test]
    fn wire_types_hold_only_integers() {
        let btf =
            Btf::from_path(concat!(env!("OUT_DIR"), "/wire.skel.o")).expect("the types-only object has BTF");
        for (name, size) in LISTED {
            let ty: BtfType<'_> = btf.type_by_name(name).unwrap_or_else(|| panic!("{name} is in the object"));
            assert_eq!(assert_integers(&btf, ty, name), *size, "{name} has one size on both sides");
        }
    }

    proptest! {
        #[test]
        fn reading_is_total(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let read = read::<drop_event>(&bytes);
            prop_assert_eq!(read.is_ok(), bytes.len() == size_of::<drop_event>());
        }
    }
}

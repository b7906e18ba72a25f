//! Reasons of CAN, CAN FD and CAN XL.

use super::Entry;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "CAN_RX_INVALID_FRAME",
        what: "What arrived as a classical CAN frame is not one, or the device is no CAN device. \
               can_rcv checks the frame's size and length field and the device type.",
        causes: &[
            "a program that sends malformed frames by a packet socket to a CAN interface",
            "a driver bug",
        ],
        next: &[
            "candump -e any",
            "dmesg",
            "ip -d -s link show dev IFACE",
            "plumb drops --reason CAN_RX_INVALID_FRAME",
        ],
        kernels: Some("On 6.1 and 6.12 NOT_SPECIFIED."),
        related: &["CANFD_RX_INVALID_FRAME", "CANXL_RX_INVALID_FRAME"],
    },
    Entry {
        name: "CANFD_RX_INVALID_FRAME",
        what: "What arrived as a CAN FD frame is not one, or the device is no CAN device. canfd_rcv \
               checks the frame's size and length field and the device type.",
        causes: &[
            "a program that sends malformed frames by a packet socket to a CAN interface",
            "a driver bug",
        ],
        next: &[
            "candump -e any",
            "dmesg",
            "ip -d -s link show dev IFACE",
            "plumb drops --reason CANFD_RX_INVALID_FRAME",
        ],
        kernels: Some("On 6.1 and 6.12 NOT_SPECIFIED."),
        related: &["CAN_RX_INVALID_FRAME", "CANXL_RX_INVALID_FRAME"],
    },
    Entry {
        name: "CANXL_RX_INVALID_FRAME",
        what: "What arrived as a CAN XL frame is not one, or the device is no CAN device. canxl_rcv \
               checks the frame's size, its XL flag and length field, and the device type.",
        causes: &[
            "a program that sends malformed frames by a packet socket to a CAN interface",
            "a driver bug",
        ],
        next: &[
            "candump -e any",
            "dmesg",
            "ip -d -s link show dev IFACE",
            "plumb drops --reason CANXL_RX_INVALID_FRAME",
        ],
        kernels: Some("On 6.1 and 6.12 NOT_SPECIFIED."),
        related: &["CAN_RX_INVALID_FRAME", "CANFD_RX_INVALID_FRAME"],
    },
];

//! The BPF program and user space make the same frames from one plan.

use anyhow::{Context, ensure};
use plumb_kernel::session::Storage;
use plumb_kernel::traffic::Generator;
use plumb_lab::traffic::{Shape, Sizes, Stamp, Transport, craft, least_size, plan};
use plumb_live::TestResult;
use plumb_records::filter::{PortRange, Prefix};

/// Frames that are compared of each shape.
const FRAMES: u64 = 60;

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// Every transport in both families, tagged or not, in turn or at random, stamped or not, of every kind of size.
fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    let flags = 0b1101_0010;
    for (number, transport) in
        [Transport::Udp, Transport::Tcp(flags), Transport::Icmp].into_iter().cycle().take(48).enumerate()
    {
        let bit = |bit: usize| number >> bit & 1 == 1;
        let v6 = number / 3 % 2 == 1;
        let (source, destination) =
            if v6 { ("2001:db8::/124", "2001:db8:1::/126") } else { ("10.1.0.0/28", "10.2.0.0/30") };
        let mut shape = Shape {
            mac: ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]),
            vlan: bit(2).then_some(42),
            source: prefix(source),
            destination: prefix(destination),
            transport,
            source_ports: PortRange::between(1000, 1004),
            destination_ports: PortRange::between(53, 54),
            flows: bit(1).then_some(37),
            sizes: Sizes::Fixed(128),
            seed: bit(3).then_some(0x1234_5678_9abc_def0),
            stamp: bit(4),
        };
        let least = least_size(&shape);
        shape.sizes = match number % 4 {
            0 => Sizes::Fixed(least),
            1 => Sizes::Fixed(1514),
            2 => Sizes::Between(least, least + 31),
            _ if least <= 60 => Sizes::Imix,
            _ => Sizes::Between(200, 3000),
        };
        shapes.push(shape);
    }
    shapes
}

#[test]
fn kernel_and_user_space_make_the_same_frames() -> TestResult {
    for shape in shapes() {
        let mut plan = plan(&shape)?;
        (plan.stream, plan.streams) = (1, 3);
        let mut storage = Storage::new();
        let generator = Generator::dry(&mut storage, &plan).with_context(|| format!("{shape:?}"))?;
        for sequence in 0..FRAMES {
            let made = generator.make()?;
            // The time is the program's own.
            let time = match shape.stamp {
                true => Stamp::read(&made[plan.at.stamp as usize..]).context("a stamp")?.time_ns,
                false => 0,
            };
            let mut expected = Vec::new();
            craft(&plan, sequence * 3 + 1, sequence, time, &mut expected);
            ensure!(made == expected, "frame {sequence} of {shape:?}:\n{made:02x?}\n{expected:02x?}");
        }
    }
    Ok(())
}

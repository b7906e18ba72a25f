//! Receive queues, on a device whose driver records them.

use crate::scene::{complete, wait_for_drops, watch_host};
use anyhow::{Context, Result, ensure};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use plumb_lab::{Host, Lab};
use plumb_live::TestResult;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A name that the kernel allows (dev_valid_name in net/core/dev.c), and that a list would be cut at.
const NAME: &str = "tap,0";
const QUEUES: u64 = 4;

/// Makes a TAP device with several queues, says that it is up, waits for the end of its input, and writes a frame of a
/// local experimental ethertype (IEEE 802) to each queue. The device goes with the process.
const SCRIPT: &str = r#"
import fcntl, os, struct, subprocess, sys
node, name, queues = sys.argv[1], sys.argv[2], int(sys.argv[3])
TUNSETIFF, TAP, NO_PI, MULTI_QUEUE = 0x400454ca, 0x0002, 0x1000, 0x0100
files = [os.open(node, os.O_RDWR) for _ in range(queues)]
for file in files:
    fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH22x", name.encode(), TAP | NO_PI | MULTI_QUEUE))
subprocess.check_call(["ip", "link", "set", "dev", name, "up"])
print("up", flush=True)
for turn in range(2):
    sys.stdin.readline()
    for file in files if turn == 0 else []:
        os.write(file, bytes([0xff] * 6 + [2, 0, 0, 0, 0, 1, 0x88, 0xb5] + [0] * 46))
"#;

/// The process that holds the device.
struct Tap {
    process: Child,
    _folder: TempDir,
}

impl Tap {
    fn new(host: &Host) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // A node of our own: where udev does not run there is none, and opening it loads the module.
        let node = folder.path().join("tun");
        mknod(&node, SFlag::S_IFCHR, Mode::S_IRUSR | Mode::S_IWUSR, makedev(10, 200))?;
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT]).arg(&node).args([NAME, &QUEUES.to_string()]);
        let mut process = host.spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("its output")?).read_line(&mut line)?;
        ensure!(line == "up\n", "no TAP device: {line:?}");
        Ok(Self { process, _folder: folder })
    }

    fn send(&mut self) -> Result<()> {
        use std::io::Write;
        Ok(self.process.stdin.as_mut().context("its input")?.write_all(b"\n")?)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// tun_rx_batched in drivers/net/tun.c records the queue that a frame was written to.
#[test]
fn a_receive_queue_is_the_one_that_the_driver_recorded() -> TestResult {
    let lab = Lab::new()?;
    let mut tap = Tap::new(lab.receiver())?;
    let watching = watch_host(lab.receiver(), &["-i", NAME])?;
    tap.send()?;
    wait_for_drops(&watching, QUEUES as usize, |drop| drop["family"] == "0x88b5")?;
    let records = complete(&watching.stop()?)?;
    let ours: Vec<_> = records.of("drop").filter(|drop| drop["family"] == "0x88b5").collect();
    let mut queues: Vec<_> = ours.iter().filter_map(|drop| drop["rx_queue"].as_u64()).collect();
    queues.sort_unstable();
    ensure!(queues.iter().copied().eq(0..QUEUES), "{ours:?}");
    ensure!(ours.iter().all(|drop| drop["interface"] == NAME), "{ours:?}");
    Ok(())
}

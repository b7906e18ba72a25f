//! The live view, on a pseudo terminal.

use crate::scene::{Scene, on};
use anyhow::{Context, Result, ensure};
use nix::pty::{Winsize, openpty};
use plumb_live::{PACKETS, Plumb, Running, TestResult, wait_for};
use std::fs::File;
use std::io::Read;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::thread::spawn;

/// Control sequences of terminals: to the alternate screen and back, cursor off and on, to the first cell.
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
const HIDE: &str = "\x1b[?25l";
const SHOW: &str = "\x1b[?25h";
const HOME: &str = "\x1b[1;1H";
/// Clears all that is below.
const CLEAR: &str = "\x1b[J";

/// A `plumb` whose standard output is a terminal, and what it has written there.
struct OnTerminal {
    plumb: Running,
    bytes: Receiver<Vec<u8>>,
    text: String,
}

impl OnTerminal {
    fn start(mut plumb: Plumb) -> Result<Self> {
        let size = Winsize { ws_row: 24, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = openpty(&size, None).context("a pseudo terminal")?;
        plumb.command().stdout(Stdio::from(terminal.slave)).env("NO_COLOR", "1");
        let plumb = plumb.spawn()?;
        let (sender, bytes) = channel();
        // Ends when nobody has the other end open any more: EIO.
        spawn(move || {
            let (mut master, mut room) = (File::from(terminal.master), [0; 4096]);
            while let Ok(length @ 1..) = master.read(&mut room) {
                if sender.send(room[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { plumb, bytes, text: String::new() })
    }

    fn read(&mut self) -> &str {
        for bytes in self.bytes.try_iter() {
            self.text.push_str(&String::from_utf8_lossy(&bytes));
        }
        &self.text
    }

    /// What the last drawing shows.
    fn shown(&mut self) -> String {
        self.read().rsplit(HOME).next().unwrap_or_default().to_owned()
    }
}

#[test]
fn what_becomes_of_an_interface_outlives_the_live_table() -> TestResult {
    for what in ["run", "stats"] {
        outlives(what)?;
    }
    Ok(())
}

fn outlives(what: &str) -> TestResult {
    let scene = Scene::new()?;
    let host = scene.receiver();
    let mut args = vec!["xdp", what, "-i", host.interface, "--netns", host.netns.name()];
    let theirs = if what == "stats" {
        Some(on(host, &["--action", "drop"])?.start()?)
    } else {
        args.extend(["--action", "drop"]);
        None
    };
    let mut live = OnTerminal::start(Plumb::new(&args)?)?;
    wait_for("the table to be drawn", || Ok(live.read().contains(HOME)))?;
    host.ip(&[&format!("link delete {}", host.interface)])?;
    wait_for("the last words", || Ok(live.read().contains("nothing lost")))?;
    let text = live.read().to_owned();
    let (_, after) = text.rsplit_once(LEAVE).context("the first screen comes back")?;
    ensure!(after.contains("is deleted"), "{after:?}");
    let finished = live.plumb.wait()?;
    ensure!(finished.status.success() && !finished.stderr.contains("is deleted"), "{}", finished.stderr);
    theirs.map_or(Ok(()), |theirs| theirs.wait().map(drop))
}

#[test]
fn the_live_table_is_redrawn_and_leaves_the_terminal_clean() -> TestResult {
    let scene = Scene::new()?;
    let host = scene.receiver();
    let args = ["xdp", "run", "-i", host.interface, "--netns", host.netns.name(), "--action", "drop"];
    let mut live = OnTerminal::start(Plumb::new(&[&args[..], &["--interval", "50ms"]].concat())?)?;
    wait_for("the table to be drawn", || Ok(live.read().matches(HOME).count() > 1))?;
    // The last drawing may not be here in full yet.
    wait_for("a table without packets", || Ok(live.shown().contains("No packet came")))?;
    scene.send(60, PACKETS)?;
    let packets = PACKETS.to_string();
    wait_for("the table to show all packets", || {
        let shown = live.shown();
        let mut rows = shown.lines().filter(|line| line.contains("DROP") && !line.contains("XDP"));
        Ok(rows.any(|line| line.split_whitespace().any(|word| word == packets)))
    })?;
    let drawn = live.read().matches(HOME).count();
    wait_for("it to be redrawn", || Ok(live.read().matches(HOME).count() > drawn))?;
    ensure!(live.read().contains(ENTER) && live.read().contains(HIDE), "{:?}", live.read());
    ensure!(live.read().matches(CLEAR).count() >= drawn, "what is below is left: {:?}", live.read());

    live.plumb.signal(nix::sys::signal::Signal::SIGINT)?;
    wait_for("the last words", || Ok(live.read().contains("nothing lost")))?;
    let text = live.read().to_owned();
    let (before, after) = text.rsplit_once(LEAVE).context("the first screen comes back")?;
    ensure!(text.contains(SHOW) && !after.contains(HIDE), "the cursor is back: {after:?}");
    ensure!(
        before.contains(HOME) && !after.contains(HOME),
        "nothing is drawn over the first screen: {after:?}"
    );
    ensure!(after.contains("DROP") && after.contains(&packets), "the last table stays: {after:?}");
    let finished = live.plumb.wait()?;
    ensure!(finished.status.success(), "{}", finished.stderr);
    Ok(())
}

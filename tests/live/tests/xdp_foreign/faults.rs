//! What the kernel could not do with the verdicts of others' programs.

use crate::foreign::{Foreign, id, told, watch};
use crate::scene::{Scene, sum};
use anyhow::ensure;
use plumb_live::{PACKETS, TestResult};
use serde_json::Value;

#[test]
fn exceptions_and_redirect_errors_are_told_by_cause_and_device() -> TestResult {
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    let host = scene.receiver();
    let cases = [
        ("xdp.empty", "exception", "ABORTED", "ABORTED"),
        ("xdp.astray", "redirect", "EINVAL", "REDIRECT"),
        ("xdp.invalid", "exception", "77", "ABORTED"),
    ];
    for (section, kind, cause, action) in cases {
        host.ip(&[&format!("link set {} xdpdrv off", host.interface)])?;
        foreign.attach(host, "xdpdrv", section)?;
        // What came before is nobody's.
        scene.send(60, 3)?;
        let program = id(host)?;
        let plumb = watch(host, "stats", &["--interval", "20ms"])?;
        scene.send(60, PACKETS)?;
        let (records, fentry) = told(&plumb.stop()?)?;
        let all = sum(&records, "xdp_fault", "packets", |_| true);
        let told = sum(&records, "xdp_fault", "packets", |fault: &Value| {
            (&fault["kind"], &fault["cause"]) == (&kind.into(), &cause.into())
                && fault["interface"] == host.interface
                && fault["netns"] == host.netns.inode()
                && fault["program_id"] == program
        });
        ensure!((all, told) == (PACKETS, PACKETS), "{section}: {told} of {all}: {records:#?}");
        let verdict = |record: &Value| record["action"] == action || !fentry;
        ensure!(sum(&records, "xdp_action", "packets", verdict) == PACKETS, "{section}: {records:#?}");
    }
    Ok(())
}

//! What names nothing is one clear line that says what there is.

use crate::foreign::Foreign;
use crate::scene::Scene;
use anyhow::Result;
use plumb_live::{Finished, Plumb, TestResult, binary};
use std::fs::{Permissions, copy, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

fn stats(args: &[&str]) -> Result<Finished> {
    let mut plumb = Plumb::new(&[&["xdp", "stats"], args].concat())?;
    plumb.command().env_remove("INTERFACE");
    plumb.finish()
}

#[test]
fn what_names_no_program() -> TestResult {
    let (scene, foreign) = (Scene::new()?, Foreign::compile()?);
    foreign.attach(scene.receiver(), "xdpdrv", "xdp.pass")?;
    let sender = [scene.sender().interface, "--netns", scene.sender().netns.name()];
    let known = "foreign_pass";
    stats(&[])?.failed_with(2, &["no program was named", "--prog-id", known])?;
    stats(&["--prog-id", "4294967295"])?.failed_with(2, &["4294967295", known])?;
    stats(&["--prog-name", "plumb-none"])?.failed_with(2, &["plumb-none", known])?;
    stats(&[&["-i"], &sender[..]].concat())?.failed_with(2, &["has no XDP program", known])?;
    stats(&["-i", "plumb-none"])?.failed_with(2, &["plumb-none", "lo"])?;
    stats(&["--prog-name", known, "-o", "x.pcapng"])?.failed_with(2, &["pcapng"])
}

#[test]
fn without_privileges() -> TestResult {
    let folder = tempfile::tempdir()?;
    copy(binary()?, folder.path().join("plumb"))?;
    set_permissions(folder.path(), Permissions::from_mode(0o777))?;
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]);
    command.arg(folder.path().join("plumb"));
    let plumb = Plumb::through(command, &["xdp", "time", "-i", "lo"])?;
    set_permissions(plumb.folder(), Permissions::from_mode(0o777))?;
    plumb.finish()?.failed_with(4, &["xdp time", "CAP_SYS_ADMIN"])
}

//! Which programs serve the hooks on this kernel.

use super::config::{Config, shards};
use super::hooks::{Hook, Mechanism, POINTS, Point, Program};
use super::irq::Irqs;
use super::skeleton::OpenLatencySkel;
use crate::error::{Class, Error};
use crate::session;
use crate::support;
use crate::wire::{latency_config, latency_const};
use libbpf_rs::skel::OpenSkel;
use std::collections::BTreeSet;
use std::fmt::Display;

/// What was chosen.
pub(super) struct Choice {
    /// In the order in which packets come by.
    pub(super) programs: Vec<(&'static Point, &'static Program)>,
    /// Sentences about hooks that this kernel does not give.
    pub(super) missing: Vec<String>,
    /// What functions are to be reached by, where that was asked for.
    pub(super) forced: Option<Mechanism>,
}

/// What this kernel allows.
struct Allowed {
    tracepoints: Vec<&'static str>,
    functions: Vec<&'static str>,
    /// The only mechanism beside tracepoints, where one was asked for.
    forced: Option<Mechanism>,
    /// Why fentry and kprobes are refused.
    fentry: Option<String>,
    kprobe: Option<String>,
    /// Whether packets' processes are asked for.
    process: bool,
}

impl Allowed {
    fn find(config: &Config) -> Result<Self, Error> {
        let all = || POINTS.iter().flat_map(|point| point.programs);
        let of = |mechanism| all().filter(move |program| program.mechanism == mechanism);
        let wanted = |mechanism| config.mechanism.is_none_or(|forced| forced == mechanism);
        let refused = |mechanism: Mechanism| {
            let name = mechanism.name();
            if !wanted(mechanism) {
                return Some(format!("{name} was not asked for"));
            }
            support::refused(name).map(|why| format!("this kernel refuses {name} ({why})"))
        };
        let fentry = refused(Mechanism::Fentry);
        // Only where nothing better is there: trying costs time.
        let kprobe = match fentry {
            Some(_) => refused(Mechanism::Kprobe),
            None => Some("fentry is better".to_owned()),
        };
        Ok(Self {
            tracepoints: support::tracepoints(of(Mechanism::Tracepoint).map(|program| program.target))?,
            functions: support::functions(all().map(|program| program.target))?,
            forced: config.mechanism,
            fentry,
            kprobe,
            process: config.wants_process(),
        })
    }

    /// What functions are to be reached by, where that was asked for.
    fn function(&self) -> Option<Mechanism> {
        self.forced.filter(|mechanism| *mechanism != Mechanism::Tracepoint)
    }

    /// Why no function at all can be reached by what was asked for; `None` where one can.
    fn nothing(&self) -> Option<String> {
        let forced = self.function()?;
        let mut all =
            POINTS.iter().flat_map(|point| point.programs).filter(|program| program.mechanism == forced);
        let first = self.obstacle(all.next()?)?;
        all.all(|program| self.obstacle(program).is_some()).then_some(first)
    }

    /// Why a point has no program: what is against the one that was asked for, else against the best.
    fn against(&self, point: &Point) -> String {
        let asked = point.programs.iter().find(|program| Some(program.mechanism) == self.forced);
        asked.or(point.programs.first()).and_then(|program| self.obstacle(program)).unwrap_or_default()
    }

    /// Why a program cannot run; `None` where it can.
    fn obstacle(&self, program: &Program) -> Option<String> {
        let target = program.target;
        let function = |refused: &Option<String>| match refused {
            Some(why) => Some(why.clone()),
            None if self.functions.contains(&target) => None,
            None => Some(format!("this kernel has no function {target}")),
        };
        match program.mechanism {
            Mechanism::Tracepoint if self.tracepoints.contains(&target) => None,
            Mechanism::Tracepoint => Some(format!("this kernel has no tracepoint {target}")),
            Mechanism::Fentry => function(&self.fentry),
            Mechanism::Kprobe => function(&self.kprobe),
        }
    }
}

/// Sizes the maps, writes the read-only data and keeps the programs that are chosen.
pub(super) fn configure(
    open: &mut OpenLatencySkel<'_>,
    config: &Config,
    irqs: Option<&Irqs<'_>>,
) -> Result<Choice, Error> {
    let failed =
        |error: libbpf_rs::Error| session::failed("cannot configure the latency probe".into(), &error);
    open.maps.latency_journeys.set_max_entries(config.journeys()).map_err(failed)?;
    open.maps.latency_buckets.set_max_entries(config.buckets()).map_err(failed)?;
    open.maps.latency_segments.set_max_entries(config.buckets()).map_err(failed)?;
    open.maps.latency_tcp_sockets.set_max_entries(config.sockets()).map_err(failed)?;
    open.maps.latency_udp_sockets.set_max_entries(config.queues()).map_err(failed)?;
    open.maps.latency_ring.set_max_entries(config.ring_bytes()).map_err(failed)?;
    match irqs {
        Some(irqs) => open.maps.irq_cpus.reuse_fd(irqs.cpus()),
        None => open.maps.irq_cpus.set_autocreate(false),
    }
    .map_err(failed)?;
    let shards = shards()?;
    open.maps.latency_groups.set_max_entries(config.groups().max(1)).map_err(failed)?;
    let times = (config.group_stages() * shards.0).max(1);
    open.maps.latency_group_times.set_max_entries(times).map_err(failed)?;
    if config.keys.iter().any(|key| key.is_place()) {
        open.maps.latency_places.set_max_entries(latency_const::LATENCY_PLACES.0).map_err(failed)?;
    }
    let allowed = Allowed::find(config)?;
    let choice = choose(&allowed)?;
    if let Some(data) = open.maps.rodata_data.as_mut() {
        let readable = choice.programs.iter().any(|(point, _)| point.hook == Some(Hook::Readable));
        let recv_length = u8::from(allowed.tracepoints.contains(&"sock_recv_length"));
        let irq = u8::from(irqs.is_some());
        data.config = bytemuck::cast(latency_config {
            recv_length,
            readable: u8::from(readable),
            irq,
            ..config.wire(shards)
        });
    }
    let chosen: BTreeSet<&str> = choice.programs.iter().map(|(_, program)| program.name).collect();
    for mut program in open.open_object_mut().progs_mut() {
        let keep = program.name().to_str().is_some_and(|name| chosen.contains(name));
        program.set_autoload(keep);
    }
    Ok(choice)
}

/// What was asked for reaches no function.
pub(super) fn unreached(mechanism: Mechanism, why: impl Display) -> Error {
    let what = format!("cannot hook functions by {}", mechanism.name());
    Error::new(Class::Unsupported, what, why)
        .help("without --mechanism tracepoints follow packets; `plumb doctor` tells what this kernel allows")
}

fn choose(allowed: &Allowed) -> Result<Choice, Error> {
    if let Some((mechanism, why)) = allowed.function().zip(allowed.nothing()) {
        return Err(unreached(mechanism, why));
    }
    let mut programs = Vec::new();
    let mut lost: Vec<(Hook, String)> = Vec::new();
    for point in POINTS.iter().filter(|point| allowed.process || !point.process) {
        match point.programs.iter().find(|program| allowed.obstacle(program).is_none()) {
            Some(program) => programs.push((point, program)),
            None => {
                let why = allowed.against(point);
                if point.required {
                    return Err(Error::new(Class::Unsupported, "cannot follow packets", why)
                        .help("run `plumb doctor`"));
                }
                lost.extend(point.hook.map(|hook| (hook, why)));
            }
        }
    }
    Ok(Choice { missing: sentences(&programs, &lost), programs, forced: allowed.function() })
}

/// One sentence for each reason. A hook that another point still serves, as that of the other IP version, is lost for a part
/// of the packets.
fn sentences(programs: &[(&Point, &Program)], lost: &[(Hook, String)]) -> Vec<String> {
    let served = |hook: &Hook| programs.iter().any(|(point, _)| point.hook.as_ref() == Some(hook));
    let mut reasons: Vec<&str> = Vec::new();
    for (_, why) in lost {
        if !reasons.contains(&why.as_str()) {
            reasons.push(why);
        }
    }
    let sentence = |why: &&str| {
        let names = |partly: bool| {
            let of_it = lost.iter().filter(|(hook, other)| other == why && served(hook) == partly);
            let hooks: BTreeSet<Hook> = of_it.map(|(hook, _)| *hook).collect();
            hooks.into_iter().map(Hook::name).collect::<Vec<_>>().join(", ")
        };
        let (whole, part) = (names(false), names(true));
        let joined = "with the stages around them as one";
        match (whole.as_str(), part.as_str()) {
            (whole, "") => format!("{why}; left out, {joined}: {whole}"),
            ("", part) => format!("{why}; left out for a part of the packets, {joined}: {part}"),
            (whole, part) => {
                format!("{why}; left out, {joined}: {whole}, and for a part of the packets {part}")
            }
        }
    };
    reasons.iter().map(sentence).collect()
}

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;

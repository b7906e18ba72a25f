//! What every run tells, whatever it observes: first what it is, last its account, and what its exit code comes from.

use crate::anonymizing::Anonymizer;
use crate::child;
use crate::clock::Span;
use crate::failure::{Exit, Failure, Outcome};
use crate::outputs::Outputs;
use crate::pipeline::End;
use crate::plan::Run;
use crate::{meter, text};
use plumb_kernel::session::Attached;
use plumb_kernel::support;
use plumb_records::ledger::Ledger;
use plumb_records::session::Session;

/// The first record.
pub fn session(filters: Vec<String>, mechanisms: Vec<(String, String)>, clock_offset_ns: i64) -> Session {
    anonymous_session(&Anonymizer::default(), filters, mechanisms, clock_offset_ns)
}

/// The same without addresses, where they are to be hidden; `filters` have none any more.
pub fn anonymous_session(
    anonymizer: &Anonymizer,
    filters: Vec<String>,
    mechanisms: Vec<(String, String)>,
    clock_offset_ns: i64,
) -> Session {
    let host = support::host();
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    Session {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: host.name,
        kernel: host.kernel,
        boot_id: host.boot_id,
        command: anonymizer.command(words).join(" "),
        filters,
        mechanisms,
        clock_offset_ns,
    }
}

/// With -v: the programs, and how large they are.
pub fn programs(run: &Run, hooks: &[Attached]) {
    for hook in hooks.iter().filter(|_| run.verbose) {
        text::note(format_args!(
            "{} by {}: program {}, {} bytes of BPF, {} bytes of machine code",
            hook.hook, hook.mechanism, hook.id, hook.bpf_bytes, hook.jited_bytes
        ));
    }
}

/// An account without packets: what was written, and what this process cost.
pub fn cost(outputs: &Outputs, span: Span) -> Ledger {
    Ledger {
        records: outputs.records(),
        duration_ns: span.nanoseconds(),
        cost_cpu_ns: meter::cpu_time().map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
        peak_rss_bytes: meter::peak_memory(),
        ..Ledger::default()
    }
}

/// The probe's account, with what was written and what this process cost.
pub fn with_cost(ledger: Ledger, outputs: &Outputs, span: Span) -> Ledger {
    let Ledger { records, duration_ns, cost_cpu_ns, peak_rss_bytes, .. } = cost(outputs, span);
    Ledger { records, duration_ns, cost_cpu_ns, peak_rss_bytes, ..ledger }
}

/// Writes the ledger and says it in a sentence; an error where an output failed or the account does not balance. What an
/// output loses by having no end is in the ledger of the others.
pub fn close(
    outputs: &mut Outputs,
    run: &Run,
    ledger: &Ledger,
    sentence: impl FnOnce(&Ledger) -> String,
) -> Outcome<()> {
    let lost = outputs.lost();
    outputs.seal(ledger);
    let ledger = &match outputs.lost() - lost {
        0 => ledger.clone(),
        more => Ledger { records: outputs.records(), ..ledger.clone() }.losing(more).closed(),
    };
    let sentence = sentence(ledger);
    outputs.write_about(ledger);
    outputs.flush();
    outputs.sum_up(run, &sentence, ledger.complete);
    outputs.result()?;
    if ledger.balances() {
        Ok(())
    } else {
        Err(Failure::failed("the account of packets does not balance").because(sentence))
    }
}

/// The exit code of a run in which nothing of ours failed.
pub fn exit(run: &Run, ledger: &Ledger, end: End) -> Exit {
    if run.strict && !ledger.complete {
        text::note("the output is incomplete, and --strict was given");
        return Exit::Incomplete;
    }
    match end {
        End::Command(status) => child::exit_of(status),
        End::Time | End::Count | End::Asked | End::Output => Exit::Done,
    }
}

//! Kernels that have other tracepoints and functions than the newest one.

use super::*;

/// A kernel with the tracepoints and functions that `has` accepts.
fn kernel(has: impl Fn(&str) -> bool) -> Allowed {
    let all = || POINTS.iter().flat_map(|point| point.programs);
    let of = |tracepoints: bool| {
        all().filter(move |program| (program.mechanism == Mechanism::Tracepoint) == tracepoints)
    };
    Allowed {
        tracepoints: of(true).map(|program| program.target).filter(|name| has(name)).collect(),
        functions: of(false).map(|program| program.target).filter(|name| has(name)).collect(),
        forced: None,
        fentry: None,
        kprobe: Some("fentry is better".to_owned()),
        process: true,
    }
}

/// What such a kernel gives where it is in lockdown.
fn locked_down(kernel: Allowed) -> Allowed {
    let refused = |name| Some(format!("this kernel refuses {name} (load: Operation not permitted)"));
    Allowed { fentry: refused("fentry"), kprobe: refused("kprobe"), ..kernel }
}

/// The programs that stamp a hook.
fn by(choice: &Choice, hook: Hook) -> Vec<&'static str> {
    let serving = choice.programs.iter().filter(|(point, _)| point.hook == Some(hook));
    serving.map(|(_, program)| program.name).collect()
}

#[test]
fn where_all_is_there_the_best_is_taken() {
    let all = choose(&kernel(|_| true)).unwrap();
    assert!(all.missing.is_empty() && all.programs.len() == POINTS.len());
    assert_eq!(by(&all, Hook::Readable), ["on_readable"]);
    assert_eq!(by(&all, Hook::Ip), ["in_ip4_f", "in_ip6_f"]);
    for (point, program) in &all.programs {
        assert_eq!(point.programs[0].name, program.name);
    }
}

#[test]
fn without_fentry_kprobes_serve() {
    let refused = Allowed { fentry: Some("refused".to_owned()), kprobe: None, ..kernel(|_| true) };
    let choice = choose(&refused).unwrap();
    assert_eq!(by(&choice, Hook::Ip), ["in_ip4_k", "in_ip6_k"]);
    assert_eq!(by(&choice, Hook::Send), ["on_send", "out_send4_k", "out_send6_k"]);
    assert!(choice.missing.is_empty(), "{:?}", choice.missing);
}

/// 6.1: a function has to do what became a tracepoint later.
#[test]
fn a_tracepoint_that_is_not_there_yet_is_a_function() {
    let newer = ["sk_data_ready", "tcp_sendmsg_locked", "sock_recv_length"];
    let mut old = kernel(|name| !newer.contains(&name));
    old.functions.push("tcp_sendmsg_locked");
    let choice = choose(&old).unwrap();
    assert_eq!(by(&choice, Hook::Readable), ["on_readable_f"]);
    assert_eq!(by(&choice, Hook::Send), ["on_send_f", "out_send4_f", "out_send6_f"]);
    assert!(choice.missing.is_empty(), "{:?}", choice.missing);
}

#[test]
fn lockdown_leaves_the_tracepoints() {
    let choice = choose(&locked_down(kernel(|name| name != "sk_data_ready"))).unwrap();
    let mechanisms = choice.programs.iter().map(|(_, program)| program.mechanism);
    assert!(mechanisms.into_iter().all(|mechanism| mechanism == Mechanism::Tracepoint));
    assert_eq!(
        choice.missing,
        [
            "this kernel refuses fentry (load: Operation not permitted); left out, with the stages around them as one: \
             ip, local, transport, data_queue, transport_out, ip_out, and for a part of the packets socket, send",
            "this kernel has no tracepoint sk_data_ready; left out, with the stages around them as one: readable",
        ]
    );
}

#[test]
fn a_renamed_function_is_named_and_its_hook_left_out() {
    let gone = ["ip_output", "ip6_output"];
    let choice = choose(&kernel(|name| !gone.contains(&name))).unwrap();
    assert_eq!(by(&choice, Hook::IpOut), Vec::<&str>::new());
    assert_eq!(
        choice.missing,
        gone.map(|name| format!(
            "this kernel has no function {name}; left out, with the stages around them as one: ip_out"
        ))
    );
}

#[test]
fn one_of_two_functions_serves_a_part_of_the_packets() {
    for (gone, hook, left) in [
        ("ip_rcv", Hook::Ip, &["in_ip6_f"][..]),
        ("tcp_v6_rcv", Hook::Transport, &["in_tcp4_f", "in_udp4_f", "in_udp6_f"]),
        ("udp_v6_send_skb", Hook::TransportOut, &["out_tcp_f", "out_udp4_f"]),
        ("udp_queue_rcv_skb", Hook::Socket, &["on_tcp", "in_sock6_f"]),
    ] {
        let choice = choose(&kernel(|name| name != gone)).unwrap();
        assert_eq!(by(&choice, hook), left);
        let name = hook.name();
        assert_eq!(
            choice.missing,
            [format!(
                "this kernel has no function {gone}; left out for a part of the packets, with the stages around them as one: \
                 {name}"
            )]
        );
    }
}

/// A kernel on which kprobes were asked for.
fn asked_for_kprobes(kernel: Allowed) -> Allowed {
    let fentry = Some("fentry was not asked for".to_owned());
    Allowed { forced: Some(Mechanism::Kprobe), fentry, kprobe: None, ..kernel }
}

/// What was asked for is what the sentence is about, though something else is against it as well.
#[test]
fn a_mechanism_that_is_refused_ends_the_run() {
    let asked = Allowed { forced: Some(Mechanism::Kprobe), ..locked_down(kernel(|_| true)) };
    let error = choose(&asked).err().unwrap();
    assert_eq!(error.class, Class::Unsupported);
    assert_eq!(
        error.to_string(),
        "cannot hook functions by kprobe: this kernel refuses kprobe (load: Operation not permitted); without --mechanism \
         tracepoints follow packets; `plumb doctor` tells what this kernel allows"
    );
    // The same where the kernel would allow it and has none of the functions.
    let error = choose(&asked_for_kprobes(kernel(|name| !function(name)))).err().unwrap();
    assert!(error.to_string().contains("kprobe: this kernel has no function ip_rcv"), "{error}");
}

/// Whether a program hooks it as a function.
fn function(target: &str) -> bool {
    let mut all = POINTS.iter().flat_map(|point| point.programs);
    all.any(|program| program.target == target && program.mechanism != Mechanism::Tracepoint)
}

#[test]
fn a_mechanism_that_reaches_some_functions_serves_those() {
    let only = |name: &str| !function(name) || name == "ip_rcv";
    let choice = choose(&asked_for_kprobes(kernel(only))).unwrap();
    assert_eq!(by(&choice, Hook::Ip), ["in_ip4_k"]);
    assert_eq!(choice.forced, Some(Mechanism::Kprobe));
    let told = |name| choice.missing.iter().any(|why| why.contains(&format!("no function {name};")));
    assert!(told("ipv6_rcv") && told("tcp_data_queue") && !told("ip_rcv"), "{:?}", choice.missing);
    // Tracepoints were asked for: nothing is missing that was.
    let asked = Allowed { forced: Some(Mechanism::Tracepoint), ..locked_down(kernel(|_| true)) };
    assert_eq!(choose(&asked).unwrap().forced, None);
}

#[test]
fn any_function_and_any_other_tracepoint_may_be_missing() {
    for point in POINTS.iter().filter(|point| !point.required) {
        for program in point.programs {
            let choice = choose(&kernel(|name| name != program.target)).unwrap();
            assert!(choice.programs.iter().all(|(_, chosen)| chosen.target != program.target));
        }
    }
    assert!(choose(&kernel(|name| name != "nothing")).unwrap().missing.is_empty());
}

#[test]
fn processes_cost_programs_only_where_they_are_asked_for() {
    let choice = choose(&Allowed { process: false, ..kernel(|_| true) }).unwrap();
    let (without, all) = (choice.programs.len(), POINTS.len());
    assert!(without < all && choice.programs.iter().all(|(point, _)| !point.process));
}

#[test]
fn what_is_needed_is_named() {
    for point in POINTS.iter().filter(|point| point.required) {
        let targets: Vec<&str> = point.programs.iter().map(|program| program.target).collect();
        let told = choose(&kernel(|name| !targets.contains(&name))).err().unwrap().to_string();
        let named =
            targets.iter().any(|target| told.contains(&format!("this kernel has no tracepoint {target}")));
        assert!(told.starts_with("cannot follow packets") && named, "{told}");
    }
}

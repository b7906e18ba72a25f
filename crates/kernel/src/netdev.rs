//! Questions about interfaces of a network namespace, through a socket that was made in it: they can be asked from
//! anywhere, and need no privilege.

use std::ffi::{CStr, c_char, c_void};
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

/// `ETHTOOL_GDRVINFO` of include/uapi/linux/ethtool.h.
const DRIVER_INFO: u32 = 3;

/// `ETHTOOL_GSTRINGS`, `ETHTOOL_GSTATS` and `ETHTOOL_GSSET_INFO`, likewise.
const STRINGS: u32 = 0x1b;
const COUNTERS: u32 = 0x1d;
const SET_INFO: u32 = 0x37;
/// `ETH_SS_STATS`: the set of strings that are names of counters.
const COUNTERS_SET: u32 = 1;
/// Room for counters of queues that appear between two calls.
const SPARE_COUNTERS: u32 = 4096;
/// Words of 64 bits: before the counters or names at most, and in a name (ETH_GSTRING_LEN).
const HEADER_WORDS: usize = 2;
const NAME_WORDS: usize = 4;

/// struct ethtool_drvinfo of include/uapi/linux/ethtool.h.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [c_char; 32],
    rest: [u8; 160],
}

/// A way to ask about the interfaces of one namespace.
#[derive(Debug)]
pub struct Inside(UdpSocket);

impl Inside {
    /// The calling thread's namespace.
    pub fn here() -> io::Result<Self> {
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map(Self)
    }

    /// Name of the interface with this index; `None` where there is none.
    pub fn name(&self, ifindex: u32) -> Option<String> {
        let mut request = request("");
        request.ifr_ifru.ifru_ifindex = i32::try_from(ifindex).ok()?;
        self.ask(libc::SIOCGIFNAME, &mut request).ok()?;
        Some(text(&request.ifr_name))
    }

    /// Its largest payload in bytes.
    pub fn mtu(&self, interface: &str) -> Option<u32> {
        let mut request = request(interface);
        self.ask(libc::SIOCGIFMTU, &mut request).ok()?;
        // SAFETY: the kernel has written this member.
        #[allow(unsafe_code, reason = "a union of the kernel's")]
        let mtu = unsafe { request.ifr_ifru.ifru_mtu };
        u32::try_from(mtu).ok()
    }

    /// Kind of its frames, as include/uapi/linux/if_arp.h numbers them (`ARPHRD_*`).
    pub fn kind(&self, interface: &str) -> Option<u16> {
        let mut request = request(interface);
        self.ask(libc::SIOCGIFHWADDR, &mut request).ok()?;
        // SAFETY: the kernel has written this member.
        #[allow(unsafe_code, reason = "a union of the kernel's")]
        let address = unsafe { request.ifr_ifru.ifru_hwaddr };
        Some(address.sa_family)
    }

    /// Name of its driver; `None` where it has none or does not tell.
    pub fn driver(&self, interface: &str) -> Option<String> {
        let mut info = DriverInfo { command: DRIVER_INFO, driver: [0; 32], rest: [0; 160] };
        let mut request = request(interface);
        request.ifr_ifru.ifru_data = (&raw mut info).cast();
        self.ask(libc::SIOCETHTOOL, &mut request).ok()?;
        Some(text(&info.driver)).filter(|driver| !driver.is_empty())
    }

    /// What its driver counts, by the names that the driver gives; `None` where it counts nothing.
    pub fn counters(&self, interface: &str) -> Option<Vec<(String, u64)>> {
        let told = self.counters_told(interface)?;
        let room = told.checked_add(SPARE_COUNTERS)? as usize;
        let mut names = vec![0_u64; HEADER_WORDS + room * NAME_WORDS];
        // The head is three numbers, and names follow at once: struct ethtool_gstrings.
        let head: &mut [u32] = bytemuck::cast_slice_mut(&mut names);
        head[..3].copy_from_slice(&[STRINGS, COUNTERS_SET, told]);
        let named = self.fill(interface, &mut names)?[2];
        let mut values = vec![0_u64; HEADER_WORDS + room];
        let head: &mut [u32] = bytemuck::cast_slice_mut(&mut values);
        head[..2].copy_from_slice(&[COUNTERS, told]);
        let counted = self.fill(interface, &mut values)?[1];
        // Their number changes with that of queues: then names and values do not fit together.
        let names: &[u8] = bytemuck::cast_slice(&names);
        (named == told && counted == told).then(|| {
            let names = names[12..].chunks_exact(8 * NAME_WORDS).map(|name| {
                let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
                String::from_utf8_lossy(&name[..end]).into_owned()
            });
            names.zip(values[1..].iter().copied()).take(told as usize).collect()
        })
    }

    /// How many counters the driver has.
    fn counters_told(&self, interface: &str) -> Option<u32> {
        // struct ethtool_sset_info: command, reserved, the mask of sets, and a number for each of them.
        let mut asked = [0_u64; 3];
        let words: &mut [u32] = bytemuck::cast_slice_mut(&mut asked);
        words[0] = SET_INFO;
        asked[1] = 1 << COUNTERS_SET;
        let told = self.fill(interface, &mut asked)?[4];
        (asked[1] != 0 && told > 0).then_some(told)
    }

    /// Lets the driver fill in what `request` asks for; the request, as words of 32 bits.
    fn fill<'a>(&self, interface: &str, asked: &'a mut [u64]) -> Option<&'a [u32]> {
        let mut request = request(interface);
        request.ifr_ifru.ifru_data = asked.as_mut_ptr().cast();
        self.ask(libc::SIOCETHTOOL, &mut request).ok()?;
        Some(bytemuck::cast_slice(asked))
    }

    fn ask(&self, code: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
        let request: *mut c_void = std::ptr::from_mut(request).cast();
        // SAFETY: each code of this file reads and writes one ifreq, which is borrowed for the call, and SIOCETHTOOL the
        // buffer that it points to, which outlives it and is as large as its command needs. Counters are written as
        // many as there are at that moment, which is why there is room for far more than were told just before.
        #[allow(unsafe_code, reason = "ioctl works on a socket of another namespace, /sys does not")]
        let status = unsafe { libc::ioctl(self.0.as_raw_fd(), code as _, request) };
        if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// A request with a name, cut to what the kernel takes.
fn request(name: &str) -> libc::ifreq {
    // SAFETY: an ifreq is bytes, integers and a pointer that nobody follows; all of them may be zero.
    #[allow(unsafe_code, reason = "the union has no other constructor that clears all of it")]
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().take(libc::IFNAMSIZ - 1).zip(name.bytes()) {
        *to = from as c_char;
    }
    request
}

fn text(name: &[c_char]) -> String {
    let bytes: Vec<u8> = name.iter().map(|byte| *byte as u8).chain([0]).collect();
    CStr::from_bytes_until_nul(&bytes).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Inside;

    #[test]
    fn counters_have_names_or_are_unknown() {
        let inside = Inside::here().unwrap();
        assert_eq!(inside.counters("plumb-none"), None);
        assert!(
            inside.counters("lo").is_none_or(|counters| counters.iter().all(|(name, _)| !name.is_empty()))
        );
    }

    #[test]
    fn the_loopback_is_known() {
        let inside = Inside::here().unwrap();
        assert_eq!(inside.name(1).as_deref(), Some("lo"));
        assert_eq!((inside.name(u32::MAX), inside.name(1 << 30)), (None, None));
        assert!(inside.mtu("lo").unwrap() >= 1280);
        assert_eq!(inside.mtu("plumb-no-such-interface"), None);
        assert_eq!((inside.kind("lo"), inside.kind("plumb-no-such")), (Some(772), None));
        assert_eq!(inside.driver("plumb-none"), None);
    }
}

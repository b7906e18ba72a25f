//! Questions about interfaces of a network namespace, through a socket that was made in it: they can be asked from
//! anywhere, and need no privilege.

use std::ffi::{CStr, c_char, c_void};
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

/// `ETHTOOL_GDRVINFO` of include/uapi/linux/ethtool.h.
const DRIVER_INFO: u32 = 3;

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

    /// Name of its driver; `None` where it has none or does not tell.
    pub fn driver(&self, interface: &str) -> Option<String> {
        let mut info = DriverInfo { command: DRIVER_INFO, driver: [0; 32], rest: [0; 160] };
        let mut request = request(interface);
        request.ifr_ifru.ifru_data = (&raw mut info).cast();
        self.ask(libc::SIOCETHTOOL, &mut request).ok()?;
        Some(text(&info.driver)).filter(|driver| !driver.is_empty())
    }

    fn ask(&self, code: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
        let request: *mut c_void = std::ptr::from_mut(request).cast();
        // SAFETY: each code of this file reads and writes one ifreq, which is borrowed for the call, and SIOCETHTOOL the
        // DriverInfo that it points to, which outlives it.
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
    fn the_loopback_is_known() {
        let inside = Inside::here().unwrap();
        assert_eq!(inside.name(1).as_deref(), Some("lo"));
        assert_eq!((inside.name(u32::MAX), inside.name(1 << 30)), (None, None));
        assert!(inside.mtu("lo").unwrap() >= 1280);
        assert_eq!(inside.mtu("plumb-no-such-interface"), None);
        assert_eq!(inside.driver("plumb-none"), None);
    }
}

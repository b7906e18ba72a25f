//! The first record of every run: what ran, where, and by which mechanisms.

crate::record! {
    /// What a run is: written once, first.
    pub struct Session = "session" {
        version: String as Text, "version of plumb";
        host: String as Text, "host name";
        kernel: String as Text, "kernel release";
        boot_id: String as Text, "random id of this boot, as the kernel gives it";
        command: String as Text, "the command line";
        filters: Vec<String> as Texts, "the filters in force";
        mechanisms: Vec<(String, String)> as Map, "hook to the mechanism that serves it";
        clock_offset_ns: i64 as Nanoseconds, "what was added to the kernel's monotonic clock to get `time`";
    }
}
crate::plain_row!(Session);

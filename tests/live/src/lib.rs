//! What the privileged tests share: running the real `plumb`, and reading what it wrote.
//!
//! The tests of one file run one after another (`--test-threads=1`): drops are seen in all namespaces, so what a test
//! counts exactly it counts in the namespaces of its own lab.

pub mod disk;
pub mod features;
pub mod machine;
mod object;
mod plumb;
pub mod process;
mod records;
pub mod silent;

pub use object::Object;
pub use plumb::{Finished, Plumb, Running, binary, wait_for};
pub use records::{Records, base_symbol};

/// How many packets a fault is injected with: enough to see a wrong factor, few enough for an emulated machine.
pub const PACKETS: u64 = 20;

/// Fails the test with the whole chain of causes.
pub type TestResult = anyhow::Result<()>;

//! Arguments of `plumb explain`.

use super::Report;
use clap::Args;

/// What a drop reason means, its usual causes, and what to look at next
#[derive(Debug, Args)]
pub struct Explain {
    /// Name or number of a drop reason, such as NO_SOCKET
    #[arg(required_unless_present = "list", conflicts_with = "list")]
    pub reason: Option<String>,
    /// Every reason: its number in the running kernel, its name and what it means
    #[arg(long)]
    pub list: bool,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Report::Text)]
    pub format: Report,
}

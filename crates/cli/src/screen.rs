//! A terminal that is redrawn in place, and given back as it was, whatever happens.

use crate::signals::Signals;
use crate::text::{put, style};
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::queue;
use crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, size};
use nix::unistd::getpgrp;
use signal_hook::consts::SIGTSTP;
use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};

/// Whether the terminal is ours: the panic hook must know.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal on standard output while a live table is shown. Dropping it gives the terminal back.
pub struct Screen {
    /// What it shows.
    shown: RefCell<String>,
    /// Set where Ctrl-Z stops us as it stops others.
    stops_by_default: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal: what stood there returns at the end.
    pub fn take(signals: &mut Signals) -> io::Result<Self> {
        restore_on_panic();
        let screen = Self { shown: RefCell::default(), stops_by_default: signals.catch_suspend()? };
        enter()?;
        Ok(screen)
    }

    /// Gives the terminal back, stops as Ctrl-Z asks for, and takes the terminal again when we go on in the foreground.
    pub fn suspend(&self, signals: &Signals) {
        give_back();
        loop {
            // Returns when we go on. An error means that we were not stopped.
            let stopped = signal_hook::low_level::emulate_default_handler(SIGTSTP);
            if stopped.is_err() || in_foreground() || signals.stopped() {
                break;
            }
        }
        // A terminal that takes nothing tells so at the next drawing too.
        let _ = enter().and_then(|()| self.put_lines(&self.shown.borrow()));
    }

    /// Columns and rows; what old terminals had where it cannot be told.
    pub fn size(&self) -> (usize, usize) {
        // A serial console says 0 by 0.
        let (columns, rows) = size().ok().filter(|size| size.0 > 0 && size.1 > 0).unwrap_or((80, 24));
        (usize::from(columns.max(20)), usize::from(rows.max(6)))
    }

    /// Shows `text`, whose lines must fit the width; lines below the last row are left out.
    pub fn draw(&self, text: &str) -> io::Result<()> {
        text.clone_into(&mut self.shown.borrow_mut());
        self.put_lines(text)
    }

    fn put_lines(&self, text: &str) -> io::Result<()> {
        let (_, rows) = self.size();
        let mut out = Vec::with_capacity(text.len() + 64);
        queue!(out, MoveTo(0, 0))?;
        for (row, line) in text.lines().take(rows).enumerate() {
            // A line feed after the last row would scroll.
            write!(out, "{}{line}", if row > 0 { "\r\n" } else { "" })?;
            queue!(out, Clear(ClearType::UntilNewLine))?;
        }
        queue!(out, Clear(ClearType::FromCursorDown))?;
        put(&out)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
        self.stops_by_default.store(true, Ordering::SeqCst);
    }
}

fn enter() -> io::Result<()> {
    TAKEN.store(true, Ordering::SeqCst);
    let mut out = Vec::new();
    queue!(out, EnterAlternateScreen, Hide)?;
    put(&out)
}

/// Whether the terminal is our process group's: the eighth field of the status is the terminal's (proc_pid_stat(5)).
/// Where nothing can be told it is.
fn in_foreground() -> bool {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field, a name in brackets, may have blanks.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let group = rest.split_whitespace().nth(5).and_then(|field| field.parse().ok());
    group.is_none_or(|group: i32| group == getpgrp().as_raw())
}

fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = Vec::new();
        // A terminal that is gone needs nothing back.
        let _ = queue!(out, LeaveAlternateScreen, Show).and_then(|()| put(&out));
    }
}

/// A panic's message would be lost with the alternate screen, so the terminal goes back before it is printed.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
    });
}

/// Lines of at most `columns` characters, colour aside: only the title and the footer can be longer, and show it.
pub fn fit(text: &str, columns: usize) -> String {
    cut(text, columns, if style(true).unicode { '…' } else { '~' })
}

fn cut(text: &str, columns: usize, ellipsis: char) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        if line.contains('\x1b') || line.chars().count() <= columns {
            out.push_str(line);
        } else {
            out.extend(line.chars().take(columns.saturating_sub(1)));
            out.push(ellipsis);
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn long_lines_are_cut() {
        assert_eq!(cut("abcdef\nabcd\n", 4, '~'), "abc~\nabcd\n");
    }
}

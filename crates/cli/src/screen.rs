//! A terminal that is redrawn in place, and given back as it was, whatever happens.

use crate::text::put;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::queue;
use crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, size};
use std::io::{self, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the terminal is ours: the panic hook must know.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal on standard output while a live table is shown. Dropping it gives the terminal back.
pub struct Screen(());

impl Screen {
    /// Takes the terminal: what stood there returns at the end.
    pub fn take() -> io::Result<Self> {
        restore_on_panic();
        TAKEN.store(true, Ordering::SeqCst);
        let screen = Self(());
        let mut out = Vec::new();
        queue!(out, EnterAlternateScreen, Hide)?;
        put(&out)?;
        Ok(screen)
    }

    /// Columns and rows; what old terminals had where it cannot be told.
    pub fn size(&self) -> (usize, usize) {
        // A serial console says 0 by 0.
        let (columns, rows) = size().ok().filter(|size| size.0 > 0 && size.1 > 0).unwrap_or((80, 24));
        (usize::from(columns.max(20)), usize::from(rows.max(6)))
    }

    /// Shows `text`, whose lines must fit the width; lines below the last row are left out.
    pub fn draw(&self, text: &str) -> io::Result<()> {
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
    }
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

/// Lines of at most `columns` characters, colour aside: only the title and the footer can be longer.
pub fn fit(text: &str, columns: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        if line.contains('\x1b') || line.chars().count() <= columns {
            out.push_str(line);
        } else {
            out.extend(line.chars().take(columns));
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn long_lines_are_cut() {
        assert_eq!(fit("abcdef\nab\n", 4), "abcd\nab\n");
    }
}

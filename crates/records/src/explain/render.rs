//! An entry as text for a terminal.

use super::Entry;
use std::fmt::Write as _;
use textwrap::{Options, WordSplitter};

/// Narrower than this a text is harder to read than one that a terminal breaks.
const MIN_WIDTH: usize = 30;

impl Entry {
    /// The entry as paragraphs and lists, wrapped to `width` columns and ending in a newline. Commands stay on one
    /// line whatever their length, so that they can be copied.
    #[must_use]
    pub fn render(&self, width: usize) -> String {
        let width = width.max(MIN_WIDTH);
        let mut text = format!("{}\n\n{}\n", self.name, wrap(self.what, width, "", ""));
        text.push_str("\nUsual causes\n");
        for cause in self.causes {
            line(&mut text, &wrap(cause, width, "  - ", "    "));
        }
        text.push_str("\nLook at next\n");
        for command in self.next {
            line(&mut text, &format!("  {command}"));
        }
        if let Some(kernels) = self.kernels {
            text.push_str("\nKernels\n");
            line(&mut text, &wrap(kernels, width, "  ", "  "));
        }
        if !self.related.is_empty() {
            text.push('\n');
            line(&mut text, &wrap(&self.related.join(", "), width, "Related: ", "         "));
        }
        text
    }
}

/// A name with an underscore or a hyphen is never broken: people copy it.
fn wrap(text: &str, width: usize, first: &str, rest: &str) -> String {
    let options = Options::new(width)
        .initial_indent(first)
        .subsequent_indent(rest)
        .word_splitter(WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::fill(text, options)
}

fn line(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}

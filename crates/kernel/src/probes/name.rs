//! Names in fixed fields of the kernel's.

/// Bytes of a name's field (TASK_COMM_LEN, IFNAMSIZ), and of its text where every byte becomes U+FFFD.
pub(crate) const NAME: usize = 16;
pub(crate) const NAME_TEXT: usize = NAME * char::REPLACEMENT_CHARACTER.len_utf8();

/// A name that the kernel keeps in a fixed field, up to its NUL, as text. It may be any bytes, and a long one is cut
/// within a character: U+FFFD stands for what is not UTF-8.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    text: [u8; NAME_TEXT],
    length: usize,
}

impl Name {
    pub(crate) fn of(field: &[u8; NAME]) -> Self {
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(NAME);
        let mut name = Self { text: [0; NAME_TEXT], length: 0 };
        for chunk in field[..end].utf8_chunks() {
            name.push(chunk.valid());
            if !chunk.invalid().is_empty() {
                name.push(char::REPLACEMENT_CHARACTER.encode_utf8(&mut [0; 4]));
            }
        }
        name
    }

    fn push(&mut self, text: &str) {
        let end = self.length + text.len();
        if let Some(room) = self.text.get_mut(self.length..end) {
            room.copy_from_slice(text.as_bytes());
            self.length = end;
        }
    }

    /// The text; empty where the field was.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_whatever_their_bytes() {
        let name = |bytes: &[u8]| {
            let mut field = [0; NAME];
            field[..bytes.len()].copy_from_slice(bytes);
            Name::of(&field).text().to_owned()
        };
        assert_eq!(name(b""), "");
        assert_eq!(name(b"kworker/0:1\0left"), "kworker/0:1");
        assert_eq!(name("größe".as_bytes()), "größe");
        assert_eq!(name(b"\xffa\xc3"), "\u{fffd}a\u{fffd}");
        assert_eq!(name(&[0xff; NAME]), "\u{fffd}".repeat(NAME));
    }
}

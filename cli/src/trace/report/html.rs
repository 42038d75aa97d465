//! Foreign text on the page.

use std::fmt;

use crate::trace::words::is_inert;

/// Text that is written into HTML, be it between tags or into a quoted attribute.
pub(super) struct Html<T>(pub(super) T);

impl<T: AsRef<str>> fmt::Display for Html<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.as_ref().chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ if is_inert(character) => write!(f, "{character}")?,
                _ => write!(f, "{}", character.escape_unicode())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_says_what_it_is() {
        let text = "</title><b a=\"x\" b='y'>&\u{1b}[31m\u{202e}\n\0";
        let expected = "&lt;/title&gt;&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;\
                        \\u{1b}[31m\\u{202e}\\u{a}\\u{0}";
        assert_eq!(Html(text).to_string(), expected);
    }
}

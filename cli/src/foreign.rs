//! Text of others, as it may be shown.

/// The most characters of such a text where there is little room.
const TEXT_MAX: usize = 200;

/// All of it: what would move a terminal's cursor, or turn the direction of what follows, is shown by
/// its number.
pub(crate) fn clean(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        push(character, &mut shown);
    }
    shown
}

/// The same, and what goes on for long is cut off.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == TEXT_MAX {
            shown.push('…');
            break;
        }
        push(character, &mut shown);
    }
    shown
}

fn push(character: char, shown: &mut String) {
    match character {
        '\n' | '\r' | '\t' => shown.extend(character.escape_default()),
        _ if is_inert(character) => shown.push(character),
        _ => shown.extend(character.escape_unicode()),
    }
}

/// Whether a character does nothing but stand where it is written.
pub(crate) fn is_inert(character: char) -> bool {
    let turns = matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !character.is_control() && !turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_move_the_cursor_is_escaped() {
        assert_eq!(clean("a\x1b[31m\u{202e}\nü"), "a\\u{1b}[31m\\u{202e}\\nü");
    }

    #[test]
    fn what_goes_on_for_long_is_cut_off() {
        let long = plain(&"ä".repeat(1_000));
        assert_eq!(long.chars().count(), TEXT_MAX + 1);
        assert!(long.ends_with('…'));
    }
}

//! The spellings of a character in the texts that servers answer with: percent-encoding, JSON's escapes, references of HTML and XML.

/// How many bytes `character` takes at the start of `text`, in whichever spelling it stands there; `None` when another stands there.
///
/// Besides itself: percent-encoded bytes of its UTF-8 (RFC 3986, section 2.1), `+` for a space (`application/x-www-form-urlencoded`, URL
/// Standard), the escapes of JSON (RFC 8259, section 7), and the numeric and the five predefined references of XML (XML 1.0, section 4.6).
pub(super) fn length_of(character: char, text: &str) -> Option<usize> {
    let spelt = match text.as_bytes().first()? {
        b'%' => percent_encoded(character, text.as_bytes()),
        b'+' => (character == ' ').then_some(1),
        b'\\' => escaped(character, text),
        b'&' => referred_to(character, text),
        _ => None,
    };
    spelt.or_else(|| text.starts_with(character).then(|| character.len_utf8()))
}

/// The byte that two hexadecimal digits say.
pub(super) fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(digits[at]).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// Text in which `%XX` are bytes again (RFC 3986, section 2.1); what is no UTF-8 is replaced.
pub(super) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        match behind.get(..2).filter(|_| first == b'%').and_then(hexadecimal) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `%XX` for each byte.
fn percent_encoded(character: char, text: &[u8]) -> Option<usize> {
    let mut utf8 = [0; 4];
    let bytes = character.encode_utf8(&mut utf8).as_bytes();
    let says = |(at, &byte): (usize, &u8)| {
        let code = text.get(3 * at..3 * at + 3)?;
        (code[0] == b'%' && hexadecimal(&code[1..])? == byte).then_some(())
    };
    bytes.iter().enumerate().try_for_each(|each| says(each).ok_or(())).ok()?;
    Some(3 * bytes.len())
}

/// `\/`, `\"`, `\\`, or `\uXXXX`, two of them for what lies beyond the basic plane.
fn escaped(character: char, text: &str) -> Option<usize> {
    let behind = text.as_bytes().get(1)?;
    if *behind != b'u' {
        return (matches!(character, '/' | '"' | '\\' | '\'') && char::from(*behind) == character).then_some(2);
    }
    let mut utf16 = [0; 2];
    let mut rest = text;
    for unit in character.encode_utf16(&mut utf16) {
        let digits = rest.strip_prefix("\\u")?.get(..4)?;
        if u16::from_str_radix(digits, 16) != Ok(*unit) {
            return None;
        }
        rest = &rest[6..];
    }
    Some(text.len() - rest.len())
}

/// `&amp;`, `&#38;`, `&#x26;`.
fn referred_to(character: char, text: &str) -> Option<usize> {
    let (name, _) = text[1..].split_once(';')?;
    let said = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            code.ok().and_then(char::from_u32)
        }
    };
    (said? == character).then_some(name.len() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_known_in_every_spelling_and_no_other_is_taken_for_it() {
        for (character, spellings) in [
            ('/', &["/", "%2F", "%2f", "\\/", "\\u002f", "&#47;", "&#x2f;", "&#X2F;"][..]),
            ('&', &["&", "%26", "\\u0026", "&amp;", "&#38;"]),
            (' ', &[" ", "+", "%20", "&#32;"]),
            ('\'', &["'", "\\'", "&apos;", "&#39;", "%27"]),
            ('"', &["\\\"", "&quot;"]),
            ('\\', &[r"\\", r"\", "%5C"]),
            ('%', &["%", "%25", "&#37;"]),
            ('\u{e9}', &["\u{e9}", "%C3%A9", "\\u00E9", "&#233;"]),
            ('\u{1f600}', &["%F0%9F%98%80", "\\ud83d\\ude00", "&#x1F600;"]),
        ] {
            for spelt in spellings {
                assert_eq!(length_of(character, spelt), Some(spelt.len()), "{spelt}");
                assert_eq!(length_of('x', spelt), None, "{spelt}");
            }
        }
        for cut in ["", "%", "%2", "%zz", "\\", "\\u", "\\u00", "\\u00\u{e9}", "&", "&#", "&#47", "&#;", "&slash;"] {
            assert_eq!(length_of('/', cut), None, "{cut}");
        }
    }
}

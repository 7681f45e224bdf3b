//! Names that people give. A name is 1 to 100 characters in Unicode's composed form, without control or
//! bidirectional characters, without `/`, without space at its ends, and neither `.` nor `..`. Two names are the
//! same when their folded forms are; two that merely look alike are *confusable* and may not stand side by side.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize};
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;

use crate::error::{Code, Refusal};

/// The longest name, in characters.
pub const LONGEST: usize = 100;

/// A name that kept the rules when it was made.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, min_length = 1, max_length = 100, example = "web-1")]
pub struct Name(Box<str>);

impl Name {
    /// Takes a name as a person wrote it.
    ///
    /// # Errors
    /// `name.invalid`, naming the rule that was broken.
    pub fn new(written: &str) -> Result<Self, Refusal> {
        let broken = |cause: &str| {
            let shown: String = written.chars().take(LONGEST).flat_map(char::escape_debug).collect();
            Refusal::new(Code::NameInvalid, format!("name \"{shown}\""), cause)
                .remedy("Choose a name of 1 to 100 visible characters without \"/\"")
        };
        if written.len() > LONGEST * 16 {
            return Err(broken("it is longer than 100 characters"));
        }
        let composed = composed(written);
        if composed.is_empty() {
            return Err(broken("it is empty"));
        }
        if composed.chars().count() > LONGEST {
            return Err(broken("it is longer than 100 characters"));
        }
        if composed.chars().any(char::is_control) {
            return Err(broken("it holds a control character"));
        }
        if composed.chars().any(invisible) {
            return Err(broken("it holds an invisible or bidirectional character"));
        }
        if composed.contains('/') {
            return Err(broken("it holds \"/\""));
        }
        if composed.trim() != composed {
            return Err(broken("it begins or ends with a space"));
        }
        if composed == "." || composed == ".." {
            return Err(broken("it means a folder"));
        }
        Ok(Self(composed.into()))
    }

    /// A name made from one that Hostler did not choose (a libvirt domain's, a file's): what breaks the rules is
    /// replaced, what is too long is cut.
    pub fn mended(found: &str) -> Self {
        let composed: String = composed(found)
            .chars()
            .map(|c| if c.is_control() || invisible(c) || c == '/' { '_' } else { c })
            .take(LONGEST)
            .collect();
        let trimmed = composed.trim();
        match trimmed {
            "" | "." | ".." => Self("unnamed".into()),
            kept => Self(kept.into()),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two names are compared by: compatibility form, case folded.
    pub fn folded(&self) -> String {
        fold(&self.0)
    }

    /// What two names that look alike have in common (Unicode's confusable skeleton of the folded form).
    pub fn skeleton(&self) -> String {
        let folded = fold(&self.0);
        if folded.is_ascii() {
            return folded.bytes().map(|byte| &*ASCII_SKELETONS[usize::from(byte & 0x7f)]).collect();
        }
        unicode_security::skeleton(&folded).collect()
    }

    /// The name as part of a file's or a domain's name: ASCII letters, digits and `-`, at most 32.
    pub fn slug(&self) -> String {
        let mut slug = String::new();
        for c in fold(&self.0).chars() {
            if c.is_ascii_alphanumeric() {
                slug.push(c);
            } else if !slug.ends_with('-') && !slug.is_empty() {
                slug.push('-');
            }
            if slug.len() >= 32 {
                break;
            }
        }
        slug.trim_end_matches('-').to_owned()
    }
}

/// The skeleton of each ASCII character. Nearly every name is ASCII, whose characters neither compose nor change places:
/// the skeleton of such a text is that of its characters, found here for a hundredth of what Unicode's tables cost.
static ASCII_SKELETONS: LazyLock<[Box<str>; 128]> = LazyLock::new(|| {
    std::array::from_fn(|byte| {
        unicode_security::skeleton(char::from(byte as u8).encode_utf8(&mut [0; 4])).collect::<String>().into()
    })
});

/// Unicode's composed form, which ASCII is by itself.
fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { text.into() } else { text.nfc().collect() }
}

fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let once: String = text.nfkc().flat_map(char::to_lowercase).collect();
    once.nfkc().collect()
}

/// Characters that show nothing, or that change the direction of what stands around them.
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180E}'
        | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_break_a_rule_are_refused_with_the_rule() {
        for (written, word) in [
            ("", "empty"),
            (" a", "space"),
            ("a/b", "\"/\""),
            ("..", "folder"),
            ("a\u{202e}b", "bidirectional"),
            ("a\nb", "control"),
            ("\u{feff}", "invisible"),
            (&"x".repeat(101), "longer"),
            (&"x".repeat(10_000), "longer"),
        ] {
            let refusal = Name::new(written).unwrap_err();
            assert_eq!(refusal.code, Code::NameInvalid);
            assert!(refusal.cause.contains(word), "{written:?}: {}", refusal.cause);
        }
    }

    #[test]
    fn names_are_the_same_when_only_case_or_form_differs() {
        let one = Name::new("Web-é").unwrap();
        let other = Name::new("web-e\u{301}").unwrap();
        assert_eq!(one.folded(), other.folded());
    }

    #[test]
    fn names_that_look_alike_share_a_skeleton() {
        let latin = Name::new("paypal").unwrap();
        let cyrillic = Name::new("p\u{430}ypal").unwrap();
        assert_ne!(latin.folded(), cyrillic.folded());
        assert_eq!(latin.skeleton(), cyrillic.skeleton());
    }

    #[test]
    fn a_name_in_ascii_is_folded_and_has_the_skeleton_that_unicode_says() {
        let ascii = || (0x20..0x7f_u8).map(char::from);
        for text in ascii().flat_map(|one| ascii().map(move |other| format!("{one}{other}-web-{one}"))) {
            let lower: String = text.nfkc().flat_map(char::to_lowercase).collect();
            let skeleton: String = unicode_security::skeleton(&lower).collect();
            let name = Name(text.into());
            assert_eq!((name.folded(), name.skeleton()), (lower, skeleton));
        }
    }

    #[test]
    fn a_found_name_is_mended_rather_than_refused() {
        assert_eq!(Name::mended("a/b\n").as_str(), "a_b_");
        assert_eq!(Name::mended("").as_str(), "unnamed");
        assert!(Name::new(Name::mended(&"y".repeat(500)).as_str()).is_ok());
    }
}

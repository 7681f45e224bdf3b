//! What a viewer says to a machine's screen, message by message: so that who may only look only looks, and so that nobody
//! shuts out who is there already.

/// The longest message: what is pasted. More is no person's doing.
const LONGEST: usize = 1 << 20;
/// The security type *none*: QEMU offers no other to us.
const NO_SECURITY: u8 = 1;
/// Beside others, not in their place.
const SHARED: u8 = 1;

/// The viewer says what is not understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the viewer says what is not understood: {0}")]
pub(super) struct NotRfb(&'static str);

/// Passes a viewer's messages on.
#[derive(Debug)]
pub(super) struct Filter {
    stage: Stage,
    view_only: bool,
    rest: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Version,
    Security,
    Init,
    Messages,
}

/// A whole message at the beginning of what was said.
struct Message {
    bytes: usize,
    is_input: bool,
}

impl Filter {
    pub(super) fn new(view_only: bool) -> Self {
        Self { stage: Stage::Version, view_only, rest: Vec::new() }
    }

    /// What of this is passed on.
    pub(super) fn pass(&mut self, said: &[u8]) -> Result<Vec<u8>, NotRfb> {
        self.rest.extend_from_slice(said);
        let mut passed = Vec::with_capacity(self.rest.len());
        let mut at = 0;
        while let Some(bytes) = self.one(at, &mut passed)? {
            at += bytes;
        }
        self.rest.drain(..at);
        Ok(passed)
    }

    /// Passes on what is whole at this place, and says how long it was.
    fn one(&mut self, at: usize, passed: &mut Vec<u8>) -> Result<Option<usize>, NotRfb> {
        let rest = &self.rest[at..];
        match self.stage {
            Stage::Version => {
                let Some(version) = rest.get(..12) else { return Ok(None) };
                self.stage = match version {
                    b"RFB 003.003\n" => Stage::Init,
                    b"RFB 003.007\n" | b"RFB 003.008\n" => Stage::Security,
                    _ => return Err(NotRfb("its version")),
                };
                passed.extend_from_slice(version);
                Ok(Some(12))
            }
            Stage::Security => {
                let Some(security) = rest.first() else { return Ok(None) };
                if *security != NO_SECURITY {
                    return Err(NotRfb("how it wants to be let in"));
                }
                self.stage = Stage::Init;
                passed.push(*security);
                Ok(Some(1))
            }
            Stage::Init => {
                if rest.is_empty() {
                    return Ok(None);
                }
                self.stage = Stage::Messages;
                passed.push(SHARED);
                Ok(Some(1))
            }
            Stage::Messages => {
                let Some(Message { bytes, is_input }) = message(rest)? else { return Ok(None) };
                if bytes > LONGEST {
                    return Err(NotRfb("too long a message"));
                }
                let Some(whole) = rest.get(..bytes) else { return Ok(None) };
                if !(is_input && self.view_only) {
                    passed.extend_from_slice(whole);
                }
                Ok(Some(bytes))
            }
        }
    }
}

/// The length and sort of the message that begins here; none when too little of it is known.
fn message(said: &[u8]) -> Result<Option<Message>, NotRfb> {
    let look = |bytes: usize| Some(Message { bytes, is_input: false });
    let input = |bytes: usize| Some(Message { bytes, is_input: true });
    let byte = |at: usize| said.get(at).map(|byte| usize::from(*byte));
    let two = |at: usize| Some(usize::from(u16::from_be_bytes([*said.get(at)?, *said.get(at + 1)?])));
    let four = |at: usize| Some(i32::from_be_bytes(said.get(at..at + 4)?.try_into().ok()?));
    let Some(kind) = said.first() else { return Ok(None) };
    Ok(match kind {
        // Pixel format, encodings, please draw.
        0 => look(20),
        2 => two(2).and_then(|count| look(4 + 4 * count)),
        3 => look(10),
        // Key, pointer, clipboard; a negative length is that of an extended clipboard message.
        4 => input(8),
        5 => input(6),
        6 => four(4).and_then(|bytes| input(8 + bytes.unsigned_abs() as usize)),
        // Draw continuously, fence.
        150 => look(10),
        248 => byte(8).and_then(|bytes| look(9 + bytes)),
        // Power, another size of the desktop.
        250 => input(4),
        251 => byte(6).and_then(|screens| input(8 + 16 * screens)),
        // QEMU's own: keys as the keyboard has them; sound.
        255 => match byte(1) {
            None => None,
            Some(0) => input(12),
            Some(1) => match two(2) {
                None => None,
                Some(0 | 1) => look(4),
                Some(2) => look(10),
                Some(_) => return Err(NotRfb("a message about sound")),
            },
            Some(_) => return Err(NotRfb("a message of QEMU's")),
        },
        _ => return Err(NotRfb("a message of an unknown kind")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &[u8] = b"RFB 003.008\n\x01\x00";
    const KEY: &[u8] = &[4, 1, 0, 0, 0, 0, 0, 65];
    const POINTER: &[u8] = &[5, 1, 0, 9, 0, 9];
    const PASTE: &[u8] = &[6, 0, 0, 0, 0, 0, 0, 3, b'a', b'b', b'c'];
    const EXTENDED_PASTE: &[u8] = &[6, 0, 0, 0, 0xff, 0xff, 0xff, 0xfc, 0x10, 0, 0, 0];
    const DRAW: &[u8] = &[3, 1, 0, 0, 0, 0, 2, 0, 1, 0];
    const ENCODINGS: &[u8] = &[2, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7];
    const QEMU_KEY: &[u8] = &[255, 0, 0, 1, 0, 0, 0, 65, 0, 0, 0, 30];
    const DESKTOP: &[u8] = &[251, 0, 4, 0, 3, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 4, 0, 3, 0, 0, 0, 0, 0];

    fn said() -> Vec<u8> {
        [HELLO, ENCODINGS, KEY, DRAW, POINTER, PASTE, EXTENDED_PASTE, QEMU_KEY, DESKTOP, DRAW].concat()
    }

    /// In pieces of this many bytes.
    fn passed(view_only: bool, piece: usize) -> Vec<u8> {
        let mut filter = Filter::new(view_only);
        said().chunks(piece).flat_map(|piece| filter.pass(piece).unwrap()).collect()
    }

    #[test]
    fn who_may_only_look_asks_to_be_shown_and_types_points_pastes_and_resizes_nothing_however_it_is_cut() {
        let wanted = [b"RFB 003.008\n\x01\x01", ENCODINGS, DRAW, DRAW].concat();
        for piece in 1..said().len() {
            assert_eq!(passed(true, piece), wanted, "in pieces of {piece}");
        }
    }

    #[test]
    fn who_may_do_all_does_all_but_is_never_alone_by_force() {
        let mut wanted = said();
        wanted[13] = 1;
        for piece in [1, 7, 1000] {
            assert_eq!(passed(false, piece), wanted, "in pieces of {piece}");
        }
    }

    #[test]
    fn what_could_hide_a_key_is_not_passed() {
        for said in [
            b"RFB 004.000\n".to_vec(),
            [&b"RFB 003.008\n"[..], &[2]].concat(),
            [HELLO, &[77]].concat(),
            [HELLO, &[255, 9]].concat(),
            [HELLO, &[6, 0, 0, 0, 0x7f, 0, 0, 0]].concat(),
        ] {
            assert!(Filter::new(true).pass(&said).is_err(), "{said:?}");
        }
    }
}

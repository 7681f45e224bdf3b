//! Sort keys as bytes: what sorts before sorts before byte by byte, in both directions. A key takes a fraction of the
//! cells that it was made of, and comparing two is one look.

use crate::listed::Cell;

/// The key of these cells, each with whether it sorts the other way round.
pub(crate) fn key<'a>(cells: impl Iterator<Item = (Cell<'a>, bool)>) -> Vec<u8> {
    let mut key = Vec::with_capacity(32);
    put_key(&mut key, cells);
    key
}

/// Puts that key behind what stands in `key`.
pub(crate) fn put_key<'a>(key: &mut Vec<u8>, cells: impl Iterator<Item = (Cell<'a>, bool)>) {
    for (cell, down) in cells {
        let from = key.len();
        put(key, &cell);
        if down {
            key[from..].iter_mut().for_each(|byte| *byte = !*byte);
        }
    }
}

/// One cell: what it is, then its value. No cell's bytes begin another's.
fn put(key: &mut Vec<u8>, cell: &Cell<'_>) {
    match cell {
        Cell::None => key.push(1),
        Cell::Flag(flag) => key.extend([2, u8::from(*flag)]),
        Cell::Number(number) => {
            key.push(3);
            // With the sign turned, the negative ones come first.
            key.extend((*number as u64 ^ 1 << 63).to_be_bytes());
        }
        Cell::Text(text) => {
            key.push(4);
            // Hardly any text has a zero in it.
            for (n, part) in text.as_bytes().split(|byte| *byte == 0).enumerate() {
                if n > 0 {
                    key.extend([0, 0xff]);
                }
                key.extend_from_slice(part);
            }
            key.extend([0, 0]);
        }
        Cell::Many(cells) => {
            key.push(5);
            cells.iter().for_each(|cell| put(key, cell));
            key.push(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is near each other: beginnings of each other, zeros, signs.
    fn cells() -> Vec<Cell<'static>> {
        let texts = ["", "a", "a\0", "a\0b", "ab", "b", "\0", "\u{7f}", "ä", "\u{10ffff}"].map(Cell::text);
        let numbers = [i64::MIN, -256, -1, 0, 1, 255, 256, i64::MAX].map(Cell::Number);
        let mut cells = vec![Cell::None, Cell::Flag(false), Cell::Flag(true)];
        cells.extend(texts.into_iter().chain(numbers));
        let plain = cells.clone();
        cells.push(Cell::Many(Vec::new()));
        for (n, cell) in plain.iter().enumerate() {
            cells.push(Cell::Many(vec![cell.clone()]));
            cells.push(Cell::Many(vec![cell.clone(), plain[(n * 7) % plain.len()].clone()]));
        }
        cells
    }

    #[test]
    fn keys_sort_as_their_cells_do_in_both_directions_and_no_cell_reaches_into_the_next() {
        let cells = cells();
        let after = [Cell::None, Cell::text("a"), Cell::Number(-1), Cell::Many(Vec::new())];
        for (n, a) in cells.iter().enumerate() {
            for b in &cells {
                for down in [false, true] {
                    let (x, y) = (&after[n % 4], &after[(n + 1) % 4]);
                    let first = if down { b.cmp(a) } else { a.cmp(b) };
                    let key =
                        |one: &Cell, two: &Cell| key([(one.clone(), down), (two.clone(), false)].into_iter());
                    assert_eq!(
                        key(a, x).cmp(&key(b, y)),
                        first.then(x.cmp(y)),
                        "{a:?} {x:?}, {b:?} {y:?}, {down}"
                    );
                }
            }
        }
    }
}

//! Chance from a seed: a fleet that was made twice is the same fleet.

/// A source of chance (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Chance from this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.draw() % end.max(1) as u64).unwrap_or_default()
    }

    /// One of several, each as likely as its weight says.
    pub(super) fn one<T: Copy>(&mut self, of: &[(u32, T)]) -> Option<T> {
        let whole: u32 = of.iter().map(|(weight, _)| weight).sum();
        let mut at = u32::try_from(self.below(whole as usize)).unwrap_or_default();
        of.iter().find_map(|(weight, what)| match at.checked_sub(*weight) {
            Some(left) => {
                at = left;
                None
            }
            None => Some(*what),
        })
    }

    /// True so often of a thousand.
    pub(super) fn of_a_thousand(&mut self, times: usize) -> bool {
        self.below(1_000) < times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_weighs_more_is_drawn_more_often_and_the_same_seed_draws_the_same() {
        let draw = |seed| {
            let mut dice = Dice::new(seed);
            (0..10_000).filter_map(|_| dice.one(&[(9, 'a'), (1, 'b')])).collect::<Vec<_>>()
        };
        let drawn = draw(1);
        assert_eq!(drawn, draw(1));
        assert_ne!(drawn, draw(2));
        let rare = drawn.iter().filter(|one| **one == 'b').count();
        assert!((800..1_200).contains(&rare), "{rare}");
    }
}

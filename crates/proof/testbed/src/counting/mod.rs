//! Whether a machine ever ran twice. Guests that count (`count=PORT` in their seed) say one number after another, each
//! at most once in all the life of their disk, and observed hosts write down what the guests on them say, each in its own
//! folder. From what all hosts wrote it follows whether one machine ran on two at once; the times at which its processors
//! used time, seen from outside, say the same of machines whose guests do not count.
//!
//! It knows nothing of Hostler: machines are told by their domain's UUID, and started by whoever starts them.

mod check;
mod emulator;
mod logs;
mod watch;

pub use check::{Evidence, How, Twice, check};
pub use emulator::PORT;
pub(crate) use emulator::{cache, observe, prepare};
pub use logs::{Count, Said};
pub use watch::{Sighting, Watch};

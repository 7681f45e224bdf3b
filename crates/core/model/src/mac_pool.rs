//! The addresses from which adapters are given theirs: one range for the fleet. What is left of it, and which machines
//! have one address between them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Code, Refusal};
use crate::hardware::Mac;
use crate::ids::{HostId, VmId};

/// With fewer addresses free than this the pool is low, however small it is.
pub const LEAST_FREE: u64 = 8;
/// libvirt keeps addresses that begin so for its own end of an adapter, and refuses a machine that has one.
const KEPT_BY_LIBVIRT: u8 = 0xfe;
/// How many addresses differ in their last three bytes.
const OF_ONE_MAKER: u64 = 1 << 24;

/// A range of addresses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MacPool {
    /// The first address.
    pub first: Mac,
    /// The last address.
    pub last: Mac,
}

impl Default for MacPool {
    fn default() -> Self {
        Self { first: Mac([0x52, 0x54, 0, 0, 0, 0]), last: Mac([0x52, 0x54, 0, 0xff, 0xff, 0xff]) }
    }
}

impl MacPool {
    /// How many addresses it has.
    pub fn size(&self) -> u64 {
        self.last.number().saturating_sub(self.first.number()) + 1
    }

    /// Whether an address is one of its own.
    pub fn contains(&self, mac: Mac) -> bool {
        (self.first..=self.last).contains(&mac)
    }

    /// The address at which these drawn bits begin to look for a free one. Machines of one moment begin far apart, and so
    /// do two installations on one network, which know nothing of each other.
    pub fn begin(&self, bits: uuid::Uuid) -> Mac {
        let b = bits.as_bytes();
        let drawn = Mac([b[10], b[11], b[12], b[13], b[14], b[15]]).number();
        Mac::of_number(self.first.number() + drawn % self.size())
    }

    /// Whether machines may be given its addresses.
    ///
    /// # Errors
    /// `value.invalid` where it ends before it begins, where its ends differ in their first three bytes, or where its
    /// addresses are none that an adapter can have.
    pub fn check(&self) -> Result<(), Refusal> {
        let wrong = |cause: String| Refusal::invalid("setting mac_pool_first", cause);
        if self.last < self.first {
            return Err(wrong(format!("the range ends at {}, before it begins", self.last)));
        }
        if self.first.number() / OF_ONE_MAKER != self.last.number() / OF_ONE_MAKER {
            let cause = format!("{} and {} differ in their first three bytes", self.first, self.last);
            return Err(
                wrong(cause).remedy("Take a range whose addresses all begin with the same three bytes")
            );
        }
        self.last.check().map_err(|refusal| wrong(refusal.cause).remedy(refusal.remedy))
    }

    /// What is left of it, where so many of its addresses are used.
    pub fn left(&self, used: u64) -> Left {
        Left { free: self.size().saturating_sub(used), size: self.size() }
    }

    /// No address is free.
    pub fn exhausted(&self) -> Refusal {
        let cause =
            format!("each of its {} addresses is used ({} to {})", self.size(), self.first, self.last);
        Refusal::new(Code::MacPoolExhausted, "pool of MAC addresses", cause).remedy(EXTEND)
    }
}

/// What helps where addresses run out.
const EXTEND: &str = "Extend the range: hostler server set mac_pool_last=ADDRESS, or mac_pool_first=ADDRESS; \
                      machines that have addresses keep them. Or delete machines that are not needed";

/// How much is left of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Addresses that nobody has.
    pub free: u64,
    /// All addresses.
    pub size: u64,
}

impl Left {
    /// Whether somebody should know: fewer than a tenth, or than [`LEAST_FREE`], are free.
    pub fn is_low(self) -> bool {
        self.free < LEAST_FREE || self.free.saturating_mul(10) < self.size
    }

    /// What is told to whoever took an address of a pool that is low.
    pub fn warning(self) -> Option<Refusal> {
        let Self { free, size } = self;
        self.is_low().then(|| {
            let cause = format!("{free} of its {size} addresses are free");
            Refusal::new(Code::MacPoolLow, "pool of MAC addresses", cause).remedy(EXTEND)
        })
    }
}

/// The pool, how much of it is used, and which addresses more than one machine has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MacPoolView {
    /// The first address that machines are given; the setting `mac_pool_first`.
    pub first: Mac,
    /// The last address that machines are given; the setting `mac_pool_last`.
    pub last: Mac,
    /// How many addresses it has.
    pub size: u64,
    /// How many of them a machine or a host's own adapter has.
    pub used: u64,
    /// How many nobody has.
    pub free: u64,
    /// Whether somebody should extend it: fewer than a tenth, or than 8, are free.
    pub low: bool,
    /// How many addresses more than one machine has, whether they are of the pool or not.
    pub conflicting: u64,
    /// The first 100 of these, by address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<MacConflict>,
}

/// An address that more than one machine has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MacConflict {
    /// The address.
    pub mac: Mac,
    /// The machines, by name.
    pub machines: Vec<MacUser>,
}

/// A machine that has an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MacUser {
    /// The machine.
    pub vm: VmId,
    /// Its name.
    pub name: String,
    /// Its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// The host's name; empty where it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host_name: String,
}

impl Mac {
    /// Its bytes as a number.
    pub fn number(self) -> u64 {
        self.0.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// The address with this number: of a larger one its last six bytes.
    pub fn of_number(number: u64) -> Self {
        let [_, _, a, b, c, d, e, f] = number.to_be_bytes();
        Self([a, b, c, d, e, f])
    }

    /// Whether a machine's adapter can have it.
    ///
    /// # Errors
    /// `value.invalid` for an address of a group, for that of nobody, and for one that libvirt keeps for itself.
    pub fn check(self) -> Result<(), Refusal> {
        let wrong = |cause: &str| {
            let remedy = "Take one that begins with 52:54:00, or let Hostler choose: leave it out";
            Err(Refusal::invalid(format!("MAC address {self}"), cause).remedy(remedy))
        };
        match self.0 {
            [0, 0, 0, 0, 0, 0] => wrong("it is nobody's"),
            [first, ..] if first & 1 == 1 => {
                wrong("it is the address of a group (multicast): the first byte is odd")
            }
            [KEPT_BY_LIBVIRT, ..] => wrong("libvirt keeps addresses that begin with fe for its own use"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(text: &str) -> Mac {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_no_adapter_can_have_is_refused_with_the_reason() {
        let why = |text| mac(text).check().unwrap_err().cause;
        assert!(why("01:00:5e:00:00:01").contains("multicast"));
        assert!(why("ff:ff:ff:ff:ff:ff").contains("multicast"));
        assert!(why("00:00:00:00:00:00").contains("nobody"));
        assert!(why("fe:54:00:00:00:01").contains("libvirt"));
        for good in ["52:54:00:00:00:01", "00:15:5d:00:61:00", "02:00:00:00:00:00"] {
            assert_eq!(mac(good).check(), Ok(()), "{good}");
        }
    }

    #[test]
    fn a_range_begins_before_it_ends_within_what_one_maker_has() {
        let check = |first, last| MacPool { first: mac(first), last: mac(last) }.check();
        assert_eq!(MacPool::default().check(), Ok(()));
        assert_eq!(MacPool::default().size(), 16_777_216);
        assert_eq!(check("00:15:5d:00:61:00", "00:15:5d:00:6f:ff"), Ok(()));
        assert_eq!(check("52:54:00:00:00:07", "52:54:00:00:00:07"), Ok(()));
        for (first, last, word) in [
            ("52:54:00:00:00:08", "52:54:00:00:00:07", "before"),
            ("52:54:00:ff:ff:ff", "52:54:01:00:00:00", "three bytes"),
            ("01:54:00:00:00:00", "01:54:00:00:00:ff", "multicast"),
        ] {
            assert!(check(first, last).unwrap_err().cause.contains(word), "{first}-{last}");
        }
    }

    #[test]
    fn drawn_bits_begin_within_the_range_and_the_usual_one_takes_their_end() {
        let bits = uuid::Uuid::from_u128(0x1234_5678_9abc);
        assert_eq!(MacPool::default().begin(bits), mac("52:54:00:78:9a:bc"));
        let small = MacPool { first: mac("52:54:00:00:00:10"), last: mac("52:54:00:00:00:12") };
        for n in 0..20 {
            assert!(small.contains(small.begin(uuid::Uuid::from_u128(n))));
        }
    }

    #[test]
    fn a_pool_is_low_below_a_tenth_and_below_eight_addresses() {
        let low = |free, size| Left { free, size }.is_low();
        assert!(!low(100, 1000) && low(99, 1000));
        assert!(!low(8, 16) && low(7, 16) && low(0, 3));
        assert!(Left { free: 3, size: 256 }.warning().unwrap().cause.contains("3 of its 256"));
        assert_eq!(Left { free: 256, size: 256 }.warning(), None);
    }
}

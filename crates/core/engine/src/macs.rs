//! Who has which MAC address, which addresses more than one machine has, and which one is free: derived from machines,
//! as the record asks for them and as hosts show them, and from the adapters that hosts have themselves. Nothing here
//! grows with the number of machines, except the count where the range of the pool itself is set anew.

use std::collections::{BTreeMap, BTreeSet};

use hostler_model::hardware::Mac;
use hostler_model::host::Host;
use hostler_model::mac_pool::{Left, MacPool};
use hostler_model::vm::Vm;
use hostler_model::{Key, VmId};
use imbl::{OrdMap, OrdSet};
use uuid::Uuid;

/// Who has which address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Macs {
    users: BTreeMap<Mac, BTreeSet<Key>>,
    /// The used addresses as runs without a gap, first and last: a free one is found without going through them.
    runs: BTreeMap<u64, u64>,
    /// Persistent, because each published picture takes a copy.
    conflicts: OrdMap<Mac, OrdSet<VmId>>,
    pool: MacPool,
    used: u64,
}

impl Macs {
    /// Who has an address: machines, and hosts whose own adapter has it.
    pub fn users(&self, mac: Mac) -> impl Iterator<Item = Key> + '_ {
        self.users.get(&mac).into_iter().flatten().copied()
    }

    /// The addresses that more than one machine has, with these machines.
    pub fn conflicts(&self) -> &OrdMap<Mac, OrdSet<VmId>> {
        &self.conflicts
    }

    /// The pool's range.
    pub fn pool(&self) -> MacPool {
        self.pool
    }

    /// How many addresses of the pool somebody has.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// How much of the pool is left.
    pub fn left(&self) -> Left {
        self.pool.left(self.used)
    }

    /// An address of the pool that nobody has: the first from where drawn bits begin, around the end.
    pub fn free(&self, bits: Uuid) -> Option<Mac> {
        let begin = self.next_free(self.pool.begin(bits));
        let found = if self.pool.contains(begin) { begin } else { self.next_free(self.pool.first) };
        self.pool.contains(found).then_some(found)
    }

    /// An address itself, or the first behind it that nobody has.
    fn next_free(&self, from: Mac) -> Mac {
        let from = from.number();
        match self.runs.range(..=from).next_back() {
            Some((_, last)) if *last >= from => Mac::of_number(last + 1),
            _ => Mac::of_number(from),
        }
    }

    /// Sets the range. The one thing here whose work grows with what is used.
    pub(crate) fn set_pool(&mut self, pool: MacPool) {
        if self.pool != pool {
            self.pool = pool;
            self.used = self.users.range(pool.first..=pool.last).count() as u64;
        }
    }

    /// Somebody had these addresses and has those now.
    pub(crate) fn change(&mut self, who: Key, before: &BTreeSet<Mac>, after: &BTreeSet<Mac>) {
        for mac in before.difference(after) {
            self.give_back(who, *mac);
        }
        for mac in after.difference(before) {
            self.take(who, *mac);
        }
    }

    fn take(&mut self, who: Key, mac: Mac) {
        let users = self.users.entry(mac).or_default();
        if users.is_empty() {
            self.used += u64::from(self.pool.contains(mac));
            let number = mac.number();
            let last = self.runs.remove(&(number + 1)).unwrap_or(number);
            match self.runs.range_mut(..number).next_back() {
                Some((_, end)) if *end + 1 == number => *end = last,
                _ => {
                    self.runs.insert(number, last);
                }
            }
        }
        users.insert(who);
        self.compare(mac);
    }

    fn give_back(&mut self, who: Key, mac: Mac) {
        let Some(users) = self.users.get_mut(&mac) else { return };
        users.remove(&who);
        if users.is_empty() {
            self.users.remove(&mac);
            self.used -= u64::from(self.pool.contains(mac));
            let number = mac.number();
            if let Some((first, last)) = self.runs.range(..=number).next_back().map(|(a, b)| (*a, *b)) {
                self.runs.remove(&first);
                if first < number {
                    self.runs.insert(first, number - 1);
                }
                if last > number {
                    self.runs.insert(number + 1, last);
                }
            }
        }
        self.compare(mac);
    }

    /// Notes whether more than one machine has an address. What a host's own adapter has is passed over: some let a
    /// machine have the address of the adapter through which it speaks.
    fn compare(&mut self, mac: Mac) {
        let machines = |key: &Key| match key {
            Key::Vm(vm) => Some(*vm),
            _ => None,
        };
        let vms: OrdSet<VmId> = self.users.get(&mac).into_iter().flatten().filter_map(machines).collect();
        if vms.len() > 1 {
            self.conflicts.insert(mac, vms);
        } else {
            self.conflicts.remove(&mac);
        }
    }
}

/// Whether a machine has the adapters that it had: so it nearly always is.
pub(crate) fn same(before: &Vm, after: &Vm) -> bool {
    before.spec.hardware.adapters == after.spec.hardware.adapters
        && before.seen().map(|seen| &seen.adapters) == after.seen().map(|seen| &seen.adapters)
}

/// The addresses of a machine: those that were asked for, and those that its host shows.
pub(crate) fn of_vm(vm: &Vm) -> BTreeSet<Mac> {
    let asked = vm.spec.hardware.adapters.iter().map(|adapter| adapter.mac);
    let seen = vm.seen().into_iter().flat_map(|seen| seen.adapters.iter().map(|adapter| adapter.mac));
    asked.chain(seen).collect()
}

/// The addresses of a host's own adapters and bridges.
pub(crate) fn of_host(host: &Host) -> BTreeSet<Mac> {
    let adapters = host.facts.hardware.adapters.iter();
    adapters.filter_map(|adapter| adapter.mac.parse().ok()).filter(|mac| *mac != Mac([0; 6])).collect()
}

#[cfg(test)]
mod tests {
    use hostler_model::HostId;

    use super::*;

    fn vm(n: u128) -> Key {
        Key::Vm(VmId(Uuid::from_u128(n)))
    }

    fn pool(size: u64) -> MacPool {
        let first = MacPool::default().first;
        MacPool { first, last: Mac::of_number(first.number() + size - 1) }
    }

    fn nth(n: u64) -> Mac {
        Mac::of_number(MacPool::default().first.number() + n)
    }

    /// As whoever goes through all of them would say it.
    fn as_a_walk_says(macs: &Macs, held: &BTreeSet<(u64, u128)>) {
        let used: BTreeSet<u64> = held.iter().map(|(n, _)| *n).collect();
        assert_eq!(macs.used(), used.iter().filter(|n| macs.pool().contains(nth(**n))).count() as u64);
        for begin in 0..macs.pool().size() {
            let mut around = (begin..macs.pool().size()).chain(0..begin);
            let expected = around.find(|n| !used.contains(n)).map(nth);
            assert_eq!(macs.free(Uuid::from_u128(begin.into())), expected);
        }
        let twice: BTreeSet<u64> =
            used.iter().copied().filter(|n| held.iter().filter(|(of, _)| of == n).count() > 1).collect();
        assert_eq!(
            macs.conflicts().keys().copied().collect::<BTreeSet<_>>(),
            twice.into_iter().map(nth).collect()
        );
    }

    #[test]
    fn however_addresses_are_taken_and_given_back_what_is_free_used_and_had_twice_is_as_a_walk_says() {
        let mut dice = 0x2545_f491_4f6c_dd1d_u64;
        let mut draw = |below: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % below
        };
        let mut macs = Macs::default();
        let mut held: BTreeSet<(u64, u128)> = BTreeSet::new();
        macs.set_pool(pool(12));
        for turn in 0..3_000 {
            // Some are outside the pool, just behind its end.
            let (n, who) = (draw(15), u128::from(draw(4)));
            let one = BTreeSet::from([nth(n)]);
            if draw(100) < if turn % 500 < 250 { 70 } else { 30 } {
                if held.insert((n, who)) {
                    macs.change(vm(who), &BTreeSet::new(), &one);
                }
            } else if held.remove(&(n, who)) {
                macs.change(vm(who), &one, &BTreeSet::new());
            }
            if turn % 400 == 0 {
                macs.set_pool(pool(8 + draw(6)));
            }
            as_a_walk_says(&macs, &held);
        }
    }

    #[test]
    fn a_pool_of_which_all_is_used_has_nothing_free_and_one_given_back_is_found() {
        let mut macs = Macs::default();
        macs.set_pool(pool(3));
        for n in 0..3 {
            macs.change(vm(n.into()), &BTreeSet::new(), &BTreeSet::from([nth(n)]));
        }
        assert_eq!((macs.free(Uuid::nil()), macs.left().free), (None, 0));
        macs.change(vm(1), &BTreeSet::from([nth(1)]), &BTreeSet::new());
        for begin in 0..9 {
            assert_eq!(macs.free(Uuid::from_u128(begin)), Some(nth(1)));
        }
    }

    #[test]
    fn a_machine_that_has_the_address_of_a_hosts_adapter_is_no_conflict_but_the_address_is_used() {
        let mut macs = Macs::default();
        let one = BTreeSet::from([nth(7)]);
        macs.change(Key::Host(HostId(Uuid::from_u128(1))), &BTreeSet::new(), &one);
        macs.change(vm(2), &BTreeSet::new(), &one);
        assert!(macs.conflicts().is_empty());
        assert_eq!((macs.used(), macs.users(nth(7)).count()), (1, 2));
    }
}

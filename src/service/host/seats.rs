//! How many requests are in the house: so many in all, and no guest takes all seats.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use crate::service::Failure;

type Guest = Option<IpAddr>;

pub(super) struct Seats {
    all: usize,
    taken: Mutex<HashMap<Guest, usize>>,
}

/// Free again when it is dropped.
pub(super) struct Seat<'a> {
    seats: &'a Seats,
    guest: Guest,
}

impl Seats {
    pub fn new(all: usize) -> Self {
        Self { all: all.max(1), taken: Mutex::default() }
    }

    pub fn take(&self, guest: Guest) -> Result<Seat<'_>, Failure> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (own, all) = (taken.get(&guest).copied().unwrap_or(0), taken.values().sum::<usize>());
        let most_own = (self.all - self.all / 4).max(1);
        if all >= self.all {
            return Err(Failure::Busy(format!("{all} requests are at work or wait; try again")));
        }
        if own >= most_own {
            return Err(Failure::Busy(format!("{own} requests of yours are at work or wait; try again")));
        }
        taken.insert(guest, own + 1);
        Ok(Seat { seats: self, guest })
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.guest) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.guest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_who_fills_the_house_leaves_room_for_others() {
        let seats = Seats::new(4);
        let [one, other] = [1, 2].map(|n| Some(IpAddr::from([10, 0, 0, n])));
        let mut own: Vec<_> = (0..3).map(|_| seats.take(one).expect("a seat")).collect();
        assert!(matches!(seats.take(one), Err(Failure::Busy(why)) if why.contains("of yours")));
        let others = seats.take(other).expect("a seat");
        assert!(matches!(seats.take(other), Err(Failure::Busy(why)) if !why.contains("of yours")));
        drop(own.pop());
        assert!(seats.take(one).is_ok());
        drop((own, others));
        assert!(seats.taken.lock().unwrap().is_empty());
    }
}

//! Ports that are free, and stay so until somebody binds them: below those that the system gives to clients and to whoever asks for any.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
};

const FIRST: u16 = 12_000;
const LAST: u16 = 32_000;
/// Wider than what anybody here binds beside a base.
const STEP: u16 = 150;

/// A port that is free, together with those so many above it. No other test of this process gets it.
pub fn free(above: &[u16]) -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let room = (LAST - FIRST) / STEP;
    // Tests in other processes begin elsewhere.
    let begin = (std::process::id() as u16).wrapping_mul(31) % room;
    for _ in 0..room {
        let at = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % room;
        let base = FIRST + at * STEP;
        let is_free = |more: &u16| TcpListener::bind(("127.0.0.1", base + more)).is_ok();
        if [0].iter().chain(above).all(is_free) {
            return base;
        }
    }
    panic!("no port of this machine is free")
}

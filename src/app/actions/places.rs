//! Where actions can be asked for: each list of screens written once.

use crate::app::{Pane, Place};

/// Everywhere but in dialogs, in the order in which the documents name them.
pub const SCREENS: &[Place] = &[
    Place::Dashboard,
    Place::Pane(Pane::Wallet),
    Place::Pane(Pane::Targets),
    Place::Target,
    Place::Pane(Pane::Map),
    Place::Pane(Pane::Throughput),
    Place::Pane(Pane::Rewards),
    Place::Models,
    Place::Approvals,
    Place::Log,
    Place::Board,
];

pub const DASHBOARD: &[Place] = &[Place::Dashboard];
pub const TARGETS: &[Place] = &[Place::Pane(Pane::Targets)];
pub const MAP: &[Place] = &[Place::Pane(Pane::Map)];
pub const THROUGHPUT: &[Place] = &[Place::Pane(Pane::Throughput)];
pub const REWARDS: &[Place] = &[Place::Pane(Pane::Rewards)];
pub const APPROVALS: &[Place] = &[Place::Approvals];
pub const LOG: &[Place] = &[Place::Log];
pub const BOARD: &[Place] = &[Place::Board];

pub const HELP: &[Place] = &[Place::Help];
pub const INSPECTOR: &[Place] = &[Place::Inspector];
pub const CONFIRM: &[Place] = &[Place::Confirm];
pub const EXPORT: &[Place] = &[Place::Export];
/// The parts of a submission, to be copied.
pub const PARTS: &[Place] = &[Place::Copying];
pub const SETTLING: &[Place] = &[Place::Settling];
/// Above a screen; `q` closes them.
pub const DIALOGS: &[Place] = &[Place::Help, Place::Inspector, Place::Confirm, Place::Export, Place::Copying];

/// Where letters need not pan.
pub const NOT_MAP: &[Place] = &without::<10>(SCREENS, MAP);
/// Where the approvals are a key away.
pub const NOT_APPROVALS: &[Place] = &without::<10>(SCREENS, APPROVALS);
/// Screens that are left with Esc.
pub const INNER: &[Place] = &without::<10>(SCREENS, DASHBOARD);
/// With something to move in.
pub const MOVING: &[Place] = &join::<11>(
    &without::<9>(SCREENS, &[Place::Pane(Pane::Wallet), Place::Pane(Pane::Throughput)]),
    &[Place::Inspector, Place::Help],
);
pub const COPYING: &[Place] =
    &without::<8>(SCREENS, &[Place::Pane(Pane::Map), Place::Pane(Pane::Throughput), Place::Board]);
pub const SIDEWAYS: &[Place] = &[Place::Dashboard, Place::Pane(Pane::Map), Place::Target];
/// Where a target or a model lies under the cursor.
pub const SUBJECTS: &[Place] =
    &[Place::Pane(Pane::Targets), Place::Target, Place::Pane(Pane::Map), Place::Models, Place::Board];
/// Where Enter has nothing else to open.
pub const INSPECTING: &[Place] = &[Place::Models, Place::Board];
pub const LISTS: &[Place] = &[Place::Pane(Pane::Targets), Place::Models];
pub const PINNING: &[Place] = &[Place::Pane(Pane::Targets), Place::Target, Place::Models];
/// Where limits are looked at.
pub const POLICY: &[Place] = &[Place::Dashboard, Place::Pane(Pane::Wallet), Place::Log];
pub const SUBMISSIONS: &[Place] = &[Place::Pane(Pane::Rewards), Place::Approvals];

/// A number of its own for each place: constants cannot compare them.
const fn number(place: Place) -> u8 {
    match place {
        Place::Dashboard => 0,
        Place::Target => 1,
        Place::Models => 2,
        Place::Approvals => 3,
        Place::Log => 4,
        Place::Board => 5,
        Place::Help => 6,
        Place::Inspector => 7,
        Place::Confirm => 8,
        Place::Export => 9,
        Place::Copying => 10,
        Place::Typing => 11,
        Place::Settling => 12,
        Place::Pane(pane) => 16 + pane as u8,
    }
}

const fn has(places: &[Place], place: Place) -> bool {
    let mut at = 0;
    while at < places.len() {
        if number(places[at]) == number(place) {
            return true;
        }
        at += 1;
    }
    false
}

/// `N`: how many are left.
const fn without<const N: usize>(places: &[Place], others: &[Place]) -> [Place; N] {
    let mut left = [Place::Dashboard; N];
    let (mut at, mut count) = (0, 0);
    while at < places.len() {
        if !has(others, places[at]) {
            left[count] = places[at];
            count += 1;
        }
        at += 1;
    }
    assert!(count == N, "as many as there are");
    left
}

const fn join<const N: usize>(some: &[Place], more: &[Place]) -> [Place; N] {
    assert!(some.len() + more.len() == N, "as many as there are");
    let mut all = [Place::Dashboard; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < some.len() { some[at] } else { more[at - some.len()] };
        at += 1;
    }
    all
}

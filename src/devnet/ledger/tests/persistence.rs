//! The file is the chain: reopening gives the identical state, and files that are not ours say so.

use proptest::prelude::*;

use super::{
    conservation::{portrait, steps},
    play::*,
};
use crate::{
    chain::types::ObjectId,
    devnet::ledger::{Ledger, LedgerError},
    primitives::SHANNONS_PER_SOMA,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn reopening_gives_the_identical_chain(steps in steps(40)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("network.sqlite");
        let mut play = Play { ledger: Ledger::open(Some(&path), &genesis()).unwrap() };
        let half = steps.len() / 2;
        for step in &steps[..half] {
            step.play(&mut play);
        }
        let before = portrait(&play.ledger);
        drop(play);
        let mut play = Play { ledger: Ledger::open(Some(&path), &genesis()).unwrap() };
        prop_assert_eq!(portrait(&play.ledger), before);

        // It also goes on as one that was never closed.
        let mut uninterrupted = Play::new();
        for step in &steps[..half] {
            step.play(&mut uninterrupted);
        }
        for step in &steps[half..] {
            step.play(&mut play);
            step.play(&mut uninterrupted);
        }
        prop_assert_eq!(portrait(&play.ledger), portrait(&uninterrupted.ledger));
    }
}

#[test]
fn old_versions_of_the_system_state_are_dropped_and_their_transactions_stay_readable() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("network.sqlite");
    let mut play = Play { ledger: Ledger::open(Some(&path), &genesis()).unwrap() };
    play.create_model(SHANNONS_PER_SOMA);
    let created = play.ledger.checkpoint(None).unwrap().transactions[0].clone();
    let version = created.effects.v1().version;
    let state_of_then = |play: &Play| play.ledger.object_at(&ObjectId::SYSTEM_STATE, version);
    for _ in 0..3 {
        play.advance();
    }
    assert!(state_of_then(&play).is_some());
    assert_eq!(play.ledger.lowest_checkpoint_with_objects(), Some(0));
    play.advance();
    drop(play);

    let play = Play { ledger: Ledger::open(Some(&path), &genesis()).unwrap() };
    assert!(state_of_then(&play).is_none());
    let lowest = play.ledger.lowest_checkpoint_with_objects().unwrap();
    assert_eq!(play.ledger.epoch(1).unwrap().first_checkpoint, lowest);
    let found = play.ledger.transaction(&created.data.digest()).unwrap();
    assert_eq!(found.effects, created.effects);
    let others = created.objects.iter().filter(|object| object.id() != ObjectId::SYSTEM_STATE);
    assert!(found.objects.iter().eq(others), "only the system state is missing");
    // The oldest epoch that is kept shows all versions, its start included.
    let first = play.ledger.checkpoint(Some(lowest)).unwrap();
    assert_eq!(first.transactions[0].objects.len(), 2);
}

fn refusal(path: &std::path::Path) -> String {
    match Ledger::open(Some(path), &genesis()) {
        Err(error @ LedgerError::Storage { .. }) => {
            let text = error.to_string();
            assert!(text.contains(path.to_str().unwrap()), "{text}");
            text
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("opened"),
    }
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    let text = "these are my notes, not a network's state\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    assert!(refusal(&path).contains("move it away"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn another_programs_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.sqlite");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
    drop(other);
    assert!(refusal(&path).contains("another program"));
}

#[test]
fn a_file_of_an_older_format_is_refused_with_both_formats() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("network.sqlite");
    drop(Ledger::open(Some(&path), &genesis()).unwrap());
    let file = rusqlite::Connection::open(&path).unwrap();
    file.pragma_update(None, "user_version", 1).unwrap();
    drop(file);
    assert!(refusal(&path).contains("written in format 1, this version reads format 2"));
}

#[test]
fn a_file_cut_in_half_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("network.sqlite");
    drop(Ledger::open(Some(&path), &genesis()).unwrap());
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(refusal(&path).contains("damaged"));
}

#[test]
fn a_creation_that_was_cut_short_begins_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("network.sqlite");
    std::fs::write(&path, b"").unwrap();
    let ledger = Ledger::open(Some(&path), &genesis()).unwrap();
    assert_eq!(ledger.chain_id(), Play::new().ledger.chain_id());
}

#[test]
fn a_missing_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    assert!(refusal(&dir.path().join("nowhere/network.sqlite")).contains("directory"));
}

#[test]
fn a_second_process_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("network.sqlite");
    let first = Ledger::open(Some(&path), &genesis()).unwrap();
    assert!(refusal(&path).contains("another process"));
    drop(first);
    assert!(Ledger::open(Some(&path), &genesis()).is_ok());
}

#[test]
fn a_genesis_beyond_the_supply_is_refused() {
    let mut genesis = genesis();
    genesis.accounts.push((ALICE, vec![u64::MAX]));
    assert!(matches!(Ledger::open(None, &genesis), Err(LedgerError::Genesis(_))));
}

//! Whatever users send, valid or not: nothing panics, nothing is made or lost, and the file says the same as memory.

use std::sync::Arc;

use proptest::prelude::*;

use super::play::*;
use crate::{
    chain::types::{Address, ObjectId, ObjectRef, ObjectType, SomaTensor, TransactionKind},
    devnet::ledger::{Ledger, Rejection},
};

/// A transaction in terms of indexes, which always find something or nothing, whatever the state.
#[derive(Clone, Debug)]
pub(super) struct Step {
    kind: u8,
    sender: usize,
    gas: Vec<usize>,
    /// Picks objects, targets, models and recipients.
    pick: [usize; 3],
    amount: u64,
}

pub(super) fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    let amount = prop_oneof![0..5_000u64, 0..6_000_000_000u64, any::<u64>()];
    let gas = prop::collection::vec(0..6usize, 1..3);
    let step = (0..22u8, 0..4usize, gas, any::<[prop::sample::Index; 3]>(), amount);
    let step = step.prop_map(|(kind, sender, gas, pick, amount)| {
        let pick = pick.map(|index| index.index(1 << 16));
        Step { kind, sender, gas, pick, amount }
    });
    prop::collection::vec(step, 1..count)
}

fn any_of<T: Copy>(items: &[T], index: usize) -> Option<T> {
    items.get(index.checked_rem(items.len())?).copied()
}

const SENDERS: [Address; 4] = [ALICE, BOB, MAKER, VALIDATOR];

impl Step {
    /// Mostly one who may do it: strangers are only asked now and then.
    fn sender(&self) -> Address {
        match self.kind {
            4 | 5 | 9 | 10 if !self.pick[0].is_multiple_of(4) => MAKER,
            11 | 12 | 19 | 20 if !self.pick[0].is_multiple_of(4) => VALIDATOR,
            _ => SENDERS[self.sender % SENDERS.len()],
        }
    }

    fn transaction(&self, play: &Play) -> Option<TransactionKind> {
        let [a, b, c] = self.pick;
        let sender = self.sender();
        let recipient = any_of(&SENDERS, b)?;
        let registry = &play.ledger.system_state().model_registry;
        let models: Vec<ObjectId> = registry.models.keys().copied().collect();
        let model = || any_of(&models, b);
        let owned: Vec<_> = play.ledger.owned(&sender).into_iter().map(|o| o.reference()).collect();
        let object = || any_of(&owned, a);
        let amount = (!c.is_multiple_of(3)).then_some(self.amount);
        // Deleted targets are worth asking for too: some of the objects of old transactions are.
        let targets: Vec<ObjectId> = play.ledger.targets().iter().map(|(object, _)| object.id()).collect();
        let target = || any_of(&targets, c);
        use TransactionKind as K;
        Some(match self.kind {
            0 => K::TransferCoin { coin: object()?, amount, recipient },
            1 => {
                let coins = [a, b].iter().filter_map(|i| any_of(&owned, *i)).collect();
                let recipients = vec![recipient; 1 + c % 2];
                K::PayCoins { coins, amounts: amount.map(|amount| vec![amount / 3; recipients.len()]), recipients }
            }
            2 => K::TransferObjects { objects: vec![object()?], recipient },
            3 => K::CreateModel {
                stake_amount: self.amount,
                commission_rate: a as u64 % 12_000,
                architecture_version: 1,
            },
            4 => commit(model()?, 0),
            5 => reveal(model()?, 0),
            6 => K::AddStakeToModel { model_id: model()?, coin_ref: object()?, amount },
            7 => K::AddStake { address: VALIDATOR, coin_ref: object()?, amount },
            8 => K::WithdrawStake {
                staked_soma: owned
                    .iter()
                    .find(|o| play.ledger.object(&o.id).is_some_and(|o| o.object_type == ObjectType::StakedSoma))
                    .copied()
                    .or_else(object)?,
            },
            9 => K::DeactivateModel { model_id: model()? },
            10 => K::SetModelCommissionRate { model_id: model()?, new_rate: self.amount },
            11 => K::ReportModel { model_id: model()? },
            12 => K::UndoReportModel { model_id: model()? },
            13..=15 => {
                let mut submission = play.submission(object()?, target()?);
                submission.data_manifest = manifest(self.amount % 2_000_000);
                if c.is_multiple_of(5) {
                    submission.distance_score = SomaTensor::scalar(f32::NAN);
                }
                K::SubmitData(submission)
            }
            16..=18 => K::ClaimRewards { target_id: target()? },
            19 => K::ReportSubmission { target_id: target()? },
            20 => K::UndoReportSubmission { target_id: target()? },
            _ => return None,
        })
    }

    /// Plays the step; what has no transaction turns the epoch.
    pub(super) fn play(&self, play: &mut Play) {
        let sender = self.sender();
        let Some(kind) = self.transaction(play) else {
            let elapsed = if self.amount.is_multiple_of(2) { 0 } else { 86_400_000 };
            let now = play.ledger.head.timestamp_ms + elapsed;
            play.ledger.advance_epoch(now).unwrap();
            return;
        };
        let owned: Vec<ObjectRef> = play.ledger.owned(&sender).into_iter().map(|o| o.reference()).collect();
        let gas = self.gas.iter().filter_map(|i| any_of(&owned, *i)).collect();
        match play.send_with(sender, kind, gas) {
            Ok(_) | Err(Rejection::Retriable(_) | Rejection::Stale(..) | Rejection::Locked(..)) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

/// The same from memory and from a second reading.
pub(super) fn portrait(ledger: &Ledger) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut objects: Vec<_> = ledger.state.objects().cloned().collect();
    objects.sort_by_key(|o| o.id());
    let latest = ledger.head.sequence_number;
    let mut checkpoints: Vec<_> = (0..=latest).map(|n| ledger.checkpoint(Some(n)).unwrap().as_ref().clone()).collect();
    // Memory still knows versions of the system state that the disk does not keep.
    for record in checkpoints.iter_mut().flat_map(|checkpoint| &mut checkpoint.transactions) {
        Arc::make_mut(record).objects.retain(|object| object.id() != ObjectId::SYSTEM_STATE);
    }
    let owned: Vec<Vec<ObjectId>> = SENDERS.map(|a| ledger.owned(&a).iter().map(|o| o.id()).collect()).into();
    let epochs: Vec<_> = (0..=ledger.system_state().epoch).map(|n| ledger.epoch(n).unwrap()).collect();
    (objects, checkpoints, owned, epochs, ledger.system_state().clone(), ledger.chain_id())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_transactions_makes_or_loses_a_shannon(steps in steps(60)) {
        let (mut play, _) = Play::with_models(2);
        let whole = supply(&play.ledger);
        for step in steps {
            step.play(&mut play);
            prop_assert_eq!(supply(&play.ledger), whole, "{:?}", step);
            let state = play.ledger.object(&ObjectId::SYSTEM_STATE).unwrap().system_state().unwrap();
            prop_assert_eq!(state.v1(), play.ledger.system_state());
        }
    }
}

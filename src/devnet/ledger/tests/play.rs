//! A small network to play on: accounts, models, and one call per kind of transaction.

use std::sync::Arc;

use crate::{
    chain::types::{
        Address, Digest, ExecutionFailure, ExecutionStatus, Manifest, ObjectId, ObjectRef, ObjectType, SomaTensor,
        SubmitData, TargetStatus, TransactionData, TransactionEffectsV1, TransactionKind, to_bcs,
    },
    devnet::ledger::{Genesis, Ledger, Rejection, TransactionRecord, pools},
    primitives::{SHANNONS_PER_SOMA, hash},
};

pub(super) const DIMENSION: u64 = 4;
pub(super) const VALIDATOR: Address = Address([0xAA; 32]);
pub(super) const ALICE: Address = Address([0xA1; 32]);
pub(super) const BOB: Address = Address([0xB0; 32]);
/// Owns the models.
pub(super) const MAKER: Address = Address([0xC0; 32]);
pub(super) const KEY: Digest = Digest([7; 32]);
/// A test's hour; time only matters where a test says so.
pub(super) const NOW: u64 = 1_000_000;

pub(super) fn genesis() -> Genesis {
    let coins = |count: usize| vec![5 * SHANNONS_PER_SOMA; count];
    let accounts = vec![(ALICE, coins(4)), (BOB, coins(4)), (MAKER, coins(8)), (VALIDATOR, coins(2))];
    let mut genesis = Genesis::localnet(1, NOW, DIMENSION, accounts, VALIDATOR);
    genesis.parameters.target_initial_targets_per_epoch = 6;
    genesis
}

pub(super) fn embedding(n: u64) -> SomaTensor {
    SomaTensor::vector(&[1.0, n as f32, -0.5, 0.25])
}

/// Everything that can be owned, summed: constant from genesis on.
pub(super) fn supply(ledger: &Ledger) -> u128 {
    let system = ledger.system_state();
    let models = system.model_registry.models.values().map(|model| &model.v1().head().staking_pool);
    let validators = system.validators.validators.iter().map(|validator| &validator.staking_pool);
    let staked: u128 = models.chain(validators).map(pools::stake_held).sum();
    let on_objects: u128 = ledger
        .state
        .objects()
        .map(|object| match object.object_type {
            ObjectType::Coin => u128::from(object.coin_balance().unwrap()),
            ObjectType::Target => {
                let target = object.target().unwrap();
                u128::from(target.reward_pool) + u128::from(target.bond_amount)
            }
            ObjectType::StakedSoma | ObjectType::SystemState => 0,
        })
        .sum();
    let fees = match ledger.is_first_of_epoch() {
        true => 0,
        false => ledger.head.epoch_rolling_transaction_fees.total_fee,
    };
    let pool = system.emission_pool.balance;
    let waiting = system.safe_mode_accumulated_fees + system.safe_mode_accumulated_emissions;
    staked + on_objects + u128::from(fees) + u128::from(pool) + u128::from(waiting)
}

pub(super) struct Play {
    pub ledger: Ledger,
}

impl Play {
    pub fn new() -> Self {
        Self::from(&genesis())
    }

    pub fn from(genesis: &Genesis) -> Self {
        Self { ledger: Ledger::open(None, genesis).unwrap() }
    }

    /// Epoch 2 of a network with this many active models, so that targets are open.
    pub fn with_models(count: u64) -> (Self, Vec<ObjectId>) {
        let mut play = Self::new();
        let models: Vec<ObjectId> = (0..count).map(|_| play.create_model(SHANNONS_PER_SOMA)).collect();
        for (n, model) in models.iter().enumerate() {
            play.ok(MAKER, commit(*model, n as u64));
        }
        play.advance();
        for (n, model) in models.iter().enumerate() {
            play.ok(MAKER, reveal(*model, n as u64));
        }
        play.advance();
        (play, models)
    }

    pub fn advance(&mut self) -> u64 {
        self.ledger.advance_epoch(NOW).unwrap()
    }

    pub fn coins(&self, owner: Address) -> Vec<ObjectRef> {
        let owned = self.ledger.owned(&owner).into_iter();
        owned.filter(|o| o.object_type == ObjectType::Coin).map(|o| o.reference()).collect()
    }

    /// The owner's richest coin.
    pub fn coin(&self, owner: Address) -> ObjectRef {
        *self.coins(owner).last().unwrap()
    }

    pub fn send_with(
        &mut self,
        sender: Address,
        kind: TransactionKind,
        gas: Vec<ObjectRef>,
    ) -> Result<Arc<TransactionRecord>, Rejection> {
        self.ledger.execute_verified(&TransactionData::new(kind, sender, gas), Vec::new(), NOW)
    }

    pub fn send(&mut self, sender: Address, kind: TransactionKind) -> TransactionEffectsV1 {
        let gas = vec![self.coin(sender)];
        self.send_with(sender, kind, gas).unwrap().effects.v1().clone()
    }

    pub fn ok(&mut self, sender: Address, kind: TransactionKind) -> TransactionEffectsV1 {
        let effects = self.send(sender, kind);
        assert_eq!(effects.status, ExecutionStatus::Success);
        effects
    }

    pub fn fails(&mut self, sender: Address, kind: TransactionKind) -> ExecutionFailure {
        match self.send(sender, kind).status {
            ExecutionStatus::Failure { error } => error,
            ExecutionStatus::Success => panic!("succeeded"),
        }
    }

    pub fn create_model(&mut self, stake_amount: u64) -> ObjectId {
        let kind = TransactionKind::CreateModel { stake_amount, commission_rate: 100, architecture_version: 1 };
        ObjectId::derive(&self.ok(MAKER, kind).transaction_digest, 0)
    }

    /// The first open target of the running epoch.
    pub fn open_target(&self) -> ObjectId {
        let epoch = self.ledger.system_state().epoch;
        let targets = self.ledger.targets();
        let mut open = targets.iter().filter(|(_, t)| t.status == TargetStatus::Open && t.generation_epoch == epoch);
        open.next().unwrap().0.id()
    }

    /// A submission of ten bytes to the target by its first model, at distance 0.5.
    pub fn submission(&self, bond_coin: ObjectRef, target_id: ObjectId) -> SubmitData {
        let target = self.ledger.object(&target_id).unwrap().target().unwrap();
        SubmitData {
            target_id,
            data_manifest: manifest(10),
            model_id: target.model_ids[0],
            embedding: embedding(3),
            distance_score: SomaTensor::scalar(0.5),
            loss_score: SomaTensor::vector(&[1.0, 2.0]),
            bond_coin,
        }
    }

    /// Fills an open target. Gives its id.
    pub fn fill(&mut self, sender: Address) -> ObjectId {
        let target = self.open_target();
        let submission = self.submission(self.coin(sender), target);
        self.ok(sender, TransactionKind::SubmitData(submission));
        target
    }
}

pub(super) fn manifest(size: u64) -> Manifest {
    Manifest::new("https://data.test/sample", hash(b"sample"), size).unwrap()
}

pub(super) fn commit(model_id: ObjectId, n: u64) -> TransactionKind {
    TransactionKind::CommitModel {
        model_id,
        manifest: manifest(1_000),
        weights_commitment: hash(b"sample"),
        embedding_commitment: hash(&to_bcs(&embedding(n))),
        decryption_key_commitment: hash(&KEY.0),
    }
}

pub(super) fn reveal(model_id: ObjectId, n: u64) -> TransactionKind {
    TransactionKind::RevealModel { model_id, decryption_key: KEY, embedding: embedding(n) }
}

//! The embedded network's ledger in this process: real transactions, real targets, no sockets.

use anyhow::{Context, bail};
use somascope::{
    chain::{
        keys::Keypair,
        types::{
            Address, Digest, ExecutionStatus, Manifest, ObjectId, ObjectType, SomaTensor, SubmitData, TargetStatus,
            TargetV1, TransactionData, TransactionEffectsV1, TransactionKind, to_bcs,
        },
    },
    devnet::ledger::{Genesis, Ledger},
    primitives::{SHANNONS_PER_SOMA, hash},
};

const DAY_MS: u64 = 86_400_000;
const KEY: Digest = Digest([7; 32]);

/// The game's own rules; all others are the network's.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub threshold: f32,
    pub epoch_evaluations: u64,
    pub targets_per_epoch: u64,
    pub seed: u64,
}

/// A model as the registry shows it.
pub struct Registered {
    pub embedding: Vec<f32>,
    /// SOMA.
    pub stake: u64,
}

#[derive(Clone, Debug)]
pub struct Target {
    pub id: ObjectId,
    /// Of length one.
    pub direction: Vec<f32>,
    pub embedding: Vec<f32>,
    pub threshold: f32,
    /// Indices into the models of the world, in the target's order.
    pub models: Vec<usize>,
}

/// What is claimed in a submission.
pub struct Submission<'a> {
    pub target: &'a Target,
    /// Index into the models of the world.
    pub model: usize,
    pub embedding: &'a [f32],
    pub distance: f32,
    pub loss: f32,
    pub data: &'a [u8],
}

pub struct Network {
    ledger: Ledger,
    submitter: Keypair,
    models: Vec<ObjectId>,
    now_ms: u64,
    pub generated: u64,
    pub epochs: u64,
}

impl Network {
    /// A network in epoch 2, with these models active and its first targets open.
    pub fn start(rules: &Rules, models: &[Registered]) -> anyhow::Result<Self> {
        let dim = models.first().context("no models")?.embedding.len() as u64;
        let (submitter, owner) = (Keypair::from_seed([0x51; 32]), Keypair::from_seed([0x52; 32]));
        let stakes: u64 = models.iter().map(|model| model.stake).sum();
        let accounts = vec![
            (submitter.address(), vec![100_000 * SHANNONS_PER_SOMA]),
            (owner.address(), vec![(stakes + 100) * SHANNONS_PER_SOMA]),
        ];
        let validator = Keypair::from_seed([0x53; 32]).address();
        let mut genesis = Genesis::localnet(rules.seed, 1_000, dim, accounts, validator);
        let parameters = &mut genesis.parameters;
        // The difficulty stays where it is put.
        parameters.target_initial_distance_threshold = SomaTensor::scalar(rules.threshold);
        parameters.target_min_distance_threshold = SomaTensor::scalar(rules.threshold);
        parameters.target_max_distance_threshold = SomaTensor::scalar(rules.threshold);
        parameters.target_hits_per_epoch = rules.targets_per_epoch;
        let ledger = Ledger::open(None, &genesis)?;
        let mut network = Self { ledger, submitter, models: Vec::new(), now_ms: 1_000, generated: 0, epochs: 0 };
        network.register(&owner, models)?;
        Ok(network)
    }

    fn register(&mut self, owner: &Keypair, models: &[Registered]) -> anyhow::Result<()> {
        for model in models {
            let stake_amount = model.stake * SHANNONS_PER_SOMA;
            let kind = TransactionKind::CreateModel { stake_amount, commission_rate: 0, architecture_version: 1 };
            let created = self.send(owner, kind)?;
            let model_id = ObjectId::derive(&created.transaction_digest, 0);
            self.models.push(model_id);
            let manifest = Manifest::new("https://weights.test/model", hash(b"weights"), 1_000)?;
            let kind = TransactionKind::CommitModel {
                model_id,
                manifest,
                weights_commitment: hash(b"weights"),
                embedding_commitment: hash(&to_bcs(&SomaTensor::vector(&model.embedding))),
                decryption_key_commitment: hash(&KEY.0),
            };
            self.send(owner, kind)?;
        }
        self.turn()?;
        for (model_id, model) in self.models.clone().into_iter().zip(models) {
            let embedding = SomaTensor::vector(&model.embedding);
            self.send(owner, TransactionKind::RevealModel { model_id, decryption_key: KEY, embedding })?;
        }
        self.turn()
    }

    fn turn(&mut self) -> anyhow::Result<()> {
        self.now_ms += DAY_MS;
        self.ledger.advance_epoch(self.now_ms)?;
        Ok(())
    }

    /// The open targets of an epoch that has just begun.
    pub fn first_targets(&mut self) -> anyhow::Result<Vec<Target>> {
        let epoch = self.ledger.system_state().epoch;
        let open = self
            .ledger
            .targets_after(None)
            .filter(|(_, _, target)| target.status == TargetStatus::Open && target.generation_epoch == epoch);
        let targets: Vec<Target> =
            open.map(|(_, object, target)| self.target(object.id(), target)).collect::<Result<_, _>>()?;
        self.generated += targets.len() as u64;
        self.epochs += 1;
        Ok(targets)
    }

    /// Ends the epoch; what is open expires.
    pub fn next_epoch(&mut self) -> anyhow::Result<Vec<Target>> {
        self.turn()?;
        self.first_targets()
    }

    fn target(&self, id: ObjectId, target: &TargetV1) -> anyhow::Result<Target> {
        let embedding = target.embedding.values()?;
        let norm = embedding.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        let index = |id: &ObjectId| self.models.iter().position(|model| model == id).context("a model of nobody");
        Ok(Target {
            id,
            direction: embedding.iter().map(|x| (f64::from(*x) / norm) as f32).collect(),
            embedding,
            threshold: target.distance_threshold.scalar_value()?,
            models: target.model_ids.iter().map(index).collect::<Result<_, _>>()?,
        })
    }

    /// Fills a target. Gives its replacement, if the epoch's budget has one more.
    pub fn fill(&mut self, submission: &Submission<'_>) -> anyhow::Result<Option<Target>> {
        let manifest = Manifest::new("https://data.test/sample", hash(submission.data), submission.data.len() as u64)?;
        let bond_coin = self.coin(self.submitter.address())?;
        let kind = TransactionKind::SubmitData(SubmitData {
            target_id: submission.target.id,
            data_manifest: manifest,
            model_id: self.models[submission.model],
            embedding: SomaTensor::vector(submission.embedding),
            distance_score: SomaTensor::scalar(submission.distance.max(0.0)),
            loss_score: SomaTensor::vector(&[submission.loss]),
            bond_coin,
        });
        let submitter = Keypair::from_seed(*self.submitter.seed());
        let effects = self.send(&submitter, kind)?;
        let created: Vec<ObjectId> = effects.created().map(|(id, _)| id).collect();
        for id in created {
            let Some(object) = self.ledger.object(&id).filter(|object| object.object_type == ObjectType::Target) else {
                continue;
            };
            let target = self.target(id, &object.target()?)?;
            self.generated += 1;
            return Ok(Some(target));
        }
        Ok(None)
    }

    fn coin(&self, owner: Address) -> anyhow::Result<somascope::chain::types::ObjectRef> {
        let coins = self.ledger.owned(&owner).into_iter().rev();
        let coin = coins.filter(|object| object.object_type == ObjectType::Coin).map(|coin| coin.reference()).next();
        coin.context("an account without a coin")
    }

    fn send(&mut self, sender: &Keypair, kind: TransactionKind) -> anyhow::Result<TransactionEffectsV1> {
        let gas = self.coin(sender.address())?;
        let signed = sender.sign(TransactionData::new(kind, sender.address(), vec![gas]));
        let record = self.ledger.execute(&signed, self.now_ms)?;
        match &record.effects.v1().status {
            ExecutionStatus::Success => Ok(record.effects.v1().clone()),
            ExecutionStatus::Failure { error } => bail!("the network refuses: {error:?}"),
        }
    }
}

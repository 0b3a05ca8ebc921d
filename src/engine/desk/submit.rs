//! From a file to a submission: confirmed by this machine, shown, uploaded, signed, sent, settled.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Desk, DeskError, Settled,
    carry::{ATTEMPTS, Attempt, FIRST_PAUSE},
    draft::{enough, usable},
    not_confirmed,
};
use crate::{
    api::{PREVIEW_BYTES, SubmissionId, SubmissionState as State},
    chain::{
        fees, rewards,
        types::{SystemParameters, TargetStatus},
    },
    engine::{
        corpus::{self, Shelf, Source},
        journal::{Confirmation, NewSubmission, Step, Submission, TransactionKind},
        money::{self, NotBuilt},
        published::spec_of,
        scoring::{self, ConfirmJob, ConfirmedHit, WeightsCache, in_tenths},
    },
    model,
    primitives::{Digest, ObjectId, Shannons},
    storage::Store,
};

/// A confirmed hit with everything that a person needs to decide. Only [`Desk::confirm`] makes one.
pub struct Offer {
    pub target: ObjectId,
    /// The target's, which must be the current one when it is submitted.
    pub epoch: u64,
    pub model: ObjectId,
    pub distance: f32,
    pub threshold: f32,
    /// Under each of the target's models, in its order.
    pub losses: Vec<(ObjectId, f32)>,
    pub size: u64,
    pub checksum: Digest,
    pub reward_pool: Shannons,
    /// Comes back with the claim, unless validators report the data.
    pub bond: Shannons,
    /// Of the submission, at most: without a replacement target it is less.
    pub fee: Shannons,
    /// Of its later claim by ourselves.
    pub claim_fee: Shannons,
    /// The submitter's share and the finder's fee.
    pub reward: Shannons,
    pub balance: Shannons,
    pub path: PathBuf,
    source: Source,
    hit: ConfirmedHit,
}

impl Offer {
    /// Reward less both fees; negative if they are larger.
    pub fn gain(&self) -> i64 {
        let amount = |shannons: Shannons| i64::try_from(shannons.0).unwrap_or(i64::MAX);
        amount(self.reward).saturating_sub(amount(self.fee)).saturating_sub(amount(self.claim_fee))
    }

    /// Threshold − distance.
    pub fn margin(&self) -> f32 {
        self.threshold - self.distance
    }
}

/// What becomes of a file that looks like a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    Refused,
    /// Somebody has said that this file may become public.
    Allowed,
}

/// The bytes of a file that may become public: not empty, not too large, no key. Nothing is sent anywhere.
pub fn check_data(path: &Path, max_size: u64, secrets: Secrets) -> Result<(), DeskError> {
    let refused = |why: String| DeskError::Data { path: path.into(), why };
    let about = std::fs::metadata(path).map_err(|e| refused(e.to_string()))?;
    if !about.is_file() {
        return Err(refused("it is no file".into()));
    }
    if about.len() == 0 {
        return Err(refused("it is empty".into()));
    }
    if about.len() > max_size {
        return Err(refused(format!("its {} bytes are more than the network's limit of {max_size}", about.len())));
    }
    if secrets == Secrets::Refused && corpus::looks_secret(path).map_err(|e| refused(e.to_string()))? {
        return Err(refused(
            "it looks like a secret, by its name or because it holds a key or is packed, and an upload is public \
             (`submit --allow-secret` overrules)"
                .into(),
        ));
    }
    Ok(())
}

impl Desk {
    /// Scores the exact bytes with every model of the target, in full precision, and checks that they hit. Downloads weights
    /// that are not here yet; uploads nothing. `progress` hears what takes time.
    pub async fn confirm(
        &mut self,
        target: ObjectId,
        path: &Path,
        secrets: Secrets,
        mut progress: impl FnMut(&str),
    ) -> Result<Offer, DeskError> {
        let client = &self.wallet.client;
        let (state, object, balance) =
            tokio::try_join!(client.epoch_state(), client.target(target), client.balance(self.address))?;
        check_data(path, state.parameters.max_submission_data_size, secrets)?;
        let closed = |why: String| DeskError::Closed { target, why };
        match self.journal.live_row(target).await?.map(|submission| submission.row) {
            Some(row) if matches!(row.state, State::Filled | State::Claimable | State::Claimed | State::Forfeited) => {
                return Err(DeskError::AlreadyFilled(target));
            }
            Some(row) if matches!(row.state, State::Signed | State::Sent | State::Unknown) => {
                return Err(DeskError::InFlight { target, digest: row.digest.unwrap_or_default() });
            }
            _ => {}
        }
        let object = object.ok_or(DeskError::NoTarget(target))?;
        if object.status != TargetStatus::Open {
            return Err(closed(match object.submitter == Some(self.address) {
                true => "this wallet has filled it".into(),
                false => "somebody else has filled it".into(),
            }));
        }
        if object.generation_epoch < state.epoch {
            return Err(closed(format!(
                "it expired with epoch {}, and this is epoch {}",
                object.generation_epoch, state.epoch
            )));
        }
        let threshold = object.distance_threshold.scalar_value().map_err(|e| closed(e.to_string()))?;
        let embedding = object.embedding.values().map_err(|e| closed(e.to_string()))?;
        let (mut models, mut loaded) = (Vec::new(), Vec::new());
        let weights = WeightsCache::new(&self.dir, self.heads)?;
        for (number, id) in object.model_ids.iter().enumerate() {
            let info = state.models.iter().find(|model| model.id == *id);
            let info = info.ok_or_else(|| closed(format!("its model {} is not active any more", id.short())))?;
            progress(&format!(
                "model {} of {}: {} ({} bytes)",
                number + 1,
                object.model_ids.len(),
                id.short(),
                info.size
            ));
            let spec = spec_of(info);
            let downloaded = |percent| progress(&format!("model {}: {percent}% downloaded", id.short()));
            loaded.push(weights.load(&spec, in_tenths(info.size, downloaded)).await?);
            models.push((*id, Arc::new(spec)));
        }
        let refused = |why: std::io::Error| DeskError::Data { path: path.into(), why: why.to_string() };
        let data = std::fs::read(path).map_err(refused)?;
        let len = u32::try_from(data.len())
            .map_err(|_| DeskError::Data { path: path.into(), why: "it is too large".into() })?;
        let real = path.canonicalize().map_err(refused)?;
        let shelf = match secrets {
            Secrets::Refused => Shelf::default(),
            Secrets::Allowed => Shelf::allowing(real.clone()),
        };
        let source = Source::file(real.into(), 0, len, false);
        progress(&format!("scoring {len} bytes with {} models", models.len()));
        let job = ConfirmJob {
            submission: SubmissionId(0),
            source: source.clone(),
            shelf,
            checksum: model::checksum(&data),
            target,
            epoch: object.generation_epoch,
            embedding,
            threshold,
            models,
        };
        let confirmed = tokio::task::spawn_blocking(move || scoring::confirm_here(&job, &loaded)).await;
        let hit = confirmed
            .map_err(|_| DeskError::Scoring("the scoring was given up".into()))?
            .map_err(|error| not_confirmed(error, target, path))?;
        Ok(offer(hit, source, path, threshold, Shannons(object.reward_pool), &state.parameters, Shannons(balance)))
    }

    /// Uploads, signs, sends and settles what was confirmed. The caller has approved it.
    pub async fn submit(&mut self, offer: Offer) -> Result<Settled, DeskError> {
        let store = self.store.clone().ok_or(DeskError::NoStore)?;
        self.refuse_beside_unknown().await?;
        let submission = self.row_for(&offer).await?;
        let id = submission.row.id;
        let settled = self.carry_submission(&store, &offer, submission).await;
        if let Err(error) = &settled {
            // The approval was for now: no later run may take the row up by itself.
            if let Ok(submission) = self.journal.submission(id).await
                && let state @ (State::Approved | State::Uploaded) = submission.row.state
                && let Err(silent) =
                    self.journal.advance(id, Step::new(state, State::Failed).noting(error.to_string())).await
            {
                tracing::warn!(%silent, "the submission could not be noted as failed");
            }
        }
        settled
    }

    async fn carry_submission(
        &self,
        store: &Store,
        offer: &Offer,
        mut submission: Submission,
    ) -> Result<Settled, DeskError> {
        let id = submission.row.id;
        if submission.row.state == State::Approved {
            let url = money::upload(store, &offer.hit).await?;
            let mut step = Step::new(State::Approved, State::Uploaded);
            step.facts.url = Some(url);
            submission = self.journal.advance(id, step).await?;
        }
        let (mut why, mut avoid, mut sent) = (String::new(), Vec::new(), None);
        for _ in 0..ATTEMPTS {
            let state = self.wallet.client.epoch_state().await?;
            let url = submission.row.url.clone().unwrap_or_default();
            let coins = usable(&self.wallet.client.coins(self.address).await?, &avoid);
            let gas = match enough(&coins, money::submit_needs(&state.parameters, offer.size)) {
                Ok(gas) => gas.iter().map(|coin| coin.reference).collect(),
                Err(error) if !avoid.is_empty() => {
                    why = format!("{why}; without the coins in question: {error}");
                    break;
                }
                Err(error) => return Err(error),
            };
            let prepared = money::prepare_submit(&self.wallet, &offer.hit, &url, gas, state.epoch, true).await;
            let transaction = match prepared {
                Ok(transaction) => transaction,
                // Others use the coins, or the node is behind.
                Err(NotBuilt::Used { why: cause, .. } | NotBuilt::NotYet(cause)) => {
                    why = cause;
                    tokio::time::sleep(FIRST_PAUSE).await;
                    continue;
                }
                Err(error) => return self.not_built(offer, &submission, error).await,
            };
            // The same bytes sent a second time would leave their outcome open.
            if sent == Some(transaction.digest()) {
                break;
            }
            sent = Some(transaction.digest());
            let height = self.wallet.client.service_info().await?.checkpoint_height;
            let (signed, record) = self.journal.sign(id, TransactionKind::Submit, &transaction, height).await?;
            let verdict = self.send_row(&signed, &record, 0).await?;
            match self.book_row(&signed, &record, verdict).await? {
                Attempt::Done(settled) => return Ok(settled),
                Attempt::Later(cause) => why = cause,
                Attempt::Again { why: cause, coins } => {
                    why = cause;
                    avoid.extend(coins);
                }
            }
            submission = self.journal.submission(id).await?;
        }
        let step = Step::new(State::Uploaded, State::Failed).noting(format!("never executed: {why}"));
        self.journal.advance(id, step).await?;
        Ok(Settled::Refused { why })
    }

    async fn not_built(&self, offer: &Offer, submission: &Submission, error: NotBuilt) -> Result<Settled, DeskError> {
        let ended = match &error {
            NotBuilt::Gone(_) | NotBuilt::Deleted => State::Expired,
            _ => State::Failed,
        };
        let step = Step::new(State::Uploaded, ended).noting(error.to_string());
        self.journal.advance(submission.row.id, step).await?;
        Err(match error {
            NotBuilt::Gone(why) => DeskError::Closed { target: offer.target, why },
            NotBuilt::Deleted => DeskError::NoTarget(offer.target),
            NotBuilt::Client(error) => DeskError::Client(error),
            error @ (NotBuilt::Used { .. } | NotBuilt::NotYet(_)) => {
                DeskError::Closed { target: offer.target, why: error.to_string() }
            }
            error @ NotBuilt::Url(..) => DeskError::Order(error.to_string()),
        })
    }

    /// The offer's row in `Approved` or `Uploaded`. What an earlier run left of the same data goes on where it was; other
    /// data that waits for this target makes room.
    async fn row_for(&self, offer: &Offer) -> Result<Submission, DeskError> {
        if let Some(found) = self.journal.live_row(offer.target).await? {
            let same = found.row.checksum == offer.checksum && found.row.model == offer.model;
            match found.row.state {
                State::Approved | State::Uploaded if same => return Ok(found),
                // This is the approval that it waits for. Another row could not be signed: it would be the same transaction.
                State::AwaitingApproval if same => {
                    let step = Step::new(State::AwaitingApproval, State::Approved);
                    return Ok(self.journal.advance(found.row.id, step).await?);
                }
                State::Found | State::Confirmed => {
                    let step = Step::new(found.row.state, State::Failed).noting("another submission took its place");
                    self.journal.advance(found.row.id, step).await?;
                }
                State::AwaitingApproval | State::Approved | State::Uploaded => {
                    let step = Step::new(found.row.state, State::Rejected).noting("another submission took its place");
                    self.journal.advance(found.row.id, step).await?;
                }
                State::Signed | State::Sent | State::Unknown => {
                    let digest = found.row.digest.unwrap_or_default();
                    return Err(DeskError::InFlight { target: offer.target, digest });
                }
                _ => return Err(DeskError::AlreadyFilled(offer.target)),
            }
        }
        let confirmation = Confirmation {
            model: offer.model,
            distance: offer.distance,
            losses: offer.losses.clone(),
            preview: offer.hit.data().iter().take(PREVIEW_BYTES).copied().collect(),
        };
        let new = NewSubmission {
            target: offer.target,
            epoch: offer.epoch,
            source: offer.source.clone(),
            checksum: offer.checksum,
            confirmation: confirmation.clone(),
            threshold: offer.threshold,
            bond: offer.bond,
            fee_estimate: offer.fee.saturating_add(offer.claim_fee),
            expected_reward: offer.reward,
            reward_pool: offer.reward_pool,
        };
        let id = self.journal.insert(new).await?.row.id;
        let mut confirmed = Step::new(State::Found, State::Confirmed);
        confirmed.facts.confirmation = Some(confirmation);
        self.journal.advance(id, confirmed).await?;
        self.journal.advance(id, Step::new(State::Confirmed, State::AwaitingApproval)).await?;
        Ok(self.journal.advance(id, Step::new(State::AwaitingApproval, State::Approved)).await?)
    }
}

fn offer(
    hit: ConfirmedHit,
    source: Source,
    path: &Path,
    threshold: f32,
    reward_pool: Shannons,
    parameters: &SystemParameters,
    balance: Shannons,
) -> Offer {
    let split = rewards::claim_split(parameters, reward_pool);
    Offer {
        target: hit.target(),
        epoch: hit.epoch(),
        model: hit.model(),
        distance: hit.distance(),
        threshold,
        losses: hit.losses(),
        size: hit.size(),
        checksum: hit.checksum(),
        reward_pool,
        bond: Shannons(hit.size().saturating_mul(parameters.submission_bond_per_byte)),
        fee: fees::submit_data(parameters, true, true),
        claim_fee: fees::claim(parameters, reward_pool),
        reward: split.submitter.saturating_add(split.claimer),
        balance,
        path: path.into(),
        source,
        hit,
    }
}

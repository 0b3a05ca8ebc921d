//! Who plays: the reference submitter as its algorithm is told, and somascope with more and more of what it has.

use std::collections::HashSet;

use anyhow::ensure;
use somascope::model;
use somascope_matching::compose::{Composition, Groups, LONGEST, Pool, Reach, Scores, Wanted, compose};

use super::{
    Played,
    network::{Network, Rules, Submission, Target},
    world::World,
};

/// Cosine distance below the threshold that every player but the reference wants.
const MARGIN: f32 = 1e-4;
/// In search precision, which is an audit's here.
const LOSS_MARGIN: f32 = 1e-6;
/// An open target is asked for again when the library has grown by this share.
const GROWTH: usize = 20;
const LEAST_GROWTH: usize = 8;
/// Compositions that the models themselves score at the end.
const CHECKED: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Player {
    /// One random sample at a time, under the models of one open target after the other; a hit is submitted to that target.
    Reference,
    /// Every sample under every model, once; every target against everything scored; and compositions, if any.
    Library(Reach),
}

/// In the order in which they are compared: the reference first.
pub fn players() -> [Player; 4] {
    [Player::Reference, Player::Library(Reach::Single), Player::Library(Reach::SameGroup), Player::Library(Reach::Any)]
}

/// Plays until every window has been scored once under every model, or as many evaluations have been made.
pub fn play(world: &World, rules: &Rules, player: Player) -> anyhow::Result<Played> {
    let network = Network::start(rules, &world.registered())?;
    let mut game = Game {
        world,
        network,
        rules: *rules,
        confirms: player != Player::Reference,
        played: Played::default(),
        confirmed: HashSet::new(),
        composed: Vec::new(),
        epoch_ends: rules.epoch_evaluations,
    };
    let limit = (world.windows.len() * world.models.len()) as u64;
    match player {
        Player::Reference => game.reference(limit)?,
        Player::Library(reach) => game.library(reach)?,
    }
    game.check()?;
    game.played.name = match player {
        Player::Reference => "reference",
        Player::Library(Reach::Single) => "library",
        Player::Library(Reach::SameGroup) => "library + composer, same source",
        Player::Library(Reach::Any) => "library + composer, any",
    };
    game.played.targets = game.network.generated;
    game.played.epochs = game.network.epochs;
    Ok(game.played)
}

struct Game<'a> {
    world: &'a World,
    network: Network,
    rules: Rules,
    confirms: bool,
    played: Played,
    /// (windows, model)
    confirmed: HashSet<(Vec<u32>, usize)>,
    /// Compositions that filled a target, some of them.
    composed: Vec<(Target, Composition)>,
    epoch_ends: u64,
}

/// An open target, and how large the library was when it was last asked.
struct Waiting {
    target: Target,
    asked_at: usize,
}

impl Game<'_> {
    fn reference(&mut self, limit: u64) -> anyhow::Result<()> {
        let mut open = self.network.first_targets()?;
        let (mut next_target, mut next_sample) = (0, 0);
        while self.played.evaluations < limit {
            if open.is_empty() {
                // It waits for the next epoch, and is charged nothing.
                open = self.network.next_epoch()?;
                self.epoch_ends = self.played.evaluations + self.rules.epoch_evaluations;
            }
            let place = next_target % open.len();
            let target = open[place].clone();
            let window = next_sample % self.world.windows.len();
            (next_target, next_sample) = (next_target + 1, next_sample + 1);
            self.played.evaluations += target.models.len() as u64;
            let found = self.judge(&[window as u32], &target);
            if found.as_ref().is_some_and(|found| found.distance <= target.threshold) {
                match self.submit(&target, found.as_ref())? {
                    Some(replacement) => open[place] = replacement,
                    None => drop(open.swap_remove(place)),
                }
            }
            if self.played.evaluations >= self.epoch_ends {
                open = self.network.next_epoch()?;
                self.epoch_ends += self.rules.epoch_evaluations;
            }
        }
        Ok(())
    }

    fn library(&mut self, reach: Reach) -> anyhow::Result<()> {
        let mut waiting: Vec<Waiting> = Vec::new();
        let first = self.network.first_targets()?;
        self.answer(first, reach, 0, &mut waiting)?;
        for window in 0..self.world.windows.len() {
            let scored = window + 1;
            self.played.evaluations += self.world.models.len() as u64;
            // The new sample against every target.
            let mut asking: Vec<Target> = Vec::new();
            let mut place = 0;
            while place < waiting.len() {
                let Waiting { target, asked_at } = &waiting[place];
                let found = self.judge(&[window as u32], target);
                let hits = found.filter(|found| found.distance <= target.threshold - MARGIN);
                if hits.is_some() {
                    let target = waiting.swap_remove(place).target;
                    asking.extend(self.submit(&target, hits.as_ref())?);
                } else if reach != Reach::Single && scored >= asked_at + (asked_at / GROWTH).max(LEAST_GROWTH) {
                    asking.push(waiting.swap_remove(place).target);
                } else {
                    place += 1;
                }
            }
            self.answer(asking, reach, scored, &mut waiting)?;
            if self.played.evaluations >= self.epoch_ends {
                self.epoch_ends += self.rules.epoch_evaluations;
                let open = self.network.next_epoch()?;
                waiting.clear();
                self.answer(open, reach, scored, &mut waiting)?;
            }
        }
        Ok(())
    }

    /// Targets, and the replacements of those that are filled, against everything that is scored.
    fn answer(
        &mut self,
        targets: Vec<Target>,
        reach: Reach,
        scored: usize,
        waiting: &mut Vec<Waiting>,
    ) -> anyhow::Result<()> {
        let mut queue = targets;
        let mut groups: Vec<(Vec<usize>, Groups)> = Vec::new();
        while let Some(target) = queue.pop() {
            let pool = self.pool(&target, scored);
            let known = groups.iter().position(|(models, _)| *models == target.models);
            let known = known.unwrap_or_else(|| {
                let of_these = match reach {
                    Reach::SameGroup => Groups::new(&pool, &self.world.files[..scored]),
                    Reach::Single | Reach::Any => Groups::default(),
                };
                groups.push((target.models.clone(), of_these));
                groups.len() - 1
            });
            let wanted = Wanted {
                target: &target.direction,
                threshold: target.threshold,
                margin: MARGIN,
                loss_margin: LOSS_MARGIN,
                reach,
                longest: LONGEST,
            };
            let found = compose(&pool, &groups[known].1, &wanted);
            let found = found.and_then(|found| self.judge(&found.windows, &target));
            match found.filter(|found| found.distance <= target.threshold) {
                Some(found) => queue.extend(self.submit(&target, Some(&found))?),
                None => waiting.push(Waiting { target, asked_at: scored }),
            }
        }
        Ok(())
    }

    fn pool(&self, target: &Target, scored: usize) -> Pool<'_> {
        let world = self.world;
        let models = target.models.iter().map(|model| {
            let model = &world.models[*model];
            Scores {
                rows: &model.halves,
                row_of: &world.slots[..scored],
                norms: &model.norms[..scored],
                losses: &model.losses[..scored],
            }
        });
        Pool { dim: world.dim(), models: models.collect(), contents: &world.contents[..scored] }
    }

    /// What the network finds of these windows put together: winner among the target's models and distance, in full precision.
    fn judge(&self, windows: &[u32], target: &Target) -> Option<Composition> {
        let count = windows.len() as f32;
        let mean_loss = |model: &usize| {
            windows.iter().map(|window| self.world.models[*model].losses[*window as usize]).sum::<f32>() / count
        };
        let losses: Vec<f32> = target.models.iter().map(mean_loss).collect();
        let winner = model::winner(&losses)?;
        let mean = self.mean(windows, target.models[winner]);
        let distance = model::cosine_distance(&mean, &target.embedding);
        Some(Composition { windows: windows.to_vec(), winner, distance, losses })
    }

    fn mean(&self, windows: &[u32], model: usize) -> Vec<f32> {
        let mut mean = vec![0.0; self.world.dim()];
        for window in windows {
            let embedding = self.world.models[model].embedding(*window as usize);
            mean.iter_mut().zip(embedding).for_each(|(mean, x)| *mean += x / windows.len() as f32);
        }
        mean
    }

    fn bytes(&self, windows: &[u32]) -> Vec<u8> {
        windows.iter().flat_map(|window| self.world.windows[*window as usize].bytes.iter().copied()).collect()
    }

    /// Confirms and fills. Gives the replacement.
    fn submit(&mut self, target: &Target, found: Option<&Composition>) -> anyhow::Result<Option<Target>> {
        let Some(found) = found else { return Ok(None) };
        // The reference submits what it has just scored.
        for model in target.models.iter().filter(|_| self.confirms) {
            if self.confirmed.insert((found.windows.clone(), *model)) {
                self.played.confirmations += found.windows.len() as u64;
            }
        }
        let model = target.models[found.winner];
        let replacement = self.network.fill(&Submission {
            target,
            model,
            embedding: &self.mean(&found.windows, model),
            distance: found.distance,
            loss: found.losses[found.winner],
            data: &self.bytes(&found.windows),
        })?;
        self.played.fills += 1;
        if found.windows.len() > 1 {
            self.played.compositions += 1;
            self.played.composed_windows += found.windows.len() as u64;
            // The last ones, which come from the largest library.
            if self.composed.len() == CHECKED {
                self.composed.remove(0);
            }
            self.composed.push((target.clone(), found.clone()));
        }
        Ok(replacement)
    }

    /// Lets the models score some of the compositions, as an audit would.
    fn check(&mut self) -> anyhow::Result<()> {
        for (target, found) in &self.composed {
            let data = self.bytes(&found.windows);
            let mut scores = Vec::new();
            for model in &target.models {
                scores.push(self.world.load(*model)?.score(&data, 0)?);
            }
            let losses: Vec<f32> = scores.iter().map(|score| score.loss).collect();
            let winner = model::winner(&losses);
            ensure!(
                winner == Some(found.winner),
                "an audit finds another winner: {losses:?} and not {:?}",
                found.losses
            );
            let distance = model::cosine_distance(&scores[found.winner].embedding, &target.embedding);
            ensure!(distance <= target.threshold, "an audit finds {distance}, beyond {}", target.threshold);
            self.played.checked += 1;
            self.played.largest_error = self.played.largest_error.max((distance - found.distance).abs());
        }
        Ok(())
    }
}

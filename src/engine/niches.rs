//! The niche map of a directory, without an engine: what its library holds, against the targets that a network has open now.
//!
//! Reads the chain and the library, which no engine may use meanwhile; scores, keeps and signs nothing.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    matching::{Atlas, Board, LIBRARY_DIR, Library, OPENED_AT_ONCE, TargetSpec},
    published::id_of,
    snapshot::{Map, figure},
};
use crate::{
    api::{MapColour, MapLayout, TargetRow, TargetStage},
    chain::client::{ActiveModelInfo, Client, ClientError, EpochState, TargetFilter, TargetInfo},
    export::map::MapChart,
    primitives::{Digest, ObjectId, Shannons},
};

/// Bounds every call to the node.
const CALL: Duration = Duration::from_secs(20);
/// More than any library needs to be surveyed in full.
const SURVEYS: usize = 1_000;

#[derive(Debug, thiserror::Error)]
pub enum NichesError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{0} holds no scored samples yet: `somascope run` with the same network (or --dir) scores some")]
    NoLibrary(PathBuf),
    #[error("an engine works in {0}: press `e` in its map, or end it first")]
    InUse(PathBuf),
    #[error("the library of {dir} cannot be read: {why}")]
    Library { dir: PathBuf, why: String },
    #[error(
        "only {0} samples were scored by every model in play now, and a map needs 16: let `somascope run` score for a while"
    )]
    TooFew(u64),
    #[error("the samples are all alike: there is nothing that a map could tell apart")]
    Alike,
}

/// Draws the map of the engine's directory `dir`.
pub async fn draw(
    rpc_url: &str,
    dir: &Path,
    layout: MapLayout,
    colour: MapColour,
    title: String,
) -> Result<MapChart, NichesError> {
    let place = dir.join(LIBRARY_DIR);
    // Looking makes nothing.
    if !place.is_dir() {
        return Err(NichesError::NoLibrary(dir.into()));
    }
    let client = Client::new(rpc_url, CALL)?;
    let (state, targets) = tokio::try_join!(client.epoch_state(), client.targets(TargetFilter::Open, None))?;
    let dir = dir.to_owned();
    let work = move || chart(&dir, &place, &state, &targets, layout, colour, title);
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        // It was not cancelled, so it has panicked.
        std::panic::resume_unwind(error.into_panic())
    })
}

fn chart(
    dir: &Path,
    place: &Path,
    state: &EpochState,
    targets: &[TargetInfo],
    layout: MapLayout,
    colour: MapColour,
    title: String,
) -> Result<MapChart, NichesError> {
    // Whatever limit it has, nothing leaves it here.
    let library = Library::open(place, u64::MAX).map_err(|error| match error {
        error if error.is_in_use() => NichesError::InUse(dir.into()),
        error => NichesError::Library { dir: dir.into(), why: error.to_string() },
    })?;
    let weights: BTreeMap<ObjectId, Digest> = state.models.iter().map(|model| (model.id, id_of(model))).collect();
    let spec = |target: &TargetInfo| TargetSpec {
        id: target.id,
        embedding: target.embedding.as_slice().into(),
        threshold: target.distance_threshold,
        models: target.model_ids.iter().map(|id| (*id, weights.get(id).copied())).collect(),
    };
    let mut board = Board::new(0.0);
    // Rows that are damaged are scored again when an engine finds them.
    for targets in targets.chunks(OPENED_AT_ONCE) {
        board.open(targets.iter().map(spec).collect(), Some(&library), &mut Vec::new());
    }
    // Those that open targets list, like an engine; of a network without any, all.
    let listed =
        |model: &&ActiveModelInfo| targets.is_empty() || targets.iter().any(|t| t.model_ids.contains(&model.id));
    let mut in_play: Vec<(Digest, u16)> = Vec::new();
    for (model, number) in state.models.iter().zip(0..) {
        let digest = id_of(model);
        if listed(&model) && !in_play.iter().any(|(held, _)| *held == digest) {
            in_play.push((digest, number));
        }
    }
    let digests: Vec<Digest> = in_play.iter().map(|(weights, _)| *weights).collect();
    let mut atlas = Atlas::default();
    let mut map = Map::default();
    map.lay_out(layout);
    map.surveyed(digests.clone(), atlas.survey(&in_play, None, &library, &mut board));
    let Some(job) = map.job(state.epoch, || state.models.iter().map(|model| model.embedding.clone()).collect()) else {
        return Err(NichesError::TooFew(map.picture.wins.iter().sum()));
    };
    map.fitted(job.run());
    let Some(basis) = map.basis() else { return Err(NichesError::Alike) };
    for _ in 0..SURVEYS {
        let picture = atlas.survey(&in_play, Some(basis.clone()), &library, &mut board);
        let is_whole = !picture.is_unfinished;
        map.surveyed(digests.clone(), picture);
        if is_whole {
            break;
        }
    }
    let rows: Vec<TargetRow> = targets.iter().map(|target| target_row(target, &board)).collect();
    let models: Vec<ObjectId> = state.models.iter().map(|model| model.id).collect();
    let embeddings = state.models.iter().map(|model| (model.id, model.embedding.as_slice()));
    let view = map.view(state.epoch, embeddings, &rows);
    Ok(figure(&view, &models, &rows, colour, state.parameters.target_embedding_dim, title))
}

fn target_row(target: &TargetInfo, board: &Board) -> TargetRow {
    let best_distance = board.standing(&target.id).and_then(|standing| standing.best_distance);
    let is_hit = best_distance.is_some_and(|distance| distance <= target.distance_threshold);
    TargetRow {
        id: target.id,
        epoch: target.generation_epoch,
        stage: if is_hit { TargetStage::Hit } else { TargetStage::Open },
        reward: Shannons(target.reward_pool),
        threshold: target.distance_threshold,
        models: target.model_ids.clone(),
        best_distance,
        seen_at_ms: 0,
        pinned: false,
    }
}

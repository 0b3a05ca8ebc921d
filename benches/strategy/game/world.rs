//! The corpus and the models, and what each model makes of each window: evaluated once, and kept.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use safetensors::{Dtype, tensor::TensorView};
use somascope::model::{self, Model, SEQUENCE_LENGTH, Score, VOCABULARY, arrgen};
use somascope_matching::f16;

use super::network::Registered;

/// Each model is at home in one of these folders.
const KINDS: [&str; 5] = ["binary", "data", "prose", "python", "rust"];
/// SOMA. Unequal, so that some models serve more targets than others.
const STAKES: [u64; 5] = [4, 2, 5, 3, 2];
/// Mean cosine of two windows of a model's kind (`assets/README.md`).
const NEIGHBOURLY: f64 = 0.4;
const AT_ONCE: usize = 64;

/// The models' size, and how much of the corpus.
#[derive(Clone, Copy, Debug)]
pub struct WorldSpec {
    pub dim: usize,
    pub feed_forward: usize,
    pub layers: usize,
    pub windows: usize,
    pub seed: u64,
}

/// 1,024 bytes of a file.
pub struct Window {
    pub file: u32,
    pub bytes: Vec<u8>,
}

/// Windows in the order in which a search meets them, with every model's scores.
pub struct World {
    spec: WorldSpec,
    pub windows: Vec<Window>,
    pub files: Vec<u32>,
    pub contents: Vec<u64>,
    pub models: Vec<Scored>,
    /// `[windows]`: the window's own row.
    pub slots: Vec<u32>,
}

/// A model with its scores of all windows.
pub struct Scored {
    origin: Vec<f32>,
    /// Its mean embedding of data of its kind.
    pub home: Vec<f32>,
    pub losses: Vec<f32>,
    /// `[windows, dim]`
    pub embeddings: Vec<f32>,
    pub halves: Vec<f16>,
    pub norms: Vec<f32>,
}

impl World {
    /// Evaluates, or takes the scores from an earlier run.
    pub fn of(spec: WorldSpec, cache: Option<&Path>) -> anyhow::Result<Self> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        for kind in KINDS {
            files.extend(read_all(&root.join("assets/corpus").join(kind))?);
        }
        let mut windows: Vec<Window> = (0u32..)
            .zip(&files)
            .flat_map(|(file, bytes)| {
                bytes.as_chunks::<SEQUENCE_LENGTH>().0.iter().map(move |w| Window { file, bytes: w.to_vec() })
            })
            .collect();
        windows.shuffle(&mut StdRng::seed_from_u64(spec.seed));
        windows.truncate(spec.windows);
        let models = (0..KINDS.len()).map(|kind| {
            let homes: Vec<Vec<u8>> = read_all(&root.join("tests/data/held_out").join(KINDS[kind]))?
                .iter()
                .flat_map(|bytes| bytes.as_chunks::<SEQUENCE_LENGTH>().0.iter().map(|window| window.to_vec()))
                .collect();
            Scored::of(spec, kind, &homes, &windows, cache)
        });
        Ok(Self {
            spec,
            models: models.collect::<anyhow::Result<_>>()?,
            files: windows.iter().map(|window| window.file).collect(),
            contents: windows.iter().map(|window| number(&window.bytes)).collect(),
            slots: (0..windows.len() as u32).collect(),
            windows,
        })
    }

    pub fn dim(&self) -> usize {
        self.spec.dim
    }

    pub fn registered(&self) -> Vec<Registered> {
        let models = self.models.iter().zip(STAKES);
        models.map(|(model, stake)| Registered { embedding: model.home.clone(), stake }).collect()
    }

    /// A model with its weights, to score what nobody has scored.
    pub fn load(&self, model: usize) -> anyhow::Result<Model> {
        Ok(Model::from_safetensors(&weights(self.spec, model, &self.models[model].origin)?, None)?)
    }

    pub fn describe(&self) -> String {
        let files = self.files.iter().max().map_or(0, |last| last + 1);
        let WorldSpec { dim, feed_forward, layers, .. } = self.spec;
        let mut text = format!(
            "{} windows of {files} files, {} models of E={dim} F={feed_forward} L={layers}; cosines of two windows:",
            self.windows.len(),
            self.models.len()
        );
        for (kind, model) in KINDS.iter().zip(&self.models) {
            let wins = (0..self.windows.len()).filter(|w| {
                let losses: Vec<f32> = self.models.iter().map(|model| model.losses[*w]).collect();
                model::winner(&losses).is_some_and(|winner| std::ptr::eq(&self.models[winner], model))
            });
            text += &format!(" {kind} {:.2} (lowest loss of {})", model.likeness(dim), wins.count());
        }
        text
    }
}

impl Scored {
    fn of(
        spec: WorldSpec,
        kind: usize,
        homes: &[Vec<u8>],
        windows: &[Window],
        cache: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let asked = format!(
            "2 {spec:?} {} {kind} {}",
            windows.len(),
            number(&windows.iter().flat_map(|w| w.bytes.clone()).collect::<Vec<_>>())
        );
        let path = cache.map(|dir| dir.join(format!("{:016x}.scores", number(asked.as_bytes()))));
        let length = spec.dim * 2 + windows.len() * (1 + spec.dim);
        let kept = path.as_ref().and_then(|path| std::fs::read(path).ok()).filter(|kept| kept.len() == 4 * length);
        let numbers: Vec<f32> = match kept {
            Some(kept) => kept.as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect(),
            None => {
                let numbers = evaluate(spec, kind, homes, windows)?;
                if let Some(path) = &path {
                    std::fs::create_dir_all(path.parent().context("a directory")?)?;
                    std::fs::write(path, numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>())?;
                }
                numbers
            }
        };
        ensure!(numbers.len() == length, "scores of another length");
        let (origin, rest) = numbers.split_at(spec.dim);
        let (home, rest) = rest.split_at(spec.dim);
        let (losses, embeddings) = rest.split_at(windows.len());
        Ok(Self {
            origin: origin.to_vec(),
            home: home.to_vec(),
            losses: losses.to_vec(),
            embeddings: embeddings.to_vec(),
            halves: embeddings.iter().map(|x| f16::from_f32(*x)).collect(),
            norms: embeddings.chunks_exact(spec.dim).map(somascope_matching::norm).collect(),
        })
    }

    pub fn embedding(&self, window: usize) -> &[f32] {
        let dim = self.home.len();
        &self.embeddings[window * dim..(window + 1) * dim]
    }

    /// Mean cosine of two windows.
    fn likeness(&self, dim: usize) -> f64 {
        let count = self.norms.len() as f64;
        let mut sum = vec![0.0f64; dim];
        for (embedding, norm) in self.embeddings.chunks_exact(dim).zip(&self.norms) {
            sum.iter_mut().zip(embedding).for_each(|(sum, x)| *sum += f64::from(x / norm));
        }
        (sum.iter().map(|s| s * s).sum::<f64>() - count) / (count * (count - 1.0)).max(1.0)
    }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| model::checksum(bytes).0[i]))
}

/// The files of a folder by name.
fn read_all(dir: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let entries = std::fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).with_context(|| path.display().to_string())).collect()
}

/// Origin, home, losses, embeddings.
fn evaluate(spec: WorldSpec, kind: usize, homes: &[Vec<u8>], windows: &[Window]) -> anyhow::Result<Vec<f32>> {
    let score = |model: &Model, data: &[&[u8]]| -> anyhow::Result<Vec<Score>> {
        let mut scores = Vec::with_capacity(data.len());
        for data in data.chunks(AT_ONCE) {
            for score in model.score_batch(data, 0) {
                scores.push(score?);
            }
        }
        Ok(scores)
    };
    let plain = Model::from_safetensors(&weights(spec, kind, &vec![0.0; spec.dim])?, None)?;
    let homes: Vec<&[u8]> = homes.iter().map(Vec::as_slice).collect();
    let scores = score(&plain, &homes)?;
    let count = scores.len() as f64;
    let centre: Vec<f64> =
        (0..spec.dim).map(|d| scores.iter().map(|s| f64::from(s.embedding[d])).sum::<f64>() / count).collect();
    let away = scores.iter().flat_map(|s| s.embedding.iter().zip(&centre).map(|(x, c)| (f64::from(*x) - c).powi(2)));
    let (away, length) = (away.sum::<f64>() / count, centre.iter().map(|c| c * c).sum::<f64>().sqrt());
    // As the shipped models are finished: the origin moves to where windows are alike, but not the same.
    let kept = (NEIGHBOURLY / (1.0 - NEIGHBOURLY) * away).sqrt().min(length) / length;
    let origin: Vec<f32> = centre.iter().map(|c| (-c * (1.0 - kept)) as f32).collect();
    let home = centre.iter().map(|c| (c * kept) as f32);

    let finished = Model::from_safetensors(&weights(spec, kind, &origin)?, None)?;
    let windows: Vec<&[u8]> = windows.iter().map(|window| window.bytes.as_slice()).collect();
    let scores = score(&finished, &windows)?;
    let losses = scores.iter().map(|score| score.loss);
    let embeddings = scores.iter().flat_map(|score| score.embedding.iter().copied());
    Ok(origin.iter().copied().chain(home).chain(losses).chain(embeddings).collect())
}

/// A V1 model with random weights whose predictions are the frequencies of bytes in data of its kind, so that its loss is the
/// lowest there. `origin` is the final norm's beta.
fn weights(spec: WorldSpec, kind: usize, origin: &[f32]) -> anyhow::Result<Vec<u8>> {
    let WorldSpec { dim, feed_forward, layers, seed, .. } = spec;
    let mut next = seed.wrapping_mul(1_000_003).wrapping_add(kind as u64 * 1_000);
    let mut normal = |count: usize, fan_in: usize| {
        next += 1;
        arrgen::normal(next, count, 0.0, 1.0 / (fan_in as f32).sqrt())
    };
    let mut tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)> = BTreeMap::new();
    let mut add = |name: String, shape: &[usize], values: Vec<f32>| {
        tensors.insert(name, (shape.to_vec(), values));
    };
    add("embedding.weight".into(), &[VOCABULARY, dim], normal(VOCABULARY * dim, 1));
    for layer in 0..layers {
        let name = |part: &str| format!("encoder.layers.{layer}.{part}");
        for norm in ["norm_1", "norm_2"] {
            add(name(&format!("{norm}.gamma")), &[dim], vec![1.0; dim]);
            add(name(&format!("{norm}.beta")), &[dim], vec![0.0; dim]);
        }
        for part in ["query", "key", "value", "output"] {
            add(name(&format!("attention.{part}.weight")), &[dim, dim], normal(dim * dim, dim));
            add(name(&format!("attention.{part}.bias")), &[dim], vec![0.0; dim]);
        }
        let (inner, outer) = (normal(dim * feed_forward, dim), normal(dim * feed_forward, feed_forward));
        add(name("pwff.linear_inner.weight"), &[dim, feed_forward], inner);
        add(name("pwff.linear_inner.bias"), &[feed_forward], vec![0.0; feed_forward]);
        add(name("pwff.linear_outer.weight"), &[feed_forward, dim], outer);
        add(name("pwff.linear_outer.bias"), &[dim], vec![0.0; dim]);
    }
    add("final_norm.gamma".into(), &[dim], vec![1.0; dim]);
    add("final_norm.beta".into(), &[dim], origin.to_vec());
    let predictor = normal(dim * VOCABULARY, dim * 100);
    add("predictor.weight".into(), &[dim, VOCABULARY], predictor);
    add("predictor.bias".into(), &[VOCABULARY], frequencies(kind)?);

    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, (shape, values))| (name, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    Ok(safetensors::serialize(views, None)?)
}

/// Logarithms of how often each byte comes in data of a kind that the corpus does not hold.
fn frequencies(kind: usize) -> anyhow::Result<Vec<f32>> {
    let mut counts = [1.0f32; VOCABULARY];
    for bytes in read_all(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/held_out").join(KINDS[kind]))? {
        bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1.0);
    }
    let total: f32 = counts.iter().sum();
    Ok(counts.iter().map(|count| (count / total).ln()).collect())
}

//! One target against a library of 100,000 windows under three models in 2,048 dimensions: the answer by a composition, and by nothing.
//!
//! The library is random and clustered as a corpus is: what is common to all windows, what is common to a file, and a window's own part.
//! `SOMASCOPE_BENCH_WINDOWS` makes it smaller.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use half::f16;
use somascope_matching::compose::{Groups, Pool, Reach, Scores, Wanted, compose};

const DIM: usize = 2048;
const MODELS: usize = 3;

struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1 << 24) as f32
    }

    /// Nearly normal: the sum of a few uniform numbers, of variance one.
    fn normal(&mut self) -> f32 {
        (0..4).map(|_| self.uniform() - 0.5).sum::<f32>() * 3.0f32.sqrt()
    }

    fn vector(&mut self, scale: f32) -> Vec<f32> {
        (0..DIM).map(|_| self.normal() * scale).collect()
    }
}

struct Library {
    rows: Vec<Vec<f16>>,
    norms: Vec<Vec<f32>>,
    losses: Vec<Vec<f32>>,
    row_of: Vec<u32>,
    contents: Vec<u64>,
    groups: Vec<u32>,
}

/// Files of 2 to 60 windows. Norms as models give them: all windows have half their length in common, a file's another third.
fn library(windows: usize) -> Library {
    let mut random = Random(0x5eed);
    let mut groups: Vec<u32> = Vec::with_capacity(windows);
    while groups.len() < windows {
        let group = groups.last().map_or(0, |last| last + 1);
        let len = 2 + (random.uniform() * 58.0) as usize;
        groups.extend(std::iter::repeat_n(group, len.min(windows - groups.len())));
    }
    let files = groups.last().map_or(0, |last| *last as usize + 1);
    let mut library = Library {
        rows: Vec::new(),
        norms: Vec::new(),
        losses: Vec::new(),
        row_of: (0..windows as u32).collect(),
        contents: (0..windows as u64).collect(),
        groups,
    };
    let kinds: Vec<f32> = (0..files * MODELS).map(|_| random.normal() * 0.3).collect();
    // Drawing every number of a window anew takes longer than all that is measured: they are cut out of a long strip.
    let strip: Vec<f32> = (0..1 << 20).map(|_| random.normal()).collect();
    for model in 0..MODELS {
        let common = random.vector(0.5);
        let (mut rows, mut norms, mut losses) = (Vec::with_capacity(windows * DIM), Vec::new(), Vec::new());
        let (mut file, mut of_file) = (u32::MAX, Vec::new());
        for group in &library.groups {
            if file != *group {
                (file, of_file) = (*group, random.vector(0.35));
            }
            let at = (random.uniform() * (strip.len() - DIM) as f32) as usize;
            let own = &strip[at..at + DIM];
            let embedding = (0..DIM).map(|d| common[d] + of_file[d] + 0.6 * own[d]);
            let mut square = 0.0;
            rows.extend(embedding.map(|x| {
                square += x * x;
                f16::from_f32(x)
            }));
            norms.push(f32::sqrt(square));
            losses.push(3.0 + kinds[file as usize * MODELS + model] + 0.1 * random.normal());
        }
        library.rows.push(rows);
        library.norms.push(norms);
        library.losses.push(losses);
    }
    library
}

fn target(random: &mut Random) -> Vec<f32> {
    let mut target = random.vector(1.0);
    let norm = target.iter().map(|x| x * x).sum::<f32>().sqrt();
    target.iter_mut().for_each(|x| *x /= norm);
    target
}

fn bench(criterion: &mut Criterion) {
    let windows = std::env::var("SOMASCOPE_BENCH_WINDOWS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let library = library(windows);
    let models = (0..MODELS).map(|model| Scores {
        rows: &library.rows[model],
        row_of: &library.row_of,
        norms: &library.norms[model],
        losses: &library.losses[model],
    });
    let pool = Pool { dim: DIM, models: models.collect(), contents: &library.contents };
    let groups = Groups::new(&pool, &library.groups);
    let mut random = Random(0xbeef);
    let targets: Vec<Vec<f32>> = (0..64).map(|_| target(&mut random)).collect();

    let mut group = criterion.benchmark_group(format!("compose/{windows}x{MODELS}x{DIM}"));
    group.sample_size(10);
    for (name, reach) in [("single", Reach::Single), ("same-source", Reach::SameGroup), ("any", Reach::Any)] {
        for threshold in [0.95, 0.90, 0.80] {
            let ask = |target| {
                let margin = 0.001;
                compose(&pool, &groups, &Wanted { target, threshold, margin, loss_margin: 1e-4, reach, longest: 16 })
            };
            let answers: Vec<usize> = targets[..16].iter().filter_map(|t| Some(ask(t)?.windows.len())).collect();
            let mean = answers.iter().sum::<usize>() as f32 / answers.len().max(1) as f32;
            let mut next = targets.iter().cycle();
            group.bench_function(format!("{name}/{threshold}/{}-of-16-by-{mean:.1}", answers.len()), |bencher| {
                bencher.iter(|| black_box(ask(next.next().expect("a cycle"))));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);

//! A new target against a library of 100,000 samples under three models of 2,048 dimensions, as the engine asks: losses choose the rows,
//! and only those are read, through the files' memory maps. Then what a stream of new samples costs against many targets.
//!
//! `benches/library.sh` runs it beside its rival in NumPy on the same cores. `LIBRARY_SAMPLES` makes it smaller.

use std::{hint::black_box, path::PathBuf, time::Duration};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use somascope_matching::{Matrix, products, products_of_rows};

const DIM: usize = 2048;
const MODELS: usize = 3;

/// A cheap stream of numbers that look like embeddings.
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 0.4
    }

    fn vector(&mut self) -> Vec<f32> {
        (0..DIM).map(|_| self.next()).collect()
    }
}

fn samples() -> usize {
    std::env::var("LIBRARY_SAMPLES").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000)
}

struct Library {
    matrices: Vec<Matrix>,
    /// By model, by slot.
    losses: Vec<Vec<f32>>,
    norms: Vec<Vec<f32>>,
}

impl Library {
    fn make() -> Self {
        let root = std::env::var_os("LIBRARY_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let dir = root.join(format!("somascope-bench-library-{}", samples()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let mut stream = Stream(1);
        let (mut matrices, mut losses, mut norms) = (Vec::new(), Vec::new(), Vec::new());
        for model in 0..MODELS {
            let mut matrix = Matrix::open(&dir, &[model as u8 + 1; 32], DIM).expect("a matrix");
            let is_made = matrix.capacity() >= samples();
            let mut lengths = Vec::with_capacity(samples());
            for slot in 0..samples() as u32 {
                if is_made {
                    lengths.push(1.0 + f32::from(slot as u16) * 1e-6);
                } else {
                    lengths.push(matrix.store(slot, &stream.vector()).expect("room on the disk").norm);
                }
            }
            matrices.push(matrix);
            norms.push(lengths);
            losses.push((0..samples()).map(|_| stream.next()).collect());
        }
        Self { matrices, losses, norms }
    }

    /// The nearest winner.
    fn answer(&self, target: &[f32]) -> (f32, u32) {
        let mut won: [Vec<u32>; MODELS] = Default::default();
        for slot in 0..samples() {
            let mut winner = 0;
            for model in 1..MODELS {
                if self.losses[model][slot] < self.losses[winner][slot] {
                    winner = model;
                }
            }
            won[winner].push(slot as u32);
        }
        let mut best = (f32::INFINITY, 0);
        for (model, slots) in won.iter().enumerate() {
            let mut out = vec![0.0; slots.len()];
            products_of_rows(self.matrices[model].embeddings(), DIM, slots, target, &mut out);
            for (slot, product) in slots.iter().zip(out) {
                let distance = 1.0 - product / self.norms[model][*slot as usize];
                if distance < best.0 {
                    best = (distance, *slot);
                }
            }
        }
        best
    }
}

fn library(c: &mut Criterion) {
    let library = Library::make();
    let mut stream = Stream(99);
    let mut group = c.benchmark_group("library");
    group.sample_size(20).measurement_time(Duration::from_secs(5));
    group.bench_function("one_target", |b| {
        b.iter_batched(|| stream.vector(), |target| black_box(library.answer(&target)), BatchSize::SmallInput);
    });
    let targets: Vec<f32> = (0..64).flat_map(|_| stream.vector()).collect();
    let slots: Vec<u32> = (0..samples() as u32).collect();
    let mut out = vec![0.0; slots.len() * 64];
    group.bench_function("64_targets_at_once", |b| {
        b.iter(|| products_of_rows(library.matrices[0].embeddings(), DIM, &slots, black_box(&targets), &mut out));
    });
    let targets: Vec<f32> = (0..10_000).flat_map(|_| stream.vector()).collect();
    for new in [1, 64] {
        let embeddings: Vec<f32> = (0..new).flat_map(|_| stream.vector()).collect();
        let mut out = vec![0.0; new * 10_000];
        group.bench_function(format!("{new}_samples_against_10000_targets"), |b| {
            b.iter(|| products(black_box(&embeddings), &targets, DIM, &mut out));
        });
    }
    group.finish();
}

criterion_group!(benches, library);
criterion_main!(benches);

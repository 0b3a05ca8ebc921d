//! Rows of 1,024 bytes a second on the processor: the model's own path against the same pass in plain tensor operations.
//!
//! `cargo bench --bench forward` compares in one run. `benches/forward.sh` also runs the rivals in Python, with the same weights, on which this
//! program is called with arguments of its own: `-- weights E FILE` writes them, `-- rows ours|candle FILE` prints one measurement as JSON.

#[path = "support/weights.rs"]
mod weights;

use std::{
    env, fs,
    fs::File,
    hint::black_box,
    io,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput};
use somascope::model::{Model, Placement, ReadAt, arrgen};

const ROWS: usize = 16;
const HEADS: usize = 8;
/// Embedding, feed-forward, layers.
const CONFIGURATIONS: [[usize; 3]; 2] = [[256, 1024, 6], [512, 2048, 8]];

fn write_weights([embed, feed_forward, layers]: [usize; 3], file: &Path) {
    fs::create_dir_all(file.parent().expect("a file in a directory")).expect("a directory for the weights");
    fs::write(file, weights::random(embed, feed_forward, layers, 0)).expect("the weights are written");
}

/// The file itself, so that peak memory is the model's.
struct OnDisk(File);

impl ReadAt for OnDisk {
    fn size(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
}

fn load(kind: &str, file: &Path) -> Model {
    let disk = OnDisk(File::open(file).expect("a file of weights"));
    let model = match kind {
        "ours" => Model::load(&disk, Some(HEADS), Placement::CPU),
        "candle" => Model::load_as_tensors(&disk, Some(HEADS)),
        other => panic!("`{other}` is neither ours nor candle"),
    };
    model.expect("weights that load")
}

fn windows() -> Vec<Vec<u8>> {
    (0..ROWS as u64).map(|i| arrgen::uniform(i, 1024, 0.0, 256.0).iter().map(|v| *v as u8).collect()).collect()
}

fn score(model: &Model, windows: &[Vec<u8>]) -> f32 {
    let slices: Vec<&[u8]> = windows.iter().map(Vec::as_slice).collect();
    model.score_batch(black_box(&slices), 0).into_iter().map(|score| score.expect("a score").loss).sum()
}

/// The process's processor time, all threads, in seconds.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks =
        |field: usize| after_name.split_whitespace().nth(field).and_then(|v| v.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn peak_mebibytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// One measurement as JSON: the best of some passes, since others may use the machine.
#[expect(clippy::print_stdout, reason = "its output")]
fn measure(kind: &str, file: &Path) {
    let model = load(kind, file);
    let windows = windows();
    let loss = score(&model, &windows) / ROWS as f32;
    let (mut wall, mut cpu) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..5 {
        let (started, used) = (Instant::now(), cpu_seconds());
        score(&model, &windows);
        wall = wall.min(started.elapsed().as_secs_f64());
        cpu = cpu.min(cpu_seconds() - used);
    }
    println!(
        "{{\"what\":\"{kind}\",\"rows_per_s\":{:.3},\"cpu_s_per_row\":{:.3},\"peak_mib\":{:.0},\"loss\":{loss:.5}}}",
        ROWS as f64 / wall,
        cpu / ROWS as f64,
        peak_mebibytes()
    );
}

fn compare(criterion: &mut Criterion) {
    for sizes in CONFIGURATIONS {
        let [embed, ..] = sizes;
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{embed}.safetensors"));
        if !file.exists() {
            write_weights(sizes, &file);
        }
        let windows = windows();
        let mut group = criterion.benchmark_group(format!("forward E={embed}"));
        group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10).measurement_time(Duration::from_secs(20));
        for kind in ["ours", "candle"] {
            let model = load(kind, &file);
            group.bench_function(kind, |bencher| bencher.iter(|| score(&model, &windows)));
        }
        group.finish();
    }
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["weights", embed, file] => {
            let of_width = |sizes: &[usize; 3]| sizes[0].to_string() == embed;
            write_weights(CONFIGURATIONS.into_iter().find(of_width).expect("E is 256 or 512"), Path::new(file));
        }
        ["rows", kind, file] => measure(kind, Path::new(file)),
        _ => {
            let mut criterion = Criterion::default().configure_from_args();
            compare(&mut criterion);
            criterion.final_summary();
        }
    }
}

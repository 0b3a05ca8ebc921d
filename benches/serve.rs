//! One `Score` request of three models and 1,024 bytes through `somascope serve`: cold (nothing downloaded), and warm.
//!
//! Every warm request brings data that no earlier one had, so no remembered score answers; what one that is remembered takes is
//! printed beside it. The rival, the official scoring service, cannot be run here: its numbers are those measured with an optimised
//! build on a machine of two cores. Weights are random; their numbers do not change the work.
//!
//! `cargo bench --bench serve`, or `cargo bench --bench serve -- 256` for one width.

#[path = "support/weights.rs"]
mod weights;

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rand::{RngCore, SeedableRng, rngs::StdRng};
use somascope::{
    chain::{
        client::{ScoringClient, ScoringModel},
        types::Manifest,
    },
    primitives::hash,
};

/// (embedding, layers, what the official service takes: seconds).
const WIDTHS: [(usize, usize, f64); 3] = [(16, 2, 0.88), (256, 6, 4.66), (512, 8, 7.48)];
/// Times as fast.
const GOALS: [f64; 3] = [10.0, 6.0, 4.0];
const MODELS: usize = 3;
const WARM: usize = 7;
const PATIENCE: Duration = Duration::from_secs(600);

type Blobs = Arc<Mutex<HashMap<String, Arc<Vec<u8>>>>>;

/// A file server that knows ranges, as object stores do.
struct Files {
    base: String,
    blobs: Blobs,
}

impl Files {
    fn start() -> io::Result<Self> {
        let socket = TcpListener::bind("127.0.0.1:0")?;
        let base = format!("http://{}", socket.local_addr()?);
        let blobs = Blobs::default();
        let shared = blobs.clone();
        std::thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let blobs = shared.clone();
                // A connection ends when its client has enough.
                std::thread::spawn(move || drop(answer(stream, &blobs)));
            }
        });
        Ok(Self { base, blobs })
    }

    fn put(&self, path: &str, bytes: Vec<u8>) -> String {
        self.blobs.lock().expect("nobody panics").insert(path.to_owned(), Arc::new(bytes));
        format!("{}{path}", self.base)
    }
}

fn answer(mut stream: TcpStream, blobs: &Blobs) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?);
    loop {
        let (mut path, mut range, mut line) = (String::new(), None, String::new());
        while lines.read_line(&mut line)? > 0 && line.trim() != "" {
            let lower = line.trim().to_ascii_lowercase();
            if let Some(bytes) = lower.strip_prefix("range: bytes=") {
                range = bytes.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse::<usize>().ok())));
            } else if path.is_empty() {
                path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            }
            line.clear();
        }
        if path.is_empty() {
            return Ok(());
        }
        let found = blobs.lock().expect("nobody panics").get(&path).cloned();
        let Some(bytes) = found else {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        };
        let (whole, about) = (bytes.len(), "ETag: \"1\"\r\nAccept-Ranges: bytes\r\n");
        match range {
            Some((from, to)) if from < whole => {
                let end = to.map_or(whole, |to| (to + 1).min(whole));
                let head = format!(
                    "HTTP/1.1 206 Partial Content\r\n{about}Content-Range: bytes {from}-{}/{whole}\r\nContent-Length: {}\r\n\r\n",
                    end - 1,
                    end - from
                );
                stream.write_all(head.as_bytes())?;
                stream.write_all(&bytes[from..end])?;
            }
            _ => {
                stream.write_all(format!("HTTP/1.1 200 OK\r\n{about}Content-Length: {whole}\r\n\r\n").as_bytes())?;
                stream.write_all(&bytes)?;
            }
        }
    }
}

/// The service as a process, killed when it is dropped.
struct Service {
    child: Child,
    url: String,
    _home: tempfile::TempDir,
}

impl Service {
    fn start() -> io::Result<Self> {
        let home = tempfile::tempdir()?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_somascope"))
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--memory", "2", "--device", "cpu", "--data-dir"])
            .arg(home.path())
            .env("RUST_LOG", "warn")
            .env("SOMASCOPE_CONFIG", "none")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line)?;
        let ready: serde_json::Value = serde_json::from_str(&line)?;
        let url = ready["url"].as_str().expect("a URL").to_owned();
        Ok(Self { child, url, _home: home })
    }

    /// Processor time that it has had: what other work on the machine does not change.
    fn cpu_s(&self) -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // Behind the name, which may hold anything: the 12th and 13th field, in hundredths.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
        Some(ticks / 100.0)
    }

    /// Most memory that it has had, in MiB.
    fn peak_mib(&self) -> Option<u64> {
        let mut status = String::new();
        std::fs::File::open(format!("/proc/{}/status", self.child.id())).ok()?.read_to_string(&mut status).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? / 1024)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::print_stdout, reason = "its result")]
fn main() -> io::Result<()> {
    let only: Option<usize> = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let runtime = tokio::runtime::Runtime::new()?;
    println!("one Score request, {MODELS} models, 1,024 bytes, {} cores", std::thread::available_parallelism()?);
    println!("   E      cold s   warm s (least, most)    cpu s   remembered ms   official s   times   goal   peak MiB");
    for ((embed, layers, official), goal) in WIDTHS.into_iter().zip(GOALS) {
        if only.is_some_and(|only| only != embed) {
            continue;
        }
        let (files, service) = (Files::start()?, Service::start()?);
        let models: Vec<ScoringModel> = (0..MODELS)
            .map(|n| {
                let bytes = weights::random(embed, 4 * embed, layers, n as u64);
                let (checksum, size) = (hash(&bytes), bytes.len() as u64);
                let url = files.put(&format!("/w{n}"), bytes);
                ScoringModel { url, checksum, size, decryption_key: None, dim: embed }
            })
            .collect();
        let client = ScoringClient::new(&service.url).expect("a URL");
        let (mut random, mut target) = (StdRng::seed_from_u64(9), vec![0.0; embed]);
        target[0] = 1.0;
        let mut fresh = |n: usize| {
            let mut bytes = vec![0; 1024];
            random.fill_bytes(&mut bytes);
            let url = files.put(&format!("/d{n}"), bytes.clone());
            Manifest::new(&url, hash(&bytes), 1024).expect("a URL")
        };
        let ask = |data: &Manifest| {
            let began = Instant::now();
            runtime.block_on(client.score(data, &models, &target, 0, PATIENCE)).expect("a score");
            began.elapsed().as_secs_f64()
        };
        runtime.block_on(client.health()).expect("it is there");
        let cold = ask(&fresh(0));
        let before = service.cpu_s();
        let mut warm: Vec<f64> = (1..=WARM).map(|n| ask(&fresh(n))).collect();
        let cpu = before.zip(service.cpu_s()).map_or(f64::NAN, |(before, after)| (after - before) / WARM as f64);
        let last = Manifest::new(
            &format!("{}/d{WARM}", files.base),
            hash(&files.blobs.lock().expect("nobody panics")[&format!("/d{WARM}")]),
            1024,
        );
        let remembered = ask(&last.expect("a URL")) * 1000.0;
        warm.sort_by(f64::total_cmp);
        let (least, median, most) = (warm[0], warm[WARM / 2], warm[WARM - 1]);
        let peak = service.peak_mib().map_or_else(|| "-".to_owned(), |mib| mib.to_string());
        println!(
            "{embed:>4} {cold:>11.3} {median:>8.3} ({least:.3}, {most:.3}) {cpu:>8.3} {remembered:>15.1} {official:>12.2} {:>7.1} {goal:>6.0} {peak:>10}",
            official / median
        );
    }
    Ok(())
}

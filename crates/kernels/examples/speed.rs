use somascope_kernels::*;
fn cpu() -> f64 {
    std::fs::read_to_string("/proc/thread-self/schedstat").unwrap().split(' ').next().unwrap().parse::<f64>().unwrap()
        / 1e9
}
fn time(name: &str, flops: f64, mut f: impl FnMut()) {
    f();
    let mut best = f64::MAX;
    for _ in 0..15 {
        let t = cpu();
        f();
        f();
        f();
        f();
        best = best.min((cpu() - t) / 4.0);
    }
    eprintln!("{name}: {:.3} ms, {:.1} G/s", best * 1e3, flops / best / 1e9);
}
fn arb(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * i * 31 + i * 17) % 1009) as f32 / 504.5 - 1.0).collect()
}
fn main() {
    for (i, o) in [(512, 2048), (512, 1536), (2048, 512), (256, 768), (2048, 8192)] {
        let m = Matrix::pack(i, o, &arb(i * o));
        for tiles in [1usize, 2, 4, 8] {
            let x = to_tiles(&arb(tiles * 32 * i), i);
            let mut out = vec![Column::ZERO; tiles * o];
            time(&format!("{i}x{o} tiles {tiles}"), 2.0 * (tiles * 32 * i * o) as f64, || {
                m.multiply(&x, &mut out, Start::Zero)
            });
        }
    }
    for (e, h) in [(512, 8), (256, 8), (1024, 8), (2048, 8), (2048, 16), (2048, 32), (64, 8)] {
        let kv = to_tiles(&arb(1024 * 2 * e), 2 * e);
        let q = to_tiles(&arb(32 * e), e);
        let mut s = vec![Column::ZERO; 1024];
        let mut c = vec![Column::ZERO; e];
        time(&format!("attend e{e}"), 4.0 * (32 * 1024 * e) as f64, || {
            attend(&q, KeysAndValues { tiles: &kv, positions: 1024 }, 31, h, &mut s, &mut c)
        });
    }
    let mut hid = to_tiles(&arb(128 * 256), 256);
    time("gelu 128x256 (elements)", (128 * 256) as f64, || {
        gelu_tiles(&mut hid);
        hid[0].0[0] = 0.3;
    });
    let x = to_tiles(&arb(128 * 512), 512);
    let mut out = x.clone();
    time("norm 128x512", (128 * 512) as f64, || layer_norm(&x, &vec![1.0; 512], &vec![0.0; 512], 1e-5, &mut out));
    let y = to_tiles(&arb(32 * 256), 256);
    let pts: Vec<Point> = (0..16).map(|_| Point { normal: 0.1, weight: 0.2 }).collect();
    time("sigreg tile", 32.0 * 256.0, || {
        characteristic_error_sum(&y, 32, 0.1875, &pts);
    });
    time("rotary new 1024 x 64", 1024.0 * 32.0, || {
        Rotary::new(&(0..1024).collect::<Vec<u32>>(), 64);
    });
}

#!/usr/bin/env python3
"""Gathers what the specialists are trained on: one directory of files a kind, below the directory named on the command line.

    apt-get download r-cran-janeaustenr && dpkg-deb -x r-cran-janeaustenr_*.deb /tmp/austen
    python3 crates/train/gather.py --austen /tmp/austen /tmp/training

Sources, all of them on a developer's machine (Debian 12) already, except the novels:

rust    the crates that this project's lock file names, as cargo unpacked them
python  the standard library of the Python that runs this
prose   Jane Austen's six novels (public domain) from Debian's package r-cran-janeaustenr
data    JSON, TOML, YAML and CSV files inside those crates; made-up orders, weather and logs of assets/generate_corpus.py, other seeds
binary  pieces of programs and libraries in /usr/bin and /usr/lib, icons in /usr/share/icons, compiled Python, compressed manual
        pages; made-up sounds, pictures and records of assets/generate_corpus.py, other seeds

The same machine gives the same files on every run. Nothing of it goes into the repository: only weights do.
"""

import argparse
import json
import pathlib
import random
import struct
import subprocess
import sys
import sysconfig
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "assets"))
import generate_corpus  # noqa: E402

# Bytes of one kind, of one file, and of one package: no source outweighs the others.
KIND, FILE, PACKAGE = 6_000_000, 60_000, 150_000


def crates():
    """Directories of all packages of the lock file that are not this project's own."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    found = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    return sorted(pathlib.Path(p["manifest_path"]).parent for p in found["packages"] if p["source"])


def below(directories, *endings):
    """Files with one of the endings, directory by directory, shuffled inside each and cut off at a package's share."""
    rng = random.Random(1)
    for directory in directories:
        files = sorted(p for ending in endings for p in directory.rglob(f"*{ending}") if p.is_file() and not p.is_symlink())
        rng.shuffle(files)
        left = PACKAGE
        for file in files:
            size = min(file.stat().st_size, FILE)
            if 256 <= size <= left:
                left -= size
                yield file


def texts(paths, kind=KIND):
    """Contents in a shuffled order up to a number of bytes, long files cut to a piece from anywhere in them."""
    rng = random.Random(2)
    paths = list(paths)
    rng.shuffle(paths)
    for path in paths:
        content = path.read_bytes()
        start = rng.randrange(len(content) - FILE) if len(content) > FILE else 0
        content = content[start : start + FILE]
        if kind < len(content):
            return
        kind -= len(content)
        yield path.suffix or ".bin", content


def novels(package):
    """The six novels. R keeps them as compressed vectors of lines; in between are a length and flags of four bytes each."""
    stored = (package / "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb").read_bytes()
    at = 0
    while at < len(stored):
        stream = zlib.decompressobj()
        vector = stream.decompress(stored[at + 4 :])
        at = len(stored) - len(stream.unused_data)
        lines, i = [], vector.index(struct.pack(">I", 0x10)) + 8
        while i + 8 <= len(vector):
            flags, length = struct.unpack(">Ii", vector[i : i + 8])
            if flags & 0xFF != 9:
                break
            lines.append(vector[i + 8 : i + 8 + max(length, 0)])
            i += 8 + max(length, 0)
        text = b"\n".join(lines)
        for start in range(0, len(text), FILE):
            yield ".txt", text[start : start + FILE]


def made_up(folder, seeds):
    """Files of the demo corpus' generator; their numbers are all others than the corpus'."""
    for seed in seeds:
        generate_corpus.RNG.seed(seed)
        rng = random.Random(seed)
        pitches = [rng.uniform(80, 900) for _ in range(rng.randint(1, 4))]
        make = {
            "data": {
                ".json": lambda: json.dumps(generate_corpus.orders(12), indent=rng.choice([None, 1, 2, 4])).encode(),
                ".jsonl": lambda: "".join(json.dumps(o) + "\n" for o in generate_corpus.orders(30)).encode(),
                ".csv": lambda: generate_corpus.weather(200).encode(),
                ".log": lambda: generate_corpus.service_log(100).encode(),
            },
            "binary": {
                ".wav": lambda: generate_corpus.tone(0.6, pitches, rng.choice([8000, 11025, 22050])),
                ".bmp": lambda: generate_corpus.fractal(56, rng.uniform(-1, 0.2), rng.uniform(-0.7, 0.7), rng.uniform(0.01, 2)),
                ".rec": lambda: generate_corpus.records(500),
            },
        }
        yield from ((ending, content()) for ending, content in make[folder].items())


def kinds(austen):
    packages = crates()
    yield "rust", texts(below(packages, ".rs"))
    yield "python", texts(p for p in pathlib.Path(sysconfig.get_path("stdlib")).rglob("*.py") if "site-packages" not in p.parts)
    yield "prose", novels(austen)
    yield "data", [*texts(below(packages, ".json", ".toml", ".yaml", ".yml", ".csv"), KIND // 2), *made_up("data", range(100, 140))]
    yield "binary", [
        *texts(programs(), KIND // 2),
        *texts(sorted(pathlib.Path("/usr/share/icons").rglob("*.png")), KIND // 8),
        *texts(sorted(pathlib.Path(sysconfig.get_path("stdlib")).rglob("*.cpython-*.pyc")), KIND // 8),
        *texts(sorted(pathlib.Path("/usr/share/man").rglob("*.gz")), KIND // 24),
        *made_up("binary", range(100, 140)),
    ]


def programs():
    """ELF files."""
    for directory in ["/usr/bin", "/usr/lib/x86_64-linux-gnu"]:
        for path in sorted(pathlib.Path(directory).iterdir()):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    if file.read(4) == b"\x7fELF":
                        yield path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--austen", type=pathlib.Path, required=True, help="where the unpacked package of the novels is")
    parser.add_argument("out", type=pathlib.Path, help="directory to write to")
    arguments = parser.parse_args()
    for kind, files in kinds(arguments.austen):
        folder = arguments.out / kind
        folder.mkdir(parents=True)
        total = 0
        for n, (ending, content) in enumerate(files):
            (folder / f"{n:04}{ending}").write_bytes(content)
            total += len(content)
        print(f"{kind}: {total} bytes in {n + 1} files")


if __name__ == "__main__":
    main()

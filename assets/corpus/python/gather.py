#!/usr/bin/env python3
"""Gathers what the specialists are trained on: one directory of files a kind, below the directory named on the command line.

    apt-get download r-cran-janeaustenr && dpkg-deb -x r-cran-janeaustenr_*.deb /tmp/austen
    python3 crates/train/gather.py --austen /tmp/austen /tmp/training

Sources, all of them on a developer's machine (Debian 12) already, except the novels:

rust    the crates that this project's lock file names, as cargo unpacked them
python  the standard library of the Python that runs this
prose   Jane Austen's six novels (public domain) from Debian's package r-cran-janeaustenr
data    JSON, TOML, YAML and CSV files inside those crates; settings and tables in /etc, /usr/share and /usr/lib; made-up tables, settings
        and logs; made-up orders, weather and logs of assets/generate_corpus.py, other seeds
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


def tables(seeds):
    """Rows of made-up columns in made-up formats: no two files have the same columns, so what is learned is what rows have in common."""
    letters = "etaoinshrdlucmfwypvbgkqjxz"
    for seed in seeds:
        rng = random.Random(seed)

        def word():
            return "".join(rng.choices(letters, range(27, 1, -1), k=rng.randint(2, 9)))

        def number(low=0):
            return rng.randint(low, 10 ** rng.randint(1, 5))

        words = [word() for _ in range(rng.randint(3, 12))]
        places, year = rng.randint(1, 6), rng.randint(1990, 2026)
        column = {
            "count": lambda: number(),
            "small": lambda: rng.randint(0, 9),
            "real": lambda: round(rng.gauss(0, 10 ** rng.randint(0, 3)), places),
            "word": lambda: rng.choice(words),
            "name": lambda: rng.choice(words).title(),
            "flag": lambda: rng.random() < 0.5,
            "day": lambda: f"{year}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
            "time": lambda: f"{year}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}Z",
            "address": lambda: ".".join(str(rng.randint(0, 255)) for _ in range(4)),
            "path": lambda: "/" + "/".join(rng.choices(words, k=rng.randint(1, 3))),
            "hex": lambda: f"{rng.getrandbits(32):08x}",
            "version": lambda: f"{rng.randint(0, 9)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}",
            "list": lambda: rng.sample(words, rng.randint(1, 3)),
        }
        named = {word(): make for make in rng.choices(list(column.values()), k=rng.randint(2, 8))}
        rows = [{name: make() for name, make in named.items()} for _ in range(rng.randint(15, 60))]

        def plain(value):
            return " ".join(value) if isinstance(value, list) else str(value)

        kind = rng.choice(["separated", "lines", "object", "sections", "toml", "yaml", "pairs", "log", "log"])
        if kind == "separated":
            sign = rng.choice([",", ",", ";", "\t", "|"])
            text = "\n".join(sign.join(map(plain, line)) for line in [named, *(row.values() for row in rows)])
        elif kind == "lines":
            text = "\n".join(json.dumps(row) for row in rows)
        elif kind == "object":
            whole = {word(): rng.choice(words), word(): rng.choice([rows, dict(zip(map(str, range(99)), rows)), {plain(word()): row for row in rows}])}
            text = json.dumps(whole, indent=rng.choice([None, 2, 2, 4]))
        elif kind == "sections":
            equals = rng.choice(["=", " = ", ": "])
            text = "\n".join(f"[{word()}]\n" + "".join(f"{k}{equals}{plain(v)}\n" for k, v in row.items()) for row in rows)
        elif kind == "toml":
            text = "\n".join(f"[{word()}.{word()}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in row.items()) for row in rows)
        elif kind == "yaml":
            deep = " " * rng.choice([2, 4])
            text = f"{word()}:\n" + "".join(f"{deep}{word()}:\n" + "".join(f"{deep}{deep}{k}: {plain(v)}\n" for k, v in row.items()) for row in rows)
        elif kind == "pairs":
            text = "\n".join(" ".join(f"{k}={plain(v)}" for k, v in row.items()) for row in rows)
        else:
            levels, month = ["INFO", "WARN", "DEBUG", "ERROR"], rng.choice(["Jan", "Apr", "Jul", "Oct"])
            start = rng.choice(["{a} - - [{d:02}/{m}/{y}:{t} +0000] ", "{m} {d:>2} {t} {w} ", "[{y} {m} {d}] {l}: ", "{a} {l} "])
            verb = rng.choice(["GET", "POST", "connect", "open", "done"])
            text = "\n".join(
                start.format(
                    a=column["address"](), d=rng.randint(1, 28), m=month, y=year, w=rng.choice(words), l=rng.choice(levels),
                    t=f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}",
                )
                + f'"{verb} {column["path"]()}/{number()}" '
                + " ".join(plain(v) for v in row.values())
                for row in rows
            )
        yield ".txt", text.encode() + b"\n"


def kinds(austen):
    packages = crates()
    yield "rust", texts(below(packages, ".rs"))
    yield "python", texts(p for p in pathlib.Path(sysconfig.get_path("stdlib")).rglob("*.py") if "site-packages" not in p.parts)
    yield "prose", novels(austen)
    settings = [".json", ".yaml", ".yml", ".conf", ".ini", ".csv", ".tab", ".desktop", ".cfg", ".service", ".rules"]
    system = [p for top in ["/etc", "/usr/share", "/usr/lib"] for p in sorted(pathlib.Path(top).iterdir()) if p.is_dir()]
    yield "data", [
        *texts(below(packages, ".json", ".yaml", ".yml", ".csv"), KIND // 8),
        *texts(below(packages, ".toml"), KIND // 12),
        *texts(below(system, *settings), KIND // 6),
        *tables(range(100, 900)),
        *made_up("data", range(100, 105)),
    ]
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
    parser.add_argument("--only", help="one kind instead of all")
    parser.add_argument("out", type=pathlib.Path, help="directory to write to")
    arguments = parser.parse_args()
    for kind, files in kinds(arguments.austen):
        if arguments.only not in (None, kind):
            continue
        folder = arguments.out / kind
        folder.mkdir(parents=True)
        total = 0
        for n, (ending, content) in enumerate(files):
            (folder / f"{n:04}{ending}").write_bytes(content)
            total += len(content)
        print(f"{kind}: {total} bytes in {n + 1} files")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes data/ and binary/ beside itself: files of formats, words and numbers that nothing was trained on.

Repeatable with one Python and C compiler; the files are kept, as others give other bytes. Run from anywhere.
"""

import io
import json
import math
import pathlib
import py_compile
import random
import sqlite3
import struct
import subprocess
import tempfile
import zipfile
import zlib

HERE = pathlib.Path(__file__).resolve().parent
RNG = random.Random(77)
NAMES = ["Amara", "Bruno", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hiro", "Ines", "Jonas", "Kofi", "Lena"]
THINGS = ["lamp", "desk", "kettle", "bicycle", "tent", "camera", "blanket", "ladder", "radio", "compass"]


def manifest():
    packages = {
        f"@{RNG.choice(THINGS)}/{RNG.choice(THINGS)}-{n}": f"^{RNG.randint(0, 9)}.{RNG.randint(0, 20)}.{RNG.randint(0, 9)}" for n in range(30)
    }
    scripts = {name: f"node tools/{name}.js --strict" for name in ["build", "test", "lint", "release"]}
    whole = {"name": "catalogue", "version": "2.4.1", "private": True, "scripts": scripts, "dependencies": packages, "files": THINGS}
    return json.dumps(whole, indent=2) + "\n"


def places():
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [round(RNG.uniform(-180, 180), 5), round(RNG.uniform(-90, 90), 5)]},
            "properties": {"name": RNG.choice(NAMES), "height": RNG.randint(0, 4000), "visited": RNG.random() < 0.5},
        }
        for _ in range(18)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


def schema():
    fields = {thing: {"type": RNG.choice(["string", "integer", "boolean"]), "description": f"The {thing}"} for thing in THINGS}
    whole = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Household", "type": "object", "properties": fields}
    return json.dumps({**whole, "required": THINGS[:4], "additionalProperties": False}, indent=4) + "\n"


def toml():
    parts = ['title = "household"\n\n[owner]\nname = "Greta"\nsince = 2019-04-01\n']
    for thing in THINGS:
        tags = ", ".join(f'"{t}"' for t in RNG.sample(THINGS, 3))
        parts.append(f"\n[things.{thing}]\nprice = {RNG.uniform(1, 400):.2f}\ncount = {RNG.randint(1, 9)}\ntags = [{tags}]\nlent = false\n")
    return "".join(parts)


def ini():
    parts = ["; written by the installer\n"]
    for thing in THINGS:
        parts.append(f"[{thing}]\nenabled=yes\ntimeout={RNG.randint(1, 90)}\npath=/srv/{thing}/current\nlevel=debug\nretries={RNG.randint(0, 5)}\n\n")
    return "".join(parts)


def yaml():
    parts = ['version: "3.8"\nservices:\n']
    for thing in THINGS:
        port = RNG.randint(3000, 9000)
        parts.append(
            f"  {thing}:\n    image: registry.example/{thing}:{RNG.randint(1, 9)}.{RNG.randint(0, 9)}\n    restart: unless-stopped\n"
            f'    ports:\n      - "{port}:80"\n    environment:\n      LOG_LEVEL: info\n      WORKERS: {RNG.randint(1, 8)}\n'
        )
    return "".join(parts)


def ledger():
    rows = ["date,payee,category,amount,balance"]
    balance = 2400.0
    for day in range(70):
        amount = round(RNG.uniform(-90, 40), 2)
        balance += amount
        rows.append(f"2024-{1 + day // 28:02}-{1 + day % 28:02},{RNG.choice(NAMES)},{RNG.choice(THINGS)},{amount:.2f},{balance:.2f}")
    return "\n".join(rows) + "\n"


def measurements():
    rows = ["sample\tmass_g\tvolume_ml\tph\tnote"]
    for n in range(90):
        rows.append(f"S{n:03}\t{RNG.gauss(12, 3):.3f}\t{RNG.gauss(40, 5):.1f}\t{RNG.gauss(7, 0.4):.2f}\t{RNG.choice(['ok', 'ok', 'repeat', ''])}")
    return "\n".join(rows) + "\n"


def requests():
    rows = []
    for n in range(28):
        address = ".".join(str(RNG.randint(1, 254)) for _ in range(4))
        rows.append(
            f'{address} - - [12/Mar/2024:08:{n:02}:{RNG.randint(0, 59):02} +0000] "GET /{RNG.choice(THINGS)}/{RNG.randint(1, 999)} HTTP/1.1" '
            f'{RNG.choice([200, 200, 304, 404])} {RNG.randint(200, 90000)} "-" "curl/8.5.0"'
        )
    return "\n".join(rows) + "\n"


def metrics():
    rows = [
        json.dumps({"ts": 1710000000 + 15 * n, "host": f"node-{RNG.randint(1, 6)}", "cpu": round(RNG.random(), 3), "mem_mb": RNG.randint(200, 8000)})
        for n in range(45)
    ]
    return "\n".join(rows) + "\n"


def stereo():
    frames = bytearray()
    for t in range(1500):
        frames += bytes((int(128 + 90 * math.sin(t / 9)), int(128 + 60 * math.sin(t / 23 + 1))))
    head = b"RIFF" + struct.pack("<I", 36 + len(frames)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, 16000, 32000, 2, 8)
    return head + b"data" + struct.pack("<I", len(frames)) + bytes(frames)


def png():
    size = 44
    rows = b"".join(
        b"\0" + bytes(int(128 + 60 * math.sin(x * y / 97 + c) + RNG.uniform(-30, 30)) for x in range(size) for c in range(3)) for y in range(size)
    )

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9))[:3500] + chunk(b"IEND", b"")


def bitmap():
    width, height = 96, 96
    pixels = b"".join(bytes((x * y // 40 + (x ^ y)) & 0xFF if (x // 8 + y // 8) % 2 else 200 for x in range(width)) for y in range(height // 3))
    head = struct.pack("<IiiHHIIiiII", 40, width, height // 3, 1, 8, 0, len(pixels), 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + head + pixels


def doubles():
    return struct.pack("<380d", *(math.sin(n / 20) * 5 + RNG.gauss(0, 0.3) for n in range(380)))


def telemetry():
    return b"".join(
        struct.pack("<HBBIhhh", 0xA55A, n % 4, 14, 90_000 + 40 * n, *(int(RNG.gauss(0, 400)) for _ in range(3))) for n in range(220)
    )


def database():
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "household.db"
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA page_size = 1024")
        connection.execute("CREATE TABLE loan (id INTEGER PRIMARY KEY, thing TEXT, person TEXT, day INTEGER, fee REAL)")
        rows = [(RNG.choice(THINGS), RNG.choice(NAMES), RNG.randint(19000, 20000), RNG.random()) for _ in range(60)]
        connection.executemany("INSERT INTO loan (thing, person, day, fee) VALUES (?, ?, ?, ?)", rows)
        connection.commit()
        connection.close()
        return path.read_bytes()[:4096]


def compiled():
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "matrix.pyc"
        py_compile.compile(str(HERE / "python/matrix.py"), str(path), dfile="matrix.py", invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
        return path.read_bytes()[:4096]


def archive():
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ["bank_queue.py", "word_game.py", "matrix.py"]:
            file.writestr(zipfile.ZipInfo(name, (2024, 3, 1, 12, 0, 0)), (HERE / "python" / name).read_bytes(), zipfile.ZIP_DEFLATED)
    return stored.getvalue()


def compressed():
    return zlib.compress((HERE / "prose/moby-dick-03.txt").read_bytes() + (HERE / "prose/moby-dick-07.txt").read_bytes(), 9)


PROGRAM = """
static unsigned table[64];
static unsigned mix(unsigned a, unsigned b) { a ^= b >> 7; a *= 2654435761u; return a ^ (a << 13); }
unsigned fill(unsigned seed) { for (int i = 0; i < 64; i++) seed = table[i] = mix(seed, i * i + 3); return seed; }
static void sort(unsigned *x, int n) {
    for (int i = 1; i < n; i++) { unsigned v = x[i]; int j = i; while (j > 0 && x[j - 1] > v) { x[j] = x[j - 1]; j--; } x[j] = v; }
}
int find(unsigned v) { int a = 0, b = 64; while (a < b) { int m = (a + b) / 2; if (table[m] < v) a = m + 1; else b = m; } return a; }
double mean(void) { double s = 0; for (int i = 0; i < 64; i++) s += table[i] / 64.0; return s; }
long power(long b, int e, long m) { long r = 1; while (e > 0) { if (e & 1) r = r * b % m; b = b * b % m; e >>= 1; } return r; }
int start(int n) { fill(n); sort(table, 64); return find(mix(n, 1)) + (int)mean() + (int)power(n, 77, 1000003); }
"""


def program(*flags):
    with tempfile.TemporaryDirectory() as directory:
        source, out = pathlib.Path(directory) / "sorted.c", pathlib.Path(directory) / "out"
        source.write_text(PROGRAM)
        subprocess.run(["cc", *flags, "-o", str(out), str(source)], check=True)
        return out.read_bytes()[:4096]


FILES = {
    "data/manifest.json": manifest,
    "data/places.geojson": places,
    "data/schema.json": schema,
    "data/household.toml": toml,
    "data/installer.ini": ini,
    "data/services.yaml": yaml,
    "data/ledger.csv": ledger,
    "data/measurements.tsv": measurements,
    "data/access.log": requests,
    "data/metrics.jsonl": metrics,
    "binary/stereo.wav": stereo,
    "binary/noise.png": png,
    "binary/squares.bmp": bitmap,
    "binary/doubles.f64": doubles,
    "binary/telemetry.rec": telemetry,
    "binary/loans.db": database,
    "binary/matrix.pyc": compiled,
    "binary/scripts.zip": archive,
    "binary/text.zlib": compressed,
    "binary/sorted.o": lambda: program("-c", "-O2"),
    "binary/unoptimised.o": lambda: program("-c", "-O0"),
}

for name, make in FILES.items():
    path = HERE / name
    path.parent.mkdir(exist_ok=True)
    content = make()
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    print(f"{name}: {path.stat().st_size} bytes")

#!/usr/bin/env python3
"""Writes the made-up part of the demo corpus: data/ (JSON, CSV, logs) and binary/ (sound, pictures, records), under corpus/.

Repeatable: the same bytes on every run. Needs Python 3 only. Run from anywhere. `crates/train/gather.py` uses the same functions
with other seeds, so that what is trained on is never what is scored.
"""

import json
import math
import pathlib
import random
import struct

HERE = pathlib.Path(__file__).parent / "corpus"
RNG = random.Random()
CITIES = ["Aarhus", "Bergen", "Cadiz", "Delft", "Evora", "Florence", "Ghent", "Haifa", "Izmir", "Jena"]
PARTS = ["rotor", "valve", "gasket", "sensor", "bearing", "coupling", "filter", "relay"]


def orders(count):
    return [
        {
            "id": f"ord-{RNG.randrange(16**8):08x}",
            "placed": f"2025-{RNG.randint(1, 12):02}-{RNG.randint(1, 28):02}T{RNG.randint(0, 23):02}:{RNG.randint(0, 59):02}:00Z",
            "city": RNG.choice(CITIES),
            "lines": [
                {"part": RNG.choice(PARTS), "count": RNG.randint(1, 40), "price": round(RNG.uniform(0.5, 90), 2)}
                for _ in range(RNG.randint(1, 4))
            ],
            "paid": RNG.random() < 0.9,
        }
        for _ in range(count)
    ]


def weather(rows):
    lines = ["station,day,low_c,high_c,rain_mm,wind_ms"]
    for day in range(rows):
        low = 8 + 9 * math.sin(day / 58) + RNG.gauss(0, 2)
        lines.append(
            f"{RNG.choice(CITIES)},{day},{low:.1f},{low + abs(RNG.gauss(7, 2)):.1f},{max(0, RNG.gauss(1, 4)):.1f},{abs(RNG.gauss(4, 3)):.1f}"
        )
    return "\n".join(lines) + "\n"


def service_log(rows):
    lines = []
    for second in range(rows):
        level = RNG.choices(["INFO", "WARN", "ERROR"], [20, 3, 1])[0]
        what = {
            "INFO": f"request path=/v1/{RNG.choice(PARTS)}/{RNG.randrange(9999)} status=200 took_ms={RNG.randrange(3, 90)}",
            "WARN": f"retry upstream={RNG.choice(CITIES).lower()} attempt={RNG.randint(1, 4)}",
            "ERROR": f"timeout upstream={RNG.choice(CITIES).lower()} after_ms=5000",
        }[level]
        lines.append(f"2025-06-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z {level:5} {what}")
    return "\n".join(lines) + "\n"


def tone(seconds, pitches, rate=8000):
    """A WAV file, 16-bit mono."""
    samples = b"".join(
        struct.pack("<h", int(9000 * sum(math.sin(2 * math.pi * p * t / rate) for p in pitches) / len(pitches)))
        for t in range(int(seconds * rate))
    )
    head = b"RIFF" + struct.pack("<I", 36 + len(samples)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * 2, 2, 16)
    return head + b"data" + struct.pack("<I", len(samples)) + samples


def fractal(size, cx, cy, scale):
    """A BMP file, 24-bit."""
    rows = []
    for y in range(size):
        row = bytearray()
        for x in range(size):
            z, c, n = 0j, complex(cx + (x / size - 0.5) * scale, cy + (y / size - 0.5) * scale), 0
            while abs(z) < 2 and n < 60:
                z, n = z * z + c, n + 1
            row += bytes((n * 4 % 256, n * 7 % 256, n * 11 % 256))
        rows.append(bytes(row) + b"\0" * (-len(row) % 4))
    body = b"".join(rows)
    return b"BM" + struct.pack("<IHHI", 54 + len(body), 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, size, size, 1, 24, 0, len(body), 2835, 2835, 0, 0) + body


def records(count):
    return b"".join(
        struct.pack("<IfffH", i, RNG.gauss(0, 1), RNG.gauss(0, 1), RNG.gauss(9.8, 0.1), RNG.randrange(1024)) for i in range(count)
    )


FILES = {
    "data/orders-pretty.json": lambda: json.dumps(orders(50), indent=2).encode(),
    "data/orders.jsonl": lambda: "".join(json.dumps(o) + "\n" for o in orders(90)).encode(),
    "data/weather.csv": lambda: weather(600).encode(),
    "data/service.log": lambda: service_log(330).encode(),
    "binary/chord.wav": lambda: tone(1.2, (220, 277.2, 329.6)),
    "binary/fifth.wav": lambda: tone(1.0, (196, 293.7)),
    "binary/fractal.bmp": lambda: fractal(84, -0.745, 0.113, 0.02),
    "binary/accelerometer.rec": lambda: records(1100),
}

def main():
    RNG.seed(20261122)
    for name, make in FILES.items():
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make())
        print(f"{name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()

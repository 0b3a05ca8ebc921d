#!/bin/sh
# A new target against the sample library, beside brute force in NumPy on the same cores, one after the other; prints the ratio.
# Needs a Python with NumPy (PYTHON=…), 3 GiB of memory and of disk. LIBRARY_SAMPLES=N makes it smaller, LIBRARY_DIR=… says where the files go.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
ours=$(mktemp)
trap 'rm -f "$ours"' EXIT
cargo bench -p somascope-matching --bench library -- library | tee "$ours"
rival=$("$python" benches/rivals/numpy_library.py)
echo "$rival"
"$python" - "$ours" "$rival" <<'PYTHON'
import json, re, sys
text = open(sys.argv[1]).read()
middle = re.search(r"library/one_target\s+time:\s+\[\S+ \S+ (\S+) (\S+) ", text)
seconds = float(middle[1]) * {"s": 1, "ms": 1e-3, "µs": 1e-6, "us": 1e-6}[middle[2]]
rival = json.loads(sys.argv[2])
best = min(rival["everything"], rival["winners_only"])
print(f"one target: {seconds * 1e3:.1f} ms; NumPy {rival['everything'] * 1e3:.1f} ms (all rows), "
      f"{rival['winners_only'] * 1e3:.1f} ms (winners only); {best / seconds:.1f} times the quicker")
PYTHON

#!/usr/bin/env bash
# The forward pass on the processor against its rivals, one after the other on the same weights, and the ratios.
#
#   benches/forward.sh [PROFILE]     PROFILE: bench (default, a release build) or dev (which optimises the same inner loops)
#
# Makes a Python environment with PyTorch and the network's own package in target/rivals-venv when it is not there.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${1:-bench}
target=${CARGO_TARGET_DIR:-target}
python=$target/rivals-venv/bin/python

if ! "$python" -c 'import torch, soma_models' 2>/dev/null; then
    python3 -m venv --clear "$target/rivals-venv"
    "$python" -m pip install --quiet --disable-pip-version-check torch soma-models==0.1.7
fi
ours() { cargo bench --quiet --profile "$profile" --bench forward -- "$@"; }

echo "load before: $(cut -d' ' -f1-3 /proc/loadavg), $(nproc) cores, $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -1)"
for embed in 256 512; do
    weights=$(pwd)/$target/bench-weights/$embed.safetensors
    [ -f "$weights" ] || ours weights "$embed" "$weights"
    echo "E=$embed"
    {
        ours rows ours "$weights"
        ours rows candle "$weights"
        "$python" benches/rivals/torch_forward.py published "$weights"
        "$python" benches/rivals/torch_forward.py fused "$weights"
    } | tee "$target/forward-$embed.json"
    python3 - "$target/forward-$embed.json" <<'PY'
import json, sys
ours, *rivals = [json.loads(line) for line in open(sys.argv[1])]
for rival in rivals:
    speed, work = (ours["rows_per_s"] / rival["rows_per_s"], rival["cpu_s_per_row"] / ours["cpu_s_per_row"])
    print(f"  against {rival['what']}: {speed:.2f} x the rows a second, 1/{work:.2f} of the CPU time, "
          f"{ours['peak_mib'] / rival['peak_mib']:.2f} of the peak memory")
PY
done
echo "load after: $(cut -d' ' -f1-3 /proc/loadavg)"

#!/usr/bin/env bash
# The model on an NVIDIA card: its kernels against plain loops, the reference's vectors, then speed and error of the full V1 model with
# random weights in every precision, as a share of what the card's matrix units really do.
#
#   benches/gpu.sh                 build and run here
#   benches/gpu.sh --build FOLDER  build, and put the stripped programs into FOLDER (needs no card, no CUDA)
#   benches/gpu.sh --run FOLDER    run those, from the repository's root, on a machine with a card
#
# SPEED gives the card's number and the rows at a time (default "0 1 16 32 64").
set -euo pipefail
cd "$(dirname "$0")/.."

# The path of the program that `cargo … --message-format=json` built last under this name.
built() {
    grep -o "\"executable\":\"[^\"]*/$1[^\"/]*\"" | tail -n 1 | cut -d '"' -f 4
}

build() {
    local folder=$1
    mkdir -p "$folder"
    cargo build --quiet --release -p somascope-cuda --example speed
    cp "${CARGO_TARGET_DIR:-target}/release/examples/speed" "$folder/speed"
    cp "$(cargo test --quiet --release -p somascope-cuda --lib --no-run --message-format=json | built somascope_cuda)" "$folder/stages"
    cp "$(cargo test --quiet --features cuda --test model_card --no-run --message-format=json | built model_card)" "$folder/model_card"
    strip "$folder"/{speed,stages,model_card}
}

# Toolkits are found by the program itself; Python's packages for the interpreter at hand are added here.
libraries() {
    command -v python3 >/dev/null || return 0
    python3 - <<'PYTHON'
import glob, os, site
print(":".join(sorted({os.path.dirname(f) for s in site.getsitepackages() for f in glob.glob(s + "/nvidia/*/lib/lib*.so*")})))
PYTHON
}

run() {
    local folder
    folder=$(cd "$1" && pwd)
    LD_LIBRARY_PATH=$(libraries):${LD_LIBRARY_PATH:-}
    export LD_LIBRARY_PATH
    export CARGO_MANIFEST_DIR=$PWD
    command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
    "$folder/model_card" --nocapture
    "$folder/stages" --skip every_kernel
    # shellcheck disable=SC2086 # words of SPEED are arguments
    "$folder/speed" ${SPEED:-0 1 16 32 64}
}

case ${1:-} in
    --build) build "${2:?a folder for the programs}" ;;
    --run) run "${2:?the folder of the programs}" ;;
    "") build target/gpu && run target/gpu ;;
    *) sed -n '2,10s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac

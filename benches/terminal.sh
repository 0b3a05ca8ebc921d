#!/bin/sh
# Everything that a person at a terminal waits for or pays for: pictures and events (criterion), then the real program on a
# pseudo-terminal: start, idle, live scoring, keys. Five minutes after the build, on a quiet machine; the numbers go to RESULTS.md.
set -eu
cd "$(dirname "$0")/.."
cargo bench --bench screen
cargo bench --bench terminal

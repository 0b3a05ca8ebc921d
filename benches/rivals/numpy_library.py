"""A new target against 100,000 samples under three models of 2,048 dimensions: brute force in NumPy, f32, all cores.

Two ways, the quicker of which counts: the products of all rows of all models, then the winner of each sample by its losses; and the losses
first, then only the rows that win (gathered, as they lie apart). Norms are known beforehand in both.
Prints one line of JSON: seconds, the median of the rounds.
"""

import json
import os
import statistics
import time

import numpy as np

SAMPLES = int(os.environ.get("LIBRARY_SAMPLES", "100000"))
DIM, MODELS, ROUNDS = 2048, 3, 15


def main():
    rng = np.random.default_rng(1)
    rows = [rng.standard_normal((SAMPLES, DIM), dtype=np.float32) for _ in range(MODELS)]
    norms = np.stack([np.linalg.norm(r, axis=1) for r in rows])
    losses = rng.random((MODELS, SAMPLES), dtype=np.float32)

    def everything(target):
        products = np.stack([r @ target for r in rows])
        winners = losses.argmin(axis=0)
        at = np.arange(SAMPLES)
        return (1.0 - products[winners, at] / norms[winners, at] / np.linalg.norm(target)).min()

    def winners_only(target):
        winners = losses.argmin(axis=0)
        best = np.inf
        for model in range(MODELS):
            slots = np.flatnonzero(winners == model)
            products = rows[model][slots] @ target
            best = min(best, (1.0 - products / norms[model][slots] / np.linalg.norm(target)).min())
        return best

    medians = {}
    for name, answer in (("everything", everything), ("winners_only", winners_only)):
        times = []
        for _ in range(ROUNDS):
            target = rng.standard_normal(DIM, dtype=np.float32)
            begun = time.perf_counter()
            answer(target)
            times.append(time.perf_counter() - begun)
        medians[name] = statistics.median(times)
    print(json.dumps({"numpy": np.__version__, "samples": SAMPLES, **medians}))


if __name__ == "__main__":
    main()

"""How the cost of a gradient and of a product, and the memory, grow with samples and with width.

    python tests/benchmarks/growth.py [rounds]

Set-up: the classifier 64-64-32-10 (tanh, softmax cross-entropy, l2 = 1e-4) on the digits repeated to 1,000 ... 100,000
samples, and 64-w-w-10 on the 1,797 digits; float64, one thread on one core. All sizes run in turn in each round; a
cell is a median over rounds. hessp and ggnp are at the point of the gradient (cached).

Columns: us a sample    time / samples
         growth         time a sample / that of 1,000 samples: 1 is linear. For width: time per multiplication
                        of the matrix products, against width 50
         memory         what the object holds beside the copy of the data, as a multiple of the numbers that a
                        linearization and a trial need: for each sample and hidden unit the activation of both points,
                        and phi', phi'' (D W) and D of one; for each output h of both and D
"""

import os
import sys

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[name] = "1"  # before numpy is imported
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import tracemalloc  # noqa: E402
from itertools import cycle, pairwise  # noqa: E402
from pathlib import Path  # noqa: E402
from time import perf_counter  # noqa: E402

import numpy as np  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.network import NetworkLoss  # noqa: E402

CALLS = ("grad", "hessp", "ggnp")


class Problem:
    """A network on N digits: its calls, each at a new point or in a new direction, and what it holds in memory."""

    def __init__(self, sizes, N):
        X, labels = load_digits(return_X_y=True)
        rows = np.arange(N) % len(X)
        X, labels = X[rows] / 16, labels[rows]
        self.N, self.products = N, sum(i * o for i, o in pairwise(sizes))
        tracemalloc.start()
        net = NetworkLoss(sizes, X, labels, "tanh", "cross_entropy", 1e-4)
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        data = 8 * N * (sizes[0] + 1 + 2 * sizes[-1])
        self.memory = (held - data) / (8 * N * (5 * sum(sizes[1:-1]) + 3 * sizes[-1]))
        thetas = cycle([net.init(seed) for seed in range(3)])  # three: two are remembered
        here, v = net.init(9), np.random.default_rng(0).standard_normal(net.n)
        self.calls = {"grad": lambda: net.grad(next(thetas)),
                      "hessp": lambda: net.hessp(here, v), "ggnp": lambda: net.ggnp(here, v)}
        self.times = {name: [] for name in CALLS}

    def run(self):
        for name, call in self.calls.items():
            call()  # caches warm, and for a product the linearization taken
            repeats = max(1, 4000 // self.N)
            start = perf_counter()
            for _ in range(repeats):
                call()
            self.times[name].append((perf_counter() - start) / repeats)

    def median(self, name):
        return float(np.median(self.times[name]))


def race(problems, rounds):
    for _ in range(rounds):
        for problem in problems:
            problem.run()


def main(rounds):
    print(f"{'samples':>8s}" + "".join(f"{name:>8s} us{'growth':>8s}" for name in CALLS) + f"{'memory':>9s}")
    problems = [Problem([64, 64, 32, 10], N) for N in (1000, 3000, 10_000, 30_000, 100_000)]
    race(problems, rounds)
    for p in problems:
        each = {name: p.median(name) / p.N for name in CALLS}
        first = {name: problems[0].median(name) / problems[0].N for name in CALLS}
        print(f"{p.N:8d}" + "".join(f"{each[name] * 1e6:11.3f}{each[name] / first[name]:8.2f}" for name in CALLS)
              + f"{p.memory:9.2f}")
    print(f"\n{'width':>8s}" + "".join(f"{name:>8s} ms{'growth':>8s}" for name in CALLS) + f"{'memory':>9s}")
    widths = (50, 100, 200, 400)
    problems = [Problem([64, w, w, 10], 1797) for w in widths]
    race(problems, rounds)
    for w, p in zip(widths, problems):
        growth = {name: p.median(name) / problems[0].median(name) * problems[0].products / p.products for name in CALLS}
        print(f"{w:8d}" + "".join(f"{p.median(name) * 1e3:11.3f}{growth[name]:8.2f}" for name in CALLS)
              + f"{p.memory:9.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)

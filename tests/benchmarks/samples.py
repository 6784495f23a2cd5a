"""How the cost of a whole newton_krylov run grows with the number of samples, and with the width of a network.

    python tests/benchmarks/samples.py

Set-up: the packages of requirements.txt; float64, one thread; newton_krylov with its defaults on a tanh
classifier, cross-entropy, l2 = 1e-4. For samples: 64-32-10 on the 1797 digits, repeated with noise of deviation
0.05 up to 100,000 rows. For width: 64-w-10 on the digits. A run is 15 iterations from init(0), without the
verdict at its end. What grows is the price of its gradients and products; how many it needs is a column apart.
The sizes take turns in three rounds; a cell is the median.

Columns:   gradients   what the run asked for, in gradients (utils/trace.py)
           time        seconds of the run
           unit        time / gradients, a gradient's worth of work, in ms
           growth      unit / size, over that of the first size: 1 is linear. For width the size is the number
                       of multiplications in a layer's matrix products, samples x parameters
"""

import os
import sys

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is imported

from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
from scipy.optimize import minimize  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.data import digits  # noqa: E402
from utils.network import NetworkLoss  # noqa: E402
from utils.optimizers import newton_krylov  # noqa: E402
from utils.trace import Trace  # noqa: E402

ROUNDS, ITERATIONS = 3, 15


def network(width, samples):
    data, rng = digits(), np.random.default_rng(0)
    rows = np.arange(samples) % len(data.y)
    X = (
        data.X[rows]
        + 0.05 * rng.standard_normal((samples, 64)) * (np.arange(samples) >= len(data.y))[:, None]
    )
    return NetworkLoss([64, width, 10], X, data.y[rows], l2=1e-4)


def run(loss):
    """Cost in gradients and in seconds of the iterations, up to the last record."""
    trace = Trace(loss)
    minimize(
        trace.fun,
        loss.init(0),
        jac=trace.grad,
        hessp=trace.hessp,
        method=newton_krylov,
        callback=trace,
        options={"maxiter": ITERATIONS},
    )
    return trace.cost[-1], trace.seconds[-1]


def table(title, sizes, make, work):
    print(f"\n{title:>10}{'gradients':>11}{'time, s':>10}{'unit, ms':>10}{'growth':>9}")
    losses = {size: make(size) for size in sizes}
    runs = {size: [] for size in sizes}
    for _ in range(ROUNDS):
        for size in sizes:
            runs[size].append(run(losses[size]))
    first = None
    for size in sizes:
        gradients, seconds = np.median(runs[size], axis=0)
        unit = seconds / gradients / work(losses[size])
        first = first or unit
        milli = 1e3 * seconds / gradients
        print(f"{size:10d}{gradients:11.0f}{seconds:10.3f}{milli:10.3f}{unit / first:9.2f}", flush=True)


if __name__ == "__main__":
    table("samples", (1000, 3000, 10_000, 30_000, 100_000), lambda N: network(32, N), lambda loss: loss.N)
    table("width", (32, 64, 128, 256, 512), lambda w: network(w, 1797), lambda loss: loss.N * loss.n)

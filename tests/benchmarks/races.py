"""What it costs to reach a loss or a gradient norm: newton_krylov and its peers, side by side.

    python tests/benchmarks/races.py [budget in gradients, default 5000]

Set-up: the packages of requirements.txt, and PyTorch for its L-BFGS, which is skipped if it is not installed
(figures in the course: 2.13.0 CPU). One thread. All get the same starts (seeds 0, 1, 2) and the same loss with
its cached products, and pay the same prices (utils/trace.py); in each seed they run one after the other. A cell
is the median over the seeds. ">", "<" or "?": the peer, newton_krylov, or both had not reached the target in
some run when the budget ended or they gave up; that run counts with all that it spent.

    softmax      softmax regression on digits, l2 = 0.01, from 0; targets relative to the first gradient
    classifier   64-64-32-10, tanh, cross-entropy on digits (1797 samples, pixels / 16), l2 = 1e-4
    autoencoder  64-48-24-6-24-48-64, tanh, squared error on digits, l2 = 1e-4
    diabetes     10-5-1, tanh, squared error on diabetes (standardized, training rows), l2 = 0.01

"plain" is newton_krylov with its defaults. "+" is newton_krylov with `curvature` and `M`, chosen for the kind
of loss: a cross-entropy learns from few samples at first, then from those that are not yet fit, for its
curvature is p (1 - p); a squared error, where all samples have the same, from a tenth of them, with the
Kronecker-factored M. Softmax regression and diabetes have no "+" of their own: the defaults again.

What was tuned on what: eta, memory, the rules for the radius, the fractions of samples, the damping of M and its
refresh were chosen on classifiers 64-32-10 (even rows of digits), 64-40-20-20-10 (odd rows) and 30-20-10-2
(breast cancer) and on autoencoders 64-30-10-30-64 (even rows of digits) and 13-10-3-10-13 (wine). The problems
of this table were run for the table only. The peers have scipy's and PyTorch's defaults but for tolerances;
PyTorch's a history of 30 and strong Wolfe conditions.
"""

import os
import sys

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy is imported

import warnings  # noqa: E402
from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402
from time import perf_counter  # noqa: E402
from typing import NamedTuple  # noqa: E402

import numpy as np  # noqa: E402
from scipy.optimize import minimize  # noqa: E402
from scipy.special import softmax  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.data import diabetes, digits  # noqa: E402
from utils.losses import SoftmaxRegression  # noqa: E402
from utils.network import NetworkLoss  # noqa: E402
from utils.optimizers import newton_krylov, subsampled  # noqa: E402
from utils.trace import Trace  # noqa: E402

try:
    import torch
except ImportError:
    torch = None

BUDGET = float(sys.argv[1]) if len(sys.argv) > 1 else 5000.0
SEEDS = (0, 1, 2)


def unfit_samples(loss, X, x0):
    """Curvature of a cross-entropy. Until the gradient is 1/20 of the first: Gauss-Newton on 5 % of the samples,
    others in each iteration. Then: the Hessian on those that hold 90 % of the sum of 1 - sum_k p_k^2, chosen
    every 5 iterations."""
    rng, first = np.random.default_rng(0), np.linalg.norm(loss.grad(x0))
    near, calls, part = False, 0, None

    def curvature(x):
        nonlocal near, calls, part
        near = near or np.linalg.norm(loss.grad(x)) < first / 20
        if not near:
            return partial(loss.subsample(rng.permutation(loss.N)[: loss.N // 20]).ggnp, x)
        if calls % 5 == 0:
            weight = 1 - (softmax(loss.predict(x, X), axis=1) ** 2).sum(axis=1)
            order = np.argsort(-weight)
            count = np.searchsorted(np.cumsum(weight[order]), 0.9 * weight.sum()) + 1
            part = loss.subsample(np.sort(order[:count]))
        calls += 1
        share, hessp = part.N / loss.N, part.hessp
        return lambda v: share * hessp(x, v) + (1 - share) * loss.l2 * v

    return {"curvature": curvature, "memory": 50}


def tenth_of_the_samples(loss, X, x0):
    """Gauss-Newton on a tenth of the samples, others in each iteration, and the Kronecker-factored M every 5."""
    return {"curvature": subsampled(loss, 1 / 10), "M": lambda x: loss.kronecker(x, 1e-2), "refresh": 5}


def defaults(loss, X, x0):
    return {}


class Problem(NamedTuple):
    loss: object
    sizes: list
    X: np.ndarray
    Y: np.ndarray
    f: tuple  # targets
    gnorm: tuple
    plus: object  # (loss, X, x0) -> options of "+"

    def start(self, seed):
        return self.loss.init(seed) if hasattr(self.loss, "init") else np.zeros(self.loss.n)


def problems():
    data = digits()
    X, y = data.X, data.y.astype(np.int64)
    people = diabetes()
    A, b = people.X[people.train], people.y[people.train]
    A, b = (A - A.mean(axis=0)) / A.std(axis=0), ((b - b.mean()) / b.std())[:, None]
    linear = SoftmaxRegression(X, y, l2=0.01)
    relative = tuple(np.linalg.norm(linear.grad(np.zeros(linear.n))) * 10.0 ** -np.arange(2, 11, 2))
    wide, deep, small = [64, 64, 32, 10], [64, 48, 24, 6, 24, 48, 64], [10, 5, 1]
    return {
        "softmax": Problem(linear, [64, 10], X, y, (), relative, defaults),
        "classifier": Problem(NetworkLoss(wide, X, y, l2=1e-4), wide, X, y,
                              (0.05, 0.02, 0.0135, 0.0131), (1e-3, 1e-4, 1e-5), unfit_samples),
        "autoencoder": Problem(NetworkLoss(deep, X, X, loss="squared", l2=1e-4), deep, X, X,
                               (1, 0.5, 0.4, 0.35), (0.1,), tenth_of_the_samples),
        "diabetes": Problem(NetworkLoss(small, A, b, loss="squared", l2=0.01), small, A, b,
                            (), (1e-2, 1e-4, 1e-6, 1e-8), defaults),
    }


def race(method, problem, x0, plus=False):
    """(cost, seconds, f, gnorm) of each iterate until all targets are reached or the budget is spent."""
    trace = Trace(problem.loss)

    def callback(intermediate_result):
        trace(intermediate_result)
        if trace.total > BUDGET or finished(problem, trace.f, trace.gnorm):
            raise StopIteration

    options = {"L-BFGS-B": {"maxfun": 10**7, "ftol": 0, "gtol": 0}, "Newton-CG": {"xtol": 0},
               newton_krylov: {"tol": 1e-12}}.get(method, {"gtol": 1e-12})
    if plus:
        options = options | problem.plus(trace, problem.X, x0)
    products = {} if method == "L-BFGS-B" else {"hessp": trace.hessp}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        minimize(trace.fun, x0, jac=trace.grad, method=method, callback=callback,
                 options={"maxiter": 10**6} | options, **products)
    return trace.cost, trace.seconds, trace.f, trace.gnorm


def race_torch(problem, x0):
    """The same for PyTorch's L-BFGS; an evaluation of loss and gradient is one gradient, and a record."""
    torch.set_num_threads(1)
    X, Y, l2 = torch.tensor(problem.X), torch.tensor(problem.Y), float(problem.loss.l2)
    shapes = [(o, i + 1) for i, o in zip(problem.sizes, problem.sizes[1:])]
    theta, rows, begun = torch.tensor(x0, requires_grad=True), [], perf_counter()
    optimizer = torch.optim.LBFGS([theta], lr=1, max_iter=10**6, max_eval=int(BUDGET), history_size=30,
                                  tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        A = X
        for k, block in enumerate(torch.split(theta, [o * i for o, i in shapes])):
            W = block.reshape(shapes[k])
            A = (torch.tanh(A) if k else A) @ W[:, :-1].T + W[:, -1]
        labels = Y.dtype == torch.int64
        mean = torch.nn.functional.cross_entropy(A, Y) if labels else ((A - Y) ** 2).sum() / (2 * len(X))
        value = mean + l2 / 2 * theta @ theta
        value.backward()
        rows.append((len(rows) + 1, perf_counter() - begun, value.item(), theta.grad.norm().item()))
        if finished(problem, [r[2] for r in rows], [r[3] for r in rows]):
            raise StopIteration
        return value

    try:
        optimizer.step(closure)
    except StopIteration:
        pass
    return np.array(rows).T


def finished(problem, f, gnorm):
    return min(f) <= min(problem.f, default=np.inf) and min(gnorm) <= min(problem.gnorm)


def reached(problem, run):
    """For each target: cost in gradients, in seconds, and 1 if it was reached, else 0 and the cost of all."""
    cost, seconds, f, gnorm = run
    hits = [f <= target for target in problem.f] + [gnorm <= target for target in problem.gnorm]
    at = [np.argmax(hit) if hit.any() else -1 for hit in hits]
    return np.array([(cost[k], seconds[k], hit.any()) for k, hit in zip(at, hits)])


def ratio(theirs, ours):
    mark = {(True, True): "", (False, True): ">", (True, False): "<", (False, False): "?"}
    return f"{mark[theirs[1], ours[1]]}{theirs[0] / ours[0]:.2f}".rjust(13)


def main():
    peers = ["trust-ncg", "trust-krylov", "Newton-CG", "L-BFGS-B"] + ["torch L-BFGS"] * (torch is not None)
    print("torch " + (torch.__version__ if torch else "is not installed"))
    for name, problem in problems().items():
        runs = {}
        for seed in SEEDS:
            x0 = problem.start(seed)
            for solver in ["plain", "+", *peers]:
                if solver == "torch L-BFGS":
                    run = race_torch(problem, x0)
                else:
                    method = newton_krylov if solver in ("plain", "+") else solver
                    run = race(method, problem, x0, solver == "+")
                runs.setdefault(solver, []).append(reached(problem, run))
        for column, unit in enumerate(("gradients", "seconds")):
            print(f"\n{name}, n = {problem.loss.n}: {unit} of newton_krylov | peer / plain | peer / +")
            print(f"{'target':>15}{'plain':>9}{'+':>9} |" + "".join(f"{p:>13}" for p in peers) + " |"
                  + "".join(f"{p:>13}" for p in peers[3:]))
            for row, target in enumerate([*problem.f, *problem.gnorm]):
                cell = {s: (np.median([r[row, column] for r in rs]), all(r[row, 2] for r in rs))
                        for s, rs in runs.items()}
                ours = [f"{'' if cell[s][1] else '>'}{cell[s][0]:.3g}" for s in ("plain", "+")]
                print(f"{'f' if row < len(problem.f) else '|g|':>4} <= {target:<7.3g}{ours[0]:>9}{ours[1]:>9} |"
                      + "".join(ratio(cell[p], cell["plain"]) for p in peers) + " |"
                      + "".join(ratio(cell[p], cell["+"]) for p in peers[3:]), flush=True)


if __name__ == "__main__":
    main()

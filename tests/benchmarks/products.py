"""What a gradient and a curvature product cost: ours, the matrix products alone, JAX and PyTorch, side by side.

    python tests/benchmarks/products.py [rounds]

Set-up: `pip install numpy scipy scikit-learn`, and for the peers `pip install "jax[cpu]" torch` (a peer that is not
installed is skipped; figures in the course: JAX 0.10.2, PyTorch 2.13.0). Digits (1797 samples, pixels / 16), tanh,
mean loss, l2 = 1e-4, the same theta and directions for all. One thread on one core. In each round every candidate
runs a few times in turn; a cell is the median over rounds of its time / that of our gradient in the same round.
Each call of fun or grad gets a theta not seen before; products are at one theta, each with another direction.

Rows:    fun, grad            loss; loss and gradient at a new point
         hessp, ggnp          Hessian and Gauss-Newton product where the gradient was taken ("cached")
         new hessp            Hessian product at a new point (forward, backward and product)
Columns: ours                 in gradients of ours
         floor                the matrix products alone, in gradients of ours; ours / floor; share of the machine's peak
         jax                  grad; jvp of grad; ggnp by jvp and vjp.      jax lin    products of `linearize`, compiled
         torch                grad; double backward; jvp and vjp of h.     torch graph    products of a graph kept
"""

import os
import sys

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[name] = "1"  # before numpy is imported
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

from itertools import cycle, pairwise  # noqa: E402
from pathlib import Path  # noqa: E402
from time import perf_counter  # noqa: E402

import numpy as np  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from utils.network import NetworkLoss  # noqa: E402

L2 = 1e-4
PROBLEMS = {
    "classifier": ([64, 64, 32, 10], "cross_entropy"),
    "autoencoder": ([64, 48, 24, 6, 24, 48, 64], "squared"),
    "wide": ([64, 200, 200, 10], "cross_entropy"),
}


def ours(sizes, loss, X, Y, thetas, vs):
    net = NetworkLoss(sizes, X, Y, "tanh", loss, L2)
    here = thetas[0]
    new, v = cycle(thetas[1:]), cycle(vs)
    candidates = {
        "fun": lambda: net.fun(next(new)),
        "grad": lambda: net.grad(next(new)),
        "hessp": lambda: net.hessp(here, next(v)),
        "ggnp": lambda: net.ggnp(here, next(v)),
        "new hessp": lambda: net.hessp(next(new), next(v)),
    }
    values = {"grad": net.grad(here), "hessp": net.hessp(here, vs[0]), "ggnp": net.ggnp(here, vs[0])}
    return candidates, values


def floor(sizes, X):
    """The matrix products alone, each of two kinds as one product of stacked matrices, on warm buffers."""
    rng, N, dtype = np.random.default_rng(0), len(X), X.dtype

    def matrix(*shape):
        return rng.standard_normal(shape).astype(dtype)

    gradient, hessian, gauss = [], [], []
    flops = {"grad": 0, "hessp": 0, "ggnp": 0}
    for k, (i, o) in enumerate(pairwise(sizes)):
        W, W2, A, A2 = matrix(o, i + 1), matrix(o, 2 * i + 1), matrix(i + 1, N), matrix(2 * i + 1, N)
        D, D2, WT, WT2 = matrix(o, N), matrix(2 * o, N), matrix(i, o), matrix(i, 2 * o)
        Z, E, G = matrix(o, N), matrix(i, N), matrix(o, i + 1)
        gradient += [(W, A, Z), (D, A.T, G)] + [(WT, D, E)] * (k > 0)
        hessian += [(W2, A2, Z), (D, A.T, G), (D, A.T, G), (WT2, D2, E)] if k else [(W, A, Z), (D, A.T, G)]
        gauss += [(W2, A2, Z), (D, A.T, G), (WT, D, E)] if k else [(W, A, Z), (D, A.T, G)]
        for name, products in (("grad", 2 + (k > 0)), ("hessp", 6 if k else 2), ("ggnp", 4 if k else 2)):
            flops[name] += 2 * products * o * i * N

    def run(products):
        return lambda: [np.matmul(a, b, out=c) for a, b, c in products]

    square = matrix(1024, 1024)
    return ({"grad": run(gradient), "hessp": run(hessian), "ggnp": run(gauss),
             "peak": lambda: square @ square}, flops)


def jax_peer(sizes, loss, X, Y, thetas, vs):
    import jax
    import jax.numpy as jnp
    jax.config.update("jax_enable_x64", True)
    X, Y, thetas, vs = jnp.array(X), jnp.array(Y), list(map(jnp.array, thetas)), list(map(jnp.array, vs))

    def outputs(theta):
        A, end = X, 0
        for k, (i, o) in enumerate(pairwise(sizes)):
            W = theta[end:end + o * (i + 1)].reshape(o, i + 1)
            A, end = A @ W[:, :-1].T + W[:, -1], end + W.size
            A = jnp.tanh(A) if k + 2 < len(sizes) else A
        return A

    def of_outputs(h):
        if loss == "squared":
            return 0.5 * jnp.sum((h - Y) ** 2) / len(Y)
        return -jnp.sum(Y * jax.nn.log_softmax(h)) / len(Y)

    def f(theta):
        return of_outputs(outputs(theta)) + 0.5 * L2 * theta @ theta

    def gauss_newton(theta, v):
        h, Jv = jax.jvp(outputs, (theta,), (v,))
        u = jax.jvp(jax.grad(of_outputs), (h,), (Jv,))[1]
        return jax.vjp(outputs, theta)[1](u)[0] + L2 * v

    here, new, v = thetas[0], cycle(thetas[1:]), cycle(vs)
    fun, both = jax.jit(f), jax.jit(jax.value_and_grad(f))
    hessp = jax.jit(lambda theta, v: jax.jvp(jax.grad(f), (theta,), (v,))[1])
    linear = jax.jit(jax.linearize(jax.grad(f), here)[1])
    ggnp = jax.jit(gauss_newton)
    plain = {
        "fun": lambda: fun(next(new)).block_until_ready(),
        "grad": lambda: both(next(new))[1].block_until_ready(),
        "hessp": lambda: hessp(here, next(v)).block_until_ready(),
        "ggnp": lambda: ggnp(here, next(v)).block_until_ready(),
        "new hessp": lambda: hessp(next(new), next(v)).block_until_ready(),
    }
    kept = {"hessp": lambda: linear(next(v)).block_until_ready()}
    values = {"grad": both(here)[1], "hessp": linear(vs[0]), "ggnp": ggnp(here, vs[0])}
    return {"jax": plain, "jax lin": kept}, values


def torch_peer(sizes, loss, X, Y, thetas, vs):
    import torch
    torch.set_num_threads(1)
    X, Y, vs = torch.tensor(X), torch.tensor(Y), list(map(torch.tensor, vs))
    thetas = [torch.tensor(theta, requires_grad=True) for theta in thetas]

    def outputs(theta):
        A, end = X, 0
        for k, (i, o) in enumerate(pairwise(sizes)):
            W = theta[end:end + o * (i + 1)].view(o, i + 1)
            A, end = torch.addmm(W[:, -1], A, W[:, :-1].T), end + W.numel()
            A = torch.tanh(A) if k + 2 < len(sizes) else A
        return A

    def of_outputs(h):
        if loss == "squared":
            return 0.5 * ((h - Y) ** 2).sum() / len(Y)
        return -(Y * torch.log_softmax(h, 1)).sum() / len(Y)

    def f(theta):
        return of_outputs(outputs(theta)) + 0.5 * L2 * theta @ theta

    def fun(theta):
        with torch.no_grad():
            return f(theta)

    def grad(theta, **kwargs):
        return torch.autograd.grad(f(theta), theta, **kwargs)[0]

    def hessp(theta, v):
        return torch.autograd.grad(grad(theta, create_graph=True), theta, v)[0]

    def ggnp(theta, v):
        h, pull = torch.func.vjp(outputs, theta)
        Jv = torch.func.jvp(outputs, (theta,), (v,))[1]
        s = torch.softmax(h, 1)
        u = Jv if loss == "squared" else s * Jv - s * (s * Jv).sum(1, keepdim=True)
        return pull(u / len(Y))[0].detach() + L2 * v

    here, new, v = thetas[0], cycle(thetas[1:]), cycle(vs)
    graph = grad(here, create_graph=True)

    def kept_hessp(v):
        return torch.autograd.grad(graph, here, v, retain_graph=True)[0]

    plain = {
        "fun": lambda: fun(next(new)),
        "grad": lambda: grad(next(new)),
        "hessp": lambda: hessp(here, next(v)),
        "ggnp": lambda: ggnp(here.detach(), next(v)),
        "new hessp": lambda: hessp(next(new), next(v)),
    }
    values = {"grad": grad(here), "hessp": kept_hessp(vs[0]), "ggnp": ggnp(here.detach(), vs[0])}
    return {"torch": plain, "torch graph": {"hessp": lambda: kept_hessp(next(v))}}, values


def race(candidates, rounds, calls=4):
    """Median over rounds of time / time of our gradient in that round, for each candidate."""
    times = {key: [] for key in candidates}
    for _ in range(rounds):
        for key, call in candidates.items():
            if key == ("ours", "hessp"):
                call()  # the trials before have moved on: take the linearization again, untimed
            start = perf_counter()
            for _ in range(calls):
                call()
            times[key].append((perf_counter() - start) / calls)
    unit = np.array(times["ours", "grad"])
    return {key: float(np.median(np.array(t) / unit)) for key, t in times.items()}


def measure(sizes, loss, dtype, rounds):
    X, labels = load_digits(return_X_y=True)
    X = (X / 16).astype(dtype)
    Y = X if loss == "squared" else np.eye(10, dtype=dtype)[labels]
    net = NetworkLoss(sizes, X[:1], Y[:1], "tanh", loss)
    thetas = [net.init(seed) for seed in range(8)]
    vs = [np.random.default_rng(seed).standard_normal(net.n).astype(dtype) for seed in range(8)]

    mine, values = ours(sizes, loss, X, Y, thetas, vs)
    alone, flops = floor(sizes, X)
    columns, missing = {"ours": mine, "floor": alone}, []
    for peer in (jax_peer, torch_peer):
        try:
            found, theirs = peer(sizes, loss, X, Y, thetas, vs)
        except ImportError as error:
            missing.append(error.name)
            continue
        columns.update(found)
        for name, value in values.items():  # the same loss, or the race is off
            off = np.linalg.norm(value - np.asarray(theirs[name].detach() if peer is torch_peer else theirs[name]))
            assert off < (1e-9 if dtype == "float64" else 1e-4) * np.linalg.norm(value), (peer, name, off)
    cost = race({(column, row): call for column, calls in columns.items() for row, call in calls.items()}, rounds)
    peak = 2 * 1024**3 / cost["floor", "peak"]
    return cost, {row: count / cost["ours", row] / peak for row, count in flops.items()}, missing


def main(rounds):
    peers = ("jax", "jax lin", "torch", "torch graph")
    print(f"{'':27s}{'ours':>6s}{'floor':>7s}{'/floor':>8s}{'peak':>7s}" + "".join(f"{p:>12s}" for p in peers)
          + "   best jax/ours   best torch/ours")
    for problem, (sizes, loss) in PROBLEMS.items():
        for dtype in ("float64", "float32"):
            cost, share, missing = measure(sizes, loss, dtype, rounds)
            for row in ("fun", "grad", "hessp", "ggnp", "new hessp"):
                mine, least = cost["ours", row], cost.get(("floor", row))
                line = f"{problem:12s}{dtype:9s}{row:>6s}{mine:>6.2f}" if len(row) < 7 else \
                    f"{problem:12s}{dtype:5s}{row:>10s}{mine:>6.2f}"
                line += f"{least:>7.2f}{mine / least:>8.2f}{share[row]:>7.0%}" if least else " " * 22
                for peer in peers:
                    line += f"{cost[peer, row]:>12.2f}" if (peer, row) in cost else f"{'':>12s}"
                for family in (peers[:2], peers[2:]):
                    best = [cost[peer, row] / mine for peer in family if (peer, row) in cost]
                    line += f"{min(best):>16.2f}" if best else ""
                print(line, flush=True)
    if missing:
        print("not installed, so not in the table:", ", ".join(missing))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)

"""What a gradient and a curvature product cost: ours, the matrix products alone, JAX and PyTorch, side by side.

    python tests/benchmarks/products.py [rounds]

Set-up: the packages of requirements.txt, and for the peers `pip install "jax[cpu]" torch` (a peer that is not
installed is skipped; figures in the course: JAX 0.10.2, PyTorch 2.13.0). Digits (1797 samples, pixels / 16),
tanh, mean loss, l2 = 1e-4, the same theta and directions for all, who must agree on the results. One thread on
one core. In each round every candidate runs a few times in turn; a cell is the median over rounds of its time /
that of our gradient in the same round. fun and grad get a theta not seen before, products are at one theta, each
with another direction.

The first line printed names numpy's BLAS and the kernels it chose, for they decide: on AMD processors with
AVX-512, OpenBLAS 0.3.31 takes its AVX2 kernels, at half the speed of what XLA uses. OPENBLAS_CORETYPE=SkylakeX
in the environment gives numpy the same instructions as XLA: compare both.

Rows:    fun, grad       loss; loss and gradient at a new point
         hessp, ggnp     Hessian and Gauss-Newton product where the gradient was taken ("cached")
         new hessp       Hessian product at a new point (forward, backward and product)
Columns: ours            in gradients of ours, the unit: "us" is its time in microseconds
         floor           the matrix products alone (the faster of all samples at once and the blocks of
                         `utils.network`); ours / floor; and our share of the peak of a large matrix product
         jax             value_and_grad; jvp of grad; ggnp by jvp and vjp.   jax lin   compiled `linearize` of grad
         torch           grad; double backward; jvp and vjp.                 torch graph   backward of a kept graph
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
from threadpoolctl import threadpool_info  # noqa: E402

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


def floor(net):
    """The matrix products alone: for all samples at once ("whole"), and in the blocks of `net` ("tiles")."""
    rng = np.random.default_rng(0)
    flops = {"grad": 0, "hessp": 0, "ggnp": 0}
    runs = {}
    for how, blocks in (("whole", [(1, net.N)]), ("tiles", [shape for _, shape in net._blocks])):
        jobs = {name: [] for name in flops}
        for t, b in blocks:
            for k, (i, o) in enumerate(pairwise(net.sizes)):
                WT, W, A, D, Z, E, G = (rng.standard_normal(shape).astype(net.dtype) for shape in (
                    (i + 1, o), (o, i), (t, b, i + 1), (t, b, o), (t, b, o), (t, b, i), (t, o, i + 1)))
                forward, weights, back = (A, WT, Z), (D.swapaxes(1, 2), A, G), (D, W, E)
                jobs["grad"] += [forward, weights] + [back] * (k > 0)
                jobs["ggnp"] += [forward, weights] + [forward, back] * (k > 0)
                jobs["hessp"] += [forward, weights] + [forward, weights, back, back] * (k > 0)
        for name, products in jobs.items():
            runs[name, how] = lambda products=products: [np.matmul(a, b, out=c) for a, b, c in products]
            flops[name] = sum(2 * c.size * a.shape[-1] for a, _, c in products)
    square = rng.standard_normal((1024, 1024)).astype(net.dtype)
    runs["peak"] = lambda: square @ square
    return runs, flops


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
    """Median over rounds of time / time of our gradient in that round; and that gradient's microseconds."""
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
    cost = {key: float(np.median(np.array(t) / unit)) for key, t in times.items()}
    return cost | {"us": float(np.median(unit)) * 1e6}


def measure(sizes, loss, dtype, rounds):
    X, labels = load_digits(return_X_y=True)
    X = (X / 16).astype(dtype)
    Y = X if loss == "squared" else np.eye(10, dtype=dtype)[labels]
    net = NetworkLoss(sizes, X[:1], Y[:1], "tanh", loss)
    thetas = [net.init(seed) for seed in range(8)]
    vs = [np.random.default_rng(seed).standard_normal(net.n).astype(dtype) for seed in range(8)]

    mine, values = ours(sizes, loss, X, Y, thetas, vs)
    alone, flops = floor(NetworkLoss(sizes, X, Y, "tanh", loss))
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
    for row in flops:
        cost["floor", row] = min(cost["floor", (row, how)] for how in ("whole", "tiles"))
    peak = 2 * 1024**3 / cost["floor", "peak"]
    return cost, {row: count / cost["ours", row] / peak for row, count in flops.items()}, missing


def main(rounds):
    np.ones((2, 2)) @ np.ones((2, 2))
    blas = {(lib["internal_api"], lib["version"], lib.get("architecture")) for lib in threadpool_info()
            if lib["user_api"] == "blas"}
    print("numpy", np.__version__, *(" ".join(map(str, lib)) for lib in blas))
    peers = ("jax", "jax lin", "torch", "torch graph")
    print(f"{'':30s}{'us':>7s}{'ours':>6s}{'floor':>7s}{'/floor':>8s}{'peak':>6s}"
          + "".join(f"{p:>12s}" for p in peers) + "  best/ours: jax torch")
    for problem, (sizes, loss) in PROBLEMS.items():
        for dtype in ("float64", "float32"):
            cost, share, missing = measure(sizes, loss, dtype, rounds)
            for row in ("fun", "grad", "hessp", "ggnp", "new hessp"):
                mine, least = cost["ours", row], cost.get(("floor", row))
                line = f"{problem:12s}{dtype:9s}{row:9s}{mine * cost['us']:>7.0f}{mine:>6.2f}"
                line += f"{least:>7.2f}{mine / least:>8.2f}{share[row]:>6.0%}" if least else " " * 21
                for peer in peers:
                    line += f"{cost[peer, row]:>12.2f}" if (peer, row) in cost else " " * 12
                for width, family in ((16, peers[:2]), (6, peers[2:])):
                    best = [cost[peer, row] / mine for peer in family if (peer, row) in cost]
                    line += f"{min(best):>{width}.2f}" if best else " " * width
                print(line.rstrip(), flush=True)
    if missing:
        print("not installed, so not in the table:", ", ".join(missing))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)

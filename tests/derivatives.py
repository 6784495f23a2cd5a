"""Tests that any loss of the course must pass: Taylor remainders with their observed order, symmetry, adjoints."""

import numpy as np


def remainder_orders(loss, x, v):
    """Observed orders of the first and second Taylor remainder of f at x along v (inf: all rounding).

    With right derivatives they are 2 and 3, with a wrong gradient 1, with a wrong product 2.
    """
    v = v / np.linalg.norm(v)
    f, slope, bend = loss.fun(x), loss.grad(x) @ v, loss.hessp(x, v) @ v
    steps = 2.0 ** -np.arange(7, 11)
    first = np.array([abs(loss.fun(x + t * v) - f - t * slope) for t in steps])
    second = np.array([abs(loss.fun(x + t * v) - f - t * slope - t**2 / 2 * bend) for t in steps])
    seen = [r[r > 1e-13 * max(1, abs(f))] for r in (first, second)]
    return [np.inf if len(r) < 2 else np.log2(r[-2] / r[-1]) for r in seen]


def check_products(loss, x, rng, tol=1e-12):
    """Taylor orders, H and G symmetric, G positive semidefinite, <J v, u> = <v, J^T u>, products linear."""
    n = loss.n
    for _ in range(2):
        v, w = rng.standard_normal((2, n))
        order1, order2 = remainder_orders(loss, x, v)
        assert order1 > 1.8, order1
        assert order2 > 2.7, order2
        for product in (loss.hessp, loss.ggnp):
            Pv, Pw = product(x, v), product(x, w)
            scale = np.linalg.norm(Pv) * np.linalg.norm(w) + np.linalg.norm(Pw) * np.linalg.norm(v)
            assert abs(w @ Pv - v @ Pw) <= tol * scale
            np.testing.assert_allclose(product(x, 2 * v - w), 2 * Pv - Pw, atol=tol * scale, rtol=0)
        Gv = loss.ggnp(x, v)
        assert v @ Gv >= -tol * np.linalg.norm(v) * np.linalg.norm(Gv)
        Jv = loss.jvp(x, v)
        assert Jv.shape == (loss.m,)
        u = rng.standard_normal(loss.m)
        JTu = loss.vjp(x, u)
        assert JTu.shape == (n,)
        scale = np.linalg.norm(Jv) * np.linalg.norm(u) + np.linalg.norm(JTu) * np.linalg.norm(v)
        assert abs(Jv @ u - JTu @ v) <= tol * scale
        # central differences of the gradient: the whole vector, not only along v
        h = 1e-5
        difference = (loss.grad(x + h * v) - loss.grad(x - h * v)) / (2 * h)
        Hv = loss.hessp(x, v)
        assert np.linalg.norm(difference - Hv) <= 1e-6 * (np.linalg.norm(Hv) + np.linalg.norm(loss.grad(x)) + 1e-3)


def check_cache_is_invisible(make_losses, points, rng, calls=60):
    """A run of calls in random order, on losses in turn, at points changed in place: each bit as from a new object.

    make_losses() gives new losses of one n and m; points (some, n) are moved and moved back during the run.
    """
    losses = make_losses()
    n, m = losses[0].n, losses[0].m
    v, u = rng.standard_normal(n), rng.standard_normal(m)
    x = np.empty(n)  # one buffer that all calls share, as solvers do
    for _ in range(calls):
        which, name = rng.integers(len(losses)), rng.choice(["fun", "grad", "hessp", "ggnp", "jvp", "vjp"])
        x[:] = points[rng.integers(len(points))]
        extra = {"hessp": (v,), "ggnp": (v,), "jvp": (v,), "vjp": (u,)}.get(name, ())
        got, wanted = (getattr(some[which], name)(x, *extra) for some in (losses, make_losses()))
        assert np.asarray(got).tobytes() == np.asarray(wanted).tobytes(), (name, got, wanted)
        if name != "fun":
            got *= 0  # what is returned is the caller's


def near_points(rng, n):
    """Three points (3, n) of which each two differ in one entry only: a cache must look at all of x."""
    points = np.tile(rng.standard_normal(n), (3, 1))
    points[1, 0] += 1
    points[2, -1] += 1
    return points


def check_arguments_unchanged(loss, x, rng):
    """Read-only arguments are accepted, and no call changes x, v or u, or returns a view of them."""
    v, u = rng.standard_normal(loss.n), rng.standard_normal(loss.m)
    x = x.copy()
    for array in (x, v, u):
        array.setflags(write=False)
    loss.fun(x)
    for result in (loss.grad(x), loss.hessp(x, v), loss.ggnp(x, v), loss.jvp(x, v), loss.vjp(x, u)):
        result += 1

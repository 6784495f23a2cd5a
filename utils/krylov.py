"""Krylov methods: solve, minimize or take eigenvalues knowing only products v -> Hv.

What k products tell of H lies in the Krylov space span{c, Hc, ..., H^(k-1)c}. Each method takes the best
point of that space in its own sense, for one product a step, and starts from zero:

    cg        Hx = c, H positive definite         Hestenes & Stiefel 1952; Nocedal & Wright 2006, alg. 5.3
    cgls      min |Ax - b|, any A                 Bjorck, Elfving & Strakos 1998, alg. 3.1
    steihaug  min g'p + p'Hp/2, |p| <= delta      Steihaug 1983; Nocedal & Wright 2006, alg. 7.2
    lanczos   eigenvalues of any symmetric H      Lanczos 1950; Golub & Van Loan 2013, section 10.1

The residual is r = Hx - c; tolerances are relative to c; M(v) applies about the *inverse* of H, as in scipy.
"""

from typing import NamedTuple

import numpy as np


class Solution(NamedTuple):
    """Where a solver stopped, why, what it cost, and the value of what it minimizes there."""

    x: np.ndarray
    stop: str  # "tolerance", "budget", "boundary", "negative curvature" (some d'Hd <= 0) or "not finite"
    products: int  # of H; in cgls pairs of Av and A'u
    model: float  # q(x); in cgls |Ax - b|^2 / 2
    norm: float = np.nan  # in steihaug: |p|, as its region measures it


class Ritz(NamedTuple):
    """Approximate eigenvalues, ascending, and eigenvectors of length 1, the columns of `vectors`."""

    values: np.ndarray  # (k,)
    vectors: np.ndarray  # (n, k)
    residuals: np.ndarray  # (k,), |Hv - value v|: within it of the value there is an eigenvalue


def cg(H, c, tol=1e-10, maxiter=None, M=None):
    """Solve Hx = c by conjugate gradients in at most maxiter products (default 10 n).

    H: function v -> Hv, H and M symmetric positive definite; c: (n,). Stops at |r| <= tol |c|, or before a
    direction that shows that H is not positive definite ("negative curvature"). Returns a Solution.
    """
    c, M = _vector("c", c), M or np.copy
    x, r, products, stop, d, ry = np.zeros_like(c), -c, 0, "tolerance", 0.0, np.inf
    while not np.linalg.norm(r) <= tol * np.linalg.norm(c):
        if products == (10 * c.size if maxiter is None else maxiter):
            stop = "budget"
            break
        y, last = M(r), ry
        ry = r @ y
        d = -y + ry / last * d
        Hd, products = H(d), products + 1
        curvature = d @ Hd
        if not 0 < curvature < np.inf:
            stop = "negative curvature" if curvature <= 0 else "not finite"
            break
        x, r = x + ry / curvature * d, r + ry / curvature * Hd
    return Solution(x, stop, products, (x @ r - x @ c) / 2)


def cgls(A, b, tol=1e-10, maxiter=None):
    """Minimize |Ax - b| by conjugate gradients on A'Ax = A'b, not formed, in maxiter steps (default 10 n).

    A: anything with `A @ v` and `A.T @ u`, or a pair of functions (v -> Av, u -> A'u); b: (m,). Every iterate
    is in the row space of A: the limit is A^+ b, of minimum norm. Stops at |A'r| <= tol |A'b|. Returns a Solution.
    """
    matvec, rmatvec = A if isinstance(A, tuple) else ((lambda v: A @ v), (lambda u: A.T @ u))
    r = -_vector("b", b)
    s, products, stop = rmatvec(r), 1, "tolerance"  # s = A'r is the gradient
    x, d, goal = np.zeros_like(s), -s, tol * np.linalg.norm(s)
    while not np.linalg.norm(s) <= goal:
        if products > (10 * x.size if maxiter is None else maxiter):
            stop = "budget"
            break
        Ad, ss, products = matvec(d), s @ s, products + 1
        if not 0 < Ad @ Ad < np.inf:
            stop = "not finite"
            break
        x, r = x + ss / (Ad @ Ad) * d, r + ss / (Ad @ Ad) * Ad
        s = rmatvec(r)
        d = -s + (s @ s) / ss * d
    return Solution(x, stop, products, r @ r / 2)


def steihaug(H, g, delta, tol=1e-10, maxiter=None, M=None):
    """Minimize q(p) = g'p + p'Hp/2 over |p| <= delta by conjugate gradients, for any symmetric H.

    H: function v -> Hv; g: (n,); maxiter: products, default n. Stops at |Hp + g| <= tol |g|, or where the
    path leaves the region, or at d'Hd <= 0: there it follows d to the end of the region with the lower q.
    With M the region is p'Mp <= delta^2, with the matrix whose inverse M applies. Returns a Solution.
    """
    if not 0 < delta < np.inf:
        raise ValueError(f"delta must be a positive finite radius, got {delta}")
    g, M = _vector("g", g), M or np.copy
    p, r, products, stop, d, ry = np.zeros_like(g), g, 0, "tolerance", 0.0, np.inf
    Md = Mp = 0 * g  # as My = r, the matrix M times d and p costs no product
    while stop == "tolerance" and not np.linalg.norm(r) <= tol * np.linalg.norm(g):
        if products == (g.size if maxiter is None else maxiter):
            stop = "budget"
            break
        y, last = M(r), ry
        ry = r @ y
        d, Md = -y + ry / last * d, -r + ry / last * Md
        Hd, products = H(d), products + 1
        curvature, pp, pd, dd = d @ Hd, p @ Mp, p @ Md, d @ Md
        if not np.isfinite(curvature):
            stop = "not finite"
            break
        alpha = ry / curvature if curvature > 0 else np.inf
        if curvature <= 0 or pp + 2 * alpha * pd + alpha**2 * dd >= delta**2:
            stop = "boundary" if curvature > 0 else "negative curvature"
            root, slope = np.sqrt(max(pd**2 + dd * (delta**2 - pp), 0.0)), r @ d
            alpha = min((-pd + root) / dd, (-pd - root) / dd, key=lambda t: t * slope + t**2 / 2 * curvature)
        p, Mp, r = p + alpha * d, Mp + alpha * Md, r + alpha * Hd
    return Solution(p, stop, products, (p @ r + p @ g) / 2, np.sqrt(p @ Mp))  # p'Hp = p'(r - g)


def lanczos(H, n, k=None, tol=0.0, seed=0):
    """Eigenvalues of a symmetric H from k products (default n): the extreme ones come first.

    H: function v -> Hv on vectors (n,). Each new vector is orthogonalized against all before it, so that
    rounding repeats no eigenvalue and k = n gives the whole spectrum. Stops early when both extreme pairs
    have residuals <= tol max|value|. Returns Ritz; raises ValueError where a product is not finite.
    """
    rng, k = np.random.default_rng(seed), n if k is None else min(k, n)
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k} of n = {n}")
    V, T, w = np.zeros((k, n)), np.zeros((k + 1, k + 1)), rng.standard_normal(n)
    for j in range(k):
        w = w - V[:j].T @ (V[:j] @ w)  # a second time, against rounding
        V[j] = w / np.linalg.norm(w)
        w = H(V[j])
        if not np.all(np.isfinite(w)):
            raise ValueError(f"H must return finite products, got {w} at product {j + 1}")
        T[j, j], w = V[j] @ w, w - V[: j + 1].T @ (V[: j + 1] @ w)
        norm = np.linalg.norm(w)
        if norm <= 1e-14 * n * np.abs(T).max():  # an invariant space: the rest of H is seen from a new start
            w, norm = rng.standard_normal(n), 0.0
        if tol > 0 or j + 1 == k:
            values, S = np.linalg.eigh(T[: j + 1, : j + 1])
            if norm * np.abs(S[-1, [0, -1]]).max() <= tol * np.abs(values).max():
                break
        T[j, j + 1] = T[j + 1, j] = norm
    return Ritz(values, V[: j + 1].T @ S, norm * np.abs(S[-1]))


def _vector(name, v):
    if np.ndim(v) != 1:
        raise ValueError(f"{name} must be a vector of shape (n,), got shape {np.shape(v)}")
    return np.asarray(v, dtype=float)

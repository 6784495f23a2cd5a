"""Each Krylov method against values known in closed form, against scipy, and against what it must never do."""

import inspect

import numpy as np
import pytest
import scipy.sparse.linalg as sparse

from utils.krylov import cg, cgls, lanczos, steihaug


def symmetric(eigenvalues, seed):
    Q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(eigenvalues),) * 2))
    return Q * np.asarray(eigenvalues) @ Q.T


class Counted:
    def __init__(self, H):
        self.H, self.calls = H, 0

    def __call__(self, v):
        self.calls += 1
        return self.H @ v


def badly_scaled(n=200):
    """A tridiagonal matrix between two diagonal ones that span five orders of magnitude."""
    scale = 10 ** np.linspace(0, 2.5, n)[np.random.default_rng(0).permutation(n)]
    T = 2.1 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    return T * scale * scale[:, None]


# ---- conjugate gradients


def test_cg_on_shewchuks_example():
    H, c = np.array([[3.0, 2], [2, 6]]), np.array([2.0, -8])
    np.testing.assert_allclose(cg(lambda v: H @ v, c, maxiter=1).x, [0.4097, -1.6386], atol=1e-4)
    x, stop, products, value, _ = cg(lambda v: H @ v, c)
    np.testing.assert_allclose(x, [2, -2], atol=1e-12)
    assert (stop, products) == ("tolerance", 2)
    assert value == pytest.approx(-10)


@pytest.mark.parametrize("seed", range(20))
def test_cg_agrees_with_a_direct_solve_and_counts_its_products(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    H, c = symmetric(rng.uniform(0.5, 50, n), seed), rng.standard_normal(n) * 10.0 ** rng.integers(-8, 8)
    counted, before = Counted(H), c.copy()
    answer = cg(counted, c, tol=1e-12)
    np.testing.assert_allclose(answer.x, np.linalg.solve(H, c), rtol=1e-8, atol=1e-9 * np.abs(c).max())
    assert answer.stop == "tolerance" and answer.products == counted.calls
    assert answer.model == pytest.approx(answer.x @ H @ answer.x / 2 - c @ answer.x)
    np.testing.assert_array_equal(c, before)


def test_cg_takes_the_same_iterates_as_scipy_with_and_without_preconditioner():
    H, c = badly_scaled(), np.ones(200)
    jacobi = 1 / np.diag(H)
    exact = {"rtol" if "rtol" in inspect.signature(sparse.cg).parameters else "tol": 0}  # "tol" before scipy 1.12
    for k in (1, 5, 20):
        for M in (None, lambda v: jacobi * v):
            operator = None if M is None else sparse.LinearOperator(H.shape, matvec=M, dtype=float)
            theirs, _ = sparse.cg(H, c, maxiter=k, M=operator, **exact)
            np.testing.assert_allclose(cg(lambda v: H @ v, c, maxiter=k, M=M).x, theirs, rtol=1e-8)


def test_cg_needs_as_many_products_as_there_are_distinct_eigenvalues():
    H = symmetric([1] * 30 + [10] * 15 + [100] * 5, 0)
    assert cg(lambda v: H @ v, np.random.default_rng(0).standard_normal(50)).products == 3


def test_one_large_eigenvalue_costs_cg_a_few_products_more():
    spread = np.linspace(1, 10, 300)
    c = np.ones(300)
    few = cg(lambda v: spread * v, c, tol=1e-6).products
    spread[-1] = 1e4
    assert few + 1 <= cg(lambda v: spread * v, c, tol=1e-6).products <= few + 12


def test_jacobi_preconditions_what_is_badly_scaled_and_the_inverse_solves_in_one_product():
    H, c = badly_scaled(), np.ones(200)
    plain, jacobi = cg(lambda v: H @ v, c, maxiter=10**5), cg(lambda v: H @ v, c, M=lambda v: v / np.diag(H))
    assert jacobi.products < plain.products / 5
    np.testing.assert_allclose(jacobi.x, plain.x, rtol=1e-6)
    assert cg(lambda v: H @ v, c, M=lambda v: np.linalg.solve(H, v), tol=1e-8).products <= 2


def test_cg_says_why_it_stopped():
    assert cg(lambda v: np.array([1, -1]) * v, np.array([1.0, 2])).stop == "negative curvature"
    assert cg(lambda v: np.array([1, 2, 3]) * v, np.ones(3), maxiter=2)[1:3] == ("budget", 2)
    assert cg(lambda v: v * np.nan, np.ones(3)).stop == "not finite"
    assert cg(lambda v: v, np.array([1, np.nan])).stop == "not finite"
    assert cgls(np.eye(2), np.array([1, np.nan])).stop == "not finite"
    assert cgls(np.full((2, 2), np.nan), np.ones(2)).stop == "not finite"
    assert cg(lambda v: np.logspace(0, 9, 20) * v, np.ones(20), tol=0)[1:3] == ("budget", 200)
    zero = cg(lambda v: v, np.zeros(3))
    assert (zero.stop, zero.products) == ("tolerance", 0) and not zero.x.any()


# ---- least squares


def rank_deficient(seed, m, n, rank):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n)), rng.standard_normal(m)


@pytest.mark.parametrize("seed,m,n,rank", [(0, 30, 10, 10), (1, 10, 30, 10), (2, 30, 20, 7), (3, 5, 5, 1)])
def test_cgls_finds_the_minimum_norm_minimizer(seed, m, n, rank):
    A, b = rank_deficient(seed, m, n, rank)
    answer = cgls(A, b, tol=1e-12)
    np.testing.assert_allclose(answer.x, np.linalg.pinv(A) @ b, rtol=1e-6, atol=1e-8)
    assert answer.stop == "tolerance"
    assert answer.model == pytest.approx(np.sum((A @ answer.x - b) ** 2) / 2)


def test_cgls_takes_every_kind_of_matrix_and_the_iterates_of_lsqr():
    A, b = rank_deficient(5, 40, 15, 15)
    theirs = sparse.lsqr(A, b, atol=0, btol=0, conlim=0, iter_lim=6)[0]
    pair = (lambda v: A @ v, lambda u: A.T @ u)
    for form in (A, sparse.aslinearoperator(A), pair):
        np.testing.assert_allclose(cgls(form, b, maxiter=6).x, theirs, rtol=1e-9)


def test_cgls_equals_cg_on_the_normal_equations_and_counts_pairs_of_products():
    A, b = rank_deficient(6, 40, 15, 15)
    forward, backward = Counted(A), Counted(A.T)
    answer = cgls((forward, backward), b, maxiter=4)
    np.testing.assert_allclose(answer.x, cg(lambda v: A.T @ (A @ v), A.T @ b, maxiter=4).x, rtol=1e-8)
    assert answer.stop == "budget" and forward.calls == 4 and backward.calls == answer.products == 5


def test_cgls_reaches_more_digits_than_cg_on_the_normal_equations():
    U, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((60, 20)))
    V, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((20, 20)))
    A = U * np.logspace(0, -6, 20) @ V
    x = np.ones(20)
    ours = cgls(A, A @ x, tol=0, maxiter=400).x
    normal = cg(lambda v: A.T @ A @ v, A.T @ A @ x, tol=0, maxiter=400).x
    assert np.linalg.norm(A @ (ours - x)) < np.linalg.norm(A @ (normal - x))


# ---- Steihaug


H3, G3 = np.diag([4, 1, -0.5]), np.array([1, 1, 0.3])


def test_steihaug_on_the_lessons_example():
    p, stop, products, model, norm = steihaug(lambda v: H3 @ v, G3, 2)
    np.testing.assert_allclose(p, [-0.2131, -1.4429, -1.3684], atol=5e-5)
    assert (stop, products) == ("negative curvature", 3)
    assert model == pytest.approx(-1.4029, abs=5e-5)
    assert norm == pytest.approx(2)
    p, stop, products, _, _ = steihaug(lambda v: H3 @ v, G3, 1)
    assert (stop, products) == ("boundary", 2) and np.linalg.norm(p) == pytest.approx(1)


def test_steihaug_in_a_large_region_is_cg():
    H, c = symmetric(np.linspace(1, 20, 15), 3), np.random.default_rng(3).standard_normal(15)
    for k in (1, 4, 15):
        ours, theirs = steihaug(lambda v: H @ v, -c, 1e6, maxiter=k), cg(lambda v: H @ v, c, maxiter=k)
        np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-10)
        assert ours[1:3] == theirs[1:3]


@pytest.mark.parametrize("seed", range(40))
def test_steihaug_ends_where_the_path_of_cg_leaves_the_region(seed):
    rng = np.random.default_rng(seed)
    H, g = symmetric(rng.uniform(0.1, 10, 9), seed), rng.standard_normal(9)
    path = [cg(lambda v: H @ v, -g, tol=0, maxiter=k).x for k in range(10)]
    lengths = np.linalg.norm(path, axis=1)
    assert np.all(np.diff(lengths) > 0)  # Steihaug 1983, theorem 2.1
    k = int(rng.integers(1, 10))
    delta = lengths[k - 1] + rng.uniform(0.1, 0.9) * (lengths[k] - lengths[k - 1])
    p, stop, products, _, _ = steihaug(lambda v: H @ v, g, delta)
    assert (stop, products) == ("boundary", k) and np.linalg.norm(p) == pytest.approx(delta)
    before, after = p - path[k - 1], path[k] - path[k - 1]
    assert before @ after == pytest.approx(np.linalg.norm(before) * np.linalg.norm(after))


@pytest.mark.parametrize("seed", range(150))
def test_steihaug_decreases_at_least_as_the_cauchy_point_and_keeps_to_its_region(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 12))
    values = rng.standard_normal(n) * 10.0 ** rng.integers(-2, 3)
    H, g = symmetric(np.abs(values) if seed % 3 else values, seed), rng.standard_normal(n)
    root = symmetric(rng.uniform(0.3, 3, n), seed + 1) if seed % 2 else np.eye(n)  # M = root root
    delta, before = 10.0 ** rng.uniform(-2, 2), g.copy()
    counted = Counted(H)
    p, stop, products, model, norm = steihaug(counted, g, delta, M=lambda v: np.linalg.solve(root @ root, v))
    assert products == counted.calls <= n
    assert model == pytest.approx(g @ p + p @ H @ p / 2, rel=1e-7, abs=1e-12)
    assert norm == pytest.approx(np.linalg.norm(root @ p), rel=1e-6)
    assert norm <= delta * (1 + 1e-6)
    if stop in ("boundary", "negative curvature"):
        assert norm == pytest.approx(delta, rel=1e-6)
    d = -np.linalg.solve(root @ root, g)
    curvature, most = d @ H @ d, delta / np.linalg.norm(root @ d)
    t = most if curvature <= 0 else min(most, -(g @ d) / curvature)
    assert model <= (t * (g @ d) + t**2 / 2 * curvature) * (1 - 1e-9)
    np.testing.assert_array_equal(g, before)
    if stop == "negative curvature":
        assert np.linalg.eigvalsh(H)[0] < 0


@pytest.mark.parametrize("seed", range(40))
def test_steihaug_takes_the_end_of_the_region_where_the_model_is_lower(seed):
    """At negative curvature the line leaves the region at two ends; the one behind must not be lower."""
    rng = np.random.default_rng(seed)
    H, g, delta = symmetric(rng.standard_normal(4), seed), rng.standard_normal(4), 3.0
    p, stop, products, model, _ = steihaug(lambda v: H @ v, g, delta)
    if stop == "negative curvature":
        inside = steihaug(lambda v: H @ v, g, delta, maxiter=products - 1).x
        d = p - inside
        other = inside - d * (2 * inside @ d + d @ d) / (d @ d)
        assert np.linalg.norm(other) == pytest.approx(delta)
        assert model <= g @ other + other @ H @ other / 2 + 1e-12


def test_steihaug_at_negative_curvature_in_the_first_product():
    p, stop, products, model, _ = steihaug(lambda v: -v, np.array([3.0, 4]), 2)
    np.testing.assert_allclose(p, [-1.2, -1.6])
    assert (stop, products) == ("negative curvature", 1) and model == pytest.approx(-10 - 2)
    assert steihaug(lambda v: 0 * v, np.array([3.0, 4]), 2).stop == "negative curvature"


def test_a_smaller_region_cuts_the_same_path():
    H, g = symmetric(np.linspace(0.1, 5, 8), 2), np.random.default_rng(2).standard_normal(8)
    path = [steihaug(lambda v: H @ v, g, delta) for delta in (0.1, 0.5, 1, 2, 4, 100)]
    assert all(a.products <= b.products and a.model > b.model for a, b in zip(path, path[1:]))


def test_steihaug_says_why_it_stopped():
    g = np.ones(3)
    assert steihaug(lambda v: np.array([1, 2, 3]) * v, g, 10, maxiter=1).stop == "budget"
    assert steihaug(lambda v: v * np.nan, g, 10).stop == "not finite"
    assert steihaug(lambda v: v, g * np.nan, 10).stop == "not finite"
    assert steihaug(lambda v: v, g, 10)[1:3] == ("tolerance", 1)
    assert steihaug(lambda v: v, 0 * g, 10)[1:3] == ("tolerance", 0)


# ---- Lanczos


@pytest.mark.parametrize(
    "values",
    [
        [-0.5, 1, 4],
        [1, 1, 1, 1],
        [0, 0, 0],
        [2],
        [-3, -3, 0, 0, 5, 5, 5],
        list(np.logspace(-6, 3, 25)),
        list(np.linspace(-1, 1, 60)),
    ],
)
def test_lanczos_gives_the_whole_spectrum_with_multiplicities(values):
    H = symmetric(values, 1)
    ritz = lanczos(lambda v: H @ v, len(values))
    scale = np.abs(values).max() or 1
    np.testing.assert_allclose(ritz.values, sorted(values), atol=1e-12 * scale)
    np.testing.assert_allclose(ritz.vectors.T @ ritz.vectors, np.eye(len(values)), atol=1e-10)
    np.testing.assert_allclose(H @ ritz.vectors, ritz.vectors * ritz.values, atol=1e-10 * scale)


def test_lanczos_bounds_hold_and_the_extremes_come_first():
    values = np.r_[-2, np.linspace(0, 1, 198), 9]
    H = symmetric(values, 4)
    ritz = lanczos(lambda v: H @ v, 200, k=25)
    assert ritz.values.shape == (25,) and ritz.vectors.shape == (200, 25)
    np.testing.assert_allclose(ritz.values[[0, -1]], [-2, 9], atol=1e-10)
    shown = np.linalg.norm(H @ ritz.vectors - ritz.vectors * ritz.values, axis=0)
    np.testing.assert_allclose(ritz.residuals, shown, atol=1e-10)
    for value, residual in zip(ritz.values, ritz.residuals):
        assert np.abs(values - value).min() <= residual + 1e-10
    theirs = np.sort(sparse.eigsh(H, k=2, which="BE")[0])
    np.testing.assert_allclose(ritz.values[[0, -1]], theirs, atol=1e-8)


def test_lanczos_stops_early_at_its_tolerance():
    H = Counted(symmetric(np.r_[-2, np.linspace(0, 1, 198), 9], 4))
    ritz = lanczos(H, 200, tol=1e-3)
    assert ritz.values.size == H.calls < 25
    assert max(ritz.residuals[[0, -1]]) <= 1e-3 * 9
    np.testing.assert_allclose(ritz.values[[0, -1]], [-2, 9], atol=1e-4)
    assert lanczos(lambda v: 3 * v, 50, tol=1e-3).values.size == 1


# ---- bad input


@pytest.mark.parametrize(
    "call,word",
    [
        (lambda: cg(lambda v: v, np.ones((3, 1))), "c must"),
        (lambda: cgls(np.eye(3), np.ones((3, 1))), "b must"),
        (lambda: steihaug(lambda v: v, np.ones((3, 1)), 1), "g must"),
        (lambda: steihaug(lambda v: v, np.ones(3), 0), "delta must"),
        (lambda: steihaug(lambda v: v, np.ones(3), np.inf), "delta must"),
        (lambda: steihaug(lambda v: v, np.ones(3), np.nan), "delta must"),
        (lambda: lanczos(lambda v: v, 0), "k must"),
        (lambda: lanczos(lambda v: v, 3, k=0), "k must"),
        (lambda: lanczos(lambda v: v * np.inf, 3), "finite"),
    ],
)
def test_bad_input_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()


def test_lists_are_vectors():
    assert cg(lambda v: v, [1, 2]).x.tolist() == [1, 2]
    assert cgls(np.eye(2), [1, 2]).x.tolist() == [1, 2]
    assert steihaug(lambda v: v, [1, 2], 9).x.tolist() == [-1, -2]

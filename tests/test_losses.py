"""Losses of linear models: right derivatives at random points and at extremes, an invisible cache, clear errors."""

import warnings

import numpy as np
import pytest
from derivatives import check_arguments_unchanged, check_cache_is_invisible, check_products, near_points
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression as SklearnLogistic

from utils.losses import LeastSquares, LogisticRegression, SoftmaxRegression
from utils.network import NetworkLoss

KINDS = ("least squares", "logistic", "softmax")


def random_loss(kind, rng, dtype=float):
    """A loss of this kind with random shapes, some with a single sample or feature."""
    m, n = rng.choice([1, 2, 7, 30]), rng.choice([1, 2, 5])
    A = rng.standard_normal((m, n)).astype(dtype)
    if kind == "least squares":
        return LeastSquares(A, rng.standard_normal(m))
    if kind == "logistic":
        l2 = rng.choice([0.0, 0.5]) if rng.random() < 0.5 else rng.random(n)
        return LogisticRegression(A, rng.integers(0, 2, m), l2)
    return SoftmaxRegression(A, rng.integers(0, 4, m), rng.choice([0.0, 0.5]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_products_at_random_points(kind, seed):
    rng = np.random.default_rng(seed)
    loss = random_loss(kind, rng)
    check_products(loss, rng.standard_normal(loss.n) * rng.choice([0, 0.1, 1, 3]), rng)


@pytest.mark.parametrize("kind", KINDS)
def test_hess_is_the_matrix_of_hessp(kind):
    rng = np.random.default_rng(3)
    loss = random_loss(kind, rng)
    x, v = rng.standard_normal((2, loss.n))
    np.testing.assert_allclose(loss.hess(x) @ v, loss.hessp(x, v), atol=1e-12)
    assert (loss.hess(x) == loss.hess(x).T).all()


def test_values_by_hand():
    rng = np.random.default_rng(0)
    A, b, x = rng.standard_normal((6, 3)), rng.standard_normal(6), rng.standard_normal(3)
    y, l2 = np.array([0, 1, 1, 0, 1, 0]), np.array([0, 1.5, 2])
    assert LeastSquares(A, b).fun(x) == pytest.approx(0.5 * np.sum((A @ x - b) ** 2), rel=1e-14)
    p = 1 / (1 + np.exp(-A @ x))
    by_hand = -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p)) + 0.5 * np.sum(l2 * x**2)
    logistic = LogisticRegression(A, y, l2)
    assert logistic.fun(x) == pytest.approx(by_hand, rel=1e-13)
    np.testing.assert_allclose(logistic.grad(x), A.T @ (p - y) + l2 * x, rtol=1e-12)
    np.testing.assert_allclose(logistic.hess(x), A.T @ np.diag(p * (1 - p)) @ A + np.diag(l2), rtol=1e-12)
    labels, theta = rng.integers(0, 4, 6), rng.standard_normal(16)
    labels[0] = 3
    h = A @ theta.reshape(4, 4)[:, :3].T + theta.reshape(4, 4)[:, 3]
    by_hand = -log_softmax(h, axis=1)[np.arange(6), labels].mean() + 0.35 * theta @ theta
    assert SoftmaxRegression(A, labels, 0.7).fun(theta) == pytest.approx(by_hand, rel=1e-13)


def test_least_squares_solution_has_no_gradient():
    rng = np.random.default_rng(1)
    A, b = rng.standard_normal((20, 5)), rng.standard_normal(20)
    assert abs(LeastSquares(A, b).grad(np.linalg.lstsq(A, b, rcond=None)[0])).max() < 1e-13


def test_sklearn_minimizers_have_no_gradient():
    rng = np.random.default_rng(2)
    X = rng.standard_normal((60, 4))
    A = np.column_stack([X, np.ones(60)])
    y = (X[:, 0] + 0.5 * rng.standard_normal(60) > 0).astype(int)
    free_intercept = np.array([2, 2, 2, 2, 0.0])
    fit = SklearnLogistic(C=0.5, tol=1e-10, max_iter=10_000).fit(X, y)
    x = np.append(fit.coef_[0], fit.intercept_)
    assert abs(LogisticRegression(A, y, free_intercept).grad(x)).max() < 1e-5
    assert abs(LogisticRegression(A, y, 2.0).grad(x)).max() > 1e-3  # the test can tell
    labels = rng.integers(0, 3, 60)
    fit = SklearnLogistic(C=1 / (60 * 0.1), fit_intercept=False, tol=1e-10, max_iter=10_000).fit(A, labels)
    assert abs(SoftmaxRegression(X, labels, 0.1).grad(fit.coef_.reshape(-1))).max() < 1e-6


@pytest.mark.parametrize("dtype, tol", [(np.float64, 1e-13), (np.float32, 1e-5)])
def test_softmax_regression_is_a_network_of_one_layer(dtype, tol):
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((50, 6)).astype(dtype), rng.integers(0, 4, 50)
    flat, net = SoftmaxRegression(X, y, 0.3), NetworkLoss([6, 4], X, y, l2=0.3)
    assert (flat.n, flat.m) == (net.n, net.m)
    x, v = rng.standard_normal((2, flat.n))
    u = rng.standard_normal(flat.m)
    assert flat.fun(x) == pytest.approx(net.fun(x), rel=tol)
    for name, args in (("grad", ()), ("hessp", (v,)), ("ggnp", (v,)), ("jvp", (v,)), ("vjp", (u,))):
        got, wanted = getattr(flat, name)(x, *args), getattr(net, name)(x, *args)
        assert got.dtype == wanted.dtype == dtype
        np.testing.assert_allclose(got, wanted, atol=tol * abs(wanted).max(), rtol=0)
    np.testing.assert_allclose(flat.jvp(x, x).reshape(50, 4), net.predict(x, X), atol=10 * tol)


def test_softmax_takes_soft_targets():
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((9, 2)), rng.integers(0, 3, 9)
    y[0] = 2
    theta = rng.standard_normal(9)
    assert SoftmaxRegression(X, np.eye(3)[y]).fun(theta) == SoftmaxRegression(X, y).fun(theta)
    half = SoftmaxRegression(X, 0.5 * np.eye(3)[y] + 0.5 * np.eye(3)[(y + 1) % 3])
    by_parts = [SoftmaxRegression(X, np.eye(3)[(y + s) % 3]).fun(theta) for s in (0, 1)]
    assert half.fun(theta) == pytest.approx(np.mean(by_parts), rel=1e-13)


def test_logits_of_ten_thousand():
    A = np.array([[1.0], [-1.0], [1.0], [0.0]])
    y = np.array([1, 0, 0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for x in (np.array([1e4]), np.array([-1e4])):
            loss = LogisticRegression(A, y)
            wrong = 1 if x > 0 else 2  # samples on the wrong side, each costs |logit|
            assert loss.fun(x) == pytest.approx(1e4 * wrong + np.log(2), rel=1e-14)
            assert loss.grad(x) == pytest.approx([1.0 if x > 0 else -2.0], abs=1e-12)
            assert loss.hessp(x, np.ones(1)) == 0
            soft = SoftmaxRegression(A, y)
            theta = np.array([-x[0] / 2, 0, x[0] / 2, 0])
            assert soft.fun(theta) == pytest.approx((1e4 * wrong + np.log(2)) / 4, rel=1e-14)
            assert soft.grad(theta)[2] == pytest.approx((1.0 if x > 0 else -2.0) / 4, abs=1e-12)
            assert np.isfinite(soft.hessp(theta, np.ones(4))).all()


def test_logistic_keeps_its_digits_far_out():
    loss = LogisticRegression([[1.0]], [1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert loss.fun([50.0]) == pytest.approx(np.exp(-50), rel=1e-12, abs=0)
        assert loss.grad([50.0])[0] == pytest.approx(-np.exp(-50), rel=1e-12, abs=0)
        assert loss.hessp([50.0], [1.0])[0] == pytest.approx(np.exp(-50), rel=1e-12, abs=0)


@pytest.mark.parametrize("label", [0, 1])
def test_labels_of_one_class(label):
    A = np.random.default_rng(6).standard_normal((5, 2))
    rng = np.random.default_rng(7)
    check_products(LogisticRegression(A, np.full(5, label)), rng.standard_normal(2), rng)
    soft = SoftmaxRegression(A, np.full(5, label))
    check_products(soft, rng.standard_normal(soft.n), rng)


@pytest.mark.parametrize("kind", KINDS)
def test_not_finite_x_is_quiet(kind):
    loss = random_loss(kind, np.random.default_rng(8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for bad in (np.nan, np.inf, -np.inf):
            x = np.zeros(loss.n)
            x[-1] = bad
            assert not np.isfinite(loss.fun(x))
            loss.grad(x), loss.hessp(x, np.ones(loss.n))
        loss.fun(np.full(loss.n, 1e200))
        assert np.isfinite(loss.fun(np.zeros(loss.n)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_cache_is_invisible(kind):
    rng = np.random.default_rng(9)
    A, b, y = rng.standard_normal((7, 3)), rng.standard_normal(7), rng.integers(0, 2, 7)
    y[0] = 1

    def make_losses():
        made = {"least squares": (LeastSquares(A, b), LeastSquares(-A, b)),
                "logistic": (LogisticRegression(A, y, 0.1), LogisticRegression(A, 1 - y)),
                "softmax": (SoftmaxRegression(A, y, 0.1), SoftmaxRegression(-A, y))}
        return made[kind]

    points = near_points(rng, make_losses()[0].n)
    check_cache_is_invisible(make_losses, points, rng)
    check_arguments_unchanged(make_losses()[0], points[0], rng)


def test_data_are_copied():
    rng = np.random.default_rng(10)
    A, b, y = rng.standard_normal((7, 3)), rng.standard_normal(7), rng.integers(0, 2, 7).astype(float)
    y[0] = 1
    losses = [LeastSquares(A, b), LogisticRegression(A, y, 0.1), SoftmaxRegression(A, y)]
    points = [rng.standard_normal(loss.n) for loss in losses]
    before = [loss.hessp(x, x).tobytes() + loss.grad(x).tobytes() for loss, x in zip(losses, points)]
    A *= 2
    b *= 2
    y[:] = 0
    for loss, x in zip(losses, points):
        loss.fun(0 * x)
    after = [loss.hessp(x, x).tobytes() + loss.grad(x).tobytes() for loss, x in zip(losses, points)]
    assert before == after


@pytest.mark.parametrize("kind", KINDS)
def test_lists_columns_and_strides(kind):
    rng = np.random.default_rng(11)
    loss = random_loss(kind, rng)
    x = rng.standard_normal(2 * loss.n)[::2]
    assert (loss.grad(list(x)) == loss.grad(x)).all()
    assert isinstance(loss.fun(x), float)


A, Y = np.ones((3, 2)), np.array([0, 1, 1])


@pytest.mark.parametrize("call, words", [
    (lambda: LeastSquares(np.ones((0, 2)), []), ["A:", "(0, 2)", "at least one"]),
    (lambda: LeastSquares(np.ones(3), np.ones(3)), ["A:", "(3,)", "2 dim"]),
    (lambda: LeastSquares(A, np.ones(4)), ["b:", "(4,)", "(3,)"]),
    (lambda: LeastSquares(A, np.ones((3, 1))), ["b:", "(3, 1)", "1 dim"]),
    (lambda: LeastSquares(A * np.nan, np.ones(3)), ["A:", "NaN", "finite"]),
    (lambda: LeastSquares(A, [1, 2, np.inf]), ["b:", "inf", "finite"]),
    (lambda: LeastSquares("no", [1, 2, 3]), ["A:", "'no'", "real numbers"]),
    (lambda: LeastSquares(A + 1j, [1, 2, 3]), ["A:", "1.j", "real"]),
    (lambda: LeastSquares(A, [1, 2, 3]).grad([1, 2, 3]), ["x:", "(3,)", "(2,)"]),
    (lambda: LeastSquares(A, [1, 2, 3]).fun("x"), ["x:", "'x'", "2 real numbers"]),
    (lambda: LeastSquares(A, [1, 2, 3]).hessp([1, 2], [[1, 2]]), ["v:", "(1, 2)", "(2,)"]),
    (lambda: LeastSquares(A, [1, 2, 3]).vjp([1, 2], [1, 2]), ["u:", "(2,)", "(3,)"]),
    (lambda: LogisticRegression(A, [0, 1, 2]), ["y:", "2", "0 and 1"]),
    (lambda: LogisticRegression(A, [-1, 1, 1]), ["y:", "-1", "0 and 1"]),
    (lambda: LogisticRegression(A, [0, 1]), ["y:", "(2,)", "(3,)"]),
    (lambda: LogisticRegression(A, Y, -1), ["l2:", "-1", "non-negative"]),
    (lambda: LogisticRegression(A, Y, [1, 2, 3]), ["l2:", "(3,)", "(2,)"]),
    (lambda: LogisticRegression(A, Y, np.nan), ["l2:", "nan", "finite"]),
    (lambda: SoftmaxRegression(A, [0, 1]), ["y:", "(2,)", "(3,)"]),
    (lambda: SoftmaxRegression(A, [0, 1, 1.5]), ["y:", "1.5", "integers"]),
    (lambda: SoftmaxRegression(A, [0, 1, -1]), ["y:", "-1", "0..1"]),
    (lambda: SoftmaxRegression(A, [[1, 1], [1, 0], [0, 1]]), ["y:", "sum 1"]),
    (lambda: SoftmaxRegression(A, Y, "much"), ["l2:", "much"]),
    (lambda: SoftmaxRegression(np.ones((3, 2000)), Y).hess(np.zeros(4002)), ["x:", "4002", "2000"]),
])
def test_errors_say_what_came_and_what_was_wanted(call, words):
    with pytest.raises(ValueError) as error:
        call()
    for word in words:
        assert word in str(error.value), str(error.value)

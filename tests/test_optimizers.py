"""Each solver agrees with scipy, and never calls success what is none."""

import functools
import warnings

import numpy as np
import pytest
from scipy.optimize import (
    Bounds,
    OptimizeResult,
    OptimizeWarning,
    minimize,
    rosen,
    rosen_der,
    rosen_hess,
    rosen_hess_prod,
)

from utils.data import breast_cancer, digits
from utils.losses import LeastSquares, LogisticRegression, SoftmaxRegression
from utils.network import NetworkLoss
from utils.optimizers import gradient_descent, heavy_ball, nesterov, newton, newton_krylov, subsampled
from utils.trace import Trace

RATES = {
    gradient_descent: {"alpha": 0.1},
    heavy_ball: {"alpha": 0.1, "beta": 0.5},
    nesterov: {"alpha": 0.1, "beta": 0.5},
    newton: {},
    newton_krylov: {},
}
SOLVERS = pytest.mark.parametrize("solver", RATES, ids=lambda s: s.__name__)
SECOND_ORDER = pytest.mark.parametrize("solver", [newton, newton_krylov], ids=lambda s: s.__name__)


class Function:
    """fun, grad, hess of a few variables, with products from hess."""

    def __init__(self, fun, grad, hess):
        self.fun, self.hess = fun, lambda x: np.atleast_2d(np.array(hess(x), dtype=float))
        self.grad = lambda x: np.atleast_1d(np.array(grad(x), dtype=float))

    def hessp(self, x, v):
        return self.hess(x) @ v


SADDLE = Function(
    lambda z: z[0] ** 2 / 2 - z[1] ** 2 / 2 + z[1] ** 4 / 4,
    lambda z: [z[0], z[1] ** 3 - z[1]],
    lambda z: [[1, 0], [0, 3 * z[1] ** 2 - 1]],
)
BOWL = Function(lambda x: x @ x / 2, lambda x: x, lambda x: np.eye(x.size))


def run(solver, loss, x0, tol=1e-8, maxiter=2000, callback=None, **options):
    kinds = (
        {"hess": loss.hess} if solver is newton else {"hessp": loss.hessp} if solver is newton_krylov else {}
    )
    return minimize(
        loss.fun,
        x0,
        jac=loss.grad,
        method=solver,
        tol=tol,
        callback=callback,
        options={**RATES[solver], "maxiter": maxiter, **options},
        **kinds,
    )


def consistent(result, loss, tol=1e-8):
    """What every result must keep to, whatever happened."""
    assert isinstance(result, OptimizeResult)
    assert {"x", "fun", "jac", "nit", "nfev", "njev", "nhev", "success", "status", "message"} <= set(result)
    assert result.success == (result.status == 0) and len(result.message) > 20
    if np.isfinite(result.fun):
        assert result.fun == loss.fun(result.x)
        np.testing.assert_array_equal(result.jac, loss.grad(result.x))
    if result.success:
        assert np.linalg.norm(loss.grad(result.x)) <= tol
    return result


# ---- what scipy finds (lesson 01: test_one_objective.py)


def test_solves_a_rank_deficient_problem():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((30, 4)) @ rng.standard_normal((4, 9))
    loss = LeastSquares(A, rng.standard_normal(30))
    for solver in (newton, newton_krylov):
        result = run(solver, loss, np.zeros(9))
        assert result.success, result.message
        np.testing.assert_allclose(result.x, np.linalg.pinv(A) @ loss._b, atol=1e-7)


def test_logistic_regression_agrees_with_scipy():
    data = breast_cancer()
    A = np.column_stack([np.ones(569), (data.X - data.X.mean(0)) / data.X.std(0)])
    loss = LogisticRegression(A, data.y, l2=np.r_[0.0, np.ones(30)])
    theirs = minimize(loss.fun, np.zeros(31), jac=loss.grad, hess=loss.hess, method="trust-exact", tol=1e-9)
    for solver in (newton, newton_krylov):
        result = consistent(run(solver, loss, np.zeros(31)), loss)
        assert result.success, result.message
        np.testing.assert_allclose(result.x, theirs.x, atol=1e-7)


ROSENBROCK = Function(rosen, rosen_der, rosen_hess)
BEALE = Function(
    lambda z: sum((c - z[0] + z[0] * z[1] ** k) ** 2 for k, c in ((1, 1.5), (2, 2.25), (3, 2.625))),
    lambda z: sum(
        2 * (c - z[0] + z[0] * z[1] ** k) * np.array([z[1] ** k - 1, k * z[0] * z[1] ** (k - 1)])
        for k, c in ((1, 1.5), (2, 2.25), (3, 2.625))
    ),
    lambda z: sum(
        2 * np.outer(d, d) + 2 * r * np.array([[0, e], [e, h]])
        for r, d, e, h in (
            (
                c - z[0] + z[0] * z[1] ** k,
                np.array([z[1] ** k - 1, k * z[0] * z[1] ** (k - 1)]),
                k * z[1] ** (k - 1),
                k * (k - 1) * z[0] * z[1] ** max(k - 2, 0),
            )
            for k, c in ((1, 1.5), (2, 2.25), (3, 2.625))
        )
    ),
)


def powell_parts(z):
    r = np.array(
        [
            z[0] + 10 * z[1],
            np.sqrt(5) * (z[2] - z[3]),
            (z[1] - 2 * z[2]) ** 2,
            np.sqrt(10) * (z[0] - z[3]) ** 2,
        ]
    )
    u, w = 2 * (z[1] - 2 * z[2]), 2 * np.sqrt(10) * (z[0] - z[3])
    J = np.array([[1, 10, 0, 0], [0, 0, np.sqrt(5), -np.sqrt(5)], [0, u, -2 * u, 0], [w, 0, 0, -w]])
    a, b = np.array([0, 1, -2, 0]), np.array([1, 0, 0, -1])
    return r, J, 2 * r[2] * np.outer(a, a) + 2 * np.sqrt(10) * r[3] * np.outer(b, b)


POWELL = Function(
    lambda z: powell_parts(z)[0] @ powell_parts(z)[0] / 2,
    lambda z: powell_parts(z)[1].T @ powell_parts(z)[0],
    lambda z: powell_parts(z)[1].T @ powell_parts(z)[1] + powell_parts(z)[2],
)


@SECOND_ORDER
@pytest.mark.parametrize("n", [2, 3, 10, 100])
def test_rosenbrock(solver, n):
    loss = Function(rosen, rosen_der, rosen_hess)
    loss.hessp = rosen_hess_prod
    for x0 in (np.zeros(n), np.full(n, -0.5), np.random.default_rng(n).standard_normal(n)):
        result = consistent(run(solver, loss, x0), loss)
        assert result.success, result.message
        assert result.fun < 1e-12 or n > 3 and 3.6 < result.fun < 4  # there is a second minimum from n = 4 on
        theirs = minimize(rosen, x0, jac=rosen_der, hess=rosen_hess, method="Newton-CG", tol=1e-10)
        if np.linalg.norm(theirs.x - result.x) < 0.1:
            np.testing.assert_allclose(result.x, theirs.x, atol=1e-6)
        assert result.nit <= 4 * theirs.nit


@SECOND_ORDER
def test_beale(solver):
    result = consistent(run(solver, BEALE, [1.0, 0.5]), BEALE)
    assert result.success
    np.testing.assert_allclose(result.x, [3, 0.5], atol=1e-6)


@SECOND_ORDER
def test_powells_function_whose_hessian_is_singular_at_the_solution(solver):
    result = consistent(run(solver, POWELL, [3.0, -1, 0, 1]), POWELL)
    assert result.success and result.fun < 1e-9


@pytest.mark.parametrize("loss,x", [(BEALE, [0.4, -1.3]), (POWELL, [0.3, -1.2, 2, 1]), (SADDLE, [0.4, -1.3])])
def test_the_functions_tested_with_have_the_derivatives_they_claim(loss, x):
    x, h = np.array(x), 1e-5
    for i in range(x.size):
        e = h * np.eye(x.size)[i]
        assert (loss.fun(x + e) - loss.fun(x - e)) / (2 * h) == pytest.approx(loss.grad(x)[i], rel=1e-6)
        np.testing.assert_allclose(
            (loss.grad(x + e) - loss.grad(x - e)) / (2 * h), loss.hess(x)[i], rtol=1e-5, atol=1e-6
        )


def test_softmax_regression_to_ten_digits_in_at_most_60_products():
    data = digits()
    loss = SoftmaxRegression(data.X, data.y, l2=0.01)
    assert loss.n == 650
    x0 = np.zeros(650)
    tol = 1e-10 * np.linalg.norm(loss.grad(x0))
    for memory in (30, 0):
        result = consistent(run(newton_krylov, loss, x0, tol=tol, memory=memory), loss, tol)
        assert result.success, result.message
        assert result.nhev <= 60 and result.nit <= 10


def network(activation="tanh"):
    X = np.random.default_rng(0).standard_normal((40, 5))
    return NetworkLoss([5, 4, 3], X, X[:, :3] * X[:, 1:4], activation, "squared", l2=1e-2)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"memory": 0},
        {"eta": 0.9},
        {"kronecker": True},
        {"curvature": "ggnp"},
        {"curvature": "sample", "kronecker": True},
    ],
    ids=str,
)
def test_networks_to_a_minimizer(options):
    loss, rng = network(), np.random.default_rng(1)

    def gauss_newton_far_hessian_near(x):
        return functools.partial(loss.ggnp if np.linalg.norm(loss.grad(x)) > 1e-2 else loss.hessp, x)

    def sample_far_all_near(x):
        few = np.linalg.norm(loss.grad(x)) > 1e-2
        return functools.partial(loss.subsample(rng.permutation(40)[:10]).ggnp if few else loss.hessp, x)

    options = dict(options)
    if options.pop("kronecker", False):
        options["M"] = lambda x: loss.kronecker(x, 1e-2)
    if "curvature" in options:
        options["curvature"] = {"ggnp": gauss_newton_far_hessian_near, "sample": sample_far_all_near}[
            options["curvature"]
        ]
    for seed in range(3):
        result = consistent(run(newton_krylov, loss, loss.init(seed), **options), loss)
        assert result.success, result.message
        assert np.linalg.eigvalsh(np.array([loss.hessp(result.x, e) for e in np.eye(loss.n)]))[0] > -1e-8


def test_subsampled_curvature_draws_other_samples_at_each_x_and_is_charged_its_share():
    loss = network()
    theta, v, trace = loss.init(0), np.random.default_rng(2).standard_normal(loss.n), Trace(loss)
    curvature, twin = subsampled(trace, 1 / 4, seed=3), subsampled(loss, 1 / 4, seed=3)
    first, again, other = curvature(theta)(v), twin(theta)(v), curvature(theta)(v)
    np.testing.assert_array_equal(first, again)
    assert np.linalg.norm(first - other) > 1e-3 * np.linalg.norm(first)
    assert trace.total == pytest.approx(2 / 4 * (1 + trace.prices["ggnp"]))  # each time a gradient and a product
    mean = np.mean([twin(theta)(v) for _ in range(2000)], axis=0)
    assert np.linalg.norm(mean - loss.ggnp(theta, v)) < 0.05 * np.linalg.norm(loss.ggnp(theta, v))
    np.testing.assert_allclose(subsampled(loss, 1)(theta)(v), loss.ggnp(theta, v), rtol=1e-12, atol=1e-15)
    for share in (0, -0.5, 1.5, np.nan):
        with pytest.raises(ValueError, match="share"):
            subsampled(loss, share)


def test_gauss_newton_products_alone_reach_a_minimizer_of_a_linear_network_or_say_why_not():
    loss = network("identity")
    result = consistent(
        minimize(loss.fun, loss.init(0), jac=loss.grad, hessp=loss.ggnp, method=newton_krylov, tol=1e-6),
        loss,
        1e-6,
    )
    assert result.success, result.message


# ---- first-order methods take exactly their steps


def test_gradient_descent_has_its_closed_form():
    H, x0 = np.diag([10.0, 1]), np.array([1.0, 10])
    loss = Function(lambda x: x @ H @ x / 2, lambda x: H @ x, lambda x: H)
    for k in (0, 1, 7):
        result = run(gradient_descent, loss, x0, maxiter=k, alpha=0.15)
        np.testing.assert_allclose(result.x, (1 - 0.15 * np.diag(H)) ** k * x0, rtol=1e-12)
        assert result.nit == k and not result.success


@pytest.mark.parametrize("solver", [heavy_ball, nesterov], ids=lambda s: s.__name__)
def test_momentum_follows_its_recursion(solver):
    H = np.diag([10.0, 1])
    loss = Function(lambda x: x @ H @ x / 2, lambda x: H @ x, lambda x: H)
    last = now = np.array([1.0, 10])
    alpha, beta = 0.07, 0.7
    for k in range(1, 8):
        if solver is heavy_ball:
            last, now = now, now - alpha * H @ now + beta * (now - last)
            expected = now
        else:
            y = now + beta * (now - last)
            last, now = now, y - alpha * H @ y
            expected = now + beta * (now - last)
        result = run(solver, loss, [1.0, 10], maxiter=k, alpha=alpha, beta=beta)
        np.testing.assert_allclose(result.x, expected, rtol=1e-12)


@pytest.mark.parametrize(
    "solver,rates,steps",
    [
        (gradient_descent, {"alpha": 2 / 101}, 611),
        (heavy_ball, {"alpha": 4 / 121, "beta": (9 / 11) ** 2}, 85),
        (nesterov, {"alpha": 1 / 100, "beta": 9 / 11}, 139),
    ],
    ids=["gradient_descent", "heavy_ball", "nesterov"],
)
def test_takes_the_number_of_steps_that_the_course_states(solver, rates, steps):
    """kappa = 100, 50 eigenvalues, error 1e-6 (lesson 06)."""
    H = np.linspace(1, 100, 50)
    loss = Function(lambda x: x @ (H * x) / 2, lambda x: H * x, lambda x: np.diag(H))
    errors = []
    run(
        solver, loss, np.ones(50), maxiter=700, callback=lambda xk: errors.append(np.linalg.norm(xk)), **rates
    )
    assert abs(1 + np.argmax(np.array(errors) <= 1e-6 * np.sqrt(50)) - steps) <= 0.05 * steps


def test_heavy_ball_cycles_where_the_course_says_so():
    def slope(x):
        return np.where(x < 1, 25 * x, np.where(x < 2, x + 24, 25 * x - 24))

    def fun(x):
        x = float(x[0])
        return 12.5 * x**2 if x < 1 else x**2 / 2 + 24 * x - 12 if x < 2 else 12.5 * x**2 - 24 * x + 36

    last = []
    loss = Function(fun, slope, lambda x: [[25.0]])
    result = run(
        heavy_ball, loss, [3.3], alpha=1 / 9, beta=4 / 9, maxiter=600, callback=lambda xk: last.append(xk[0])
    )
    assert not result.success and result.status == 1
    np.testing.assert_allclose(sorted(last[-3:]), [-1.8024, 0.6465, 2.1159], atol=1e-4)
    assert run(gradient_descent, loss, [3.3], alpha=1 / 25).success


@pytest.mark.parametrize("x0", [1.0, 1.08, 1.09, 5.0])
def test_safe_newton_converges_on_log_cosh_where_the_pure_step_explodes(x0):
    loss = Function(lambda x: np.logaddexp(x[0], -x[0]), np.tanh, lambda x: [[1 / np.cosh(x[0]) ** 2]])
    for solver in (newton, newton_krylov):
        result = consistent(run(solver, loss, [x0]), loss)
        assert result.success and abs(result.x[0]) <= 1e-8


# ---- saddles, maxima, plateaus


@SOLVERS
@pytest.mark.parametrize("x0", [(1, 0.3), (0, 0), (1, 0), (1, -1e-9)])
def test_no_solver_calls_the_saddle_a_success(solver, x0):
    result = consistent(run(solver, SADDLE, x0), SADDLE)
    if result.success:
        assert abs(result.x[1]) == pytest.approx(1)
    else:
        assert result.status == 4 and "no minimizer" in result.message


@pytest.mark.parametrize("x0", [(1, 0.3), (0, 0), (1, 0), (1, -1e-9)])
def test_newton_krylov_leaves_the_saddle(x0):
    result = run(newton_krylov, SADDLE, x0)
    assert result.success and abs(result.x[1]) == pytest.approx(1) and abs(result.x[0]) < 1e-6


@SOLVERS
@pytest.mark.parametrize(
    "loss",
    [
        Function(lambda x: np.cos(x).sum(), lambda x: -np.sin(x), lambda x: np.diag(-np.cos(x))),  # maximum
        Function(
            lambda x: -(x**4).sum() + (x**6).sum(),
            lambda x: -4 * x**3 + 6 * x**5,
            lambda x: np.diag(-12 * x**2 + 30 * x**4),
        ),
        Function(
            lambda x: (x - np.sin(x)).sum(), lambda x: 1 - np.cos(x), lambda x: np.diag(np.sin(x))
        ),  # an inflection
        Function(
            lambda x: (np.sin(x) - x).sum(), lambda x: np.cos(x) - 1, lambda x: np.diag(-np.sin(x))
        ),
        Function(
            lambda x: x[0] ** 2 / 2 - 1e-3 * x[1] ** 2 + x[1] ** 4,
            lambda x: [x[0], -2e-3 * x[1] + 4 * x[1] ** 3],
            lambda x: np.diag([1, -2e-3 + 12 * x[1] ** 2]),
        ),
    ],
    ids=["cosine", "degenerate", "inflection", "mirrored", "shallow"],
)
def test_a_start_that_is_stationary_and_no_minimizer(solver, loss):
    result = consistent(run(solver, loss, np.zeros(2)), loss)
    if solver is newton_krylov:
        assert result.fun < loss.fun(np.zeros(2)) - 1e-8
    else:
        assert result.status == 4 and not result.x.any()


def test_a_network_started_at_zero_is_a_saddle_that_newton_krylov_leaves():
    X = np.random.default_rng(0).standard_normal((30, 3))
    loss = NetworkLoss([3, 4, 3], X, X - X.mean(0), "identity", "squared")
    for products in (loss.hessp, loss.ggnp):
        result = minimize(
            loss.fun, np.zeros(loss.n), jac=loss.grad, hessp=products, method=newton_krylov, tol=1e-7
        )
        assert result.fun < 1e-10, result.message


def test_a_plateau_with_gradient_zero_is_a_minimizer_and_one_without_is_none():
    flat = Function(
        lambda x: np.maximum(np.abs(x) - 1, 0) @ np.maximum(np.abs(x) - 1, 0),
        lambda x: 2 * np.sign(x) * np.maximum(np.abs(x) - 1, 0),
        lambda x: np.diag(2.0 * (np.abs(x) > 1)),
    )
    for solver in RATES:
        assert run(solver, flat, [0.5, -0.5]).success
    assert run(newton_krylov, flat, [3.0, -4.0]).success
    slope = Function(
        lambda x: 1 / (1 + np.exp(-x[0])),
        lambda x: [np.exp(-x[0]) / (1 + np.exp(-x[0])) ** 2],
        lambda x: [[np.exp(-x[0]) * (np.exp(-x[0]) - 1) / (1 + np.exp(-x[0])) ** 3]],
    )
    assert not consistent(run(gradient_descent, slope, [3.0], maxiter=50), slope).success


# ---- no minimizer, and numbers that are none


@SOLVERS
def test_separable_data_without_penalty_have_no_minimizer(solver):
    loss = LogisticRegression(np.array([[1.0, -2], [1, -1], [1, 1], [1, 2]]), [0, 0, 1, 1])
    result = consistent(run(solver, loss, np.zeros(2), tol=1e-300, maxiter=300), loss, 1e-300)
    assert not result.success and result.fun < loss.fun(np.zeros(2)) / 3
    if solver in (newton, newton_krylov):
        assert np.linalg.norm(result.x) > 30 and result.fun < 1e-15


@SOLVERS
@pytest.mark.parametrize(
    "loss",
    [
        Function(lambda x: -x @ x / 2, lambda x: -x, lambda x: -np.eye(x.size)),
        Function(lambda x: x.sum(), lambda x: np.ones_like(x), lambda x: np.zeros((x.size, x.size))),
        Function(lambda x: (x**3).sum(), lambda x: 3 * x**2, lambda x: np.diag(6 * x)),
    ],
    ids=["concave", "linear", "cubic"],
)
def test_unbounded_below(solver, loss):
    with np.errstate(all="ignore"):
        result = run(solver, loss, [-1.0, -2.0])
    assert not result.success and not result.fun > loss.fun(np.array([-1.0, -2.0]))


@SOLVERS
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["fun", "grad", "hess", "x0"])
def test_values_that_are_not_finite_at_the_start(solver, bad, where):
    loss = Function(BOWL.fun, BOWL.grad, BOWL.hess)
    x0 = np.array([1.0, 2.0])
    if where == "fun":
        loss.fun = lambda x: bad
    elif where == "grad":
        loss.grad = lambda x: np.array([1.0, bad])
    elif where == "hess":
        loss.hess = lambda x: np.array([[1.0, 0], [0, bad]])
    else:
        x0[1] = bad
    with np.errstate(all="ignore"):
        result = run(solver, loss, x0)
    if where == "hess" and solver not in (newton, newton_krylov):
        assert result.success
        return
    assert not result.success and result.status == 3, result.message
    if where in ("fun", "x0"):
        assert "fun is" in result.message
    else:
        assert {"grad": "jac", "hess": "hess"}[where] in result.message


@SECOND_ORDER
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_trial_that_is_not_finite_shortens_the_step(solver, bad):
    """x - log(x) is not defined left of 0, where Newton's first step from 5 goes."""
    loss = Function(
        lambda x: x[0] - np.log(x[0]) if x[0] > 0 else bad, lambda x: [1 - 1 / x[0]], lambda x: [[x[0] ** -2]]
    )
    result = consistent(run(solver, loss, [5.0]), loss)
    assert result.success and result.x[0] == pytest.approx(1)


def test_gradient_descent_with_too_long_a_step_says_that_it_diverged():
    with np.errstate(all="ignore"):
        result = run(gradient_descent, BOWL, np.ones(3), alpha=2.1, maxiter=20_000)
    assert result.status == 3 and "fun is" in result.message and not result.success


@SOLVERS
def test_a_tolerance_out_of_reach_is_not_success(solver):
    loss = Function(lambda x: 1e8 + (x - 1) @ (x - 1) / 2, lambda x: x - 1 + 1e-9, lambda x: np.eye(x.size))
    result = run(solver, loss, np.zeros(3), tol=0.0, maxiter=500)
    assert not result.success or not result.jac.any()
    noisy = Function(
        lambda x: x @ x / 2, lambda x: x + 1e-7 * np.sign(np.sin(1e9 * x)), lambda x: np.eye(x.size)
    )
    result = run(solver, noisy, np.ones(3), tol=1e-9, maxiter=500)
    assert not result.success and result.status in (1, 2, 5)


@SOLVERS
def test_a_budgets_end_is_not_success(solver):
    result = consistent(
        run(solver, POWELL, [3.0, -1, 0, 1], maxiter=3, **({"alpha": 1e-3} if RATES[solver] else {})), POWELL
    )
    assert not result.success and result.status == 1 and result.nit == 3 and "maxiter" in result.message
    zero = run(solver, BOWL, [1.0], maxiter=0)
    assert zero.nit == 0 and not zero.success and zero.x.tolist() == [1]


# ---- a wrong gradient


WRONG = {
    "sign": lambda x, g: -g,
    "factor 2": lambda x, g: 2 * g,
    "one of 11 entries": lambda x, g: g * np.where(np.arange(x.size) == 3, 1.5, 1),
    "penalty forgotten": lambda x, g: g - 0.1 * x,
    "transposed": lambda x, g: g[::-1],
    "constant added": lambda x, g: g + 0.01,
}


@SOLVERS
@pytest.mark.parametrize("wrong", WRONG, ids=WRONG)
def test_a_wrong_gradient_is_no_success_and_the_message_says_so(solver, wrong):
    rng = np.random.default_rng(3)
    A, y = rng.standard_normal((60, 11)), rng.integers(0, 2, 60)
    right = LogisticRegression(A, y, l2=0.1)
    loss = Function(right.fun, lambda x: WRONG[wrong](x, right.grad(x)), right.hess)
    with np.errstate(all="ignore"):
        result = run(
            solver, loss, rng.standard_normal(11), maxiter=300, **({"alpha": 0.02} if RATES[solver] else {})
        )
    assert not result.success
    assert "jac is not the derivative of fun" in result.message, result.message


@SOLVERS
def test_a_right_gradient_is_never_accused(solver):
    for seed in range(15):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(1, 8))
        loss = LogisticRegression(
            rng.standard_normal((40, n)) * 10.0 ** rng.integers(-2, 2), rng.integers(0, 2, 40), l2=0.1
        )
        rates = {"alpha": 1 / np.linalg.eigvalsh(loss.hess(np.zeros(n)))[-1]} if RATES[solver] else {}
        result = run(solver, loss, rng.standard_normal(n) * 10.0 ** rng.integers(-3, 3), maxiter=200, **rates)
        assert "jac is not" not in result.message
        if result.status == 5:
            pytest.fail(result.message)


# ---- scipy's conventions


@SOLVERS
def test_conventions_of_minimize(solver):
    A, shift = np.diag([1.0, 2, 3]), np.array([1.0, -1, 2])

    def both(x, shift):
        return (x - shift) @ A @ (x - shift) / 2, A @ (x - shift)

    kinds = {"hess": lambda x, shift: A, "hessp": lambda x, v, shift: A @ v}
    result = minimize(
        both, [0, 0, 0], args=(shift,), jac=True, method=solver, tol=1e-7, options=RATES[solver], **kinds
    )
    assert result.success, result.message
    np.testing.assert_allclose(result.x, shift, atol=1e-6)
    one = minimize(
        lambda x, s: both(x, s)[0],
        np.zeros(3),
        args=shift,
        jac=lambda x, s: both(x, s)[1],
        method=solver,
        tol=1e-7,
        options=RATES[solver],
        **kinds,
    )
    np.testing.assert_allclose(one.x, shift, atol=1e-6)
    alone = solver(BOWL.fun, 3.0, jac=BOWL.grad, hess=BOWL.hess, hessp=BOWL.hessp, **RATES[solver])
    assert alone.success and alone.x.shape == (1,)


@SOLVERS
def test_the_functions_and_the_caller_cannot_spoil_each_others_arrays(solver):
    def fun(x):
        value = BOWL.fun(x)
        x[:] = np.nan
        return np.array([value])

    buffer = np.empty(3)

    def grad(x):
        buffer[:] = x
        x[:] = np.nan
        return buffer

    x0 = np.array([1.0, 2, 3])
    seen = []

    def spoil(intermediate_result):
        seen.append(intermediate_result.x.copy())
        intermediate_result.x[:] = np.nan
        intermediate_result.jac[:] = np.nan

    result = minimize(
        fun,
        x0,
        jac=grad,
        hess=BOWL.hess,
        hessp=BOWL.hessp,
        method=solver,
        options=RATES[solver],
        callback=spoil,
    )
    assert result.success, result.message
    assert x0.tolist() == [1, 2, 3] and result.x is not x0
    assert np.all(np.isfinite(seen)) and len(seen) == result.nit


@SOLVERS
def test_callbacks_new_old_and_stopping(solver):
    new, old = [], []
    rates = {"alpha": 1e-3} if RATES[solver] else {}

    def callback(intermediate_result):
        new.append(intermediate_result)
        assert intermediate_result.fun == POWELL.fun(intermediate_result.x)
        np.testing.assert_array_equal(intermediate_result.jac, POWELL.grad(intermediate_result.x))

    a = run(solver, POWELL, [3.0, -1, 0, 1], maxiter=20, callback=callback, **rates)
    b = run(solver, POWELL, [3.0, -1, 0, 1], maxiter=20, callback=lambda xk: old.append(xk), **rates)
    np.testing.assert_array_equal([r.x for r in new], old)
    np.testing.assert_array_equal(a.x, b.x)
    assert len(new) == a.nit and np.array_equal(new[-1].x, a.x)

    def stop(intermediate_result):
        if intermediate_result.nit == 2:
            raise StopIteration

    result = run(solver, POWELL, [3.0, -1, 0, 1], callback=stop, **rates)
    assert (result.nit, result.status, result.success) == (2, 99, False) and "StopIteration" in result.message
    consistent(result, POWELL)


@SOLVERS
def test_evaluations_are_counted(solver):
    counts = dict.fromkeys(("fun", "grad", "hess", "hessp"), 0)
    loss = Function(POWELL.fun, POWELL.grad, POWELL.hess)

    def counted(name):
        call = getattr(loss, name)

        def wrapped(*args):
            counts[name] += 1
            return call(*args)

        return wrapped

    hessp = loss.hessp
    for name in ("fun", "grad", "hess"):
        setattr(loss, name, counted(name))
    loss.hessp = lambda x, v: (counts.update(hessp=counts["hessp"] + 1), POWELL.hess(x) @ v)[1]
    result = run(solver, loss, [3.0, -1, 0, 1], maxiter=30, **({"alpha": 1e-3} if RATES[solver] else {}))
    assert hessp is not None
    assert (result.nfev, result.njev, result.nhev) == (
        counts["fun"],
        counts["grad"],
        counts["hess"] + counts["hessp"],
    )


@SOLVERS
@pytest.mark.parametrize(
    "change,error,word",
    [
        ({"jac": None}, ValueError, "jac must"),
        ({"bounds": [(0, 1)] * 2}, ValueError, "bounds"),
        ({"bounds": Bounds([0, 0], [1, 1])}, ValueError, "bounds"),
        ({"constraints": {"type": "eq", "fun": lambda x: x[0]}}, ValueError, "constraints"),
        ({"tol": -1.0}, ValueError, "tol must"),
        ({"tol": np.nan}, ValueError, "tol must"),
        ({"options": {"maxiter": "many"}}, ValueError, "maxiter must"),
        ({"jac": lambda x: np.ones(3)}, ValueError, r"shape \(2,\), got 3"),
        ({"fun": lambda x: x}, ValueError, "fun must return a number"),
        ({"x0": np.zeros((2, 2))}, ValueError, "x0"),
    ],
)
def test_bad_arguments_are_named(solver, change, error, word):
    call = {
        "fun": BOWL.fun,
        "x0": [1.0, 2],
        "jac": BOWL.grad,
        "hess": BOWL.hess,
        "hessp": BOWL.hessp,
        "method": solver,
    }
    call |= {"options": {}} | change
    call["options"] = {**RATES[solver], **call["options"]}
    with warnings.catch_warnings(), pytest.raises(error, match=word):
        warnings.simplefilter("ignore")
        minimize(**call)


@pytest.mark.parametrize(
    "solver,options,word",
    [
        (gradient_descent, {}, "alpha must"),
        (gradient_descent, {"alpha": -0.1}, "alpha must"),
        (heavy_ball, {"alpha": 0.1}, "beta must"),
        (nesterov, {"alpha": 0.1, "beta": 1.0}, "beta must"),
        (newton_krylov, {"eta": 1.5}, "eta must"),
        (newton_krylov, {"memory": -1}, "memory must"),
        (newton_krylov, {"refresh": 0}, "refresh must"),
    ],
    ids=str,
)
def test_bad_options_are_named(solver, options, word):
    with pytest.raises(ValueError, match=word):
        minimize(BOWL.fun, [1.0], jac=BOWL.grad, hessp=BOWL.hessp, method=solver, options=options)


def test_second_order_methods_say_which_derivative_they_miss():
    with pytest.raises(ValueError, match="hess must"):
        minimize(BOWL.fun, [1.0], jac=BOWL.grad, method=newton)
    with pytest.raises(ValueError, match="hessp must"):
        minimize(BOWL.fun, [1.0], jac=BOWL.grad, method=newton_krylov)
    with pytest.raises(ValueError, match="hess must return"):
        minimize(BOWL.fun, [1.0, 2], jac=BOWL.grad, hess=lambda x: np.eye(3), method=newton)
    with pytest.raises(ValueError, match="hessp must return"):
        minimize(BOWL.fun, [1.0, 2], jac=BOWL.grad, hessp=lambda x, v: np.ones(3), method=newton_krylov)


@SOLVERS
def test_an_unknown_option_warns_as_scipy_does(solver):
    with pytest.warns(OptimizeWarning, match="Unknown solver options: gtol") as caught:
        run(solver, BOWL, [1.0], gtol=1e-5)
    assert caught[0].filename == __file__


def test_newton_takes_the_step_of_the_absolute_eigenvalues():
    x = np.array([1, 0.3])
    H, g = SADDLE.hess(x), SADDLE.grad(x)
    result = run(newton, SADDLE, x, maxiter=1)
    np.testing.assert_allclose(result.x, x - g / np.abs(np.diag(H)), rtol=1e-14)


def test_newton_krylov_uses_its_preconditioner():
    """With the inverse of the Hessian as M, each system needs one product, however badly scaled."""
    scale = np.logspace(0, 6, 30)
    loss = Function(lambda x: np.cosh(x) @ scale, lambda x: scale * np.sinh(x), None)
    loss.hessp = lambda x, v: scale * np.cosh(x) * v
    x0, asked = np.linspace(-1, 1, 30), []

    def M(x):
        asked.append(x)
        return lambda v: v / (scale * np.cosh(x))

    options = {"tol": 1e-2, "memory": 0}
    plain, better = (run(newton_krylov, loss, x0, refresh=1, M=m, **options) for m in (None, M))
    assert plain.success and better.success, (plain.message, better.message)
    assert better.nhev == better.nit == len(asked) and better.nhev < plain.nhev / 5
    asked.clear()
    rare = run(newton_krylov, loss, x0, refresh=3, M=M, **options)
    assert rare.success and len(asked) == -(-rare.nit // 3)


def test_the_result_is_never_the_callers_array():
    for solver in RATES:
        x0 = np.array([1.0, 2.0])
        result = run(solver, BOWL, x0, maxiter=0)
        assert not np.shares_memory(result.x, x0)


def test_newton_krylov_takes_a_hessian_function_and_float32():
    result = minimize(BOWL.fun, [1.0, 2], jac=BOWL.grad, hess=BOWL.hess, method=newton_krylov)
    assert result.success and result.nhev > 0
    X = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    loss = NetworkLoss([4, 3, 2], X, X[:, :2], loss="squared", l2=0.1)
    result = minimize(loss.fun, loss.init(0), jac=loss.grad, hessp=loss.hessp, method=newton_krylov, tol=1e-4)
    assert result.success, result.message


def test_a_rejected_step_costs_no_product():
    """On log cosh from here the first steps are cut; the path inside the smaller radius is known."""
    asked = []

    def hessp(x, v):
        asked.append((x.tobytes(), v.tobytes()))
        return v / np.cosh(x) ** 2

    result = minimize(
        lambda x: np.log(np.cosh(x)).sum(), [2.0, 1.5, 3.0], jac=np.tanh, hessp=hessp, method=newton_krylov,
        tol=1e-8, options={"memory": 0},
    )
    rejected = result.nfev - 1 - result.nit - 4  # but the start, one for each step, and 4 for the verdict
    assert result.success and rejected > 0
    assert len(asked) == len(set(asked)) == result.nhev


@pytest.mark.parametrize("solver", ["gradient_descent", "heavy_ball", "nesterov", "newton", "newton_krylov"])
def test_runs_repeat_bit_by_bit(solver):
    solver = {s.__name__: s for s in RATES}[solver]
    a, b = (
        run(solver, BEALE, [1.0, 0.5], maxiter=50, **({"alpha": 1e-3} if RATES[solver] else {}))
        for _ in range(2)
    )
    assert a.x.tobytes() == b.x.tobytes() and a.nfev == b.nfev

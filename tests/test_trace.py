"""The meter counts what was called, charges what it costs, records where the solver is, and changes nothing."""

import copy
import pickle
from time import sleep

import numpy as np
import pytest
from scipy.optimize import minimize

from utils.losses import LeastSquares
from utils.network import NetworkLoss
from utils.optimizers import gradient_descent, newton_krylov
from utils.trace import CACHED, UNCACHED, Trace


def make_network(rows=60):
    X = np.random.default_rng(0).standard_normal((rows, 5))
    return NetworkLoss([5, 4, 3], X, X[:, :3] ** 2, loss="squared", l2=1e-2)


METHODS = [
    newton_krylov,
    "L-BFGS-B",
    "BFGS",
    "CG",
    "TNC",
    "trust-ncg",
    "Newton-CG",
]  # trust-krylov: no two runs agree
PRODUCTS = {newton_krylov, "trust-ncg", "Newton-CG", "trust-krylov"}


class Counted:
    """An independent count, with the points at which each function was called."""

    def __init__(self, loss):
        self.loss, self.log = loss, []

    def __getattr__(self, name):
        def call(x, *args):
            self.log.append((name, x.copy()))
            return getattr(self.loss, name)(x, *args)

        return call if name in ("fun", "grad", "hessp", "ggnp", "jvp", "vjp") else getattr(self.loss, name)


def run(loss, method, callback=None, maxiter=12):
    products = {"hessp": loss.hessp} if method in PRODUCTS else {}
    options = {"maxfun": 8 * maxiter} if method == "TNC" else {"maxiter": maxiter}
    return minimize(
        loss.fun,
        make_network().init(1),
        jac=loss.grad,
        method=method,
        callback=callback,
        options=options,
        **products,
    )


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_a_run_is_the_same_bit_by_bit_with_and_without_trace(method):
    plain, trace = run(make_network(), method), Trace(make_network())
    traced = run(trace, method, callback=trace)
    assert plain.x.tobytes() == traced.x.tobytes() and plain.fun == traced.fun
    assert (plain.nit, plain.nfev) == (traced.nit, traced.nfev)


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_counts_and_cost_equal_an_independent_count(method):
    counted = Counted(make_network())
    run(counted, method)
    trace = Trace(make_network(), {"fun": 1.0, "grad": 10.0, "hessp": 100.0}, cached=False)
    result = run(trace, method, callback=trace)
    names = [name for name, _ in counted.log]
    assert trace.counts == {name: names.count(name) for name in ("fun", "grad", "hessp")}
    assert trace.total == names.count("fun") + 10 * names.count("grad") + 100 * names.count("hessp")
    if method != "TNC":  # which counts a pair as one
        assert trace.counts["fun"] == result.nfev and trace.counts["grad"] == result.njev


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_records_are_the_start_and_each_iterate(method):
    loss, points = make_network(), [make_network().init(1)]
    trace = Trace(make_network())

    def callback(xk):
        points.append(xk.copy())
        trace(xk)

    run(trace, method, callback=callback)
    np.testing.assert_array_equal(trace.f, [loss.fun(x) for x in points])
    np.testing.assert_array_equal(trace.gnorm, [np.linalg.norm(loss.grad(x)) for x in points])
    assert len(trace.cost) == len(trace.seconds) == len(points) > 3
    assert np.all(np.diff(trace.cost) > 0) and np.all(np.diff(trace.seconds) > 0)
    assert trace.cost[-1] <= trace.total


def test_works_with_trust_krylov_too():
    trace = Trace(make_network())
    result = run(trace, "trust-krylov", callback=trace)
    assert len(trace.f) == result.nit + 1 and trace.f[-1] == make_network().fun(result.x)


def test_recording_is_not_counted():
    trace, x = Trace(make_network()), make_network().init(0)
    for k in range(5):
        trace(x + k)
    assert trace.total == 0 and not any(trace.counts.values())
    assert len(trace.f) == 5


def test_recording_takes_no_time_and_sees_what_x_is_now():
    class Slow:
        def fun(self, x):
            sleep(0.05)
            return x @ x / 2

        def grad(self, x):
            sleep(0.05)
            return x

    trace, x = Trace(Slow()), np.ones(2)
    trace.grad(x)
    for _ in range(3):
        x += 1
        trace(x)
    np.testing.assert_array_equal(trace.f, [1, 4, 9, 16])
    assert trace.seconds[-1] - trace.seconds[0] < 0.1 < 3 * 2 * 0.05
    trace.fun(x), trace.grad(x)
    x += 1
    trace(x)
    assert (trace.f[-1], trace.gnorm[-1]) == (25, np.linalg.norm([5, 5]))


def test_without_a_callback_every_gradient_is_a_record():
    trace = Trace(make_network())
    run(trace, "L-BFGS-B")
    assert len(trace.f) == trace.counts["grad"] > 5
    assert trace.f[0] == make_network().fun(make_network().init(1))


def test_both_forms_of_callback_are_understood():
    loss = make_network()
    for method in (newton_krylov, "L-BFGS-B", "TNC"):  # TNC knows only callback(xk)
        trace = Trace(loss)
        result = run(trace, method, callback=trace)
        assert trace.f[-1] == loss.fun(result.x)


def test_a_caching_loss_is_charged_for_what_it_computes():
    trace, x = Trace(make_network()), make_network().init(0)
    v, y = np.ones(trace.n), x + 1

    def cost(call, *args):
        before = trace.total
        call(*args)
        return pytest.approx(trace.total - before)

    assert cost(trace.fun, x) == 0.43
    assert cost(trace.grad, x) == 0.57  # its forward pass is there
    assert cost(trace.fun, x) == 0 and cost(trace.grad, x.copy()) == 0
    assert cost(trace.hessp, x, v) == 1.3 and cost(trace.ggnp, x, v) == 0.95
    assert cost(trace.fun, y) == 0.43  # a trial
    assert cost(trace.hessp, x, v) == 1.3  # x is still there
    assert cost(trace.grad, y) == 0.57  # the trial is accepted
    assert cost(trace.fun, x) == 0  # x has become the second of the two points
    assert cost(trace.fun, x + 2) == 0.43
    assert cost(trace.grad, x) == 1  # x was let go
    assert cost(trace.hessp, x + 3, v) == 2.3  # no gradient was taken there
    x[:] = 7.0
    assert cost(trace.fun, x) == 0.43  # known by content, not by name
    x += 1
    assert cost(trace.fun, x) == 0.43
    assert trace.counts == dict.fromkeys(CACHED, 0) | {"fun": 7, "grad": 4, "hessp": 3, "ggnp": 1}


def test_prices_of_an_uncached_loss_are_paid_in_full():
    trace = Trace(make_network(), UNCACHED, cached=False)
    x, v = trace.init(0), np.ones(trace.n)
    for _ in range(2):
        (
            trace.fun(x),
            trace.grad(x),
            trace.hessp(x, v),
            trace.ggnp(x, v),
            trace.jvp(x, v),
            trace.vjp(x, np.ones(trace.m)),
        )
    assert trace.total == pytest.approx(2 * (0.43 + 1 + 3 + 2 + 1 + 1.4))


def test_samples_and_preconditioners_are_charged_too():
    trace = Trace(make_network())
    x, v = trace.init(0), np.ones(trace.n)
    part = trace.subsample(np.arange(15))
    np.testing.assert_array_equal(part.ggnp(x, v), make_network().subsample(np.arange(15)).ggnp(x, v))
    assert part.total == pytest.approx(1.95) and trace.total == pytest.approx(1.95 / 4)
    before = trace.total
    trace.predict(x, np.ones((30, 5)))
    assert trace.total - before == pytest.approx(0.43 / 2)
    before, solve = trace.total, trace.kronecker(x, 1e-2)
    np.testing.assert_array_equal(solve(v), make_network().kronecker(x, 1e-2)(v))
    assert trace.total - before == pytest.approx(1 + 1.5 + 0.07)
    assert trace.counts["kronecker"] == trace.counts["solve"] == 1
    half = part.subsample(np.arange(3))
    before = trace.total
    half.grad(x)
    assert trace.total - before == pytest.approx(3 / 60)


def test_the_values_are_the_losss_own_and_the_rest_is_passed_through():
    loss, trace = make_network(), Trace(make_network())
    x, v = loss.init(0), np.ones(loss.n)
    for name in ("hessp", "ggnp", "jvp"):
        np.testing.assert_array_equal(getattr(trace, name)(x, v), getattr(loss, name)(x, v))
    np.testing.assert_array_equal(trace.vjp(x, np.ones(loss.m)), loss.vjp(x, np.ones(loss.m)))
    assert (trace.n, trace.l2) == (loss.n, loss.l2)
    with pytest.raises(AttributeError):
        trace.no_such_thing  # noqa: B018


def test_any_loss_with_fun_and_grad_will_do_and_others_are_refused():
    class Bowl:
        def fun(self, x):
            return x @ x / 2

        def grad(self, x):
            return x

    trace = Trace(Bowl())
    result = minimize(
        trace.fun, np.ones(3), jac=trace.grad, method=gradient_descent, options={"alpha": 0.5}, callback=trace
    )
    assert result.success
    np.testing.assert_allclose(trace.gnorm, np.sqrt(3) * 0.5 ** np.arange(result.nit + 1))
    np.testing.assert_allclose(trace.cost, 1 + np.arange(result.nit + 1.0))
    with pytest.raises(TypeError, match="fun and grad"):
        Trace(lambda x: 0)


def test_a_line_every_so_many_iterations(capsys):
    trace = Trace(LeastSquares(np.diag([1.0, 2]), np.ones(2)), every=5)
    minimize(
        trace.fun,
        np.zeros(2),
        jac=trace.grad,
        method=gradient_descent,
        options={"alpha": 0.1, "maxiter": 12},
        callback=trace,
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert (
        lines[0].split()
        == f"5 iterations {trace.cost[5]:.0f} gradients f = {trace.f[5]:.6e} |g| = {trace.gnorm[5]:.2e}".split()
    )


def test_a_trace_can_be_copied_and_pickled():
    trace = Trace(make_network())
    trace.grad(trace.init(0))
    for twin in (copy.deepcopy(trace), pickle.loads(pickle.dumps(trace))):
        assert twin.total == trace.total and twin.f.tolist() == trace.f.tolist()

"""Lesson 12, Newton-Krylov on a network: truncated CG, its outer loop, forcing terms, full circle, a fair race."""
import copy
import functools
from dataclasses import dataclass

import numpy as np

from .. import data
from ..checking import Exercise, Mistake
from ..krylov import steihaug
from ..losses import LeastSquares
from ..network import NetworkLoss
from ..trace import Trace

norm = np.linalg.norm


class Product:
    """v -> Hv of a matrix that the caller does not see."""

    def __init__(self, matrix):
        self._matrix = np.asarray(matrix, float)

    def __call__(self, v):
        return self._matrix @ np.asarray(v, float)


def _remembered(key):
    """A decorator: the answer is computed once for each key(*args), its value or its error; the arguments are data."""
    def remember(answer):
        results = {}

        @functools.wraps(answer)
        def replay(*args):
            found = key(*args)
            if found not in results:
                try:
                    results[found] = answer(*args)
                except (RuntimeError, ValueError) as err:
                    results[found] = err
            if isinstance(results[found], Exception):
                raise results[found]
            return copy.deepcopy(results[found])
        return replay
    return remember


# ------------------------------------------------------------------------- E12.1: truncated conjugate gradients
def _step_to_edge(p, d, delta, backwards=False):
    root = np.sqrt(max((p @ d)**2 + (d @ d) * (delta**2 - p @ p), 0.0))
    return ((-root if backwards else root) - p @ d) / (d @ d)


def _truncated(bent="edge", left="edge", relative=True, heeds_radius=True, backwards=False, at_most=None, model=None,
               turn=lambda new, r: (new @ new) / (r @ r)):
    """Steihaug's method with one part replaced. bent, left: where it ends at d'Hd <= 0, and outside the region."""
    def answer(hv, g, delta, tol):
        p, r, d, stop, k = 0.0 * g, 1.0 * g, -g, "tolerance", 0
        while norm(r) > tol * (norm(g) if relative else 1) and k < (at_most or 10 * len(g)):
            Hd = hv(d)
            curvature, edge, k = d @ Hd, _step_to_edge(p, d, delta, backwards), k + 1
            step = (r @ r) / curvature
            bends = curvature <= 0 and bent != "ignored"
            leaves = heeds_radius and norm(p + step * d) >= delta
            if bends or leaves:
                stop, how = ("negative curvature", bent) if bends else ("boundary", left)
                if how == "edge":
                    p, r = p + edge * d, r + edge * Hd
                elif how == "scaled":
                    p = delta * (p + step * d) / norm(p + step * d)
                break
            p, new = p + step * d, r + step * Hd
            d, r = -new + turn(new, r) * d, new
        Hp = hv(p)
        return p, (g @ p + p @ Hp / 2 if model is None else model(g, p, Hp)), stop
    return answer


_steihaug = _truncated()


def _lower_root(hv, g, delta, tol):
    """The library's: at negative curvature the end of the line with the lower model value."""
    solution = steihaug(hv, g, delta, tol, maxiter=10 * len(g))
    return solution.x, solution.model, solution.stop


def _is_steihaug(out, hv, g, delta, tol):
    p, model, stop = out
    for right in (_steihaug(hv, g, delta, tol), _lower_root(hv, g, delta, tol)):
        if (stop.replace(" ", "") == right[2].replace(" ", "") and norm(p - right[0]) <= 1e-5 * norm(right[0])
                and abs(model - right[1]) <= 1e-5 * abs(right[1])):
            return True
    return False


def _newton_scaled(hv, g, delta, tol):
    p, model, stop = _truncated(bent="ignored", heeds_radius=False)(hv, g, delta, tol)
    if norm(p) > delta:
        p, stop = p * delta / norm(p), "boundary"
    return p, g @ p + p @ hv(p) / 2, stop


def _scaled_at_bend(hv, g, delta, tol):
    p, model, stop = _truncated(bent="here")(hv, g, delta, tol)
    if stop == "negative curvature":
        p = p * delta / norm(p) if norm(p) > 0 else -g * delta / norm(g)
    return p, g @ p + p @ hv(p) / 2, stop


def _other_words(hv, g, delta, tol):
    p, model, stop = _steihaug(hv, g, delta, tol)
    return p, model, "boundary" if stop == "negative curvature" else stop


def _symmetric(seed, eigenvalues):
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(eigenvalues),) * 2))[0]
    return Product((Q * eigenvalues) @ Q.T)


def _slope(seed, n, scale=1.0):
    return scale * np.random.default_rng(100 + seed).standard_normal(n)


BOWL = np.diag([4.0, 1, -0.5])
STEIHAUG_CASES = (
    (Product(BOWL), np.array([1.0, 1, 0.3]), 2.0, 1e-8),                        # negative curvature at product 3
    (Product(BOWL), np.array([1.0, 1, 0.3]), 1.0, 1e-8),                        # the boundary at product 2
    (_symmetric(0, [1.0, 2, 5, 9]), _slope(0, 4), 100.0, 1e-8),                 # Newton's step
    (_symmetric(1, np.geomspace(1, 50, 8)), _slope(1, 8), 100.0, 0.3),          # a loose tolerance
    (_symmetric(2, np.geomspace(1, 50, 8)), _slope(2, 8, 1e-6), 1.0, 0.1),      # a small gradient
    (_symmetric(3, np.geomspace(1, 50, 8)), _slope(3, 8, 1e6), 1e5, 1e-6),      # a large one, and the boundary
    (_symmetric(4, [-3.0, -1, 2, 6, 7]), _slope(4, 5), 0.7, 1e-6),
    (_symmetric(5, [-0.2, 1, 3, 6, 9]), _slope(5, 5), 3.0, 1e-6),
    (Product(-np.eye(2)), np.array([3.0, 4]), 1.5, 1e-6),                       # at the very first product
)


# --------------------------------------------------------------------------------- E12.2: Newton-Krylov, assembled
class TooManyProducts(RuntimeError):
    """The budget was spent, most of it on products inside the steps."""


class TooManySteps(RuntimeError):
    """The budget was spent on steps, each of them cheap."""


class NoProducts(RuntimeError):
    """The budget was spent, and no product was ever asked for."""


class Metered:
    """A loss that stops working when `budget` gradients are spent: 3 for a product (2 for a ggnp), 0.43 for a value."""

    def __init__(self, name, loss, budget, lowest=np.inf):
        self.name = name
        self.loss, self.budget, self.lowest, self.spent, self.steps, self.products = loss, budget, lowest, 0.0, 0, 0

    def _pay(self, price):
        self.spent += price
        if self.spent > self.budget:
            kind = TooManyProducts if self.products > 12 * max(self.steps, 1) else TooManySteps
            kind = kind if self.products else NoProducts
            raise kind(f"{self.budget} gradient-equivalents were spent, on {self.steps} gradients and "
                       f"{self.products} products, and |g| was not small yet")

    def fun(self, x):
        self._pay(0.43)
        return self.loss.fun(np.asarray(x, float))

    def grad(self, x):
        self.steps += 1
        self._pay(1)
        return self.loss.grad(np.asarray(x, float))

    def hessp(self, x, v):
        self.products += 1
        self._pay(3)
        return self.loss.hessp(np.asarray(x, float), np.asarray(v, float))

    def ggnp(self, x, v):
        self.products += 1
        self._pay(2)
        return self.loss.ggnp(np.asarray(x, float), np.asarray(v, float))


class Saddle:
    """1/2 x^2 - 1/2 y^2 + 1/4 y^4 of lesson 10: minimizers (0, 1) and (0, -1), a saddle at 0."""

    def fun(self, x):
        return x[0]**2 / 2 - x[1]**2 / 2 + x[1]**4 / 4

    def grad(self, x):
        return np.array([x[0], x[1]**3 - x[1]])

    def hessp(self, x, v):
        return np.array([v[0], (3 * x[1]**2 - 1) * v[1]])

    def ggnp(self, x, v):  # |curvature|, for want of residuals
        return np.array([v[0], abs(3 * x[1]**2 - 1) * v[1]])


class Rosenbrock:
    """1/2 (10 (y - x^2))^2 + 1/2 (1 - x)^2: a curved valley, its minimizer (1, 1)."""

    def fun(self, x):
        return 50 * (x[1] - x[0]**2)**2 + (1 - x[0])**2 / 2

    def _jacobian(self, x):
        return np.array([[-20 * x[0], 10], [-1, 0]])

    def grad(self, x):
        return self._jacobian(x).T @ np.array([10 * (x[1] - x[0]**2), 1 - x[0]])

    def hessp(self, x, v):
        return self.ggnp(x, v) + np.array([-200 * (x[1] - x[0]**2) * v[0], 0])

    def ggnp(self, x, v):
        J = self._jacobian(x)
        return J.T @ (J @ v)


class LogCosh:
    """The sum of log cosh (x_i - i): flat far out, where pure Newton overshoots (lesson 10)."""

    def fun(self, x):
        z = abs(x - np.arange(len(x)))
        return np.sum(z + np.log1p(np.exp(-2 * z)) - np.log(2))

    def grad(self, x):
        return np.tanh(x - np.arange(len(x)))

    def hessp(self, x, v):
        return (1 - self.grad(x)**2) * v

    ggnp = hessp


class Cliff:
    """A kink at x = 0, rounded; left of x = -1/2 it stands on a plateau of height 8. Minimizer (about 0, 0)."""

    def _parts(self, x):
        return np.sqrt(x[0]**2 + 0.01), 1 / (1 + np.exp(np.clip(40 * (x[0] + 0.5), -500, 500)))

    def fun(self, x):
        root, s = self._parts(x)
        return root + 8 * s + x[1]**2 / 2

    def grad(self, x):
        root, s = self._parts(x)
        return np.array([x[0] / root - 320 * s * (1 - s), x[1]])

    def hessp(self, x, v):
        root, s = self._parts(x)
        return np.array([(0.01 / root**3 + 12800 * s * (1 - s) * (1 - 2 * s)) * v[0], v[1]])

    ggnp = hessp


def _forcing(now, before):
    return min(0.5, 0.9 * (now / before)**2)


def _outer(product="hessp", forcing=_forcing, solve=_steihaug, accept=1e-4, grows=True, shrinks=True, sign=1,
           stop_at_rejection=False, radius=1.0, ratio=lambda fall, model: fall / model):
    """Newton-Krylov with one part replaced."""
    def answer(loss, theta0, tol=1e-8, forcing=forcing, maxiter=300):
        theta, delta = np.array(theta0, float), radius
        f, g = loss.fun(theta), loss.grad(theta)
        last, goal = norm(g), tol * norm(g)
        for _ in range(maxiter):
            if norm(g) <= goal:
                break
            p, model, stop = solve(functools.partial(getattr(loss, product), theta), g, delta, forcing(norm(g), last))
            f_new, noise = loss.fun(theta + sign * p), 1e-14 * abs(f)
            rho = ratio(f_new - f - noise, model - noise)
            if rho < 0.25 and shrinks:
                delta = norm(p) / 4
            elif rho > 0.75 and grows and stop != "tolerance":
                delta = 2 * delta
            if rho > accept:
                theta, f, last = theta + sign * p, f_new, norm(g)
                g = loss.grad(theta)
            elif stop_at_rejection:
                break
        return theta
    return answer


_newton_krylov = _outer()


def _stops_at_noise(loss, theta0, tol=1e-8, forcing=None, maxiter=300):
    """The other cure: to end where the loss cannot measure what the model promises."""
    theta, delta = np.array(theta0, float), 0.5
    f, g = loss.fun(theta), loss.grad(theta)
    goal = tol * norm(g)
    while norm(g) > goal:
        s = steihaug(functools.partial(loss.hessp, theta), g, delta, min(0.5, np.sqrt(norm(g))), maxiter=10 * len(g))
        f_new = loss.fun(theta + s.x)
        if -s.model <= 1e-15 * abs(f):
            break
        rho = (f - f_new) / -s.model
        delta = delta / 2 if rho < 0.1 else 3 * delta if rho > 0.9 else delta
        if rho > 0:
            theta, f, g = theta + s.x, f_new, loss.grad(theta + s.x)
    return theta


def _line_search(loss, theta0, tol=1e-8, forcing=None, maxiter=300):
    """Newton-CG with a line search; at negative curvature it keeps what CG has, or takes the direction itself."""
    theta = np.array(theta0, float)
    f, g = loss.fun(theta), loss.grad(theta)
    goal = tol * norm(g)
    for _ in range(maxiter):
        if norm(g) <= goal:
            break
        p, r, d = 0 * g, 1 * g, -g
        while norm(r) > min(0.5, np.sqrt(norm(g))) * norm(g):
            Hd = loss.hessp(theta, d)
            if d @ Hd <= 0:
                p = p if np.any(p) else d / norm(d)
                break
            a = (r @ r) / (d @ Hd)
            p, new = p + a * d, r + a * Hd
            d, r = -new + (new @ new) / (r @ r) * d, new
        t, f_new = 1.0, loss.fun(theta + p)
        while f_new > f + 1e-4 * t * (g @ p) + 1e-14 * abs(f) and t > 1e-12:
            t /= 2
            f_new = loss.fun(theta + t * p)
        theta, f = theta + t * p, f_new
        g = loss.grad(theta)
    return theta


def _full_newton(hv, g, delta, tol):
    """Solves Hp = -g by CG, whatever the curvature and wherever it leads."""
    p, model, _ = _truncated(bent="ignored", heeds_radius=False, at_most=len(g))(hv, g, delta, tol)
    return p, model, "tolerance"


def _one_product(hv, g, delta, tol):
    return _truncated(at_most=1)(hv, g, delta, tol)


def _is_minimizer(theta, loss, theta0):
    g0, g = norm(loss.loss.grad(theta0)), norm(loss.loss.grad(theta))
    return bool(g <= 1e-6 * g0 and loss.loss.fun(theta) <= min(loss.lowest, loss.loss.fun(theta0)))


def _where_it_ended(theta, loss, theta0):
    g0, g = norm(loss.loss.grad(theta0)), norm(loss.loss.grad(theta))
    if not np.all(np.isfinite([g, loss.loss.fun(theta)])):
        return "On one of the losses your theta is so far out that the loss overflows. Which steps should be refused?"
    if g <= 1e-6 * g0:
        return (f"On a loss with {len(theta0)} unknowns you ended at a stationary point of value {loss.loss.fun(theta):.4g}, "
                "which is no minimizer. What do you do where d'Hd <= 0?")
    return (f"On a loss with {len(theta0)} unknowns the gradient norm at your theta is {g / g0:.1e} of the initial one. "
            "Print rho, delta and |g| at each outer iteration.")


def _diabetes_network(seed):
    patients = data.diabetes()
    X, y = patients.X[patients.train] * np.sqrt(442), patients.y[patients.train]
    net = NetworkLoss([10, 5, 1], X, (y - y.mean()) / y.std(), loss="squared", l2=0.01)
    return Metered(f"network {seed}", net, 1700), net.init(seed)


def _far_quadratic():
    rng = np.random.default_rng(4)
    A = rng.standard_normal((30, 6))
    return Metered("far", LeastSquares(A, A @ (2e4 * rng.standard_normal(6)) + rng.standard_normal(30)), 300), np.zeros(6)


NETWORK_CASES = (
    _diabetes_network(0), _diabetes_network(1), _far_quadratic(),
    (Metered("saddle", Saddle(), 300, -0.2499), np.array([1.0, 0.3])),
    (Metered("valley", Rosenbrock(), 800), np.array([-1.2, 1.0])),
    (Metered("flat", LogCosh(), 600), np.array([5.0, -4, 9, 3])),
    (Metered("cliff", Cliff(), 400, 0.11), np.array([7.0, 1])),
)


def _at_the_saddle(out, loss, theta0):
    return not isinstance(loss.loss, Saddle) or np.size(out) == 2 and norm(np.ravel(out)) < 1e-2


def _not_moved(out, loss, theta0):
    return np.size(out) == np.size(theta0) and np.allclose(np.ravel(out), theta0)


@_remembered(lambda loss, theta0, *rest: loss.name)
def _answer_to_E12_2(loss, theta0):
    return _newton_krylov(loss, theta0)


@_remembered(lambda loss, theta0, *rest: loss.name)
def _descent_only(loss, theta0):
    theta = np.array(theta0, float)
    for _ in range(10_000):
        theta = theta - 0.01 * loss.grad(theta)
    return theta


def _slip(**parts):
    return _remembered(lambda loss, theta0, *rest: loss.name)(_outer(**parts))


# ------------------------------------------------------------------------------------------ E12.3: forcing terms
FORCING = ("A", "B", "C", "D", "E", "F")


def _best_forcing(out):
    return out[0] in ("d", "f") and out[1] in ("e", "f")


# --------------------------------------------------------------------------------------------- E12.4: full circle
def _train(loss, theta0):
    return _newton_krylov(loss, theta0, tol=1e-8)


def _untrained(loss, theta0):
    return np.array(theta0, float)


def _linear_network(X, Y, width, theta0, solve):
    """The product W2 W1 of the trained network, its layers, the pseudo-inverse map and the projection on the rows."""
    loss = NetworkLoss([X.shape[1], width, Y.shape[1]], X, Y, activation="identity", loss="squared")
    theta = solve(loss, theta0)
    (W1, _), (W2, _) = loss.layers(theta)
    return W1, W2, (np.linalg.pinv(X) @ Y).T, np.linalg.pinv(X) @ X


def _circle(measure):
    def answer(X, Y, width, theta0, solve):
        return _tiny_is_zero(measure(*_linear_network(X, Y, width, theta0, solve)))
    return answer


def _tiny_is_zero(out):
    """On the row space the gap is rounding noise: below 1e-5 it is read as 0."""
    if isinstance(out, (tuple, list, np.ndarray)) and np.size(out) == 2 and np.shape(out)[0] == 2:
        values = np.asarray(out, float).ravel()
        return tuple(0.0 if abs(v) < 1e-5 else float(v) for v in values)
    return out


def _gap(W1, W2, B, P):
    gap = W2 @ W1 - B
    return norm(gap @ P), norm(gap - gap @ P)


def _by_svd(X, Y, width, theta0, solve):
    """The same with a basis of the row space, and with nested lists."""
    W1, W2, B, P = _linear_network(X, Y, width, theta0, solve)
    U, s, Vt = np.linalg.svd(X)
    rank = int(np.sum(s > 1e-10 * s[0]))
    gap = W2 @ W1 - np.linalg.lstsq(X, Y, rcond=1e-10)[0].T
    return [[norm(gap @ Vt[:rank].T)], [norm(gap @ Vt[rank:].T)]]


def _transposed(X, Y, width, theta0, solve):
    W1, W2, B, P = _linear_network(X, Y, width, theta0, solve)
    gap = (W1.T @ W2.T - B.T)
    return np.array([norm(P @ gap), norm(gap - P @ gap)])


def _untrained_gap(X, Y, width, theta0, solve):
    return _tiny_is_zero(_gap(*_linear_network(X, Y, width, theta0, _untrained)))


def _thin_problem(seed, m, d, rank, K, width, solve=_train):
    """Centered inputs of a given rank, targets, and a random start."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, d)) / np.sqrt(rank), rng.standard_normal((m, K))
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    theta0 = NetworkLoss([d, width, K], X, Y, activation="identity", loss="squared").init(seed)
    return X, Y, width, theta0, solve


def _row_space_start(seed, m, d, rank, K, width):
    X, Y, width, theta0, solve = _thin_problem(seed, m, d, rank, K, width)
    loss = NetworkLoss([d, width, K], X, Y, activation="identity", loss="squared")
    W1 = loss.layers(theta0)[0][0]
    W1[...] = W1 @ np.linalg.pinv(X) @ X
    return X, Y, width, theta0, solve


CIRCLE_CASES = (_thin_problem(0, 20, 5, 3, 2, 3), _thin_problem(1, 25, 6, 4, 3, 3), _row_space_start(2, 20, 5, 3, 2, 3),
                _thin_problem(3, 4, 6, 3, 1, 2), _thin_problem(4, 20, 5, 3, 2, 3, _untrained))

# ----------------------------------------------------------------------------------------------- E12.5: a fair race
@dataclass(frozen=True)
class Descent:
    """A solver for the race: gradient descent, or heavy ball, for a fixed number of steps."""
    alpha: float
    steps: int
    beta: float = 0.0

    def __call__(self, loss, theta0):
        x = last = np.array(theta0, float)
        for _ in range(self.steps):
            x, last = x - self.alpha * loss.grad(x) + self.beta * (x - last), x
        loss.grad(x)
        return x


@dataclass(frozen=True)
class Newton:
    """A solver for the race: Newton-Krylov with a constant forcing term."""
    eta: float
    steps: int = 30

    def __call__(self, loss, theta0):
        return _newton_krylov(loss, theta0, tol=1e-6, forcing=lambda now, before: self.eta, maxiter=self.steps)


def _cost(trace, target):
    reached = trace.gnorm <= target * trace.gnorm[0]
    return trace.cost[np.argmax(reached)] if reached.any() else np.inf


def _races(cost=_cost, over_seeds=np.median, over_solvers=min, start=lambda loss, seed, seeds: loss.init(seed), one=False,
           seeds_used=lambda seeds: seeds, solvers_used=lambda solvers: solvers):
    """The fair race with one part replaced."""
    def answer(loss, families, seeds, target):
        results, shared = [], Trace(loss)
        for solvers in families:
            table = []
            for solve in solvers_used(solvers):
                row = []
                for seed in seeds_used(seeds):
                    trace = shared if one else Trace(loss)
                    solve(trace, start(loss, seed, seeds))
                    row.append(cost(trace, target))
                table.append(row)
            results.append(over_solvers([over_seeds(row) for row in table]))
        return np.array(results)
    return answer


_fair_race = _races()


def _tuned_by_seed(loss, families, seeds, target):
    """The best solver of the family anew for each seed."""
    results = []
    for solvers in families:
        costs = []
        for seed in seeds:
            runs = [Trace(loss) for _ in solvers]
            for solve, trace in zip(solvers, runs):
                solve(trace, loss.init(seed))
            costs.append(min(_cost(trace, target) for trace in runs))
        results.append(np.median(costs))
    return np.array(results)


def _as_a_list(loss, families, seeds, target):
    """By comprehensions, with a plain loop to the first small gradient."""
    def first(solve, seed):
        trace = Trace(loss)
        solve(trace, loss.init(seed))
        return next((c for c, size in zip(trace.cost, trace.gnorm) if size <= target * trace.gnorm[0]), float("inf"))
    return [min(sorted(first(solve, seed) for seed in seeds)[len(seeds) // 2] for solve in solvers) for solvers in families]


def _iterations(trace, target):
    reached = trace.gnorm <= target * trace.gnorm[0]
    return float(np.argmax(reached)) if reached.any() else np.inf


def _last_crossing(trace, target):
    above = np.flatnonzero(trace.gnorm > target * trace.gnorm[0])
    return trace.cost[above[-1] + 1] if above[-1] + 1 < len(trace.cost) else np.inf


def _finite_median(row):
    row = np.asarray(row)
    return np.median(row[np.isfinite(row)]) if np.any(np.isfinite(row)) else 1e9


def _capped(trace, target):
    cost = _cost(trace, target)
    return trace.total if np.isinf(cost) else cost


def _tiny_network(seed, N=30):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, 3))
    return NetworkLoss([3, 3, 1], X, np.sin(X[:, 0]) + X[:, 1] * X[:, 2] / 2, loss="squared", l2=0.02)


FAMILIES = [[Descent(0.05, 90), Descent(0.3, 6), Descent(0.8, 90), Descent(0.5, 90)],
            [Descent(0.1, 60, 0.8), Descent(0.3, 60, 0.6)], [Newton(1e-6), Newton(0.5), Newton(0.1)]]
RACE_CASES = ((_tiny_network(9), FAMILIES, [0, 1, 2], 0.02), (_tiny_network(10), FAMILIES, [3, 4, 5], 0.05),
              (_tiny_network(7), FAMILIES, [3, 4, 5], 0.03), (_tiny_network(8), FAMILIES, [3, 4, 5, 6, 7], 0.04))
_once_a_race = _remembered(lambda loss, families, seeds, target: (target, len(seeds)))


@_once_a_race
def _answer_to_E12_5(loss, families, seeds, target):
    return _fair_race(loss, families, seeds, target)


EXERCISES = [
    Exercise(
        id="E12.1", kind="I", minutes=15,
        asks="steihaug(hv, g, delta, tol) -> (p, model, stop)",
        hint="For H = diag(4, 1, -0.5), g = (1, 1, 0.3) print p, r, d'Hd and ||p|| after each product: the third one is the last.",
        answer=_steihaug, holds=_is_steihaug, instances=STEIHAUG_CASES,
        accepts=(_lower_root, lambda hv, g, delta, tol: list(_steihaug(hv, g, delta, tol)),
                 lambda product, gradient, radius, rtol: (_steihaug(product, gradient, radius, rtol)[0].reshape(-1, 1),
                                                          *_steihaug(product, gradient, radius, rtol)[1:])),
        mistakes=(
            Mistake(_truncated(bent="ignored"),
                    "You divide by d'Hd where it is negative, and end at Newton's point: a saddle of the model. Test the sign "
                    "of d'Hd before you divide."),
            Mistake(_truncated(bent="ignored", heeds_radius=False),
                    "These are plain conjugate gradients: they know neither the radius nor the sign of d'Hd. Both must end "
                    "the loop."),
            Mistake(_newton_scaled, "This scales Newton's step to the radius: a shorter wrong direction. Leave the path where "
                                    "it crosses the boundary."),
            Mistake(_truncated(heeds_radius=False),
                    "You go on outside the region: the radius plays no part until the curvature is negative."),
            Mistake(_truncated(at_most=1), "You stopped after one step: that is gradient descent with a good step length. "
                                           "Where does your loop go on?"),
            Mistake(_truncated(backwards=True), "At the boundary you took the negative root: the step leaves backwards along "
                                                "d, uphill first."),
            Mistake(_truncated(bent="here"), "At d'Hd <= 0 you stop where you are. The model falls all the way along d: "
                                             "follow it to the end of the region."),
            Mistake(_scaled_at_bend, "At d'Hd <= 0 you stretch p to the radius. The direction in which the model falls is d: "
                                     "go along d from p."),
            Mistake(_truncated(left="here"), "When the next step would leave the region you return the last p inside. There is "
                                             "more to gain: follow d to the boundary."),
            Mistake(_truncated(left="scaled"), "You take the step that leaves the region and shrink the result to the radius. "
                                               "Cut the last step instead: go along d only as far as the boundary."),
            Mistake(_truncated(relative=False), "You compare ||r|| with tol itself. Asked for is ||r|| <= tol ||g||, so that "
                                                "the size of g does not matter."),
            Mistake(_truncated(turn=lambda new, r: (r @ r) / (new @ new)),
                    "Your beta is upside down: new residual over old one, lesson 08."),
            Mistake(_truncated(turn=lambda new, r: 0.0), "Without beta each direction is only the last residual: that is "
                                                         "steepest descent, step by step. CG adds beta d."),
            Mistake(_truncated(model=lambda g, p, Hp: g @ p + p @ Hp),
                    "Your p is right; your model value lacks the 1/2 before p'Hp."),
            Mistake(_truncated(model=lambda g, p, Hp: -(g @ p) - p @ Hp / 2),
                    "Your p is right; your model value has the other sign. It is q(p), which is negative."),
            Mistake(_truncated(model=lambda g, p, Hp: g @ p),
                    "Your p is right; your model value is only its linear part."),
            Mistake(_truncated(model=lambda g, p, Hp: norm(Hp + g)),
                    "Your p is right; the second number is the length of the residual. Asked for is q(p)."),
            Mistake(lambda hv, g, delta, tol: (-_steihaug(hv, g, delta, tol)[0], *_steihaug(hv, g, delta, tol)[1:]),
                    "Your p points uphill. The first direction is -g."),
            Mistake(_other_words, "Your p is right; the reason is not. Where d'Hd <= 0 ended it, stop is 'negative curvature', "
                                  "although p is on the boundary then too."),
        )),
    Exercise(
        id="E12.2", kind="I", minutes=15,
        asks="newton_krylov(loss, theta0, tol, forcing, maxiter) -> theta, shape (n,)",
        hint="Print rho, delta and ||g|| at each outer iteration, and go through the five steps of the recipe.",
        answer=_answer_to_E12_2, holds=_is_minimizer, diagnose=_where_it_ended,
        instances=NETWORK_CASES, seconds=20.0,
        accepts=(_stops_at_noise, _line_search, lambda loss, start, **options: list(_newton_krylov(loss, start)),
                 lambda loss, theta0: _newton_krylov(loss, theta0)[:, None]),
        mistakes=(
            Mistake(_slip(forcing=lambda now, before: 1e-10),
                    "This solves the early systems to ten digits, and the quadratic is wrong there anyway. The forcing term "
                    "sets the tolerance of each step."),
            Mistake(_slip(grows=False),
                    "Your radius never grows: count the exits, almost every step of a far start ends at the boundary."),
            Mistake(_slip(shrinks=False),
                    "After a rejected step your radius stays as it is, so the same step is tried for ever. Shrink it."),
            Mistake(_slip(accept=-np.inf),
                    "You take every step, also where the loss rises. Where rho is negative, stay where you are."),
            Mistake(_slip(product="ggnp"),
                    "With Gauss-Newton products this stalls on the network. Which term of lesson 09 is missing from G?"),
            Mistake(_slip(solve=_full_newton, accept=-np.inf),
                    "Here p is the full Newton step, with no radius, and every step is taken. Let your steihaug compute it, and rho judge it."),
            Mistake(_slip(solve=_one_product),
                    "Each step uses one product: that is gradient descent with a curvature-chosen step. Let the forcing term "
                    "decide when to stop."),
            Mistake(_descent_only, "Your function never asks for a product with H: that is gradient descent. Let steihaug "
                                   "compute the step."),
            Mistake(_slip(stop_at_rejection=True),
                    "You stop at the first rejected step. A rejection says that the radius was too large, not that you have "
                    "arrived."),
            Mistake(_slip(sign=-1), "You subtract p. The step already points downhill: the model was minimized over p."),
            Mistake(_slip(ratio=lambda fall, model: -fall / model),
                    "Your rho has the wrong sign: both the fall of the loss and the model value are negative for a good step."),
            Mistake(_remembered(lambda loss, theta0, *rest: loss.name)(lambda loss, theta0: np.array(theta0, float)),
                    "You returned the initial theta. Is the new theta kept when a step is accepted?"),
        )),
    Exercise(
        id="E12.3", kind="P", minutes=6,
        asks="two letters of the table: fewest outer iterations, fewest products",
        hint="Outer iterations want exact steps near the end; products should not be spent while the quadratic is still wrong.",
        answer=("D", "F"), holds=_best_forcing,
        accepts=(["D", "E"], ("F", "F"), ("d", "f"), ["F", "E"]),
        mistakes=(
            Mistake(("D", "D"), "Exact early steps go toward a wrong quadratic. They save outer iterations, and each of them "
                                "costs many products.", shows=lambda out: out == ("d", "d")),
            Mistake(("D", "A"), "The cheapest steps, and too many of them: a constant forcing term converges only linearly.",
                    shows=lambda out: out[0] in ("d", "f") and out[1] == "a"),
            Mistake(("D", "B"), "Close, but one fixed digit is too many at first and too few at the end. Which rule changes?",
                    shows=lambda out: out[0] in ("d", "f") and out[1] in ("b", "c")),
            Mistake(("F", "D"), "The other way round is nearer: which of the two makes its early steps exact?",
                    shows=lambda out: out == ("f", "d")),
            Mistake(("A", "A"), "Loose steps are cheap, but each gains only a constant factor: the residual, and so the "
                                "gradient, falls by about the forcing term.", shows=lambda out: out[0] == "a"),
            Mistake(("E", "E"), "The square root tightens late: while ||g|| is large it is as loose as A. Some rule needs fewer "
                                "outer iterations.", shows=lambda out: out[0] == "e"),
            Mistake(("B", "F"), "A constant forcing term converges linearly, so tightening it further saves outer iterations. "
                                "Which one is the tightest?", shows=lambda out: out[0] in ("b", "c")),
        )),
    Exercise(
        id="E12.4", kind="X", minutes=10,
        asks="full_circle(X, Y, width, theta0, solve) -> (gap on the row space, gap off it)",
        hint="Write the map of A^+: it takes a row x of X to x X^+ Y. Then multiply W2 W1 minus this map by X^+ X.",
        answer=_remembered(lambda X, *rest: (X.tobytes(), rest[-1] is _train))(_circle(_gap)),
        reads=_tiny_is_zero, instances=CIRCLE_CASES, tol=1e-3,
        accepts=(_by_svd, _transposed,
                 _circle(lambda W1, W2, B, P: (norm((W2 @ W1 - B) @ P), norm(W2 @ W1 @ (np.eye(len(P)) - P))))),
        mistakes=(
            Mistake(_circle(lambda W1, W2, B, P: (norm(W2 @ W1 - B), _gap(W1, W2, B, P)[1])),
                    "Your first number is the whole gap. Look only where X has data: multiply by X^+ X.",
                    shows=lambda out, *args: abs(out[0] - norm(_circle(_gap)(*args))) < 1e-3 and out[0] > 1e-3),
            Mistake(_circle(lambda W1, W2, B, P: _gap(W1, W2, B, P)[::-1]),
                    "The right numbers in the other order: first on the row space, then off it."),
            Mistake(_circle(lambda W1, W2, B, P: (_gap(W1, W2, B, P)[0], norm(W2 @ W1 - B))),
                    "Your second number is the whole gap. Off the row space means multiplied by I - X^+ X."),
            Mistake(_circle(lambda W1, W2, B, P: tuple(v**2 for v in _gap(W1, W2, B, P))),
                    "These are the squares of the two norms."),
            Mistake(_circle(lambda W1, W2, B, P: tuple(np.linalg.norm(M, 2) for M in ((W2 @ W1 - B) @ P,
                                                                                      (W2 @ W1 - B) @ (np.eye(len(P)) - P)))),
                    "These are spectral norms, the largest singular values. Asked for is the Frobenius norm, "
                    "np.linalg.norm(matrix)."),
            Mistake(_circle(lambda W1, W2, B, P: (_gap(W1, W2, B, P)[0], norm(W1 - W1 @ P))),
                    "Your second number belongs to W1 alone. Only the product W2 W1 is a map from inputs to outputs."),
            Mistake(_circle(lambda W1, W2, B, P: (norm(W2 @ W1 @ P), _gap(W1, W2, B, P)[1])),
                    "Your first number lacks the pseudo-inverse map: it is W2 W1 alone on the row space."),
            Mistake(_remembered(lambda X, *rest: (X.tobytes(), rest[-1] is _train))(_untrained_gap),
                    "These are the gaps of the initial weights. Train first: theta = solve(loss, theta0)."),
            Mistake(_circle(lambda W1, W2, B, P: (_gap(W1, W2, B, P)[0], 0.0)),
                    "You claim equality everywhere. That holds only for a W1 that starts in the row space of X."),
            Mistake(_circle(lambda W1, W2, B, P: tuple(v / norm(B) for v in _gap(W1, W2, B, P))),
                    "These are relative gaps. Asked for are the two norms themselves."),
        )),
    Exercise(
        id="E12.5", kind="X", minutes=10,
        asks="fair_race(loss, families, seeds, target) -> costs, one for each family",
        hint="For one solver and one seed: a fresh Trace, the start loss.init(seed), and the cost at the first record whose "
             "gnorm is small enough.",
        answer=_answer_to_E12_5, instances=RACE_CASES, seconds=20.0,
        accepts=(_once_a_race(_as_a_list), _once_a_race(_races(over_solvers=np.min))),
        mistakes=(
            Mistake(_once_a_race(_races(cost=_iterations)),
                    "You count iterations. One iteration of Newton-Krylov hides several products: read the cost."),
            Mistake(_once_a_race(_races(seeds_used=lambda seeds: seeds[:1])),
                    "This is one start only. Different starts end in different minima, so take the median over all seeds."),
            Mistake(_once_a_race(_races(seeds_used=lambda seeds: seeds[-1:])),
                    "This is the last start only. Keep the cost of each seed, then take the median."),
            Mistake(_once_a_race(_races(solvers_used=lambda solvers: solvers[:1])),
                    "Each family ran with its first setting only. An untuned competitor loses for the wrong reason: try all "
                    "its settings."),
            Mistake(_once_a_race(_races(over_solvers=np.median)),
                    "You take the median over the settings too. A practitioner uses the best setting of a method."),
            Mistake(_once_a_race(_tuned_by_seed),
                    "You choose the best setting anew for each seed. Nobody knows it beforehand: choose one setting for all "
                    "seeds, by its median."),
            Mistake(_once_a_race(_races(over_seeds=np.mean)),
                    "You take the mean over the seeds. One start that is not solved makes it infinite: take the median."),
            Mistake(_once_a_race(_races(over_seeds=min)),
                    "You report the luckiest start. Take the median over the seeds."),
            Mistake(_once_a_race(_races(over_seeds=max)),
                    "You report the unluckiest start. Take the median over the seeds."),
            Mistake(_once_a_race(_races(over_seeds=_finite_median)),
                    "You drop the starts that were not solved. A failure is a result: its cost is infinite, np.inf."),
            Mistake(_once_a_race(_races(cost=_capped)),
                    "A run that ends without reaching the target counts here as if it had. Its cost is infinite, np.inf."),
            Mistake(_once_a_race(_races(cost=lambda trace, target: trace.total)),
                    "You count the whole run. The race ends where the target is first reached."),
            Mistake(_once_a_race(_races(cost=_last_crossing)),
                    "You count until the gradient stays small. The race ends where the target is first reached."),
            Mistake(_once_a_race(_races(one=True)),
                    "One Trace served all runs, so each pays for those before it. Make a fresh one for each run."),
        )),
]

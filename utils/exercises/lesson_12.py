"""Lesson 12, Newton-Krylov on a network: truncated CG, its outer loop, forcing terms, full circle, a fair race."""
import copy
import functools
import re
import statistics
from dataclasses import dataclass

import numpy as np

from .. import data
from ..checking import Exercise, Mistake, Remark, Seen
from ..krylov import steihaug
from ..losses import LeastSquares
from ..network import NetworkLoss
from ..trace import Trace

norm = np.linalg.norm


@functools.cache
def _fact(name):
    """A kind of error: something that was seen in a run, and so is true of the run, whatever its cause."""
    return type(name, (Seen,), {})


class Product:
    """v -> Hv of a matrix that the caller does not see; it watches whether g, the caller's, is changed meanwhile."""

    def __init__(self, matrix, g):
        self._matrix, self._calls = np.asarray(matrix, float), 0
        self._g, self._g_given, self._first, self._conjugate = g, g.copy(), None, None

    def __call__(self, v):
        v = np.asarray(v, float)
        self._calls += 1
        if not np.array_equal(self._g, self._g_given):
            raise _fact("ChangedG")("g, which belongs to the caller, was changed before the loop ended")
        if not np.all(np.isfinite(v)):
            raise _fact("NotFinite")("hv was called with a vector that is not finite" + (
                "" if np.any(self._g) else ", where g = 0 and p = 0 is asked for"))
        product = self._matrix @ v
        if self._first is None and np.any(v):
            self._first = v.copy()
        elif self._conjugate is None and np.any(v) and abs(v @ self._first) < (1 - 1e-12) * norm(v) * norm(self._first):
            self._conjugate = abs(product @ self._first) < 1e-6 * norm(product) * norm(self._first)
        if self._calls > 50 * len(self._matrix):
            raise _fact("NotConjugate" if self._conjugate is False else "TooManyProducts")(
                f"it asked for {self._calls} products, with {len(self._matrix)} unknowns")
        return product

    def _is_no_vector(self, *_):
        raise _fact("HvAsVector")("hv, the first argument, was used as a vector")

    __len__ = __neg__ = __rmul__ = __array__ = _is_no_vector


def _remembered(key):
    """A decorator: the answer is computed once for each key(*args), its value or its error; the arguments are data."""
    def remember(answer):
        results = {}

        @functools.wraps(answer)
        def replay(*args, **named):
            found = key(*args)
            if found not in results:
                try:
                    results[found] = answer(*args, **named)
                except (RuntimeError, ValueError) as err:
                    results[found] = err
            if isinstance(results[found], Exception):
                raise results[found]
            return copy.deepcopy(results[found])
        return replay
    return remember


# ------------------------------------------------------------------------- E12.1: truncated conjugate gradients
def _from_r(g, p, hv, r):
    return p @ (r + g) / 2


def _step_to_edge(p, d, delta, backwards=False):
    root = np.sqrt(max((p @ d)**2 + (d @ d) * (delta**2 - p @ p), 0.0))
    return ((-root if backwards else root) - p @ d) / (d @ d)


def _in_place(r, new):
    r[...] = new
    return r


def _truncated(bent="edge", left="edge", heeds_radius=True, backwards=False, at_most=None, model=None,
               turn=lambda new, r: (new @ new) / (r @ r), bends=lambda curvature: curvature <= 0, boundary_first=False,
               update=lambda r, new: new, goes_on=lambda r, g, tol: norm(r) > tol * norm(g)):
    """Steihaug's method with one part replaced. bent, left: where it ends at d'Hd <= 0, and outside the region."""
    @np.errstate(all="ignore")
    def answer(hv, g, delta, tol):
        p, r, d, stop, k = 0.0 * g, (g if update is _in_place else 1.0 * g), -g, "tolerance", 0
        while goes_on(r, g, tol) and k < (at_most or 10**9):
            Hd = hv(d)
            curvature, edge, k = d @ Hd, _step_to_edge(p, d, delta, backwards), k + 1
            step = (r @ r) / curvature
            leaving = heeds_radius and norm(p + step * d) >= delta
            bending = bends(curvature) and bent != "ignored"
            if bending or leaving:
                bending = bending and not (boundary_first and leaving)
                stop, how = ("negative curvature", bent) if bending else ("boundary", left)
                r = update(r, r + edge * Hd) if how == "edge" else r
                p = {"edge": p + edge * d, "edge, r stays": p + edge * d, "here": p, "along d": delta * d / norm(d),
                     "stretched": delta * (p if np.any(p) else -g) / norm(p if np.any(p) else g),
                     "shrunk": delta * (p + step * d) / norm(p + step * d)}[how]
                break
            p, new = p + step * d, r + step * Hd
            d = -new + turn(new, r) * d
            r = update(r, new)
        return p, (g @ p + p @ hv(p) / 2 if model is None else model(g, p, hv, r)), stop
    return answer


_steihaug = _truncated()


def _for(n, slip):
    """A slip that is made with n unknowns only."""
    return lambda hv, g, delta, tol: (slip if len(g) == n else _steihaug)(hv, g, delta, tol)


def _lower_root(hv, g, delta, tol):
    """The library's: at negative curvature the end of the line with the lower model value."""
    solution = steihaug(hv, g, delta, tol, maxiter=10 * len(g))
    return solution.x, solution.model, solution.stop


def _right_parts(out, hv, g, delta, tol):
    """Whether p, q and stop are right, for the root that is nearer."""
    rights = _steihaug(hv, g, delta, tol), _lower_root(hv, g, delta, tol)
    right = min(rights, key=lambda right: norm(out[0] - right[0]))
    return (norm(out[0] - right[0]) <= 1e-5 * norm(right[0]), abs(out[1] - right[1]) <= 1e-5 * abs(right[1]),
            out[2] == right[2].replace(" ", ""))


CAPPED = ("On a badly conditioned H your stop is 'tolerance', and ||Hp + g|| is above tol ||g||. With rounding CG can need more "
          "than n products: what ends your loop?")


def _first_wrong_part(out, hv, g, delta, tol):
    """What can be said of p, else of q, else of stop, without knowing how they were made."""
    (p, q, stop), (p_right, q_right, _) = out, _right_parts(out, hv, g, delta, tol)
    where, gradient = f"With {len(g)} unknowns, delta = {delta:g} and tol = {tol:g},", hv(p) + g
    size, named = norm(gradient) / norm(g), repr(stop.replace("vec", "ve c"))
    if p_right and q_right and stop in ("tolerance", "boundary", "negativecurvature"):
        return f"{where} p and q are right, but not the exit {named}. Print d'Hd and alpha there: which test should come first?"
    if p_right and q_right:
        return f"{where} p and q are right and stop is {named}. It is one of 'tolerance', 'boundary' and 'negative curvature'."
    if p_right:
        return (f"{where} p is right and your q is {q:.4g}. Compare it with g'p + p'Hp/2, from one more product at your p; if it "
                "comes from r, does that r belong to the same p?")
    if norm(p) > 1.00001 * delta:
        return f"{where} your p has length {norm(p):.4g}, outside the region. Print a and ||p + a d|| where the path leaves it."
    if stop in ("boundary", "negativecurvature") and norm(p) < 0.99999 * delta:
        return f"{where} your stop is {named} and your p has length {norm(p):.4g}. Print a and ||p + a d|| where the path leaves."
    if stop == "tolerance":
        where = f"{where} your stop is 'tolerance' and ||Hp + g|| is {size:.2g} ||g||."
        return CAPPED if len(g) == 12 and size > 1.1 * tol else f"{where} " + (
            "Print ||r|| / ||g|| after each product: is this the first p within tol?" if size <= 1.001 * tol else
            "What do you compare with what: ||r|| or its square, tol or another number?" if size <= 1.001 * np.sqrt(tol) else
            "Compare your r with Hp + g after each product.")
    if abs(g @ gradient) > 1e-6 * (g @ g) and abs(p @ g) < (1 - 1e-9) * norm(p) * norm(g):
        return (f"{where} g'(Hp + g) is {g @ gradient:.2g} at your p; with conjugate directions it is 0 from the first full step "
                "on. Print d_+'Hd after each product, which should be 0: look at alpha, at beta and at the signs in d and d_+.")
    if stop in ("boundary", "negativecurvature"):
        return (f"{where} your p is on the edge, but not where the path leaves the region. Print p, d and a > 0 at the last "
                "product: does p + a d give your p?")
    return f"{where} your p, of length {norm(p):.4g}, is another than asked. Print p, r and d after each product: is r = Hp + g?"


def _newton_scaled(hv, g, delta, tol):
    p, model, stop = _truncated(bent="ignored", heeds_radius=False)(hv, g, delta, tol)
    if norm(p) > delta:
        p, stop = p * delta / norm(p), "boundary"
    return p, g @ p + p @ hv(p) / 2, stop


def _instance(matrix, g, delta, tol):
    g = np.array(g, float)
    return Product(matrix, g), g, delta, tol


def _symmetric(seed, eigenvalues, delta, tol, scale=1.0):
    n = len(eigenvalues)
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]
    return _instance((Q * eigenvalues) @ Q.T, scale * np.random.default_rng(100 + seed).standard_normal(n), delta, tol)


BOWL, WIDE = np.diag([4.0, 1, -0.5]), np.geomspace(1, 50, 8)
STEIHAUG_CASES = (
    _instance(BOWL, [1.0, 1, 0.3], 2.0, 1e-8),                        # negative curvature at product 3
    _instance(BOWL, [1.0, 1, 0.3], 1.0, 1e-8),                        # the boundary at product 2
    _symmetric(0, [1.0, 2, 5, 9], 100.0, 1e-8),                       # Newton's step
    _symmetric(1, WIDE, 100.0, 0.3),                                  # a loose tolerance
    _symmetric(2, WIDE, 1.0, 0.1, 1e-6),                              # a small gradient
    _symmetric(3, WIDE, 1e5, 1e-6, 1e6),                              # a large one, and the boundary
    _symmetric(4, [-3.0, -1, 2, 6, 7], 0.7, 1e-6),
    _symmetric(5, [-0.2, 1, 3, 6, 9], 3.0, 1e-6),
    _instance(-np.eye(2), [3.0, 4], 1.5, 1e-6),                       # at the very first product
    _instance(np.diag([1.0, 0, -1]), [0.0, 1, 0], 2.0, 1e-8),         # d'Hd = 0
    _symmetric(6, [1e-14, 2e-14, 5e-14], 100.0, 1e-8, 1e-14),         # small and positive
    _symmetric(7, np.geomspace(1, 1e4, 12), 1e9, 1e-8),               # where rounding asks for more than n products
    _instance(np.eye(2), [0.0, 0], 1.0, 0.1),                         # nothing to do
)


# --------------------------------------------------------------------------------- E12.2: Newton-Krylov, assembled
class Meter:
    """A loss that watches whoever minimizes it, and ends a run by a _fact.

    A round begins with products, at theta = `at`; its trial is the first value asked for after them.
    At the end |g|/|g0| must be from `leaves` to `reaches`, and the loss not above `lowest`.
    radius: whether a first trial that was cut must have length 1, and the one after an accepted one another length.
    """

    def __init__(self, name, loss, tol, maxiter, reaches=1e-6, leaves=0.0, lowest=np.inf, radius=False):
        self.name, self.loss, self.tol, self.maxiter = name, loss, tol, maxiter
        self.reaches, self.leaves, self.lowest, self.radius = reaches, leaves, lowest, radius
        self.at, self.norms, self.points, self.trials, self.visited = None, [], [], [], []
        self.last_call, self.products, self.rounds, self.tried, self.wasted, self.lengths = None, 0, 0, 0, 0, []
        self.forcing, self.eta, self.size, self.size_before = None, np.inf, None, None

    def fun(self, x):
        x = np.array(x, float)
        f = self.loss.fun(x)
        if self._called("value") == "product":
            self.trials.append((x - self.at, f - self.f))
            if np.any(x != self.at):
                self._try(x - self.at, f - self.f)
        return f

    def _try(self, p, rise):
        self.tried += 1
        self.wasted += abs(rise) <= 1e-14 * abs(self.f)
        if self.wasted > 50:
            raise _fact("BelowRounding")("over 50 steps were tried whose change of the loss is below its rounding")
        if self.tried > self.maxiter:
            raise _fact("PastMaxiter")(f"maxiter is {self.maxiter}, and step {self.tried} was tried")
        if self.forcing is not None and not self.forcing.calls:
            raise _fact("NoForcing")("a step was tried before forcing was called")
        if self.radius and len(self.lengths) < 2:
            gradient = self.loss.grad(self.at)
            cut = norm(self.loss.hessp(self.at, p) + gradient) > 1.01 * self.eta * norm(gradient)
            self.lengths.append(norm(p) if cut else np.inf)
            if cut and len(self.lengths) == 1 and abs(norm(p) - 1) > 1e-5:
                raise _fact("FirstRadius")(f"the first step is cut at the length {norm(p):.4g}")
            if cut and len(self.lengths) == 2 and len(self.visited) == 2 and abs(norm(p) - self.lengths[0]) < 1e-5:
                raise _fact("SameRadius")("two steps were cut at the same length, and the first was as good as promised")

    def grad(self, x):
        x = np.array(x, float)
        g = self.loss.grad(x)
        self._called("gradient")
        if x.tobytes() not in self.points:
            self.points.append(x.tobytes())
            self.norms.append(norm(g))
            self.trials = []
        if len(self.norms) > 5 and self.products == 0:
            raise _fact("NoProducts")(f"{len(self.norms)} gradients were asked for, and no product Hv")
        if any(size <= self.tol * self.norms[0] for size in self.norms[:-3]):
            raise _fact("PastTolerance")(f"||g|| was below {self.tol:g} of its start already, three thetas ago")
        return g

    def hessp(self, x, v):
        return self._product(self.loss.hessp, x, v)

    def ggnp(self, x, v):
        return self._product(self.loss.ggnp, x, v)

    def _product(self, product, x, v):
        x, v = np.array(x, float), np.asarray(v, float)
        self.products += 1
        if self.products > 20_000:
            raise _fact("TooManyProducts")(f"{self.products} products were asked for in {self.rounds} rounds")
        if self._called("product") != "product":
            self._begin_round()
        if self.at is None or not np.array_equal(x, self.at):
            self._move(x)
        if self.forcing is not None:
            self.forcing.judge()
        return product(x, v)

    def _begin_round(self):
        self.rounds += 1
        if self.rounds > 2 * self.maxiter + 2:
            raise _fact("PastMaxiter")(f"maxiter is {self.maxiter}, and round {self.rounds} was begun")
        if len(self.trials) >= 20:
            raise self._refused()

    def _move(self, x):
        f = self.loss.fun(x)
        if x.tobytes() not in self.points:
            raise _fact("NoGradient")("products were asked for at a theta where the gradient never was")
        if self.at is not None and f > self.f + 1e-10 * abs(self.f):
            raise _fact("UphillStep")(f"a step was taken on which the loss rises from {self.f:.4g} to {f:.4g}")
        self.visited.append(self.points.index(x.tobytes()))
        self.at, self.f, self.trials = x, f, []
        size = norm(self.loss.grad(x))
        self.size, self.size_before = size, size if self.size is None else self.size

    def _refused(self):
        """Twenty trials from one theta, all refused: what they have in common."""
        (p, change), g = self.trials[0], self.loss.grad(self.at)
        promise = g @ p + p @ self.loss.hessp(self.at, p) / 2
        if all(np.allclose(other, p, rtol=1e-9, atol=0) for other, _ in self.trials):
            return _fact("SameStep")("the same step was tried and refused 20 times in a row")
        if all(abs(rise) <= 1e-14 * abs(self.f) for _, rise in self.trials):
            return _fact("BelowRounding")("20 steps were refused whose change of the loss is below its rounding")
        if g @ p > 0:
            return _fact("PointsUphill")("20 steps were refused, the first of which points uphill: g'p > 0")
        if change < 0.25 * promise < 0:
            return _fact("GoodStepRefused")("20 steps were refused, and the first one had rho above 1/4")
        return _fact("Refused")("20 steps in a row were refused")

    def _called(self, call):
        """Notes a call; returns the one before it."""
        before, self.last_call = self.last_call, call
        return before


class Forcing:
    """A forcing term that compares its arguments with the gradients so far: at the next product, where theta is known."""

    def __init__(self, meter, rule):
        self.meter, self.rule, self.calls, self.came = meter, rule, 0, None
        meter.forcing = self

    def __call__(self, now, before):
        if not np.isfinite(now):
            raise _fact("NanStep")("a step was taken to where the gradient is nan")
        self.calls += 1
        self.came, self.meter.eta = (now, before), self.rule(now, before)
        return self.meter.eta

    def judge(self):
        if self.came is None:
            return
        (now, before), size, size_before = self.came, self.meter.size, self.meter.size_before
        came, self.came = f"forcing came with now = {now:.4g}, before = {before:.4g}", None
        right_now, right_before = _close(now, size), _close(before, size_before)
        if right_now and right_before:
            return
        if not right_now and _close(now, self.meter.norms[-1]) and self.meter.points[-1] != self.meter.at.tobytes():
            raise _fact("OtherTheta")(f"{came}, and the first belongs to another theta than the products")
        if _close(now, size_before) and _close(before, size):
            raise _fact("SwappedForcing")(f"{came}, and the first is the older")
        if right_now and _close(before, now):
            after = "a refused step" if self.meter.trials else "a step"
            raise _fact("RefusedForcing" if self.meter.trials else "EqualForcing")(f"{came}, after {after}")
        if right_now and any(_close(before, known) for known in self.meter.norms):
            raise _fact("StaleForcing")(f"{came}, and the second is from another theta than the one before")
        raise _fact("OtherForcing")(f"{came}, and ||g|| is {size:.4g} here and was {size_before:.4g} at the theta before")


def _close(size, known):
    return abs(size - known) <= 1e-5 * known


class Separable:
    """A sum of functions of one variable each, given by triples (f, f', f'')."""

    def __init__(self, *terms):
        self.terms = terms

    def _each(self, which, x):
        return np.array([float(term[which](t)) for term, t in zip(self.terms, x)])

    def fun(self, x):
        return float(np.sum(self._each(0, x)))

    def grad(self, x):
        return self._each(1, x)

    def hessp(self, x, v):
        return self._each(2, x) * v

    def ggnp(self, x, v):  # |curvature|, for want of residuals
        return np.abs(self._each(2, x)) * v


def _parabola(bend, height=0.0):
    return lambda t: height + bend * t**2 / 2, lambda t: bend * t, lambda t: bend


SQUARE = _parabola(1.0)
HILL = (lambda t: t**4 / 4 - t**2 / 2, lambda t: t**3 - t, lambda t: 3 * t**2 - 1)               # of lesson 10
TINY_QUARTIC = (lambda t: 1e-6 * t**4 / 4, lambda t: 1e-6 * t**3, lambda t: 3e-6 * t**2)
BACKWARDS = (lambda t: t**2 / 2, lambda t: -t, lambda t: 1.0)                                      # a gradient of the wrong sign
LOG_COSH = (lambda t: np.logaddexp(t, -t) - np.log(2), np.tanh, lambda t: 1 - np.tanh(t)**2)   # flat far out
BARRIER = (lambda t: t - np.log(t) if t > 0 else np.nan, lambda t: 1 - 1 / t if t > 0 else np.nan,
           lambda t: 1 / t**2 if t > 0 else np.nan)
MIRROR = (lambda t: (t**2 + 4e-6)**0.75, lambda t: 1.5 * t * (t**2 + 4e-6)**-0.25,             # Newton: from t to about -t
          lambda t: 1.5 * (t**2 / 2 + 4e-6) * (t**2 + 4e-6)**-1.25)


def _forcing(now, before):
    return min(0.5, 0.9 * (now / before)**2)


def _outer(product="hessp", eta=lambda forcing, now, before: forcing(now, before), solve=_steihaug, radius=1.0, grow=2.0,
           bad=lambda rho: not rho >= 0.25, shrink=lambda p, delta: norm(p) / 4, takes=lambda rho, rise: rho > 1e-4,
           ratio=lambda fall, model: fall / model, noise=1e-14, goal=lambda tol, size: tol * size, most=lambda maxiter: maxiter,
           constant=0.0, sign=1, old=(), stop_at_rejection=False, quits=lambda model, f: False):
    """Newton-Krylov with one part replaced; `old` names what stays behind when theta moves."""
    def answer(loss, theta0, tol=1e-8, forcing=_forcing, maxiter=300):
        theta, delta = np.array(theta0, float), radius
        f, g, first = loss.fun(theta), loss.grad(theta), theta
        last, size, f_first, rounds = norm(g), norm(g), f, 0
        end = goal(tol, size)
        while rounds < most(maxiter) and not size <= end:
            rounds += 1
            center = first if "H" in old else theta
            p, model, stop = solve(functools.partial(getattr(loss, product), center), g, delta, eta(forcing, size, last))
            if quits(model, f):
                break
            f_new, unit = loss.fun(theta + sign * p), constant + noise * abs(f_first if "unit" in old else f)
            rho = ratio(f_new - f - unit, model - unit)
            if bad(rho):
                delta = shrink(p, delta)
            elif rho > 0.75 and stop != "tolerance":
                delta = grow * delta
            last = size if "refused" in old else last
            if takes(rho, f_new - f):
                theta = theta + sign * p
                f, last = (f if "f" in old else f_new), (last if "before" in old else size)
                g = g if "g" in old else loss.grad(theta)
                size = norm(g)
                last = size if "equal" in old else last
            elif stop_at_rejection:
                break
            elif "rounds" in old:
                rounds -= 1
        return theta
    return answer


_newton_krylov = _outer()


_stops_at_noise = _outer(noise=0, quits=lambda model, f: -model <= 1e-15 * abs(f), takes=lambda rho, rise: rho > 0, grow=3.0,
                         solve=_lower_root)  # the other cure: to end where the loss cannot measure what the model promises


def _line_search(loss, theta0, tol=1e-8, forcing=_forcing, maxiter=300):
    """Newton-CG with a line search; at negative curvature it keeps what CG has, or takes the direction itself."""
    theta = np.array(theta0, float)
    g = loss.grad(theta)
    first = last = norm(g)
    for _ in range(maxiter):
        if norm(g) <= tol * first:
            break
        p = _truncated(bent="here", heeds_radius=False)(functools.partial(loss.hessp, theta), g, 1.0, forcing(norm(g), last))[0]
        p, f, t = (p if np.any(p) else -g / norm(g)), loss.fun(theta), 1.0
        while not loss.fun(theta + t * p) <= f + 1e-4 * t * (g @ p) + 1e-14 * abs(f) and t > 1e-12:
            t /= 2
        theta, last = theta + t * p, norm(g)
        g = loss.grad(theta)
    return theta


def _is_minimizer(theta, meter, theta0, *options):
    loss = meter.loss
    g0, g, f = norm(loss.grad(theta0)), norm(loss.grad(theta)), loss.fun(theta)
    return bool(meter.leaves * g0 <= g <= meter.reaches * g0 and f <= min(meter.lowest, _and_rounding(loss.fun(theta0))))


def _and_rounding(f):
    return f + 1e-6 * abs(f)


def _where_it_ended(theta, meter, theta0, tol=1e-8, forcing=None, maxiter=300):
    loss, where = meter.loss, f"On {meter.name}, with tol = {meter.tol:g} and maxiter = {meter.maxiter},"
    g0, g, f = norm(loss.grad(theta0)), norm(loss.grad(theta)), loss.fun(theta)
    if not np.all(np.isfinite([g, f])):
        return f"{where} the loss is {f:.3g} at your theta. Print rho at each round: what does your code do where it is nan or inf?"
    if f > _and_rounding(loss.fun(theta0)):
        return f"{where} the loss is higher at your theta than at theta0. Print rho and f at each round."
    where = f"{where} ||g|| is {g / g0:.1e} of its start at your theta."
    if g >= 0.999 * g0:
        return f"{where} Print p in the first round, the number that steihaug gets as tol, and what you return."
    if "forcing" in meter.name and g > meter.reaches * g0:
        return f"{where} Which number does your steihaug get as tol?"
    if meter.reaches * g0 < g <= 1.01 * np.sqrt(meter.tol) * g0:
        return f"{where} That is between tol and its root: do you compare norms or their squares, and is it what ends your loop?"
    if g > meter.reaches * g0:
        return f"{where} Print rho, delta and ||g|| at each round: what ends your loop?"
    if g < meter.leaves * g0:
        return f"{where} That is less than was asked. What ends steihaug there?"
    return f"{where} It is a stationary point, no minimizer, of value {f:.4g}. What do you do where d'Hd <= 0?"


def _case(name, loss, theta0, tol=1e-8, rule=_forcing, maxiter=100, default=False, **wanted):
    """An instance of E12.2. default: without the arguments that have a default."""
    meter = Meter(name, loss, tol, maxiter, **wanted)
    return (meter, np.array(theta0, float)) + (() if default else (tol, Forcing(meter, rule), maxiter))


def _patients_network():
    patients = data.diabetes()
    X, y = patients.X[patients.train] * np.sqrt(442), patients.y[patients.train]
    return NetworkLoss([10, 5, 1], X, (y - y.mean()) / y.std(), loss="squared", l2=0.01)


def _least_squares(seed, size, noise):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((30, 6))
    return LeastSquares(A, A @ (size * rng.standard_normal(6)) + noise * rng.standard_normal(30))


NETWORK, QUADRATIC = _patients_network(), _least_squares(4, 0.005, 0.005)
NETWORK_CASES = (
    _case("linear least squares, forcing 1e-12", QUADRATIC, np.zeros(6), rule=lambda now, before: 1e-12, maxiter=1),
    _case("linear least squares, forcing 0.5", QUADRATIC, np.zeros(6), rule=lambda now, before: 0.5, maxiter=1,
          reaches=0.501, leaves=1e-3),
    _case("a quadratic with a far minimizer", Separable(*map(_parabola, (100, 1, 0.01))), [1.2, 0.5, 1000],
          rule=lambda now, before: 1e-3, radius=True),
    _case("a quadratic plus a large constant", Separable(*(_parabola(bend, 2e7) for bend in (1, 2, 5, 10, 20, 50))), np.ones(6),
          1e-10, rule=lambda now, before: 0.5, maxiter=200, reaches=1e-3),  # where the last falls are below rounding
    _case("a network of 61 weights", NETWORK, NETWORK.init(0)),
    _case("the network from another start", NETWORK, NETWORK.init(1), 1e-2, reaches=1.1e-2),
    _case("the network once more", NETWORK, NETWORK.init(1), maxiter=3, reaches=np.inf),
    _case("a small quartic", Separable(TINY_QUARTIC, TINY_QUARTIC), [3, 1]),
    _case("the saddle of lesson 10", Separable(SQUARE, HILL), [1, 0.3], lowest=-0.2499),
    _case("a sum of log cosh", Separable(*4 * [LOG_COSH]), [5, -5, 7, 0.5], maxiter=300, default=True),
    _case("a loss that mirrors Newton's steps", Separable(MIRROR, SQUARE), [0.4, 0.3]),
    _case("x - log x, nan where x <= 0,", Separable(BARRIER, SQUARE), [5, 1], maxiter=18, reaches=np.inf),
    _case("a loss whose gradient has the wrong sign", Separable(BACKWARDS, BACKWARDS), [1, 2], maxiter=10, reaches=np.inf),
    _case("a loss that falls by many digits", Separable(_parabola(1e8), LOG_COSH), [1e4, 5], 1e-16, reaches=np.inf),
)


_once_a_case = _remembered(lambda meter, *rest: meter.name)


def _slip(**parts):
    return _once_a_case(_outer(**parts))


_right = _slip()


def _on_case(k, slip, says):
    """A mistake that is made on one case only, so that `says` is said of whoever does there what the slip does."""
    slip, name = _once_a_case(slip), NETWORK_CASES[k][0].name

    def answer(loss, theta0, tol=1e-8, forcing=_forcing, maxiter=300):
        return (slip if loss.name == name else _right)(loss, theta0, tol, forcing, maxiter)
    return Mistake(answer, says)


# ------------------------------------------------------------------------------------------ E12.3: forcing terms
RULES = {"05": "A", "01": "B", "001": "C", "1e8": "D", "1e08": "D", "10": "D", "root": "E", "squareroot": "E", "ew": "F",
         "eisenstatwalker": "F"}  # what is left of a rule's name without its punctuation (and raised digits)


def _two_letters(out):
    """("D", "F") from "DF", "D, F", "d and f", ["D: 1e-8", "F: E.-W."], ("1e-8", "Eisenstat-Walker")."""
    if isinstance(out, str):
        words = re.split(r"[\s,;/]+(?:and[\s,;]+)?", out.strip(" ()[]"))
        letters = re.findall(r"(?<![\w.])[A-Fa-f](?![\w.])(?!-\w)", out)
        out = list(out.strip()) if re.fullmatch(r"\s*[A-Fa-f]{2}\s*", out) else letters if len(letters) == 2 else words
    if isinstance(out, list) and len(out) != 2 and all(isinstance(word, str) for word in out):
        out = " ".join(out), ""  # a text without two letters in it
    return tuple(map(_letter, out)) if isinstance(out, (tuple, list, np.ndarray)) and len(out) == 2 else out


def _letter(word):
    text = "".join(c for c in str(word).casefold() if c.isalnum() and c.isascii())
    if re.match(r"\W*[a-f]\W*(:|$)", str(word).casefold()):
        return text[0].upper()
    return RULES.get(text.removeprefix("eta"), word)


# --------------------------------------------------------------------------------------------- E12.4: full circle
class Solver:
    """The solver that is given: it wants the theta0 that is given, and may train nothing."""

    def __init__(self, theta0, trains):
        self.theta0, self.trains, self.calls = np.array(theta0, float), trains, 0

    def __call__(self, loss, theta0):
        self.calls += 1
        if self.calls == 1 and not np.array_equal(np.ravel(theta0), self.theta0):
            raise _fact("OtherStart")("solve was called with another theta than theta0")
        return _newton_krylov(loss, theta0, tol=1e-8) if self.trains else np.array(theta0, float)


def _linear_network(X, Y, width, theta0, solve):
    """The product W2 W1 of the trained network, its layers, the pseudo-inverse map and the projection on the rows."""
    loss = NetworkLoss([X.shape[1], width, Y.shape[1]], X, Y, activation="identity", loss="squared")
    (W1, _), (W2, _) = loss.layers(solve(loss, theta0))
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


_once_a_circle = _remembered(lambda X, *rest: (X.tobytes(), rest[-1].trains))
_full_circle = _once_a_circle(_circle(_gap))
_untrained_gap = _once_a_circle(lambda X, Y, width, theta0, solve: _circle(_gap)(X, Y, width, theta0, Solver(theta0, trains=False)))


def _which_gap(out, X, Y, width, theta0, solve):
    """Which of the two numbers is wrong, and what is known of it."""
    right = _full_circle(X, Y, width, theta0, solve)
    good = [abs(mine - asked) <= 1e-3 * max(right) for mine, asked in zip(out, right)]
    where = f"With an X of shape {X.shape} and rank {np.linalg.matrix_rank(X)}" + (
        "," if solve.trains else ", and a solve that trains nothing,")
    if not solve.trains and out[0] == 0 < right[0]:
        return f"{where} your first number is 0. Is your theta what the given solve returns, or does another solver train it?"
    if not any(good) and abs(np.hypot(*out) - np.hypot(*right)) <= 1e-3 * np.hypot(*right):
        return f"{where} your two numbers split the right gap at another space. Compare the rank of your projection with that of X."
    if not any(good):
        return (f"{where} both numbers are wrong. Is your network linear and without weight decay, with squared loss, trained from "
                "the theta0 that was given?")
    if all(good):
        return f"{where} your first number is small, but not rounding. Is your map that of pinv(X), or one near it?"
    number, asked = ("first", "times X^+ X") if good[1] else ("second", "minus that times X^+ X")
    return (f"{where} your {number} number is {out[good.index(False)]:.4g}, and the other is right. Compare it with the norm of "
            f"the gap {asked}.")


def _thin_problem(seed, m, d, rank, K, width, trains=True, inside=False):
    """Centered inputs of a given rank, targets, and a random start, with W1 inside the row space or not."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, d)) / np.sqrt(rank), rng.standard_normal((m, K))
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    X[:, -1] = X[:, -1] if trains else 0.0
    loss = NetworkLoss([d, width, K], X, Y, activation="identity", loss="squared")
    theta0 = loss.init(seed)
    if inside:
        W1 = loss.layers(theta0)[0][0]
        W1[...] = W1 @ np.linalg.pinv(X) @ X
    return X, Y, width, theta0, Solver(theta0, trains)


CIRCLE_CASES = (_thin_problem(0, 20, 5, 3, 2, 3), _thin_problem(1, 25, 6, 4, 3, 3), _thin_problem(2, 20, 5, 3, 2, 3, inside=True),
                _thin_problem(3, 4, 6, 3, 1, 2), _thin_problem(4, 20, 5, 3, 2, 3, trains=False))  # the last: one column is 0

# ----------------------------------------------------------------------------------------------- E12.5: a fair race
def _wants_a_trace(loss):
    if not hasattr(loss, "gnorm"):
        raise _fact("NoTrace")("a solver was called with a loss that records nothing")


@dataclass(frozen=True)
class Descent:
    """A solver for the race: gradient descent, or heavy ball, for a fixed number of steps."""
    alpha: float
    steps: int
    beta: float = 0.0

    def __call__(self, loss, theta0):
        _wants_a_trace(loss)
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
        _wants_a_trace(loss)
        return _newton_krylov(loss, theta0, tol=1e-6, forcing=lambda now, before: self.eta, maxiter=self.steps)


_runs = {}


def _run(loss, solver, seed):
    """The trace of one run; each is made once."""
    key = loss.fun(loss.init(seed)), solver, seed
    if key not in _runs:
        _runs[key] = Trace(loss)
        solver(_runs[key], loss.init(seed))
    return _runs[key]


def _cost(trace, target, miss=np.inf, level=lambda trace: trace.gnorm / trace.gnorm[0], what=lambda trace: trace.cost):
    reached = level(trace) <= target
    return what(trace)[np.argmax(reached)] if reached.any() else miss


def _races(cost=_cost, over_seeds=np.median, over_solvers=min, run=_run, seeds_used=lambda seeds: seeds,
           solvers_used=lambda solvers: solvers):
    """The fair race with one part replaced."""
    def answer(loss, families, seeds, target):
        results = []
        for solvers in families:
            table = [[cost(run(loss, solver, seed), target) for seed in seeds_used(seeds)] for solver in solvers_used(solvers)]
            results.append(over_solvers([over_seeds(row) for row in table]))
        return _misses_as_numbers(results)
    return answer


_fair_race = _races()


@_remembered(lambda loss, families, seeds, target: (target, len(seeds)))
def _one_trace(loss, families, seeds, target):
    """One trace for all runs."""
    shared = Trace(loss)

    def run(loss, solver, seed):
        solver(shared, loss.init(seed))
        return shared
    return _races(run=run)(loss, families, seeds, target)


def _tuned_by_seed(loss, families, seeds, target):
    """The best solver of the family anew for each seed."""
    return [np.median([min(_cost(_run(loss, solver, seed), target) for solver in solvers) for seed in seeds])
            for solvers in families]


def _as_a_list(loss, families, seeds, target):
    """By comprehensions, with a plain loop to the first small gradient."""
    def first(solve, seed):
        trace = Trace(loss)
        solve(trace, loss.init(seed))
        return next((c for c, size in zip(trace.cost, trace.gnorm) if size <= target * trace.gnorm[0]), float("inf"))
    return [min(statistics.median(first(solve, seed) for seed in seeds) for solve in solvers) for solvers in families]


def _whole(number):
    """One number of the whole run, at each record."""
    return lambda trace: np.full(len(trace.cost), float(number(trace)))


def _last_crossing(trace, target):
    above = np.flatnonzero(trace.gnorm > target * trace.gnorm[0])
    return trace.cost[above[-1] + 1] if above[-1] + 1 < len(trace.cost) else np.inf


def _finite_median(row):
    row = np.asarray(row)
    return np.median(row[np.isfinite(row)]) if np.any(np.isfinite(row)) else np.inf


def _misses_as_numbers(out):
    """Infinity is an answer here: -1.5 stands for it, and -2.5 for nan."""
    try:
        values = np.asarray(out, float)
    except (TypeError, ValueError):
        return out
    return np.where(np.isnan(values), -2.5, np.where(np.isposinf(values), -1.5, values))


def _which_family(out, loss, families, seeds, target):
    right = _fair_race(loss, families, seeds, target)
    k = next(k for k in range(len(right)) if abs(out[k] - right[k]) > 1e-6 * abs(right[k]))
    cost = {-1.5: "inf", -2.5: "nan"}.get(out[k], f"{out[k]:.5g}")
    return (f"With {len(seeds)} seeds and target = {target:g} your cost of family {k} is {cost}, and something else was asked. For "
            "one of its solvers and one seed print trace.cost beside trace.gnorm / trace.gnorm[0].")


def _tiny_network(seed, scale=1):
    X = np.random.default_rng(seed).standard_normal((30, 3))
    return NetworkLoss([3, 3, 1], X, scale * (np.sin(X[:, 0]) + X[:, 1] * X[:, 2] / 2), loss="squared", l2=0.02)


FAMILIES = [[Newton(0.1), Newton(1e-6), Newton(0.5)], [Descent(0.5, 90), Descent(0.8, 90), Descent(0.05, 40)],
            [Descent(0.3, 60, 0.6), Descent(0.1, 60, 0.8)], [Descent(0.3, 6)]]
RACE_CASES = ((_tiny_network(9), FAMILIES, [0, 1, 2], 0.02), (_tiny_network(7), FAMILIES, [3, 4, 5], 0.03),
              (_tiny_network(8), FAMILIES, [3, 4, 5, 6, 7], 0.04),
              (_tiny_network(8, scale=6), [[Descent(0.1, 60)], [Newton(0.1)]], [3, 4], 0.3))  # where |g| rises at first


EXERCISES = [
    Exercise(
        id="E12.1", kind="I", minutes=15,
        asks="steihaug(hv, g, delta, tol) -> (p, model, stop)",
        hint="For H = diag(4, 1, -0.5), g = (1, 1, 0.3) print p, r, d'Hd and ||p|| after each product: the third one is the last.",
        answer=_steihaug, instances=STEIHAUG_CASES, holds=lambda out, *args: all(_right_parts(out, *args)),
        diagnose=_first_wrong_part,
        accepts=(_lower_root, lambda hv, g, delta, tol: list(_steihaug(hv, g, delta, tol)),
                 lambda product, gradient, radius, rtol: (_steihaug(product, gradient, radius, rtol)[0].reshape(-1, 1),
                                                          *_steihaug(product, gradient, radius, rtol)[1:])),
        remarks=(Remark(lambda *args: (np.float32(_steihaug(*args)[0]), *_steihaug(*args)[1:]),
                        "Your p is right to about 7 digits, as float32 gives, and later cells compare more. Is something float32?",
                        shows=lambda out, *args: len(out[0]) == 4 and norm(out[0] - _steihaug(*args)[0]) > 1e-9 * norm(out[0])),),
        mistakes=(
            Mistake(_truncated(bent="ignored"), "You divide by d'Hd where it is negative, and end at Newton's point: a saddle of "
                    "the model. Test the sign of d'Hd before you divide."),
            Mistake(_truncated(bent="ignored", heeds_radius=False), "These are plain conjugate gradients: they know neither the "
                    "radius nor the sign of d'Hd. Both must end the loop."),
            Mistake(_newton_scaled, "This scales Newton's step to the radius: a shorter wrong direction. Leave the path where it "
                    "crosses the boundary."),
            Mistake(_truncated(heeds_radius=False), "You go on outside the region: the radius plays no part until the curvature is "
                    "negative."),
            Mistake(_truncated(at_most=1), "You stopped after one step: that is gradient descent with a good step length. Where "
                    "does your loop go on?"),
            Mistake(_truncated(backwards=True), "At the boundary you took the negative root: the step leaves backwards along d, "
                    "uphill first."),
            Mistake(_truncated(bent="here"), "At d'Hd <= 0 you stop where you are. The model falls all the way along d: follow it "
                    "to the end of the region."),
            Mistake(_truncated(bent="stretched"), "At d'Hd <= 0 you stretch p to the radius. The direction in which the model "
                    "falls is d: go along d from p."),
            Mistake(_truncated(left="here"), "When the next step would leave the region you return the last p inside. There is "
                    "more to gain: follow d to the boundary."),
            Mistake(_truncated(left="shrunk"), "You take the step that leaves the region and shrink the result to the radius. Cut "
                    "the last step instead: go along d only as far as the boundary."),
            Mistake(_truncated(goes_on=lambda r, g, tol: norm(r) > tol), "You compare ||r|| with tol itself. Asked for is ||r|| <= "
                    "tol ||g||, so that the size of g does not matter."),
            Mistake(_truncated(turn=lambda new, r: (r @ r) / (new @ new)), "Your beta is upside down: new residual over old one, "
                    "lesson 08."),
            Mistake(_truncated(turn=lambda new, r: 0.0), "Without beta each direction is only the last residual: that is steepest "
                    "descent, step by step. CG adds beta d."),
            Mistake(_truncated(bends=lambda curvature: curvature < 0), "Where d'Hd is exactly 0 you divide by it. The model falls "
                    "along d without end there too."),
            Mistake(_truncated(bends=lambda curvature: curvature < 1e-12), "On an H with small positive curvatures you say "
                    "negative curvature, or p ends as if it were. With which number do you compare d'Hd?"),
            Mistake(_truncated(boundary_first=True), "You look at the length of the CG step before the sign of d'Hd. Where d'Hd <= "
                    "0 there is no CG step: test it first."),
            Mistake(_for(4, _truncated(turn=lambda new, r: 1.0)), "On an H with four positive eigenvalues your loop asks for more "
                    "than 200 products, where CG needs four. Your first two directions are not conjugate: print d_+'Hd, which "
                    "should be 0, and look at beta and at the signs in d_+."),
            Mistake(_for(12, _truncated(at_most=12)), CAPPED),
            Mistake(_truncated(goes_on=lambda r, g, tol: norm(r) >= tol * norm(g), model=_from_r), "For g = 0 the start p = 0 "
                    "meets ||r|| <= tol ||g||, and your p is not finite. What does your loop do where both sides are 0, before its "
                    "first product?", shows=lambda out, hv, g, delta, tol: not np.any(g) and not np.all(np.isfinite(out[0]))),
            Mistake(lambda g, hv, delta, tol: _steihaug(hv, g, delta, tol), "You use the first argument as a vector, and it is hv. "
                    "The order is hv, g, delta, tol."),
            Mistake(_truncated(bent="along d"), "At d'Hd <= 0 your p is delta d / ||d||, from 0. Go along d from the p that CG has "
                    "reached."),
            Mistake(_truncated(bent="edge, r stays", left="edge, r stays", model=_from_r),
                    "Your p is right; your model value belongs to another point. When p moves to the edge, r moves too."),
            Mistake(_for(4, _truncated(update=_in_place)), "Something writes into g before your loop ends: perhaps r is g "
                    "itself under a second name, and r += changes both. Start from a copy, g.copy()."),
            *(Mistake(_truncated(model=model), f"Your p is right; {what}.") for model, what in (
                (lambda g, p, hv, r: g @ p + p @ hv(p), "your model value lacks the 1/2 before p'Hp"),
                (lambda g, p, hv, r: 2 * g @ p + p @ hv(p), "your model value is twice q(p)"),
                (lambda g, p, hv, r: -(g @ p) - p @ hv(p) / 2, "your model value has the other sign. It is q(p), not its fall"),
                (lambda g, p, hv, r: g @ p, "your model value is only its linear part"),
                (lambda g, p, hv, r: norm(hv(p) + g), "the second number is the length of the residual. Asked for is q(p)"))),
            Mistake(lambda hv, g, delta, tol: (-_steihaug(hv, g, delta, tol)[0], *_steihaug(hv, g, delta, tol)[1:]),
                    "Your p points uphill. The first direction is -g."),
            Mistake(lambda *args: (*_steihaug(*args)[:2], _steihaug(*args)[2].replace("negative curvature", "boundary")),
                    "Your p is right; the reason is not. Where d'Hd <= 0 ended it, stop is 'negative curvature', although p is on "
                    "the boundary then too."),
        )),
    Exercise(
        id="E12.2", kind="I", minutes=15,
        asks="newton_krylov(loss, theta0, tol, forcing, maxiter) -> theta, shape (n,)",
        hint="Print rho, delta and ||g|| at each outer iteration, and go through the five steps of the recipe.",
        answer=_right, holds=_is_minimizer, diagnose=_where_it_ended, instances=NETWORK_CASES, seconds=20.0,
        by_name=("tol", "forcing", "maxiter"),
        accepts=(_stops_at_noise, _line_search, _outer(shrink=lambda p, delta: delta / 2, takes=lambda rho, rise: rho > 0),
                 _outer(solve=_lower_root, grow=3.0), _outer(grow=1.5, bad=lambda rho: not rho >= 0.1),
                 lambda loss, start, tol=1e-8, forcing=_forcing, maxiter=300, **options: list(_newton_krylov(
                     loss, start, tol, forcing, maxiter)),
                 lambda loss, theta0, tol=1e-8, forcing=_forcing, maxiter=300: np.float32(_newton_krylov(
                     loss, theta0, tol, forcing, maxiter))[:, None]),
        remarks=(Remark(_slip(bad=lambda rho: rho < 0.25),
                        "On x - log x, which is nan where x <= 0, you do not reach the minimizer. Is your radius made smaller "
                        "where rho is nan?",
                        shows=lambda out, meter, *_: "nan" in meter.name and norm(meter.loss.grad(out)) > 1e-6),),
        mistakes=(
            _on_case(4, _outer(solve=lambda hv, g, *_: (-0.01 * g, -1.0, "tolerance"), takes=lambda *_: True), "Your function asks "
                     "for gradients, and never for a product Hv. Let your steihaug compute the step from products."),
            _on_case(4, _outer(takes=lambda rho, rise: True), "You take a step on which the loss rises. Print rho at each round, "
                     "beside the loss before and after it: where rho is negative, stay where you are."),
            _on_case(4, _outer(old=("g",)), "You ask for products at a theta where you did not ask for the gradient. Is it "
                     "hessp(theta, v), and are theta, f and g changed together when a step is taken?"),
            _on_case(12, _outer(old=("rounds",)), "You go on after maxiter rounds. Count the rounds, the refused ones too."),
            _on_case(5, _outer(goal=lambda tol, size: 1e-8 * size),
                     "You go on after ||g|| has reached tol times its start. With which number does your loop compare it?"),
            _on_case(7, _outer(goal=lambda tol, size: tol),
                     "On a loss of small values you stop where ||g|| is below tol itself. Asked for is tol times ||g|| at theta0."),
            _on_case(4, _outer(eta=lambda forcing, now, before: forcing(before, now)),
                     "You call forcing with the older gradient norm first. Asked for is forcing(now, before)."),
            _on_case(4, _outer(old=("before",)), "The second argument of your forcing is the norm of a gradient, but not of the "
                     "one at the theta before this one. Update it whenever theta moves."),
            _on_case(4, _outer(old=("equal",)), "After a step that was taken your forcing gets the same norm twice. The second is "
                     "||g|| at the theta before: print both at each round."),
            _on_case(4, _outer(old=("refused",)), "After a refused step your forcing gets the same norm twice. Theta stays there, "
                     "so neither of its arguments changes: where do you set the second?"),
            _on_case(4, _outer(eta=lambda forcing, now, before: forcing(now**2, before**2)), "Your forcing gets other numbers than "
                     "asked: the 2-norms of the gradient at this theta and at the one before it. Print both at each round."),
            _on_case(4, _outer(eta=lambda forcing, now, before: 0.1), "You try a step before you ask forcing. Which number does "
                     "your steihaug get as tol?"),
            _on_case(2, _outer(radius=10.0), "On a quadratic with a far minimizer your first step does not have length 1. Which "
                     "radius does your first round hand to steihaug?"),
            _on_case(4, _outer(shrink=lambda p, delta: delta), "You try a step again that was just refused, and it is refused "
                     "again. Print p and delta: what should change after a refusal?"),
            _on_case(3, _outer(takes=lambda rho, rise: rise < 0), "Near the minimizer of a loss with a large constant you refuse "
                     "the same step again and again. Print f(theta + p) - f(theta), q and rho there: which of them decides?"),
            _on_case(4, _outer(shrink=lambda p, delta: 4 * norm(p)),
                     "You refuse twenty steps in a row from one theta. Print delta and ||p|| after each: which way do they go?"),
            _on_case(4, _outer(sign=-1), "The steps that you try point uphill, g'p > 0, and all are refused. Print g'p at each "
                     "round: is g the gradient at this theta, and is p added to theta?"),
            _on_case(4, _outer(ratio=lambda fall, model: -fall / model),
                     "You refuse a step that brings more than a quarter of what the model promised, and all after it. Both f(theta "
                     "+ p) - f(theta) and q are negative for a good step: print them beside rho."),
            _on_case(3, _outer(noise=0, constant=1e-14), "You try 20 steps or more whose fall is below the rounding of the loss, "
                     "where a few are enough. Print rho, delta and epsilon there, beside |f|: what is rho where both falls are "
                     "small?"),
            _on_case(11, _outer(takes=lambda rho, rise: not rho <= 1e-4), "You take a step to where the loss is nan. Each "
                     "comparison with nan is False: which branch of your code does a rho of nan take?"),
            _on_case(10, _outer(ratio=lambda fall, model: model / fall), "You take steps that bring a millionth of what the model "
                     "promised, one after the other. Is your rho large or small there?"),
            _on_case(2, _outer(radius=1.0, grow=1.0), "On a quadratic your first two steps are cut at the same length, although f "
                     "falls by exactly q in the first. Print rho, which is 1 there, and the radius after it."),
            _on_case(13, _outer(old=("unit",)), "Where f falls by many digits you take a step on which it rises. Print rho and "
                     "epsilon there: of which f is your epsilon?"),
            _on_case(4, _outer(old=("H",)), "The ||g|| that your forcing gets first belongs to another theta than the products "
                     "after it. What is the first argument of hessp there, and after which steps do you change ||g||?"),
            _on_case(4, _outer(product="ggnp"), "With Gauss-Newton products 100 rounds are not enough on the network. Which term "
                     "of lesson 09 is missing from G?"),
            Mistake(_slip(solve=_truncated(at_most=1)), "Each step uses one product: that is gradient descent with a "
                    "curvature-chosen step. Let the forcing term decide when to stop."),
            _on_case(4, _outer(stop_at_rejection=True), "You stop at the first rejected step. A rejection says that the radius was "
                     "too large, not that you have arrived."),
            Mistake(_once_a_case(lambda loss, theta0, tol=1e-8, forcing=None, maxiter=300: np.array(theta0, float)),
                    "You returned the initial theta. Is the new theta kept when a step is accepted?"),
        )),
    Exercise(
        id="E12.3", kind="P", minutes=6,
        asks="two letters of the table: fewest outer iterations, fewest products",
        hint="Outer iterations want exact steps near the end; products should not be spent while the quadratic is still wrong.",
        answer=("D", "F"), holds=lambda out: out[0] in ("d", "f") and out[1] == "f", reads=_two_letters,
        diagnose=lambda out: "Asked for are two letters from A to F, as in 'AB': fewest outer iterations, then fewest products.",
        accepts=("DF", "D, F", "d f", "D and F", "D->F", "D & F", "outer D, products F", ["D", "F"], ("F", "F"), ("d ", "f"),
                 ("D: 1e-8", "F: E.-W."), np.array(["D", "F"]), ("1e-8", "Eisenstat-Walker")),
        mistakes=(
            Mistake(("D", "D"), "Exact early steps go toward a wrong quadratic, and each of them costs many products. Which steps "
                    "should be exact?", shows=lambda out: out[0] in ("d", "f") and out[1] == "d"),
            Mistake(("D", "A"), "The cheapest steps, and too many of them: a constant forcing term converges only linearly. What "
                    "should become of the forcing term near the end?", shows=lambda out: out[0] in ("d", "f") and out[1] == "a"),
            Mistake(("D", "B"), "Close, but a constant forcing term is too tight at first or too loose at the end. What should it "
                    "depend on?", shows=lambda out: out[0] in ("d", "f") and out[1] in ("b", "c")),
            Mistake(("D", "E"), "Close: one rule needs fewer products than E. E looks at ||g||; what would tell that the model has "
                    "become right?", shows=lambda out: out[0] in ("d", "f") and out[1] == "e"),
            Mistake(("A", "A"), "Loose steps are cheap, but each gains only a constant factor: the gradient falls by about the "
                    "forcing term. Your first letter asks for few iterations.", shows=lambda out: out[0] == "a"),
            Mistake(("E", "E"), "The square root tightens late: while ||g|| is large it is as loose as A. Some rule needs fewer "
                    "outer iterations.", shows=lambda out: out[0] == "e"),
            Mistake(("B", "F"), "The gradient falls by about the forcing term in each iteration. Can it fall faster than with your "
                    "first letter?", shows=lambda out: out[0] in ("b", "c")),
        )),
    Exercise(
        id="E12.4", kind="X", minutes=10,
        asks="full_circle(X, Y, width, theta0, solve) -> (gap on the row space, gap off it)",
        hint="Write the map of A^+: it takes a row x of X to x X^+ Y. Then multiply W2 W1 minus this map by X^+ X.",
        answer=_full_circle, diagnose=_which_gap, reads=_tiny_is_zero, instances=CIRCLE_CASES, tol=1e-3,
        accepts=(_by_svd,
                 _circle(lambda W1, W2, B, P: (norm((W2 @ W1 - B) @ P), norm(W2 @ W1 @ (np.eye(len(P)) - P)))),
                 _circle(lambda W1, W2, B, P: np.array([norm(P @ (W1.T @ W2.T - B.T)), norm((np.eye(len(P)) - P) @ W1.T @ W2.T)]))),
        mistakes=(
            Mistake(_circle(lambda W1, W2, B, P: (norm(W2 @ W1 - B), _gap(W1, W2, B, P)[1])), "Your first number is the whole gap. "
                    "Look only where X has data: multiply by X^+ "
                    "X.", shows=lambda out, *args: abs(out[0] - norm(_circle(_gap)(*args))) < 1e-3 and out[0] > 1e-3),
            Mistake(_circle(lambda W1, W2, B, P: _gap(W1, W2, B, P)[::-1]), "The right numbers in the other order: first on the "
                    "row space, then off it."),
            Mistake(_circle(lambda W1, W2, B, P: (_gap(W1, W2, B, P)[0], norm(W2 @ W1 - B))), "Your second number is the whole "
                    "gap. Off the row space means multiplied by I - X^+ X."),
            Mistake(_circle(lambda W1, W2, B, P: tuple(np.linalg.norm(M, 2) for M in ((W2 @ W1 - B) @ P,
                                                                                      (W2 @ W1 - B) @ (np.eye(len(P)) - P)))),
                    "These are spectral norms, the largest singular values. Asked for is the Frobenius norm, "
                    "np.linalg.norm(matrix)."),
            Mistake(_circle(lambda W1, W2, B, P: (_gap(W1, W2, B, P)[0], norm(W1 - W1 @ P))), "Your second number belongs to W1 "
                    "alone. Only the product W2 W1 is a map from inputs to outputs."),
            Mistake(_circle(lambda W1, W2, B, P: (norm(W2 @ W1 @ P), _gap(W1, W2, B, P)[1])), "Your first number lacks the "
                    "pseudo-inverse map: it is W2 W1 alone on the row space."),
            Mistake(_untrained_gap, "These are the gaps of the initial weights. Train first: theta = solve(loss, theta0)."),
            Mistake(_circle(lambda W1, W2, B, P: (0.0, _gap(W1, W2, B, P)[1])), "Your first number is 0 also where solve trains "
                    "nothing. Compute it from W1 and W2."),
            Mistake(_circle(lambda W1, W2, B, P: (_gap(W1, W2, B, P)[0], 0.0)), "You claim equality everywhere. That holds only "
                    "for a W1 that starts in the row space of X."),
            Mistake(lambda X, *rest: (_full_circle if rest[-1].trains else lambda X, *_: np.linalg.inv(X.T @ X))(X, *rest),
                    "X'X is singular on an instance: X has redundant columns. Which map takes the place of the inverse?"),
            Mistake(lambda *args: _full_circle(*args) if args[-1].trains else args[-1](None, -args[3]),
                    "The first theta that solve gets from you is not the theta0 that was given. With which theta do you call it?"),
            *(Mistake(_circle(lambda *parts, f=f: tuple(f(v, parts[2]) for v in _gap(*parts))), says) for f, says in (
                (lambda v, B: v**2, "These are the squares of the two norms."),
                (lambda v, B: v / np.sqrt(B.size), "These are root mean squares over the entries. Asked for are the norms."),
                (lambda v, B: v / norm(B), "These are relative gaps. Asked for are the two norms themselves."))),
        )),
    Exercise(
        id="E12.5", kind="X", minutes=10,
        asks="fair_race(loss, families, seeds, target) -> costs, one for each family",
        hint="For one solver and one seed: a fresh Trace, the start loss.init(seed), and the cost at the first record whose "
             "gnorm is small enough.",
        answer=_fair_race, reads=_misses_as_numbers, diagnose=_which_family, instances=RACE_CASES, seconds=20.0,
        accepts=(_as_a_list, lambda *args: _fair_race(*args)[:, None]),
        mistakes=(
            Mistake(_races(cost=functools.partial(_cost, what=lambda trace: np.arange(len(trace.cost)))),
                    "You count iterations. One iteration of Newton-Krylov hides several products: read the cost."),
            Mistake(_races(cost=functools.partial(_cost, what=lambda trace: trace.seconds)), "Some of your costs are below 1, the "
                    "price of one gradient. Do you read the cost of the trace, or its "
                    "clock?", shows=lambda out, *args: 0 < np.min(np.where(out > 0, out, 1.0)) < 1),
            Mistake(_races(seeds_used=lambda seeds: seeds[:1]), "These are the costs of the first start alone. Has each run its "
                    "own start and a fresh Trace, and is the median taken over all seeds?"),
            Mistake(_races(seeds_used=lambda seeds: seeds[-1:]), "This is the last start only. Keep the cost of each seed, then "
                    "take the median."),
            *(Mistake(wrong, "Your starts are not those of the seeds that were given. "
                    "Which seed does loss.init get?") for wrong in (_races(seeds_used=lambda seeds: range(len(seeds))),
                                                                    _races(seeds_used=lambda seeds: [0] * len(seeds)))),
            Mistake(_races(solvers_used=lambda solvers: solvers[:1]), "Each family ran with its first setting only. An untuned "
                    "competitor loses for the wrong reason: try all its settings."),
            *(Mistake(_races(over_solvers=f), f"You take the {of} the settings of a family. A practitioner uses its best setting.")
              for f, of in ((max, "largest cost among"), (sum, "sum over"), (np.median, "median over"), (np.mean, "mean over"))),
            Mistake(_tuned_by_seed, "You choose the best setting anew for each seed. Nobody knows it beforehand: choose one "
                    "setting for all seeds, by its median."),
            *(Mistake(_races(over_seeds=f), f"You report {what}. Take the median over the seeds.") for f, what in (
                (np.mean, "the mean over the seeds"), (min, "the luckiest start"), (max, "the unluckiest start"))),
            Mistake(_races(over_seeds=_finite_median), "You drop the starts that were not solved. A failure is a result: its cost "
                    "is infinite, np.inf."),
            Mistake(_races(cost=functools.partial(_cost, miss=np.nan)), "A cost of yours is nan. A run that does not reach the "
                    "target costs np.inf, which can be compared.", shows=lambda out, *args: -2.5 in out),
            Mistake(_races(cost=lambda trace, target: trace.cost[np.argmax(trace.gnorm <= target * trace.gnorm[0])]),
                    "A run that never reaches the target counts with its first cost here: np.argmax of an array without True is 0. "
                    "Ask any() first."),
            Mistake(_races(cost=functools.partial(_cost, miss=1000.0)),
                    "A run that never reaches the target has a finite cost here. Its cost is infinite, np.inf.",
                    shows=lambda out, *args: out[-1] > 0 > _fair_race(*args)[-1] and any(
                        abs(o - r) <= 1e-6 * r for o, r in zip(out, _fair_race(*args)))),
            *(Mistake(_races(cost=cost), "You count the whole run. The race ends where the target is first reached.") for cost in (
                lambda trace, target: trace.total, functools.partial(_cost, what=_whole(lambda trace: trace.total)),
                functools.partial(_cost, what=_whole(lambda trace: trace.cost[-1])))),
            *(Mistake(_races(cost=functools.partial(_cost, what=_whole(calls))), "These are numbers of calls, and those of a whole "
                      "run. Calls have different prices: read trace.cost, where the target is first reached.")
              for calls in (lambda trace: trace.counts["grad"], lambda trace: sum(trace.counts.values()))),
            *(Mistake(_races(over_seeds=lambda row, k=k: sorted(row)[(len(row) - k) // 2]), "For two seeds you take one of the two "
                      "costs. The median is then their mean: see np.median.") for k in (0, 1)),
            Mistake(lambda *args: sorted(_fair_race(*args), key=lambda cost: cost if cost > 0 else np.inf), "These are the right "
                    "costs, sorted. Keep the order of the families."),
            Mistake(lambda loss, families, *rest: [solver(loss, loss.init(0)) for solver in families[0]], "A solver of yours gets "
                    "the loss itself, and nothing is recorded. Which object counts the calls?"),
            Mistake(_races(cost=_last_crossing), "You count until the gradient stays small. The race ends where the target is "
                    "first reached."),
            Mistake(_races(cost=functools.partial(_cost, level=lambda trace: trace.gnorm)), "You compare ||g|| with target itself. "
                    "Asked for is target times ||g|| at the start of the run."),
            Mistake(_races(cost=functools.partial(_cost, level=lambda trace: trace.gnorm / trace.gnorm.max())),
                    "You compare with the largest ||g|| of the run. Asked for is ||g|| at its start: it may rise at first."),
            Mistake(_races(cost=functools.partial(_cost, level=lambda trace: trace.f / trace.f[0])), "You compare the values of "
                    "the loss. The race is for the norm of the gradient."),
            Mistake(_one_trace, "One Trace served all runs, so each pays for those before it. Make a fresh one for each run."),
        )),
]

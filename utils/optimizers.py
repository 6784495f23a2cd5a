"""Outer solvers, each a `method=` for scipy.optimize.minimize: from one gradient a step to Newton-Krylov.

    minimize(loss.fun, x0, jac=loss.grad, method=gradient_descent, options={"alpha": 0.1})
    minimize(loss.fun, x0, jac=loss.grad, hessp=loss.hessp, method=newton_krylov, tol=1e-8)

    gradient_descent  x+ = x - alpha g                                     Cauchy 1847
    heavy_ball        x+ = x - alpha g + beta (x - x-)                     Polyak 1964
    nesterov          x+ = y - alpha g(y),  y+ = x+ + beta (x+ - x)        Nesterov 1983
    newton            H p = -g, |eigenvalues| of H, Armijo                 Nocedal & Wright 2006, section 3.4
    newton_krylov     |H p + g| <= eta |g| by Krylov steps, trust region   Steihaug 1983

All take scipy's arguments (fun, x0, args, jac, hess, hessp, callback; jac is required) and the options

    tol      the 2-norm of the gradient, absolute, at which x is stationary; default 1e-6
    maxiter  iterations at most

and return an OptimizeResult. `success` means: |g| <= tol; and no direction of negative curvature that lowers
fun was found (by Lanczos, from differences of gradients); and jac is the derivative of fun as far as
differences of fun can tell. All else is success=False, with a `message` that says why, and a `status`:

    0 minimizer   1 maxiter reached   2 no decrease of fun can be measured any more   3 not finite
    4 stationary, but fun falls along a direction of negative curvature   5 jac is not the derivative of fun
    99 the callback raised StopIteration

What this verdict costs, some values of fun and gradients around x at the end, is counted in nfev and njev.
"""

import inspect
import warnings
from collections import deque

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import OptimizeResult, OptimizeWarning

from .krylov import lanczos, steihaug


def gradient_descent(fun, x0, args=(), jac=None, hess=None, hessp=None, callback=None, *,
                     alpha=None, tol=1e-6, maxiter=10_000, **rest):
    """Steps alpha times the gradient. alpha is required; on a quadratic it converges below 2/L."""
    run = _Run(fun, jac, args, callback, tol, maxiter, rest)
    alpha = run.number("alpha", alpha)
    x, f, g = run.start(x0)
    while run.goes_on(x, f, g):
        x = x - alpha * g
        f, g = run.evaluate(x)
    return run.result(x, f, g)


def heavy_ball(fun, x0, args=(), jac=None, hess=None, hessp=None, callback=None, *,
               alpha=None, beta=None, tol=1e-6, maxiter=10_000, **rest):
    """Gradient descent that keeps beta of its last step, from rest. alpha and 0 <= beta < 1 are required."""
    run = _Run(fun, jac, args, callback, tol, maxiter, rest)
    alpha, beta = run.number("alpha", alpha), run.number("beta", beta, below=1)
    x, f, g = run.start(x0)
    last = x
    while run.goes_on(x, f, g):
        x, last = x - alpha * g + beta * (x - last), x
        f, g = run.evaluate(x)
    return run.result(x, f, g)


def nesterov(fun, x0, args=(), jac=None, hess=None, hessp=None, callback=None, *,
             alpha=None, beta=None, tol=1e-6, maxiter=10_000, **rest):
    """Like heavy_ball, with the gradient taken at the extrapolated point y: the iterate that is reported."""
    run = _Run(fun, jac, args, callback, tol, maxiter, rest)
    alpha, beta = run.number("alpha", alpha), run.number("beta", beta, below=1)
    y, f, g = run.start(x0)
    last = y
    while run.goes_on(y, f, g):
        x = y - alpha * g
        y, last = x + beta * (x - last), x
        f, g = run.evaluate(y)
    return run.result(y, f, g)


def newton(fun, x0, args=(), jac=None, hess=None, hessp=None, callback=None, *,
           tol=1e-6, maxiter=100, **rest):
    """Newton's method with a dense Hessian, hess(x) -> (n, n), made safe far from a minimizer.

    Eigenvalues of H enter by absolute value, so that p = -|H|^-1 g goes down also where H is indefinite; the
    step is halved until fun falls by 1e-4 of what the slope promises (Armijo 1966).
    """
    run = _Run(fun, jac, args, callback, tol, maxiter, rest)
    x, f, g = run.start(x0)
    while run.goes_on(x, f, g):
        values, V = np.linalg.eigh(run.hessian(hess, x))
        size = np.abs(values)
        p = -V @ (V.T @ g / np.maximum(size, 1e-8 * size.max() or 1.0))
        f_new = run.fun(x + p)
        while not f_new <= f + 1e-4 * (g @ p) and -g @ p > run.rounding(f):
            p = p / 2
            f_new = run.fun(x + p)
        x, f, g = run.moved(x, f, g, p, f_new, -g @ p)
    return run.result(x, f, g)


def newton_krylov(fun, x0, args=(), jac=None, hess=None, hessp=None, callback=None, *,
                  tol=1e-6, maxiter=1000, eta=0.5, memory=30, M=None, curvature=None, refresh=10, **rest):
    """Newton's method that only multiplies by H: solve Hp = -g roughly in a trust region, step, repeat.

    hessp(x, v) gives products with the Hessian or the Gauss-Newton matrix; a function hess(x) will do too.
    `steihaug` solves to |Hp + g| <= eta_k |g|, with eta_k <= eta falling as the gradient does (Eisenstat &
    Walker 1996, choice 2), so that the last digits come superlinearly. rho, the fall of fun over that of the
    model, moves the radius. A rejected step costs no product: the same path is cut at a smaller radius.

    memory: the last pairs (v, Hv) of products, and of steps (p, change of g), make the limited-memory BFGS
    matrix that preconditions the next systems (Morales & Nocedal 2000) and measures the region; 0: none.

    M(x) returns a preconditioner at x, a function v -> M^-1 v, symmetric positive definite. It is asked for
    every `refresh` iterations; the memory corrects it. For a network: M=lambda x: loss.kronecker(x, 1e-2).

    curvature(x) returns the model's products v -> Bv at x, in place of hessp: Gauss-Newton far from the
    solution and the Hessian near it, or products on some of the data. fun and jac stay exact: they alone
    decide which steps are taken and what the end is called.

        def curvature(x):  # few samples at first, all of them at the end
            few = rng.permutation(N)[: N // 10]
            part = loss.subsample(few) if norm(loss.grad(x)) > 1e-2 else loss
            return lambda v: part.ggnp(x, v)
    """
    run = _Run(fun, jac, args, callback, tol, maxiter, rest)
    products, inverse = curvature or run.products(hessp, hess), _Memory(int(run.number("memory", memory)))
    refresh, forcing = run.number("refresh", refresh, 1), run.number("eta", eta, below=1)
    x, f, g = run.start(x0)
    delta, ratio = 1.0, np.inf
    while True:
        if not run.goes_on(x, f, g):
            step = run.downhill(x, f, g)
            if step is None:
                return run.result(x, f, g)
            x = x + step
            f, g = run.evaluate(x)
            continue
        if M is not None and run.nit % refresh == 0:
            inverse.base = M(x)
        H = _Replay(products(x))
        forcing = max(0.9 * ratio**2, 0.9 * forcing**2 if forcing > 1 / 3 else 0, tol / 2 / np.linalg.norm(g))
        forcing = min(forcing, eta)
        while True:
            p, stop, _, model, length = steihaug(H.rewound(), g, delta, forcing, M=inverse)
            f_new = run.fun(x + p)
            rho = (f_new - f) / model if model < 0 else -np.inf
            if rho >= 1e-4 or -model <= run.rounding(f):
                break
            delta = min(delta, length) * _shrink(f_new - f, g @ p)
        if rho < 0.25:
            delta = length / 2
        elif rho > 0.75 and stop in ("boundary", "negative curvature"):
            delta = min(1e100, 2 * length)
        last = g
        x, f, g = run.moved(x, f, g, p, f_new, -model)
        ratio = np.linalg.norm(g) / np.linalg.norm(last)
        for v, Hv in H.seen:
            inverse.add(v, Hv)
        if inverse.add(p, g - last) and M is None:  # memory alone sets the scale of p'Mp, now p'(g - last)
            delta = min(1e100, delta * np.sqrt(p @ (g - last)) / length)


def subsampled(loss, share, seed=0):
    """A `curvature` for `newton_krylov`: Gauss-Newton products on a share of the samples, drawn anew at each x.

    loss: has N, subsample(rows) and ggnp(x, v), as NetworkLoss does, or a Trace of it; 0 < share <= 1, else
    ValueError. Source: Byrd, Chin, Neveitt & Nocedal 2011.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must lie above 0 and at most at 1, got {share}")
    rng, count = np.random.default_rng(seed), max(1, int(share * loss.N))

    def curvature(x):
        part = loss.subsample(rng.permutation(loss.N)[:count])
        return lambda v: part.ggnp(x, v)

    return curvature


def _shrink(rise, slope):
    """The minimizer of the parabola through what fun showed along a step, in steps, within safe bounds."""
    return np.clip(-slope / (2 * (rise - slope)), 0.1, 0.5) if slope < rise < np.inf else 0.1


class _Replay:
    """Products that are remembered: a smaller radius at the same x walks the same path, for nothing."""

    def __init__(self, H):
        self.H, self.seen = H, []

    def rewound(self):
        self.next = 0
        return self

    def __call__(self, v):
        if self.next == len(self.seen):
            self.seen.append((v, self.H(v)))
        self.next += 1
        return self.seen[self.next - 1][1]


class _Memory:
    """Approximate inverse Hessian from the last pairs (s, Hs): limited-memory BFGS (Nocedal 1980).

    The two loops (Nocedal & Wright, algorithm 7.4) are two triangular systems with R = triu(S Y^T).
    """

    def __init__(self, size):
        self.pairs, self.base, self.matrices = deque(maxlen=size), None, None

    def add(self, s, y):
        """Learn that Hs = y, where the curvature is positive. Was it learned?"""
        fits = self.pairs.maxlen > 0 and s @ y > 1e-8 * np.linalg.norm(s) * np.linalg.norm(y)
        if fits:
            self.pairs.append((s, y))
            self.matrices = None
        return fits

    def __call__(self, r):
        if not self.pairs:
            return r if self.base is None else self.base(r)
        if self.matrices is None:
            S, Y = map(np.array, zip(*self.pairs))
            self.matrices = S, Y, np.triu(S @ Y.T)
        S, Y, R = self.matrices
        a = solve_triangular(R, S @ r)
        q = r - a @ Y
        z = self.base(q) if self.base is not None else R[-1, -1] / (Y[-1] @ Y[-1]) * q
        return z + solve_triangular(R, np.diag(R) * a - Y @ z, trans=1) @ S


class _Run:
    """One run of a solver: its functions, counted and checked; when it ends; and how its end is judged."""

    def __init__(self, fun, jac, args, callback, tol, maxiter, rest):
        bounds, constraints = rest.pop("bounds", None), rest.pop("constraints", ())
        if bounds is not None or np.size(constraints):
            raise ValueError("bounds and constraints must be left out: these solvers know neither")
        if rest:
            warnings.warn(f"Unknown solver options: {', '.join(rest)}", OptimizeWarning, stacklevel=4)
        if not callable(jac):
            raise ValueError(f"jac must be a function x -> gradient (or True, through minimize), got {jac!r}")
        self._fun, self._jac, self._args = fun, jac, args if isinstance(args, tuple) else (args,)
        self.tol, self.maxiter = self.number("tol", tol), self.number("maxiter", maxiter)
        self.callback = _as_callback(callback)
        self.nfev = self.njev = self.nhev = 0
        self.nit, self.why, self.judged, self.lowest = -1, None, False, np.nan

    @staticmethod
    def number(name, value, least=0, below=np.inf):
        if not (isinstance(value, (int, float, np.number)) and least <= value < below):
            raise ValueError(f"{name} must be a number in [{least}, {below}), got {value!r}")
        return value

    def fun(self, x):
        self.nfev += 1
        f = np.asarray(self._fun(np.copy(x), *self._args), dtype=float)
        if f.size != 1:
            raise ValueError(f"fun must return a number, got shape {f.shape}")
        return f.item()

    def jac(self, x):
        self.njev += 1
        g = np.array(self._jac(np.copy(x), *self._args), dtype=float).reshape(-1)
        if g.shape != x.shape:
            raise ValueError(f"jac must return a vector of shape {x.shape}, got {g.size} entries")
        return g

    def hessian(self, hess, x):
        if not callable(hess):
            raise ValueError(f"hess must be a function x -> (n, n), got {hess!r}")
        self.nhev += 1
        H = np.array(hess(np.copy(x), *self._args), dtype=float)
        if H.shape != 2 * x.shape:
            raise ValueError(f"hess must return shape {2 * x.shape}, got {H.shape}")
        if np.all(np.isfinite(H)):
            return H
        self.why = 3
        return np.eye(x.size)

    def products(self, hessp, hess):
        """x -> (v -> Hv), from hessp(x, v), or from hess(x), which may be a matrix or a LinearOperator."""
        if not (callable(hessp) or callable(hess)):
            raise ValueError(f"hessp must be a function x, v -> Hv (or hess a function of x), got {hessp!r}")

        def at(x):
            H = None if callable(hessp) else hess(np.copy(x), *self._args)

            def product(v):
                self.nhev += 1
                Hv = H @ v if H is not None else hessp(np.copy(x), np.copy(v), *self._args)
                Hv = np.array(Hv, dtype=float).reshape(-1)
                if Hv.shape != x.shape:
                    raise ValueError(f"hessp must return a vector of shape {x.shape}, got {Hv.size} entries")
                if not np.all(np.isfinite(Hv)):
                    self.why = 3
                return Hv

            return product

        return at

    def start(self, x0):
        x = np.atleast_1d(np.array(x0, dtype=float))
        if x.ndim != 1:
            raise ValueError(f"x0 must be a vector of shape (n,), got shape {x.shape}")
        self.eps = np.finfo(np.float32 if getattr(x0, "dtype", None) == np.float32 else float).eps
        f, g = self.evaluate(x)
        self.first = x, f, g
        return x, f, g

    def evaluate(self, x):
        f = self.fun(x)
        return f, self.jac(x) if np.isfinite(f) else np.full_like(x, np.nan)

    def rounding(self, f):
        """Below this a decrease of f is noise."""
        return 10 * self.eps * abs(f)

    def moved(self, x, f, g, p, f_new, promised):
        """The next iterate: x + p, or x where f cannot measure what p promised and g does not halve."""
        if self.why is None:
            g_new = self.jac(x + p) if np.isfinite(f_new) else np.full_like(x, np.nan)
            if promised > self.rounding(f) or np.linalg.norm(g_new) <= np.linalg.norm(g) / 2:
                return x + p, f_new, g_new
            self.why = 2
        return x, f, g

    def goes_on(self, x, f, g):
        """Called once an iterate: is it neither good nor bad enough to stop? Else `why` holds the status."""
        if self.why is None:
            self.nit += 1
            now = OptimizeResult(x=np.copy(x), fun=f, jac=np.copy(g), nit=self.nit)
            if not (np.isfinite(f) and np.all(np.isfinite(g))):
                self.why = 3
            elif self.nit > 0 and self.callback(now):
                self.why = 99
            elif np.linalg.norm(g) <= self.tol:
                self.why = 0
            elif self.nit >= self.maxiter:
                self.why = 1
        return self.why is None

    def downhill(self, x, f, g):
        """From a stationary x, a step along curvature that is not positive that lowers fun; None without one.

        Lanczos uses central differences of gradients: products that were passed are not taken on trust.
        """
        if self.why != 0:
            return None
        self.judged, scale = True, max(1.0, np.linalg.norm(x))
        h = self.eps ** (1 / 3) * scale

        def H(v):
            return (self.jac(x + h * v) - self.jac(x - h * v)) / (2 * h)

        try:
            ritz = lanczos(H, x.size, 40, tol=1e-3)
        except ValueError:  # not finite so close to x
            return None
        self.lowest, d = ritz.values[0], ritz.vectors[:, 0]
        if self.lowest > 1e-7 * np.abs(ritz.values).max():
            return None
        for t in scale * 10.0 ** -np.arange(1, 6):
            for step in (t * d, -t * d):
                enough = max(2 * abs(g @ step), -0.05 * self.lowest * t**2) + self.rounding(f)
                if self.fun(x + step) < f - enough:
                    self.why = None
                    return step
        return None

    def disagreement(self, x, f, g):
        """What shows that g is not the gradient of fun at x, else "": two differences along a line."""
        u, scale = np.random.default_rng(0).standard_normal(x.size), max(1.0, np.linalg.norm(x))
        u = u / np.linalg.norm(u) * (1 if u @ g >= 0 else -1) + g / (np.linalg.norm(g) or 1.0)
        u, h, errors = u / np.linalg.norm(u), self.eps ** (1 / 3) * scale, []
        for step in (h, 10 * h):
            ahead, behind = self.fun(x + step * u), self.fun(x - step * u)
            slope, bend = (ahead - behind) / (2 * step), (ahead - 2 * f + behind) / step**2
            noise = 100 * self.eps * (max(abs(f), abs(ahead), abs(behind)) / step + abs(bend) * scale)
            errors.append(slope - g @ u)
            if not abs(errors[-1]) > 1e-4 * abs(g @ u) + noise:
                return ""
        if abs(errors[0] - errors[1]) > 0.1 * abs(errors[0]):
            return ""
        return f" jac is not the derivative of fun: fun has slope {slope:.4g} where jac says {g @ u:.4g}."

    def result(self, x, f, g):
        if self.why == 0 and not self.judged and self.downhill(x, f, g) is not None:
            self.why = 4
        size, wrong = np.linalg.norm(g), ""
        for point in [self.first] + [(x, f, g)] * (self.why == 0):
            if np.isfinite(point[1]) and np.all(np.isfinite(point[2])) and not wrong:
                wrong = self.disagreement(*point)
        bad = f"fun is {f}" if not np.isfinite(f) else f"{'hess' if np.isfinite(size) else 'jac'} is not"
        message = {
            0: f"Minimizer: |jac| = {size:.2e} <= tol, smallest curvature found {self.lowest:.2e}.",
            1: f"maxiter = {self.maxiter} iterations done, |jac| = {size:.2e} > tol.",
            2: f"No decrease of fun can be measured any more, |jac| = {size:.2e} > tol.",
            3: f"Not finite: {bad} after {self.nit} iterations.",
            4: f"Stationary, but no minimizer: fun falls along a direction of curvature {self.lowest:.2e}.",
            99: "The callback raised StopIteration.",
        }[self.why]
        status = 5 if wrong else self.why
        return OptimizeResult(x=x, fun=f, jac=g, nit=self.nit, nfev=self.nfev, njev=self.njev, nhev=self.nhev,
                              status=status, success=status == 0, message=message + wrong)


def _as_callback(callback):
    """scipy's callback, new form or callback(x), as a function of an OptimizeResult: does it want to stop?"""
    try:
        new = set(inspect.signature(callback).parameters) == {"intermediate_result"}
    except (TypeError, ValueError):
        new = False

    def asks_to_stop(result):
        try:
            if callback is not None:
                callback(intermediate_result=result) if new else callback(result.x)
        except StopIteration:
            return True
        return False

    return asks_to_stop

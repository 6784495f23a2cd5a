"""Honest cost: what a solver asked of a loss, priced in gradients, and how far that brought it.

    trace = Trace(loss)
    minimize(trace.fun, x0, jac=trace.grad, hessp=trace.hessp, method=..., callback=trace)
    plt.semilogy(trace.cost, trace.gnorm)

A `Trace` is a loss with a meter on it. It stands between any loss and any solver, ours or scipy's, and
changes no number. Iterations of two solvers cannot be compared, their cost in gradients can. The start, and
the iterate at each call of the callback, are recorded: f and |g| against the cost so far. What recording
needs is not counted. Without a callback every gradient is a record; a loop may also call `trace(x)` itself.

    prices, in gradients       fun    grad   hessp  ggnp   jvp    vjp    predict  kronecker  its solve
    CACHED (the default)       0.43   1      1.3    0.95   0.5    0.5    0.43     1.5        0.07
    UNCACHED                   0.43   1      3      2      1      1.4    0.43

CACHED is measured on `NetworkLoss`, whose products reuse what the gradient computed at the same x. It is the
default because every loss in utils does so, and it is charged as such a loss works: grad after fun at one x
costs the 0.57 that are left, fun after grad nothing, a product where no gradient was taken first costs that
gradient. All solvers pay the same. UNCACHED, the course's rule of thumb (one Gv counts 2, one Hv counts 3),
is for a loss written plainly, whose products repeat the forward and the backward pass:
`Trace(loss, UNCACHED, cached=False)`.
"""

from time import perf_counter

import numpy as np

CACHED = {"fun": 0.43, "grad": 1.0, "hessp": 1.3, "ggnp": 0.95, "jvp": 0.5, "vjp": 0.5, "predict": 0.43}
CACHED |= {"kronecker": 1.5, "solve": 0.07}
UNCACHED = {"fun": 0.43, "grad": 1.0, "hessp": 3.0, "ggnp": 2.0, "jvp": 1.0, "vjp": 1.4, "predict": 0.43}


class Trace:
    """`loss` with a meter: use the Trace's fun, grad, hessp, ... in place of its own, and itself as callback.

    prices: gradients that one call costs, by name. cached: does the loss reuse at x what it computed at x?
    every: print a line at each so many iterations (0: never).

    cost, f, gnorm, seconds: arrays (k,), an entry a record; counts: how often each function was called;
    total: the cost so far. Other attributes are the loss's own. TypeError if the loss has no fun and grad.
    """

    def __init__(self, loss, prices=CACHED, cached=True, every=0):
        if not (callable(getattr(loss, "fun", None)) and callable(getattr(loss, "grad", None))):
            raise TypeError(f"loss must have the methods fun and grad, got {type(loss).__name__}")
        self.loss, self.prices, self.cached, self.every = loss, dict(prices), cached, every
        self.counts, self.total = dict.fromkeys(self.prices, 0), 0.0
        self._linear = self._trial = None  # the two points that a caching loss remembers
        self._f = self._gnorm = (None, np.nan)  # (x, value) last evaluated
        self._records, self._evaluations = [], []
        self._start, self._parent, self._share = perf_counter(), None, 1.0

    def fun(self, x):
        self._pay("fun", self._forward(x))
        f = self.loss.fun(x)
        self._f = (np.copy(x), f)
        return f

    def grad(self, x):
        self._pay("grad", self._linearize(x))
        g = self.loss.grad(x)
        self._gnorm = (np.copy(x), np.linalg.norm(g))
        self._record(x, self._evaluations)
        return g

    def hessp(self, x, v):
        return self._product("hessp", x, v)

    def ggnp(self, x, v):
        return self._product("ggnp", x, v)

    def jvp(self, x, v):
        return self._product("jvp", x, v)

    def vjp(self, x, u):
        return self._product("vjp", x, u)

    def kronecker(self, x, *args, **kwargs):
        solve = self._product("kronecker", x, *args, **kwargs)

        def counted(v):
            self._pay("solve", self.prices["solve"])
            return solve(v)

        return counted

    def predict(self, x, X):
        self._pay("predict", self.prices["predict"] * len(X) / self.loss.N)
        return self.loss.predict(x, X)

    def subsample(self, rows):
        """The meter on `loss.subsample(rows)`: costs are in proportion to its samples, and in our total too."""
        part = Trace(self.loss.subsample(rows), self.prices, self.cached)
        part._parent, part._share = self, part.loss.N / self.loss.N
        return part

    def __call__(self, intermediate_result):
        """Record the current iterate: scipy's callback, in its new form and its old one, callback(x)."""
        self._record(getattr(intermediate_result, "x", intermediate_result), self._records)
        if self.every and len(self._records) % self.every == 0:
            cost, f, gnorm, _ = self._records[-1]
            print(f"{len(self._records):6d} iterations {cost:9.0f} gradients  f = {f:.6e}  |g| = {gnorm:.2e}")

    cost = property(lambda self: self._column(0))
    f = property(lambda self: self._column(1))
    gnorm = property(lambda self: self._column(2))
    seconds = property(lambda self: self._column(3))

    def __getattr__(self, name):
        if name == "loss":  # not there yet while an object is copied
            raise AttributeError(name)
        return getattr(self.loss, name)

    def _column(self, k):
        records = self._evaluations[:1] + self._records if self._records else self._evaluations
        return np.array([record[k] for record in records])

    def _record(self, x, records):
        begun = perf_counter()
        f = self._f[1] if np.array_equal(self._f[0], x) else self.loss.fun(x)
        gnorm = self._gnorm[1] if np.array_equal(self._gnorm[0], x) else np.linalg.norm(self.loss.grad(x))
        records.append((self.total, f, gnorm, begun - self._start))
        self._start += perf_counter() - begun  # recording takes no time

    def _product(self, name, x, *args, **kwargs):
        self._pay(name, self.prices[name] + (self._linearize(x) if self.cached else 0))
        return getattr(self.loss, name)(x, *args, **kwargs)

    def _pay(self, name, cost):
        self.counts[name] += 1
        part, share = self, 1.0
        while part is not None:
            part.total += share * cost
            part, share = part._parent, share * part._share

    def _forward(self, x):
        if any(np.array_equal(x, held) for held in (self._linear, self._trial)) and self.cached:
            return 0.0
        self._trial = np.copy(x)
        return self.prices["fun"]

    def _linearize(self, x):
        if not self.cached:
            return self.prices["grad"]
        if np.array_equal(x, self._linear):
            return 0.0
        cost = self._forward(x) + self.prices["grad"] - self.prices["fun"]
        self._linear, self._trial = np.copy(x), self._linear
        return cost

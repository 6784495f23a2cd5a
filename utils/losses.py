"""Losses of a linear model: a convex function of A x, and what every solver of the course asks of it.

    f(x)   = l(A x) + 1/2 sum_j l2_j x_j^2              fun(x)       float
    g(x)   = A^T l'(A x) + l2 * x                       grad(x)      (n,)
    H(x) v = A^T (l''(A x) (A v)) + l2 * v              hessp(x, v)  (n,)
    J v    = A v,   J^T u = A^T u                       jvp(x, v) (m,), vjp(x, u) (n,)

A linear model is its own linearization, so the Gauss-Newton product `ggnp` equals `hessp` (Schraudolph 2002).
Three functions l make three models: least squares, logistic regression (McCullagh & Nelder 1989, sec. 4.4)
and softmax regression (Bishop 2006, sec. 4.3.4).

The data are copied at construction, arguments are never changed, and the outputs A x are kept for the last x
by its content: calling in any order, or changing x in place between two calls, can only change the time
taken. One object serves one thread. Bad input raises ValueError that names the argument, what came and what
was wanted.
"""

import numpy as np
from scipy.special import expit


def _real(name, value, wanted):
    """`value` as an array of real numbers, or ValueError."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.array(None)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: got {repr(value)[:60]}, wanted {wanted} real numbers")
    return array


def as_data(name, value, ndim):
    """A copy of `value`, float32 if it was, else float64: C-ordered, finite and not empty."""
    array = _real(name, value, "an array of")
    array = np.array(array, np.float32 if array.dtype == np.float32 else np.float64, order="C")
    if array.ndim != ndim or array.size == 0:
        raise ValueError(f"{name}: got shape {array.shape}, wanted {ndim} dimension(s), at least one entry")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: got NaN or inf, wanted finite numbers")
    return array


def as_vector(name, value, n, dtype):
    """`value` as a contiguous (n,) array of `dtype`, itself if it is one already. NaN and inf may pass."""
    array = np.ascontiguousarray(_real(name, value, n), dtype)
    if array.shape != (n,):
        raise ValueError(f"{name}: got shape {array.shape}, wanted ({n},)")
    return array


def as_penalty(l2, shapes=((),)):
    """`l2` as a float array: finite, non-negative, of one of the shapes wanted."""
    array = _real("l2", l2, "non-negative").astype(float)
    if array.shape not in shapes:
        raise ValueError(f"l2: got shape {array.shape}, wanted {' or '.join(map(str, shapes))}")
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise ValueError(f"l2: got {l2}, wanted finite and non-negative")
    return array


def one_hot(name, y, N, K, dtype):
    """Targets (N, K) of a cross-entropy, from labels (N,) in 0..K-1 or from rows of probabilities (N, K)."""
    y = as_data(name, y, 2 if np.ndim(y) == 2 else 1)
    if y.shape not in ((N,), (N, K)):
        raise ValueError(f"{name}: got shape {y.shape}, wanted labels ({N},) or targets ({N}, {K})")
    if y.ndim == 1:
        labels = y.astype(int)
        if (labels != y).any() or labels.min() < 0 or labels.max() >= K:
            raise ValueError(f"{name}: got labels from {y.min()} to {y.max()}, wanted integers in 0..{K - 1}")
        return np.eye(K, dtype=dtype)[labels]
    if y.min() < 0 or abs(y.sum(axis=1) - 1).max() > 1e-5:
        raise ValueError(f"{name}: got rows that are no probabilities, wanted entries >= 0 with sum 1")
    return (y / y.sum(axis=1, keepdims=True)).astype(dtype)


def dense_hessian(loss, x):
    """The Hessian of a loss at x as a symmetric matrix (n, n), by n products; ValueError if n > 2000."""
    if loss.n > 2000:
        raise ValueError(f"x: got {loss.n} entries, wanted at most 2000 for a Hessian as a matrix; use hessp")
    H = np.column_stack([loss.hessp(x, e) for e in np.eye(loss.n)])
    return (H + H.T) / 2


class _LinearLoss:
    """f(x) = l(A x) + 1/2 sum l2 x^2, for subclasses that say `_value`, `_slope` and `_curvature` of l."""

    def __init__(self, A, n, m, l2):
        self._A, self.n, self.m, self.l2 = A, n, m, as_penalty(l2, ((), (n,))).astype(A.dtype)
        self._x, self._point = None, {}

    def _at(self, x):
        """The dictionary of what is known at x: outputs "h", and on demand "curvature"."""
        x = as_vector("x", x, self.n, self._A.dtype)
        if self._x is None or not np.array_equal(x, self._x):
            self._x, self._point = x.copy(), {"h": self._forward(x)}
        return self._x, self._point

    def _forward(self, v):
        return self._A @ v

    def _adjoint(self, u):
        return self._A.T @ u

    @np.errstate(all="ignore")
    def fun(self, x):
        """f(x), a float; NaN or inf without a warning if x is not finite or f overflows."""
        x, point = self._at(x)
        return float(self._value(point["h"])) + 0.5 * float((self.l2 * x) @ x)  # 0 * inf is NaN

    @np.errstate(all="ignore")
    def grad(self, x):
        """The gradient A^T l'(A x) + l2 * x, (n,)."""
        x, point = self._at(x)
        return self._adjoint(self._slope(point["h"])) + self.l2 * x

    @np.errstate(all="ignore")
    def hessp(self, x, v):
        """The Hessian at x times v, (n,)."""
        _, point = self._at(x)
        v = as_vector("v", v, self.n, self._A.dtype)
        if "curvature" not in point:
            point["curvature"] = self._curvature(point["h"])
        return self._adjoint(self._curve(point["curvature"], self._forward(v))) + self.l2 * v

    def ggnp(self, x, v):
        """The Gauss-Newton matrix at x times v, (n,): the Hessian itself, for the model is linear."""
        return self.hessp(x, v)

    @np.errstate(all="ignore")
    def jvp(self, x, v):
        """J v = A v, (m,)."""
        as_vector("x", x, self.n, self._A.dtype)
        return self._forward(as_vector("v", v, self.n, self._A.dtype)).reshape(-1)

    @np.errstate(all="ignore")
    def vjp(self, x, u):
        """J^T u = A^T u, (n,)."""
        as_vector("x", x, self.n, self._A.dtype)
        return self._adjoint(as_vector("u", np.reshape(u, -1), self.m, self._A.dtype))

    hess = dense_hessian

    @staticmethod
    def _curve(weights, Av):
        return weights * Av


class LeastSquares(_LinearLoss):
    """f(x) = 1/2 ||A x - b||^2: a sum, no 1/m. A is (m, n), b (m,); float32 if A is float32.

    g = A^T (A x - b) and H = A^T A (Nocedal & Wright 2006, sec. 10.2).
    ValueError: empty, NaN or inf, shapes that do not fit.
    """

    def __init__(self, A, b):
        A, b = as_data("A", A, 2), as_data("b", b, 1)
        if len(b) != len(A):
            raise ValueError(f"b: got shape {b.shape}, wanted ({len(A)},), a number for each row of A")
        super().__init__(A, A.shape[1], len(A), 0.0)
        self._b = b.astype(A.dtype)

    def _value(self, h):
        r = h - self._b
        return 0.5 * (r @ r)

    def _slope(self, h):
        return h - self._b

    def _curvature(self, h):
        return 1


class LogisticRegression(_LinearLoss):
    """f(x) = sum_i log(1 + exp(-s_i a_i^T x)) + 1/2 sum_j l2_j x_j^2, signs s = 2 y - 1: a sum, no 1/m.

    A (m, n) is used as it is (put a column of ones in it for an intercept), y (m,) holds 0 and 1, l2 is a
    number or one for each coefficient, (n,), so that the intercept can be free. With p = 1 / (1 + exp(-A x)):
    g = A^T (p - y) + l2 * x,  H = A^T diag(p (1 - p)) A + diag(l2)  (McCullagh & Nelder 1989, sec. 4.4).
    ValueError: empty, NaN or inf, shapes that do not fit, labels other than 0 and 1, negative l2.
    """

    def __init__(self, A, y, l2=0.0):
        A, y = as_data("A", A, 2), as_data("y", y, 1)
        if len(y) != len(A):
            raise ValueError(f"y: got shape {y.shape}, wanted ({len(A)},), a label for each row of A")
        if not np.isin(y, (0, 1)).all():
            raise ValueError(f"y: got labels from {y.min()} to {y.max()}, wanted only 0 and 1")
        super().__init__(A, A.shape[1], len(A), l2)
        self._sign = (2 * y - 1).astype(A.dtype)

    def _value(self, h):
        return np.logaddexp(0, -self._sign * h).sum()

    def _slope(self, h):
        return -self._sign * expit(-self._sign * h)

    def _curvature(self, h):
        return expit(h) * expit(-h)


class SoftmaxRegression(_LinearLoss):
    """f = mean_i (logsumexp(h_i) - h_i[y_i]) + 1/2 l2 ||theta||^2, logits h_i = W x_i + c: a MEAN.

    X (N, d) holds the raw features (the class adds the biases), y labels (N,) in 0..K-1, where K is the
    largest label plus one, or targets (N, K) whose rows are probabilities. theta (K (d + 1),) holds the rows
    [W_k, c_k], as in `NetworkLoss([d, K], X, y)`; outputs are the N K logits, in C order of (N, K). The
    penalty counts all of theta.
    With P = softmax(h):  G = (P - Y)^T [X, 1] / N,  and l'' u = (P * u - P (P * u).sum()) / N a sample
    (Bishop 2006, sec. 4.3.4). ValueError: empty, NaN or inf, shapes that do not fit, bad labels, negative l2.
    """

    def __init__(self, X, y, l2=0.0):
        X = as_data("X", X, 2)
        y = np.asarray(y)
        K = y.shape[1] if y.ndim == 2 else int(as_data("y", y, 1).max()) + 1
        self._Y = one_hot("y", y, len(X), max(K, 1), X.dtype)
        self.K = self._Y.shape[1]
        A = np.column_stack([X, np.ones(len(X), X.dtype)])
        super().__init__(A, self.K * A.shape[1], self._Y.size, l2)

    def _forward(self, v):
        return self._A @ v.reshape(self.K, -1).T

    def _adjoint(self, u):
        return (u.reshape(len(self._A), self.K).T @ self._A).reshape(-1)

    def _value(self, h):
        h = h - h.max(axis=1, keepdims=True)
        return (self._Y * (np.log(np.exp(h).sum(axis=1, keepdims=True)) - h)).sum() / len(h)

    def _slope(self, h):
        return (self._curvature(h) - self._Y) / len(h)

    def _curvature(self, h):
        P = np.exp(h - h.max(axis=1, keepdims=True))
        return P / P.sum(axis=1, keepdims=True)

    @staticmethod
    def _curve(P, U):
        PU = P * U
        return (PU - P * PU.sum(axis=1, keepdims=True)) / len(P)

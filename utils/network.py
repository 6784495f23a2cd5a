"""A fully connected network's loss, with its gradient and curvature as products that never form a matrix.

Layer k maps its input A (one row a sample) to Z = A W^T + b, the next input is phi(Z); the last Z is the output h.
With D = dloss/dZ for each layer, and R{.} the derivative in direction v = (V, c) of the parameters (W, b):

    forward      Z_k = A_k W_k^T + b_k                                  A_{k+1} = phi(Z_k)
    backward     dloss/dW_k = D_k^T A_k,   dloss/db_k = D_k^T 1         D_{k-1} = phi'(Z_{k-1}) * (D_k W_k)
    R-forward    R{Z_k} = A_k V_k^T + c_k + R{A_k} W_k^T                R{A_{k+1}} = phi'(Z_k) * R{Z_k}
    R-backward   (H v)_k = R{D_k}^T A_k + D_k^T R{A_k}                  R{D_last} = loss''(h) R{h}
                 R{D_{k-1}} = phi'(Z_{k-1}) * (R{D_k} W_k + D_k V_k) + phi''(Z_{k-1}) * (D_k W_k) * R{Z_{k-1}}

The first two lines are the gradient, all four the Hessian product (Pearlmutter 1994, the R-operator). R-forward
alone is J v; the backward line started from u is J^T u; R-forward, loss''(h), backward is the Gauss-Newton product
G v = J^T loss''(h) J v (Schraudolph 2002). Products at one point share its forward and backward pass.

The code is these lines (`tests/test_network.py` has them plain), arranged for speed. Each A ends in a column of ones,
so that [W, b] is one block of theta and a layer one matrix product. Samples go through in blocks that stay in the
cache, a block being a stack of tiles small enough for BLAS to multiply without copying them. Buffers are allocated
once. Two points are kept: a trial `fun(x + p)` uses the one without the linearization, so that products at x stay
cheap if it is rejected, and its forward pass is the next gradient's if it is accepted.
"""

import numpy as np

from utils.kronecker import drawn_slope, gram, kronecker_inverse
from utils.losses import as_data, as_penalty, as_vector, one_hot, same_bits

CACHE = 2**15  # numbers in the widest array of a block: a few such arrays fit a core's cache
SMALL = 10**6  # OpenBLAS multiplies (m, k) by (k, n) without copying them first if m k n is at most this


def _sigmoid(z):
    e = np.exp(-abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


# An activation is a pair. The first writes phi(z) to `a`. The second writes phi'(z) to `p`, turns e into phi'(z) * e
# and z into phi''(z) * e; for tanh the first leaves tanh(z) in z, which is all that the second needs.
def _tanh(z, a):
    a[...] = np.tanh(z, out=z)


def _tanh_back(z, p, e):
    np.multiply(z, z, out=p)
    np.subtract(1, p, out=p)
    e *= p
    z *= e
    z *= -2


def _relu(z, a):
    np.maximum(z, 0, out=a)


def _relu_back(z, p, e):
    np.greater(z, 0, out=p)
    e *= p
    z[...] = 0


def _softplus(z, a):
    np.logaddexp(z, 0, out=a)


def _softplus_back(z, p, e):
    p[...] = _sigmoid(z)
    e *= p
    np.multiply(1 - p, e, out=z)


def _identity(z, a):
    a[...] = z


def _identity_back(z, p, e):
    p[...] = 1
    z[...] = 0


def _square(z, a):
    np.multiply(z, z, out=a)


def _square_back(z, p, e):
    np.multiply(z, 2, out=p)
    np.multiply(e, 2, out=z)
    e *= p


ACTIVATIONS = {
    "tanh": (_tanh, _tanh_back),
    "relu": (_relu, _relu_back),
    "softplus": (_softplus, _softplus_back),
    "identity": (_identity, _identity_back),
    "square": (_square, _square_back),
}


# A loss is a pair. The first turns outputs h (..., K) into predictions s, so that dloss/dh = s - y, and returns the
# sum over samples. The second turns u into loss''(h) u, given s.
def _cross_entropy(h, y):
    h -= h.max(axis=-1, keepdims=True)
    value = -(y * h).sum()
    np.exp(h, out=h)
    total = h.sum(axis=-1, keepdims=True)
    h /= total
    return value + np.log(total).sum()


def _cross_entropy_curve(s, u):
    u *= s
    u -= s * u.sum(axis=-1, keepdims=True)


def _squared(h, y):
    r = h - y
    return np.vdot(r, r) / 2


def _squared_curve(s, u):
    pass


def _binary_cross_entropy(h, y):
    value = (np.logaddexp(h, 0) - y * h).sum()
    h[...] = _sigmoid(h)
    return value


def _binary_cross_entropy_curve(s, u):
    u *= s * (1 - s)


LOSSES = {
    "cross_entropy": (_cross_entropy, _cross_entropy_curve),
    "squared": (_squared, _squared_curve),
    "binary_cross_entropy": (_binary_cross_entropy, _binary_cross_entropy_curve),
}


class _Point:
    """A theta and its forward pass: block by block the inputs A and the Z of each layer, and f."""

    def __init__(self, net):
        self.theta, self.f, self.linearized = np.empty(net.n, net.dtype), None, False
        self.W = net._matrices(self.theta)
        self.WT = [np.empty(W.shape[::-1], net.dtype) for W in self.W]  # contiguous: BLAS is faster
        hidden = net.sizes[1:-1]
        self.A = [[X1] + [np.ones((*X1.shape[:2], w + 1), net.dtype) for w in hidden] for X1 in net._inputs]
        self.Z = [net._buffers(X1) for X1 in net._inputs]

    def move(self, theta):
        self.theta[:], self.f, self.linearized = theta, None, False
        for WT, W in zip(self.WT, self.W):
            WT[...] = W.T


class NetworkLoss:
    """f(theta) = mean over samples of the loss of the network's outputs + 1/2 l2 ||theta||^2.

    sizes       widths [d, ..., K]: inputs, hidden layers, outputs
    X           inputs (N, d); all is computed in its precision: float32 if X is float32, else float64
    Y           targets (N, K); for cross_entropy also labels (N,) in 0..K-1; if K = 1 also (N,)
    activation  "tanh", "relu", "softplus", "identity" or "square" (z^2), on all layers but the last
    loss        "squared" (1/2 ||h - y||^2), or with logits h "cross_entropy" (softmax; rows of Y are probabilities)
                or "binary_cross_entropy" (Y in [0, 1]; the sum over outputs)
    l2          penalty on all parameters, biases included

    theta (n,) holds for each layer the (out, in + 1) matrix [W, b] in C order. Outputs h of all samples count as one
    vector (m,), m = N K, in C order of (N, K). Data are copied, arguments never changed, returned arrays are the
    caller's. What was computed at a theta is found again by its content. One object serves one thread.
    ValueError: empty data, NaN or inf, shapes that do not fit, labels out of range, unknown names, negative l2.
    """

    def __init__(self, sizes, X, Y, activation="tanh", loss="cross_entropy", l2=0.0):
        self.sizes = [int(w) for w in sizes]
        if len(self.sizes) < 2 or min(self.sizes) < 1:
            raise ValueError(f"sizes: got {list(sizes)}, wanted at least inputs and outputs, all positive")
        for name, got, table in (("activation", activation, ACTIVATIONS), ("loss", loss, LOSSES)):
            if got not in table:
                raise ValueError(f"{name}: got {got!r}, wanted one of {', '.join(table)}")
        X = as_data("X", X, 2)
        self.N, self.dtype = len(X), X.dtype
        self.activation, self.loss, self.l2 = activation, loss, X.dtype.type(as_penalty(l2))
        if X.shape[1] != self.sizes[0]:
            raise ValueError(f"X: got shape {X.shape}, wanted (N, {self.sizes[0]}) for sizes {self.sizes}")
        self._phi, self._phi_back = ACTIVATIONS[activation]
        self._value, self._curve = LOSSES[loss]
        self._shapes = [(o, i + 1) for i, o in zip(self.sizes, self.sizes[1:])]
        self.n, self.m = sum(o * i for o, i in self._shapes), self.N * self.sizes[-1]
        self._X, self._Y = np.column_stack([X, np.ones(self.N, X.dtype)]), self._targets(Y)

        self._rows = self._split()
        self._inputs = [self._X[rows].reshape(*shape, -1) for rows, shape in self._rows]
        self._outputs = [self._buffers(X1)[-1] for X1 in self._inputs]
        for y, (rows, shape) in zip(self._outputs, self._rows):
            y[...] = self._Y[rows].reshape(y.shape)
        self._points, self._linear = (_Point(self), _Point(self)), 1
        self._D = [self._buffers(X1) for X1 in self._inputs]       # dloss/dZ
        self._P = [self._buffers(X1)[:-1] for X1 in self._inputs]  # phi'(Z)
        scratch = {X1.shape: [self._buffers(X1) for _ in range(4)] for X1 in self._inputs}
        self._scratch = [scratch[X1.shape] for X1 in self._inputs]
        self._v = np.empty(self.n, X.dtype)
        self._V = self._matrices(self._v)
        self._VT = [np.empty(V.shape[::-1], X.dtype) for V in self._V]
        # Each tile's share of a product, two terms each; the second has no first layer and no biases.
        tiles = max(shape[0] for _, shape in self._rows)
        self._parts = np.zeros((2, tiles, self.n), X.dtype)

    def _targets(self, Y):
        """Y as (N, K) in the right dtype, or ValueError."""
        N, K = self.N, self.sizes[-1]
        if self.loss == "cross_entropy":
            return one_hot("Y", Y, N, K, self.dtype)
        Y = as_data("Y", Y, 1 if np.ndim(Y) == 1 and K == 1 else 2).astype(self.dtype)
        if len(Y) != N or Y.size != N * K:
            raise ValueError(f"Y: got shape {Y.shape}, wanted ({N}, {K})")
        if self.loss == "binary_cross_entropy" and not (0 <= Y.min() and Y.max() <= 1):
            raise ValueError(f"Y: got targets from {Y.min()} to {Y.max()}, wanted them in [0, 1]")
        return Y.reshape(N, K)

    def _split(self):
        """Blocks of samples as (slice, (tiles, samples a tile))."""
        block = max(CACHE // max(self.sizes), 1)
        tile = SMALL // max(o * i for o, i in self._shapes)
        tile = min(block, tile) if tile >= 100 else block
        tiles = -(-self.N // tile)
        b, longer = divmod(self.N, tiles)
        rows, start = [], 0
        for count, size in ((longer, b + 1), (tiles - longer, b)):
            while count:
                t = min(count, max(block // size, 1))
                rows.append((slice(start, start + t * size), (t, size)))
                count, start = count - t, start + t * size
        return rows

    def _buffers(self, X1):
        """An array (tiles, samples, out) for each layer; a softmax sums outputs fast if samples come last in memory."""
        buffers = [np.empty((*X1.shape[:2], w), self.dtype) for w in self.sizes[1:]]
        if self.loss == "cross_entropy":
            buffers[-1] = buffers[-1].reshape(X1.shape[0], -1, X1.shape[1]).swapaxes(1, 2)
        return buffers

    def _matrices(self, flat):
        """The blocks [W, b] of flat vectors (..., n), as views (..., out, in + 1)."""
        ends = np.cumsum([o * i for o, i in self._shapes])
        parts = np.split(flat, ends[:-1], axis=-1)
        return [part.reshape(flat.shape[:-1] + shape) for part, shape in zip(parts, self._shapes)]

    # ---- the four passes ---------------------------------------------------------------------------------------

    def _forward(self, theta):
        """The point that holds theta's forward pass and f."""
        theta = as_vector("theta", theta, self.n, self.dtype)
        for p in self._points:
            if p.f is not None and same_bits(p.theta, theta):
                return p
        p = self._points[1 - self._linear]
        p.move(theta)
        f = 0.0
        for A, Z, Y in zip(p.A, p.Z, self._outputs):
            for k, WT in enumerate(p.WT):
                np.matmul(A[k], WT, out=Z[k])
                if k + 1 < len(p.WT):
                    self._phi(Z[k], A[k + 1][..., :-1])
            f += float(self._value(Z[-1], Y))
        finite = np.isfinite(p.theta).all()
        p.f = f / self.N + 0.5 * float(self.l2 * p.theta @ p.theta) if finite else np.nan
        return p

    def _linearize(self, theta):
        """The point that holds theta's linearization."""
        p = self._forward(theta)
        if not p.linearized:
            here, f = self._points.index(p), p.f
            self._points[here].f = self._points[self._linear].f = None  # until done, and the old one for good
            self._linear, self._gradient = here, self.l2 * p.theta
            for c, Y in enumerate(self._outputs):
                D, P = self._D[c], self._P[c]
                np.subtract(p.Z[c][-1], Y, out=D[-1])
                D[-1] /= self.N
                for k in reversed(range(1, len(p.W))):
                    np.matmul(D[k], p.W[k][:, :-1], out=D[k - 1])
                    self._phi_back(p.Z[c][k - 1], P[k - 1], D[k - 1])
                self._gradient += self._weights(p, c, D)
            p.f, p.linearized = f, True
        return p

    def _weights(self, p, c, D, RA=None):
        """D^T A for each layer, summed over the tiles of block c; with RA also the sum of self._D^T RA."""
        tiles = len(D[0])
        for k, G in enumerate(self._matrices(self._parts[0, :tiles])):
            np.matmul(D[k].swapaxes(1, 2), p.A[c][k], out=G)
        if RA is None:
            return self._parts[0, :tiles].sum(axis=0)
        for k, G in enumerate(self._matrices(self._parts[1, :tiles])):
            if k:
                np.matmul(self._D[c][k].swapaxes(1, 2), RA[k - 1], out=G[..., :-1])
        return self._parts[:, :tiles].sum(axis=(0, 1))

    def _tangent(self, p, c):
        """R-forward through block c in direction self._v: (R{Z}, R{A})."""
        RZ, RA, T, _ = self._scratch[c]
        for k, VT in enumerate(self._VT):
            np.matmul(p.A[c][k], VT, out=RZ[k])
            if k:
                RZ[k] += np.matmul(RA[k - 1], p.WT[k][:-1], out=T[k])
            if k + 1 < len(RZ):
                np.multiply(self._P[c][k], RZ[k], out=RA[k])
        return RZ, RA

    def _direct(self, v):
        self._v[:] = as_vector("v", v, self.n, self.dtype)
        for VT, V in zip(self._VT, self._V):
            VT[...] = V.T

    def _pull(self, p, c, U):
        """J^T u of block c: backward from U (tiles, samples, K)."""
        D = self._scratch[c][0][:-1] + [U]
        for k in reversed(range(1, len(p.W))):
            np.matmul(D[k], p.W[k][:, :-1], out=D[k - 1])
            D[k - 1] *= self._P[c][k - 1]
        return self._weights(p, c, D)

    # ---- the interface -----------------------------------------------------------------------------------------

    @np.errstate(all="ignore")
    def fun(self, theta):
        """f(theta), a float; NaN or inf without a warning where theta is not finite or f overflows."""
        return self._forward(theta).f

    @np.errstate(all="ignore")
    def grad(self, theta):
        """The gradient at theta, (n,)."""
        self._linearize(theta)
        return self._gradient.copy()

    @np.errstate(all="ignore")
    def hessp(self, theta, v):
        """The Hessian at theta times v, (n,): exact, by the R-operator (Pearlmutter 1994)."""
        p = self._linearize(theta)
        self._direct(v)
        Hv = self.l2 * self._v
        for c, (P, D, Q) in enumerate(zip(self._P, self._D, p.Z)):
            RZ, RA = self._tangent(p, c)
            RD = RZ
            self._curve(Q[-1], RD[-1])
            RD[-1] /= self.N
            for k in reversed(range(1, len(p.W))):
                RZ[k - 1] *= Q[k - 1]
                E = np.matmul(RD[k], p.W[k][:, :-1], out=self._scratch[c][2][k - 1])
                E += np.matmul(D[k], self._V[k][:, :-1], out=self._scratch[c][3][k - 1])
                E *= P[k - 1]
                RD[k - 1] += E
            Hv += self._weights(p, c, RD, RA)
        return Hv

    @np.errstate(all="ignore")
    def ggnp(self, theta, v):
        """The Gauss-Newton matrix J^T loss''(h) J + l2 I at theta times v, (n,) (Schraudolph 2002)."""
        p = self._linearize(theta)
        self._direct(v)
        Gv = self.l2 * self._v
        for c, Z in enumerate(p.Z):
            U = self._tangent(p, c)[0][-1]
            self._curve(Z[-1], U)
            U /= self.N
            Gv += self._pull(p, c, U)
        return Gv

    @np.errstate(all="ignore")
    def jvp(self, theta, v):
        """J v, (m,): how the outputs change with theta in direction v."""
        p = self._linearize(theta)
        self._direct(v)
        Jv = np.empty((self.N, self.sizes[-1]), self.dtype)
        for c, (rows, shape) in enumerate(self._rows):
            Jv[rows] = self._tangent(p, c)[0][-1].reshape(-1, self.sizes[-1])
        return Jv.reshape(-1)

    @np.errstate(all="ignore")
    def vjp(self, theta, u):
        """J^T u, (n,), for u (m,) or (N, K) in the space of outputs."""
        p = self._linearize(theta)
        u = as_vector("u", np.reshape(u, -1), self.m, self.dtype).reshape(self.N, -1)
        return sum(self._pull(p, c, u[rows].reshape(*shape, -1)) for c, (rows, shape) in enumerate(self._rows))

    def predict(self, theta, X):
        """The outputs h (N', K), logits for the classifiers, for inputs X (N', d)."""
        theta = as_vector("theta", theta, self.n, self.dtype)
        A = as_data("X", X, 2).astype(self.dtype)
        if A.shape[1] != self.sizes[0]:
            raise ValueError(f"X: got shape {A.shape}, wanted (N, {self.sizes[0]})")
        for k, (W, b) in enumerate(self.layers(theta)):
            A = A @ W.T + b
            if k + 2 < len(self.sizes):
                self._phi(A.copy(), A)
        return A

    def layers(self, theta):
        """[(W, b), ...] with W (out, in) and b (out,), views of theta: what is written to them is in theta."""
        theta = np.asarray(theta)
        if theta.shape != (self.n,):
            raise ValueError(f"theta: got shape {theta.shape}, wanted ({self.n},)")
        return [(W[:, :-1], W[:, -1]) for W in self._matrices(theta)]

    def init(self, seed, scale=1.0):
        """A random theta: biases 0, weights normal with deviation scale / sqrt(in) (LeCun et al. 1998).

        The default keeps the size of signals through tanh layers; relu wants scale = sqrt(2) (He et al. 2015).
        """
        theta, rng = np.zeros(self.n, self.dtype), np.random.default_rng(seed)
        for W, _ in self.layers(theta):
            W[...] = rng.standard_normal(W.shape) * (scale / np.sqrt(W.shape[1]))
        return theta

    def subsample(self, rows):
        """The same loss on some samples: `rows` is an index array, a mask or a slice."""
        return NetworkLoss(self.sizes, self._X[rows, :-1], self._Y[rows], self.activation, self.loss, self.l2)

    def __reduce__(self):
        """Copies and pickles are made anew: buffers and their views would not stay together."""
        return NetworkLoss, (self.sizes, self._X[:, :-1], self._Y, self.activation, self.loss, self.l2)

    @np.errstate(all="ignore")
    def kronecker(self, theta, damping=1e-3, seed=0):
        """A function v -> M^-1 v, (n,) to (n,), M the Kronecker-factored Gauss-Newton matrix at theta + damping I.

        Symmetric positive definite, for use as a preconditioner; it costs about 1.4 gradients and an
        eigendecomposition for each side of each layer. See `utils/kronecker.py` (Martens & Grosse 2015).
        """
        p, rng = self._linearize(theta), np.random.default_rng(seed)
        inputs, slopes = [[0] * len(p.W) for _ in "AD"]
        for A, Z, P in zip(p.A, p.Z, self._P):
            D = drawn_slope(self.loss, Z[-1], rng).astype(self.dtype)
            for k in reversed(range(len(p.W))):
                inputs[k], slopes[k] = inputs[k] + gram(A[k]) / self.N, slopes[k] + gram(D) / self.N
                D = (D @ p.W[k][:, :-1]) * P[k - 1] if k else None
        return kronecker_inverse(inputs, slopes, damping + float(self.l2))

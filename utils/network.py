"""A fully connected network's loss, with its gradient and curvature as products that never form a matrix.

Layer k maps its input A (one row a sample) to Z = A W^T + b, the next input is phi(Z); the last Z is the output h.
With D = dloss/dZ for each layer, and R{.} the derivative in direction v = (V, c) of the parameters (W, b):

    forward      Z_k = A_k W_k^T + b_k                                  A_{k+1} = phi(Z_k)
    backward     dloss/dW_k = D_k^T A_k,   dloss/db_k = D_k^T 1         D_{k-1} = phi'(Z_{k-1}) * (D_k W_k)
    R-forward    R{Z_k} = A_k V_k^T + c_k + R{A_k} W_k^T                R{A_{k+1}} = phi'(Z_k) * R{Z_k}
    R-backward   (H v)_k = R{D_k}^T A_k + D_k^T R{A_k}                  R{D_last} = loss''(h) R{h}
                 R{D_{k-1}} = phi'(Z_{k-1}) * (R{D_k} W_k + D_k V_k) + phi''(Z_{k-1}) * R{Z_{k-1}} * (D_k W_k)

The first two lines are the gradient, all four the Hessian product (Pearlmutter 1994, the R-operator). R-forward
alone is J v; the backward line started from u is J^T u; R-forward, loss''(h), backward is the Gauss-Newton product
G v = J^T loss''(h) J v (Schraudolph 2002). Products at one point share its forward and backward pass.

How the code differs from these lines, for speed only (`tests/test_network.py` has the plain version):
samples are columns and each input ends in a row of ones, so that [W, b] is one block of the flat vector and a layer
is one matrix product; samples go through in blocks that fit the processor's cache; every buffer is allocated once.
Two points are kept. A trial `fun(x + p)` fills the one that holds no linearization, so that the products at x stay
cheap when the trial is rejected, and its forward pass is the next gradient's when it is accepted.
"""

import numpy as np

from utils.losses import as_data, as_penalty, as_vector, one_hot, same_bits

BLOCK = 512  # samples that go through the network together


# Each activation is a pair: phi writes phi(z) to `a`; its derivative turns z into phi'(z), e into phi'(z) * e, and
# writes phi''(z) * e to `q`, or says False where phi'' is zero everywhere.
def _tanh(z, a):
    np.tanh(z, out=a)


def _tanh_back(z, a, e, q):
    np.multiply(a, a, out=z)
    np.subtract(1, z, out=z)
    e *= z
    np.multiply(a, e, out=q)
    q *= -2


def _relu(z, a):
    np.maximum(z, 0, out=a)


def _relu_back(z, a, e, q):
    np.greater(a, 0, out=z)
    e *= z
    q[...] = 0


def _softplus(z, a):
    np.logaddexp(z, 0, out=a)


def _softplus_back(z, a, e, q):
    z[...] = _sigmoid(z)
    e *= z
    np.multiply(e, 1 - z, out=q)


def _identity(z, a):
    a[...] = z


def _identity_back(z, a, e, q):
    z[...] = 1
    q[...] = 0


def _square(z, a):
    np.multiply(z, z, out=a)


def _square_back(z, a, e, q):
    np.multiply(e, 2, out=q)
    z *= 2
    e *= z


def _sigmoid(z):
    e = np.exp(-abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


ACTIVATIONS = {
    "tanh": (_tanh, _tanh_back),
    "relu": (_relu, _relu_back),
    "softplus": (_softplus, _softplus_back),
    "identity": (_identity, _identity_back),
    "square": (_square, _square_back),
}


# Each loss turns outputs h (K, samples) into predictions s in place and returns the sum over samples, so that
# dloss/dh = s - y; its curvature turns R{h} into loss''(h) R{h} in place, given s; and it draws targets from s.
def _cross_entropy(h, y):
    h -= h.max(axis=0)
    linear = np.vdot(y, h)
    np.exp(h, out=h)
    total = h.sum(axis=0)
    h /= total
    return np.log(total).sum() - linear


def _cross_entropy_curve(s, u):
    u *= s
    u -= s * u.sum(axis=0)


def _cross_entropy_draw(s, rng):
    label = (rng.random(s.shape[1]) > np.cumsum(s, axis=0)[:-1]).sum(axis=0)
    return np.arange(len(s))[:, None] == label


def _squared(h, y):
    r = h - y
    return np.vdot(r, r) / 2


def _squared_curve(s, u):
    pass


def _squared_draw(s, rng):
    return s + rng.standard_normal(s.shape)


def _binary_cross_entropy(h, y):
    value = (np.logaddexp(h, 0) - y * h).sum()
    h[...] = _sigmoid(h)
    return value


def _binary_cross_entropy_curve(s, u):
    u *= s * (1 - s)


def _binary_cross_entropy_draw(s, rng):
    return rng.random(s.shape) < s


LOSSES = {
    "cross_entropy": (_cross_entropy, _cross_entropy_curve, _cross_entropy_draw),
    "squared": (_squared, _squared_curve, _squared_draw),
    "binary_cross_entropy": (_binary_cross_entropy, _binary_cross_entropy_curve, _binary_cross_entropy_draw),
}


class _Point:
    """Where the network was evaluated: theta, and block by block the inputs A and the Z (later phi') of each layer."""

    def __init__(self, net):
        self.theta = np.full(net.n, np.nan, net.dtype)
        self.W = net._matrices(self.theta)
        self.f, self.linearized = None, False
        self.A, self.Z = [], []
        for X1 in net._inputs:
            b = X1.shape[1]
            self.A.append([X1] + [np.ones((w + 1, b), net.dtype) for w in net.sizes[1:-1]])
            self.Z.append([np.empty((w, b), net.dtype) for w in net.sizes[1:]])


class NetworkLoss:
    """f(theta) = mean over samples of the loss of the network's outputs + 1/2 l2 ||theta||^2.

    sizes       widths [d, ..., K]: inputs, hidden layers, outputs
    X           inputs (N, d); all is computed in its precision: float32 if X is float32, else float64
    Y           targets (N, K), for cross_entropy also labels (N,) in 0..K-1, for K = 1 also (N,)
    activation  "tanh", "relu", "softplus", "identity" or "square" (z^2) on all layers but the last
    loss        "cross_entropy" (softmax; target rows are probabilities), "squared" (1/2 ||h - y||^2), or
                "binary_cross_entropy" (targets in [0, 1]; the sum over outputs); h are logits for the last two named
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
        N, K = len(X), self.sizes[-1]
        if X.shape[1] != self.sizes[0]:
            raise ValueError(f"X: got shape {X.shape}, wanted (N, {self.sizes[0]}) for sizes {self.sizes}")
        self.activation, self.loss, self.l2, self.dtype = activation, loss, float(as_penalty(l2)), X.dtype
        self._phi, self._phi_back = ACTIVATIONS[activation]
        self._value, self._curve, self._draw = LOSSES[loss]
        Y = one_hot("Y", Y, N, K, X.dtype) if loss == "cross_entropy" else self._targets(Y, N, K)
        self.N, self.m = N, N * K
        self._shapes = [(o, i + 1) for i, o in zip(self.sizes, self.sizes[1:])]
        self.n = sum(o * i for o, i in self._shapes)

        X1 = np.vstack([X.T, np.ones(N, X.dtype)])
        parts = -(-N // BLOCK)
        self._inputs = [np.ascontiguousarray(x) for x in np.array_split(X1, parts, axis=1)]
        self._targets_T = [np.ascontiguousarray(y) for y in np.array_split(Y.T, parts, axis=1)]
        self._points, self._linear = (_Point(self), _Point(self)), 1

        def buffers(widths, b):
            return [np.empty((w, b), X.dtype) for w in widths]

        hidden, outs = self.sizes[1:-1], self.sizes[1:]
        self._D = [buffers(outs, x.shape[1]) for x in self._inputs]    # dloss/dZ
        self._Q = [buffers(hidden, x.shape[1]) for x in self._inputs]  # phi''(Z) * (W^T D)
        scratch = {x.shape[1]: (buffers(outs, x.shape[1]), buffers(outs, x.shape[1]), buffers(outs, x.shape[1]))
                   for x in self._inputs}
        self._scratch = [scratch[x.shape[1]] for x in self._inputs]
        self._v, self._g, self._t = (np.empty(self.n, X.dtype) for _ in range(3))
        self._V, self._G, self._T = map(self._matrices, (self._v, self._g, self._t))

    def _targets(self, Y, N, K):
        Y = as_data("Y", Y, 1 if np.ndim(Y) == 1 and K == 1 else 2).astype(self.dtype)
        if len(Y) != N or Y.size != N * K:
            raise ValueError(f"Y: got shape {Y.shape}, wanted ({N}, {K})")
        if self.loss == "binary_cross_entropy" and not (0 <= Y.min() and Y.max() <= 1):
            raise ValueError(f"Y: got targets from {Y.min()} to {Y.max()}, wanted them in [0, 1]")
        return Y.reshape(N, K)

    def _matrices(self, flat):
        """The blocks [W, b] of a flat vector, as views (out, in + 1)."""
        ends = np.cumsum([o * i for o, i in self._shapes])
        return [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), self._shapes)]

    # ---- the four passes ---------------------------------------------------------------------------------------

    def _forward(self, theta):
        """The point that holds theta's forward pass and f."""
        theta = as_vector("theta", theta, self.n, self.dtype)
        for p in self._points:
            if p.f is not None and same_bits(p.theta, theta):
                return p
        p = self._points[1 - self._linear]
        p.f, p.linearized = None, False
        p.theta[:] = theta
        f = 0.0
        for A, Z, Y in zip(p.A, p.Z, self._targets_T):
            for k, W in enumerate(p.W):
                np.matmul(W, A[k], out=Z[k])
                if k + 1 < len(p.W):
                    self._phi(Z[k], A[k + 1][:-1])
            f += float(self._value(Z[-1], Y))
        finite = np.isfinite(p.theta).all()
        p.f = f / self.N + 0.5 * self.l2 * float(p.theta @ p.theta) if finite else np.nan
        return p

    def _linearize(self, theta):
        """The point that holds theta's linearization; the gradient of the mean loss is left in self._gradient."""
        p = self._forward(theta)
        if p.linearized:
            return p
        self._linear = self._points.index(p)
        for c, Y in enumerate(self._targets_T):
            D = self._D[c]
            np.subtract(p.Z[c][-1], Y, out=D[-1])
            D[-1] /= self.N
            for k in reversed(range(len(p.W))):
                self._add(c, k, D[k], p.A[c][k])
                if k:
                    np.matmul(p.W[k][:, :-1].T, D[k], out=D[k - 1])
                    self._phi_back(p.Z[c][k - 1], p.A[c][k][:-1], D[k - 1], self._Q[c][k - 1])
        self._gradient = self._g + self.dtype.type(self.l2) * p.theta
        p.linearized = True
        return p

    def _add(self, c, k, D, A):
        """Layer k's block of the gradient: D A^T of block c, added to that of the blocks before."""
        if c == 0:
            np.matmul(D, A.T, out=self._G[k])
        else:
            np.matmul(D, A.T, out=self._T[k])
            self._G[k] += self._T[k]

    def _tangent(self, p, c):
        """R-forward through block c in direction self._v: (R{Z}, R{A}), lists of (out, samples)."""
        RZ, RA, T = self._scratch[c]
        for k, V in enumerate(self._V):
            np.matmul(V, p.A[c][k], out=RZ[k])
            if k:
                RZ[k] += np.matmul(p.W[k][:, :-1], RA[k - 1], out=T[k])
            if k + 1 < len(p.W):
                np.multiply(p.Z[c][k], RZ[k], out=RA[k])
        return RZ, RA

    def _pull(self, p, c, D):
        """Backward through block c from D = dloss/dh, (K, samples): adds to self._G."""
        for k in reversed(range(len(p.W))):
            self._add(c, k, D, p.A[c][k])
            if k:
                D = np.matmul(p.W[k][:, :-1].T, D, out=self._scratch[c][0][k - 1])
                D *= p.Z[c][k - 1]

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
        self._v[:] = as_vector("v", v, self.n, self.dtype)
        for c in range(len(self._inputs)):
            A, P, D, Q, T = p.A[c], p.Z[c], self._D[c], self._Q[c], self._scratch[c][2]
            RZ, RA = self._tangent(p, c)
            self._curve(P[-1], RZ[-1])
            RZ[-1] /= self.N
            for k in reversed(range(len(p.W))):
                self._add(c, k, RZ[k], A[k])
                if k:
                    self._G[k][:, :-1] += np.matmul(D[k], RA[k - 1].T, out=self._T[k][:, :-1])
                    RD = np.matmul(self._V[k][:, :-1].T, D[k], out=RA[k - 1])
                    RD += np.matmul(p.W[k][:, :-1].T, RZ[k], out=T[k - 1])
                    RD *= P[k - 1]
                    RZ[k - 1] *= Q[k - 1]
                    RZ[k - 1] += RD
        return self._g + self.dtype.type(self.l2) * self._v

    @np.errstate(all="ignore")
    def ggnp(self, theta, v):
        """The Gauss-Newton matrix J^T loss''(h) J + l2 I at theta times v, (n,) (Schraudolph 2002)."""
        p = self._linearize(theta)
        self._v[:] = as_vector("v", v, self.n, self.dtype)
        for c in range(len(self._inputs)):
            U = self._tangent(p, c)[0][-1]
            self._curve(p.Z[c][-1], U)
            U /= self.N
            self._pull(p, c, U)
        return self._g + self.dtype.type(self.l2) * self._v

    @np.errstate(all="ignore")
    def jvp(self, theta, v):
        """J v, (m,): how the outputs change with theta in direction v."""
        p = self._linearize(theta)
        self._v[:] = as_vector("v", v, self.n, self.dtype)
        columns = [self._tangent(p, c)[0][-1].copy() for c in range(len(self._inputs))]
        return np.hstack(columns).T.reshape(-1)

    @np.errstate(all="ignore")
    def vjp(self, theta, u):
        """J^T u, (n,), for u (m,) or (N, K) in the space of outputs."""
        p = self._linearize(theta)
        u = as_vector("u", np.reshape(u, -1), self.m, self.dtype).reshape(self.N, -1)
        for c, U in enumerate(np.array_split(u.T, len(self._inputs), axis=1)):
            self._pull(p, c, U)
        return self._g.copy()

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

    # ---- other views of the same loss --------------------------------------------------------------------------

    def subsample(self, rows):
        """The same loss on some samples: `rows` is an index array, a mask or a slice."""
        X, Y = (np.hstack(parts).T[rows] for parts in (self._inputs, self._targets_T))
        return NetworkLoss(self.sizes, X[:, :-1], Y, self.activation, self.loss, self.l2)

    def __reduce__(self):
        X, Y = (np.hstack(parts).T for parts in (self._inputs, self._targets_T))
        return NetworkLoss, (self.sizes, X[:, :-1], Y, self.activation, self.loss, self.l2)

    @np.errstate(all="ignore")
    def kronecker(self, theta, damping=1e-3, seed=0):
        """A function v -> M^-1 v (n,), M the Kronecker-factored Gauss-Newton matrix (Martens & Grosse 2015, sec. 3).

        Per layer M = E[a a^T] (x) E[d d^T] + (damping + l2) I, with a the inputs (ones included) and d the derivative
        of one sample's loss with its label drawn from the model's own prediction. Symmetric positive definite.
        """
        p, rng, factors = self._linearize(theta), np.random.default_rng(seed), []
        AA, DD = ([np.zeros((s[i], s[i])) for s in self._shapes] for i in (1, 0))
        for A, P in zip(p.A, p.Z):
            D = (P[-1] - self._draw(P[-1], rng)).astype(self.dtype)
            for k in reversed(range(len(p.W))):
                AA[k] += A[k] @ A[k].T / self.N
                DD[k] += D @ D.T / self.N
                if k:
                    D = P[k - 1] * (p.W[k][:, :-1].T @ D)
        for aa, dd in zip(AA, DD):
            (la, Qa), (ld, Qd) = np.linalg.eigh(aa), np.linalg.eigh(dd)
            factors.append((Qa, Qd, np.outer(ld.clip(0), la.clip(0)) + (damping + self.l2)))

        def solve(v):
            v = as_vector("v", v, self.n, self.dtype)
            parts = [Qd @ ((Qd.T @ R @ Qa) / scale) @ Qa.T
                     for R, (Qa, Qd, scale) in zip(self._matrices(v), factors)]
            return np.concatenate([part.reshape(-1) for part in parts]).astype(self.dtype)

        return solve

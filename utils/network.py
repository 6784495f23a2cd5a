"""A fully connected network's loss, with its gradient and curvature as products that never form a matrix.

Layer k maps its input A (a row each sample) to Z = A W^T + b; the next input is phi(Z), the last Z the output
h. D is dloss/dZ of each layer, R{.} the derivative in the direction v = (V, c) of the parameters (W, b):

  forward     Z_k = A_k W_k^T + b_k                        A_{k+1} = phi(Z_k)
  backward    dloss/dW_k = D_k^T A_k, /db_k = D_k^T 1      D_{k-1} = phi'(Z_{k-1}) * (D_k W_k)
  R-forward   R{Z_k} = A_k V_k^T + c_k + R{A_k} W_k^T      R{A_{k+1}} = phi'(Z_k) * R{Z_k}
  R-backward  (H v)_k = R{D_k}^T A_k + D_k^T R{A_k}        R{D_{k-1}} = phi'(Z_{k-1}) * (R{D_k} W_k + D_k V_k)
              from R{D_last} = loss''(h) R{h}                        + phi''(Z_{k-1}) * (D_k W_k) * R{Z_{k-1}}

Two lines are the gradient, all four the Hessian product (Pearlmutter 1994, the R-operator). R-forward alone
is J v, the backward line started from u is J^T u, and R-forward, loss''(h), backward is the Gauss-Newton
product G v = J^T loss''(h) J v (Schraudolph 2002). Products at one point share its forward and backward pass.

The code is these lines (plain in `tests/test_network.py`), arranged for speed. Each A ends in a column of
ones: [W, b] is one block of theta, a layer one matrix product. What meets A entry by entry ends in a column
of zeros: all arrays are contiguous. Samples pass in blocks that stay in the cache, stacks of tiles that BLAS
multiplies without copying. Buffers are allocated once. Two points are kept: a trial `fun(x + p)` uses the one
without the linearization. If it is rejected, products at x are still cheap; if not, its pass is used again.
"""

import numpy as np

from .kronecker import kronecker_inverse
from .losses import as_data, as_penalty, as_vector, dense_hessian
from .pointwise import ACTIVATIONS, LOSSES, named, targets

CACHE = 2**16  # numbers in the widest array of a block
SMALL = 10**6  # OpenBLAS multiplies (m, k) by (k, n) without first copying them if m k n is at most this
TILE = 100  # fewer samples than this in a tile do not pay


def _times_W(D, W, out):
    np.matmul(D[..., :len(W)], W[:, :-1], out=out[..., :-1])


class _Point:
    """A theta, its forward pass (the inputs A and the Z of each layer, block by block), and f or None."""

    def __init__(self, net):
        self.theta, self.f, self.linearized = np.empty(net.n, net.dtype), None, False
        self.W = net._matrices(self.theta)
        self.WT = [np.empty(W.shape[::-1], net.dtype) for W in self.W]  # contiguous: BLAS is faster
        self.Z = [net._buffers(X1) for X1 in net._inputs]
        self.A = [[X1] + [np.ones_like(z) for z in Z[:-1]] for X1, Z in zip(net._inputs, self.Z)]


class NetworkLoss:
    """f(theta) = mean over samples of the loss of the network's outputs + 1/2 l2 ||theta||^2.

    sizes       widths [d, ..., K]: inputs, hidden layers, outputs
    X           inputs (N, d); all is computed in its precision: float32 if X is float32, else float64
    Y           targets (N, K); for cross_entropy also labels (N,) in 0..K-1; if K = 1 also (N,)
    activation  "tanh", "relu", "softplus", "identity" or "square" (z^2), on all layers but the last
    loss        "squared" (1/2 ||h - y||^2), or with logits h "cross_entropy" (softmax; rows of Y are
                probabilities) or "binary_cross_entropy" (Y in [0, 1]; the sum over outputs)
    l2          penalty on all parameters, biases included

    theta (n,) holds for each layer the (out, in + 1) matrix [W, b] in C order; outputs of all samples are one
    vector (m,), m = N K, in C order of (N, K). Data are copied, arguments never changed, returned arrays the
    caller's. What was computed at a theta is found again by its content. One object serves one thread.
    ValueError: empty data, NaN or inf, shapes that do not fit, bad labels, unknown names, negative l2.
    """

    def __init__(self, sizes, X, Y, activation="tanh", loss="cross_entropy", l2=0.0):
        self.sizes = [int(w) for w in sizes]
        if len(self.sizes) < 2 or min(self.sizes) < 1 or self.sizes != list(sizes):
            raise ValueError(f"sizes: got {sizes}, wanted positive integers, at least inputs and outputs")
        X = as_data("X", X, 2)
        if X.shape[1] != self.sizes[0]:
            raise ValueError(f"X: got shape {X.shape}, wanted (N, {self.sizes[0]}) for sizes {self.sizes}")
        self.N, self.dtype = len(X), X.dtype
        self.activation, self.loss, self.l2 = activation, loss, X.dtype.type(as_penalty(l2))
        self._phi, self._back = named("activation", activation, ACTIVATIONS)
        self._value, self._curve, self._draw = named("loss", loss, LOSSES)
        self._shapes = [(o, i + 1) for i, o in zip(self.sizes, self.sizes[1:])]
        self.n, self.m = sum(o * i for o, i in self._shapes), self.N * self.sizes[-1]
        self._X = np.column_stack([X, np.ones(self.N, X.dtype)])
        self._Y = targets(loss, Y, self.N, self.sizes[-1], X.dtype)

        self._blocks = self._split()
        self._inputs = [self._X[rows].reshape(*shape, -1) for rows, shape in self._blocks]
        self._outputs = [self._buffers(X1)[-1] for X1 in self._inputs]
        for (rows, _), y in zip(self._blocks, self._outputs):
            y[...] = self._Y[rows].reshape(y.shape)
        self._points, self._here = (_Point(self), _Point(self)), 1  # which of them is linearized
        self._D = [self._buffers(X1) for X1 in self._inputs]        # dloss/dZ
        self._P = [self._buffers(X1)[:-1] for X1 in self._inputs]   # phi'(Z); Z becomes phi''(Z) * (D W)
        scratch = {X1.shape: [self._buffers(X1) for _ in range(4)] for X1 in self._inputs}
        self._scratch = [scratch[X1.shape] for X1 in self._inputs]
        self._v = np.empty(self.n, X.dtype)  # a direction
        self._V = self._matrices(self._v)
        self._VT = [np.empty(V.shape[::-1], X.dtype) for V in self._V]
        # The tiles' shares of a product, two terms each; the second has none for the first layer: zeros.
        parts = np.zeros((2, max(t for _, (t, _) in self._blocks), self.n), X.dtype)
        self._parts = {t: (parts[:, :t], self._matrices(parts[0, :t]), self._matrices(parts[1, :t]))
                       for _, (t, _) in self._blocks}

    def _split(self):
        """The samples as blocks (slice, (tiles, samples a tile)); tiles differ by one sample at most."""
        block = max(CACHE // max(self.sizes), 1)
        small = SMALL // max(o * i for o, i in self._shapes)
        tile = min(block, small) if small >= TILE else block
        tiles = -(-self.N // tile)
        shorter, longer = divmod(self.N, tiles)
        blocks, start = [], 0
        for count, size in ((longer, shorter + 1), (tiles - longer, shorter)):
            most = max(block // max(size, 1), 1)
            for left in range(count, 0, -most):
                stop = start + min(left, most) * size
                blocks.append((slice(start, stop), (min(left, most), size)))
                start = stop
        return blocks

    def _buffers(self, X1):
        """For each layer zeros (tiles, samples, out + 1), for the last (tiles, samples, K)."""
        t, b, _ = X1.shape
        h = np.zeros((t, b, self.sizes[-1]), self.dtype)
        if self.loss == "cross_entropy":  # sums over outputs are fast with samples last in memory
            h = h.reshape(t, -1, b).swapaxes(1, 2)
        return [np.zeros((t, b, w + 1), self.dtype) for w in self.sizes[1:-1]] + [h]

    def _matrices(self, flat):
        """The blocks [W, b] of flat vectors (..., n), as views (..., out, in + 1)."""
        ends = np.cumsum([o * i for o, i in self._shapes])
        parts = np.split(flat, ends[:-1], axis=-1)
        return [part.reshape(flat.shape[:-1] + shape) for part, shape in zip(parts, self._shapes)]

    def _forward(self, theta):
        """The point with theta's forward pass and f."""
        theta = as_vector("theta", theta, self.n, self.dtype)
        for p in self._points:
            if p.f is not None and np.array_equal(p.theta, theta):
                return p
        p = self._points[1 - self._here]
        p.theta[:], p.f, p.linearized, total = theta, None, False, 0.0
        for WT, W in zip(p.WT, p.W):
            WT[...] = W.T
        for A, Z, Y in zip(p.A, p.Z, self._outputs):
            for k, WT in enumerate(p.WT):
                np.matmul(A[k], WT, out=Z[k][..., :WT.shape[1]])
                if k + 1 < len(A):
                    self._phi(Z[k], A[k + 1])
                    A[k + 1][..., -1] = 1
            total += float(self._value(Z[-1], Y))
        p.f = total / self.N + 0.5 * float(self.l2 * theta @ theta)  # 0 * inf is NaN
        return p

    def _linearize(self, theta):
        """The point with theta's forward and backward pass."""
        p = self._forward(theta)
        if not p.linearized:
            f, old, self._here = p.f, self._points[self._here], self._points.index(p)
            p.f = old.f = None  # this one until it is done, and the old one for good: its D and P are lost
            self._gradient = self.l2 * p.theta
            for c, (Y, D, P) in enumerate(zip(self._outputs, self._D, self._P)):
                np.subtract(p.Z[c][-1], Y, out=D[-1])
                D[-1] /= self.N
                for k in reversed(range(1, len(D))):
                    _times_W(D[k], p.W[k], D[k - 1])
                    self._back(p.Z[c][k - 1], p.A[c][k], P[k - 1], D[k - 1])
                self._gradient += self._weights(p, c, D)
            p.f, p.linearized = f, True
        return p

    def _tangent(self, p, c):
        """R-forward through block c in direction self._v: (R{Z}, R{A})."""
        RZ, RA, T, _ = self._scratch[c]
        for k, (A, VT) in enumerate(zip(p.A[c], self._VT)):
            np.matmul(A, VT, out=RZ[k][..., :VT.shape[1]])
            if k:
                np.matmul(RA[k - 1], p.WT[k], out=T[k][..., :VT.shape[1]])
                RZ[k] += T[k]
            if k + 1 < len(RZ):
                np.multiply(self._P[c][k], RZ[k], out=RA[k])
        return RZ, RA

    def _pull(self, p, c, U):
        """J^T u of block c: backward from U (tiles, samples, K)."""
        D = self._scratch[c][2][:-1] + [U]
        for k in reversed(range(1, len(D))):
            _times_W(D[k], p.W[k], D[k - 1])
            D[k - 1] *= self._P[c][k - 1]
        return self._weights(p, c, D)

    def _weights(self, p, c, D, RA=None):
        """D^T A for each layer, summed over block c's tiles, flat; with RA plus the same of self._D^T RA."""
        parts, G, RG = self._parts[len(D[0])]
        for k, A in enumerate(p.A[c]):
            np.matmul(D[k][..., :self.sizes[k + 1]].swapaxes(1, 2), A, out=G[k])
            if k and RA is not None:
                np.matmul(self._D[c][k][..., :self.sizes[k + 1]].swapaxes(1, 2), RA[k - 1], out=RG[k])
        return parts[0].sum(axis=0) if RA is None else parts.sum(axis=(0, 1))

    def _start(self, theta, v):
        """The point linearized at theta, with v as the direction of `_tangent`."""
        self._v[:] = as_vector("v", v, self.n, self.dtype)
        for VT, V in zip(self._VT, self._V):
            VT[...] = V.T
        return self._linearize(theta)

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
        p = self._start(theta, v)
        Hv = self.l2 * self._v
        for c, (D, P, Q) in enumerate(zip(self._D, self._P, p.Z)):
            RD, RA = self._tangent(p, c)  # R{Z}, which becomes R{D}
            self._curve(Q[-1], RD[-1])
            RD[-1] /= self.N
            for k in reversed(range(1, len(D))):
                E, T = self._scratch[c][2][k - 1], self._scratch[c][3][k - 1]
                _times_W(RD[k], p.W[k], E)
                _times_W(D[k], self._V[k], T)
                E += T
                E *= P[k - 1]
                RD[k - 1] *= Q[k - 1]
                RD[k - 1] += E
            Hv += self._weights(p, c, RD, RA)
        return Hv

    @np.errstate(all="ignore")
    def ggnp(self, theta, v):
        """The Gauss-Newton matrix J^T loss''(h) J + l2 I at theta times v, (n,) (Schraudolph 2002)."""
        p = self._start(theta, v)
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
        p = self._start(theta, v)
        return np.concatenate([self._tangent(p, c)[0][-1].flatten() for c in range(len(self._blocks))])

    @np.errstate(all="ignore")
    def vjp(self, theta, u):
        """J^T u, (n,), for u (m,) or (N, K) in the space of outputs."""
        u = as_vector("u", np.reshape(u, -1), self.m, self.dtype).reshape(self.N, -1)
        p = self._linearize(theta)
        return sum(self._pull(p, c, u[at].reshape(*shape, -1)) for c, (at, shape) in enumerate(self._blocks))

    hess = dense_hessian

    @np.errstate(all="ignore")
    def predict(self, theta, X):
        """The outputs h (N', K), logits for the classifiers, for inputs X (N', d)."""
        A = as_data("X", X, 2).astype(self.dtype)
        if A.shape[1] != self.sizes[0]:
            raise ValueError(f"X: got shape {A.shape}, wanted (N, {self.sizes[0]})")
        layers = self.layers(as_vector("theta", theta, self.n, self.dtype))
        for W, b in layers[:-1]:
            Z = A @ W.T + b
            A = np.empty_like(Z)
            self._phi(Z, A)
        return A @ layers[-1][0].T + layers[-1][1]

    def layers(self, theta):
        """[(W, b), ...], W (out, in) and b (out,), as views of theta: what is written to them is in theta."""
        theta = np.asarray(theta)
        if theta.shape != (self.n,):
            raise ValueError(f"theta: got shape {theta.shape}, wanted ({self.n},)")
        return [(W[:, :-1], W[:, -1]) for W in self._matrices(theta)]

    def init(self, seed, scale=1.0):
        """A random theta: biases 0, weights normal with deviation scale / sqrt(in), which keeps signals from
        growing through tanh layers (LeCun et al. 1998); relu wants a scale of sqrt(2) (He et al. 2015)."""
        theta, rng = np.zeros(self.n, self.dtype), np.random.default_rng(seed)
        for W, _ in self.layers(theta):
            W[...] = rng.standard_normal(W.shape) * (scale / np.sqrt(W.shape[1]))
        return theta

    def subsample(self, rows):
        """The same loss, l2 included, on some samples: `rows` is an index array, a mask or a slice."""
        return NetworkLoss(self.sizes, self._X[rows, :-1], self._Y[rows], self.activation, self.loss, self.l2)

    def __reduce__(self):  # copies and pickles are made anew: buffers and their views would not stay together
        return NetworkLoss, (self.sizes, self._X[:, :-1], self._Y, self.activation, self.loss, self.l2)

    @np.errstate(all="ignore")
    def kronecker(self, theta, damping=1e-3, seed=0):
        """v -> M^-1 v, (n,): M = Kronecker-factored Gauss-Newton + (damping + l2) I (`utils/kronecker.py`)."""
        p = self._linearize(theta)
        return kronecker_inverse(p.A, p.Z, self._P, p.W, self._draw, damping + self.l2, seed)

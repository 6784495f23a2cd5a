"""What a network does number by number: its activations and the losses of its outputs, with derivatives.

An activation phi is a pair of functions on arrays of one shape, written to be cheap in memory traffic:
    phi(z, a)            writes phi(z) to a
    back(z, a, p, e)     writes phi'(z) to p, turns z into phi''(z) * e and e into phi'(z) * e

A loss of outputs h and targets y, both (tiles, samples, K), is three:
    value(h, y)          turns h into predictions s, and returns the sum over samples; dloss/dh is s - y
    curve(s, u)          turns u into loss''(h) u
    draw(s, rng)         targets drawn from the model's own predictions s: then E[s - y] = 0, and
                         E[(s - y)(s - y)^T] = loss''(h), of use to sample the Gauss-Newton matrix
"""

import numpy as np

from .losses import as_data, one_hot


def sigmoid(z):
    """1 / (1 + exp(-z)); exact too where exp overflows (callers silence the warning)."""
    return 1 / (1 + np.exp(-z))


def tanh(z, a):
    np.tanh(z, out=a)


def tanh_back(z, a, p, e):
    np.multiply(a, a, out=p)
    np.subtract(1, p, out=p)
    e *= p
    np.multiply(a, e, out=z)
    z *= -2


def relu(z, a):
    np.maximum(z, 0, out=a)


def relu_back(z, a, p, e):
    np.greater(z, 0, out=p)
    e *= p
    z[...] = 0


def softplus(z, a):
    np.logaddexp(z, 0, out=a)


def softplus_back(z, a, p, e):
    p[...] = sigmoid(z)
    e *= p
    np.multiply(1 - p, e, out=z)


def identity(z, a):
    a[...] = z


def identity_back(z, a, p, e):
    p[...] = 1
    z[...] = 0


def square(z, a):
    np.multiply(z, z, out=a)


def square_back(z, a, p, e):
    np.multiply(z, 2, out=p)
    np.multiply(e, 2, out=z)
    e *= p


def cross_entropy(h, y):
    h -= h.max(axis=-1, keepdims=True)
    linear = (y * h).sum()
    np.exp(h, out=h)
    total = h.sum(axis=-1, keepdims=True)
    h /= total
    return np.log(total).sum() - linear


def cross_entropy_curve(s, u):
    u *= s
    u -= s * u.sum(axis=-1, keepdims=True)


def cross_entropy_draw(s, rng):
    label = (rng.random((*s.shape[:-1], 1)) > np.cumsum(s, axis=-1)[..., :-1]).sum(axis=-1, keepdims=True)
    return np.arange(s.shape[-1]) == label


def squared(h, y):
    r = h - y
    return np.vdot(r, r) / 2


def squared_curve(s, u):
    pass


def squared_draw(s, rng):
    return s + rng.standard_normal(s.shape)


def binary_cross_entropy(h, y):
    value = (np.maximum(h, 0) - y * h + np.log1p(np.exp(-abs(h)))).sum()
    h[...] = sigmoid(h)
    return value


def binary_cross_entropy_curve(s, u):
    u *= s * (1 - s)


def binary_cross_entropy_draw(s, rng):
    return rng.random(s.shape) < s


ACTIVATIONS = {
    "tanh": (tanh, tanh_back),
    "relu": (relu, relu_back),
    "softplus": (softplus, softplus_back),
    "identity": (identity, identity_back),
    "square": (square, square_back),
}
LOSSES = {
    "cross_entropy": (cross_entropy, cross_entropy_curve, cross_entropy_draw),
    "squared": (squared, squared_curve, squared_draw),
    "binary_cross_entropy": (binary_cross_entropy, binary_cross_entropy_curve, binary_cross_entropy_draw),
}


def named(argument, name, table):
    """table[name], or ValueError."""
    if name not in table:
        raise ValueError(f"{argument}: got {name!r}, wanted one of {', '.join(table)}")
    return table[name]


def targets(loss, Y, N, K, dtype):
    """Y as targets (N, K) of this loss, or ValueError."""
    if loss == "cross_entropy":
        return one_hot("Y", Y, N, K, dtype)
    Y = as_data("Y", Y, 1 if np.ndim(Y) == 1 and K == 1 else 2).astype(dtype)
    if len(Y) != N or Y.size != N * K:
        raise ValueError(f"Y: got shape {Y.shape}, wanted ({N}, {K})")
    if loss == "binary_cross_entropy" and not (0 <= Y.min() and Y.max() <= 1):
        raise ValueError(f"Y: got targets from {Y.min()} to {Y.max()}, wanted them in [0, 1]")
    return Y.reshape(N, K)

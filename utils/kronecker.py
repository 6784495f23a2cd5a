"""A cheap inverse of a network's curvature, one layer at a time: the Kronecker factors of Martens & Grosse (2015).

Layer k's block of the Gauss-Newton matrix is E[a a^T (x) d d^T]: a is the layer's input of one sample (with its 1), d
the derivative of that sample's loss by the layer's Z, its target drawn from the model's own prediction (then the mean
of d d^T is the Gauss-Newton matrix; with the data's targets it is not). Their approximation is the product of means,

    M_k = A (x) S + c I,   A = E[a a^T] = Q_a L_a Q_a^T,   S = E[d d^T] = Q_s L_s Q_s^T,

whose inverse on a block R of the shape of [W, b] is  Q_s ( (Q_s^T R Q_a) / (l_s l_a^T + c) ) Q_a^T: symmetric, and
positive definite for c > 0, so that conjugate gradients may use it as a preconditioner.
"""

import numpy as np


def drawn_slope(loss, s, rng):
    """dloss/dh for each sample, at a target drawn from the model: s are predictions (..., K)."""
    if loss == "squared":
        return rng.standard_normal(s.shape)
    if loss == "binary_cross_entropy":
        return s - (rng.random(s.shape) < s)
    label = (rng.random((*s.shape[:-1], 1)) > np.cumsum(s, axis=-1)[..., :-1]).sum(axis=-1, keepdims=True)
    return s - (np.arange(s.shape[-1]) == label)


def gram(rows):
    """The sum of r r^T over rows (..., w), as float64 (w, w)."""
    rows = rows.reshape(-1, rows.shape[-1])
    return (rows.T @ rows).astype(float)


def kronecker_inverse(inputs, slopes, c):
    """v -> M^-1 v from the layers' A (in + 1, in + 1) and S (out, out); v and the result are flat (n,)."""
    layers = []
    for A, S in zip(inputs, slopes):
        (la, Qa), (ls, Qs) = np.linalg.eigh(A), np.linalg.eigh(S)
        layers.append((Qa, Qs, np.outer(ls.clip(0), la.clip(0)) + c))
    ends = np.cumsum([scale.size for _, _, scale in layers])

    def solve(v):
        v = np.asarray(v)
        if v.shape != (ends[-1],):
            raise ValueError(f"v: got shape {v.shape}, wanted ({ends[-1]},)")
        blocks = np.split(v, ends[:-1])
        parts = [Qs @ ((Qs.T @ R.reshape(scale.shape) @ Qa) / scale) @ Qa.T
                 for R, (Qa, Qs, scale) in zip(blocks, layers)]
        return np.concatenate([part.reshape(-1) for part in parts]).astype(v.dtype)

    return solve

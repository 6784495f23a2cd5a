"""A cheap inverse of a network's curvature, layer by layer: the Kronecker factors of Martens & Grosse (2015).

Layer k's block of the Gauss-Newton matrix is E[(a (x) d)(a (x) d)^T]: a is the layer's input for one sample, its 1
included, and d the derivative of that sample's loss by the layer's Z, with a target drawn from the model's own
prediction (only then is the mean the Gauss-Newton matrix). They replace the mean of products by a product of means,

    M_k = A (x) S + c I,   A = E[a a^T] = Q_a L_a Q_a^T,   S = E[d d^T] = Q_s L_s Q_s^T,

whose inverse on a block R of the shape of [W, b] is Q_s ((Q_s^T R Q_a) / (l_s l_a^T + c)) Q_a^T: symmetric, and
positive definite for c > 0, so that conjugate gradients may use it as a preconditioner.
"""

import numpy as np


def gram(rows):
    """The sum of r r^T over rows (..., w), as float64 (w, w)."""
    rows = rows.reshape(-1, rows.shape[-1])
    return (rows.T @ rows).astype(float)


def kronecker_inverse(A, S, c):
    """v -> M^-1 v, flat (n,) to (n,), from each layer's A (in + 1, in + 1) and S (out, out), and c > 0."""
    if not (np.isfinite(c) and c > 0):
        raise ValueError(f"damping + l2: got {c}, wanted a finite positive number")
    layers = []
    for aa, ss in zip(A, S):
        (la, Qa), (ls, Qs) = np.linalg.eigh(aa), np.linalg.eigh(ss)
        layers.append((Qa, Qs, np.outer(ls.clip(0), la.clip(0)) + c))
    ends = np.cumsum([scale.size for _, _, scale in layers])

    def solve(v):
        v = np.asarray(v)
        if v.shape != (ends[-1],):
            raise ValueError(f"v: got shape {v.shape}, wanted ({ends[-1]},)")
        parts = [Qs @ ((Qs.T @ R.reshape(scale.shape) @ Qa) / scale) @ Qa.T
                 for R, (Qa, Qs, scale) in zip(np.split(v, ends[:-1]), layers)]
        return np.concatenate([part.reshape(-1) for part in parts]).astype(v.dtype)

    return solve

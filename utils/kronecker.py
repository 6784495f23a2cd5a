"""A cheap inverse of a network's curvature, layer by layer: the Kronecker factors of Martens & Grosse (2015).

Layer k's block of the Gauss-Newton matrix is E[(a (x) d)(a (x) d)^T]: a is the layer's input for one sample,
its 1 included, and d the derivative of that sample's loss by the layer's Z, with a target drawn from the
model's own prediction (only then is the mean the Gauss-Newton matrix). They replace the mean of products by a
product of means,

    M_k = A (x) S + c I,   A = E[a a^T] = Q_a L_a Q_a^T,   S = E[d d^T] = Q_s L_s Q_s^T,

whose inverse on a block R of the shape of [W, b] is Q_s ((Q_s^T R Q_a) / (l_s l_a^T + c)) Q_a^T: symmetric,
and positive definite for c > 0, so that conjugate gradients may use it as a preconditioner.
"""

import numpy as np


def factors(A, Z, P, W, draw, seed):
    """Each layer's means A (in + 1, in + 1) and S (out, out), from a network's forward pass.

    A, Z and P are the inputs, outputs (of the last layer: predictions) and phi' of each block of samples, W
    the layers' [W, b], draw(predictions, rng) the targets.
    """
    rng, N = np.random.default_rng(seed), sum(z[-1].shape[0] * z[-1].shape[1] for z in Z)
    AA, SS = ([np.zeros((w.shape[axis], w.shape[axis])) for w in W] for axis in (1, 0))
    for a, z, p in zip(A, Z, P):
        d = (z[-1] - draw(z[-1], rng)).astype(W[0].dtype)
        for k in reversed(range(len(W))):
            for total, rows in ((AA[k], a[k]), (SS[k], d)):
                rows = rows.reshape(-1, rows.shape[-1])
                total += rows.T @ rows / N
            d = (d @ W[k][:, :-1]) * p[k - 1][..., :-1] if k else d
    return AA, SS


def kronecker_inverse(A, Z, P, W, draw, c, seed):
    """v -> M^-1 v, flat (n,) to (n,), for c > 0; the other arguments are those of `factors`."""
    if not (np.isfinite(c) and c > 0):
        raise ValueError(f"damping: got {c} with l2 added, wanted a finite positive number")
    if not all(np.isfinite(z[-1]).all() for z in Z):
        raise ValueError("theta: got outputs of NaN or inf, wanted a theta with finite ones")
    layers = []
    for aa, ss in zip(*factors(A, Z, P, W, draw, seed)):
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

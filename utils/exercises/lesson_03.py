"""Lesson 03, computing it: what rounding does to A^T A, least squares by QR, digits to expect, bug or ill-conditioned."""
import re

import numpy as np
import scipy.linalg

from .. import data
from ..checking import Exercise, Mistake, Remark

# ------------------------------------------------------------------------- E03.1: Laeuchli's matrix, one entry
LAEUCHLI = np.array([[1, 1], [1e-8, 0], [0, 1e-8]])


ZERO = ("0", "0.0", "zero", "exactly zero", "exactly 0", "nothing", "singular", "it is singular", "the matrix is singular")


def _zero_in_words(output):
    """ "singular" and "exactly zero" are the number 0 in words. """
    return 0.0 if isinstance(output, str) and output.casefold().strip(" .") in ZERO else output


def _near(value, percent=0.5):
    return lambda output: abs(float(output) / value - 1) <= percent / 100


# -------------------------------------------------------------------------------- E03.2: least squares by QR
def lstsq_qr(A, b):
    Q, R = np.linalg.qr(A)
    return scipy.linalg.solve_triangular(R, Q.T @ b)


def _by_householder(A, b):
    """Reflections applied to A and b at once; the answer comes back as a column."""
    T = np.column_stack([A, b])
    m, n = A.shape
    for j in range(min(n, m - 1)):
        v = T[j:, j].copy()
        v[0] += np.copysign(np.linalg.norm(v), v[0])
        T[j:] -= np.outer(v, 2 * (v @ T[j:]) / (v @ v))
    x = np.zeros((n, 1))
    for j in reversed(range(n)):
        x[j] = (T[j, n] - T[j, j + 1:n] @ x[j + 1:, 0]) / T[j, j]
    return x


def _by_pivoted_qr(A, b):
    Q, R, order = scipy.linalg.qr(A, mode="economic", pivoting=True)
    x = np.zeros(A.shape[1])
    x[order] = np.linalg.solve(R, Q.T @ b)
    return x


def _by_gram_schmidt(A, b):
    """Modified Gram-Schmidt with b as one more column (Bjorck 1967)."""
    T = np.column_stack([A, b])
    n = A.shape[1]
    R = np.zeros((n, n + 1))
    for j in range(n):
        R[j, j] = np.linalg.norm(T[:, j])
        q = T[:, j] / R[j, j]
        R[j, j + 1:] = q @ T[:, j + 1:]
        T[:, j + 1:] -= np.outer(q, R[j, j + 1:])
    return list(np.linalg.solve(R[:, :n], R[:, n]))


def _with_inverse(A, b):
    Q, R = np.linalg.qr(A)
    return np.linalg.inv(R) @ (Q.T @ b)


def _is_inverse(output, A, b):
    """Whether an output has the very bits of inv(R) @ Q^T b, on a problem where the last bits tell formulas apart."""
    Q, R = np.linalg.qr(A)
    inverse = np.linalg.inv(R)
    ours = [inverse @ (Q.T @ b), inverse @ Q.T @ b]
    return A.shape[1] > 2 and not _same_bits(output, [lstsq_qr(A, b)]) and _same_bits(output, ours)


def _is_lstsq(output, A, b):
    svd = [np.linalg.lstsq(A, b, rcond=None)[0], scipy.linalg.lstsq(A, b)[0], np.linalg.pinv(A) @ b]
    return A.shape[1] > 2 and not _same_bits(output, [lstsq_qr(A, b)]) and _same_bits(output, svd)


def _same_bits(output, others):
    return any(np.array_equal(output, other) for other in others)


def _conditioned(seed, kappa, m=40, n=8, residual=0.0):
    """(A, b) with kappa(A) as given and sigma_1 = 1; b in range(A), or off it by `residual` times ||Ax||."""
    rng = np.random.default_rng(seed)
    U = np.linalg.qr(rng.standard_normal((m, n + 1)))[0]
    V = np.linalg.qr(rng.standard_normal((n, n)))[0]
    A = U[:, :n] * np.geomspace(1, 1 / kappa, n) @ V.T
    foot = A @ rng.standard_normal(n)
    return A, foot + residual * np.linalg.norm(foot) * U[:, n]


def _plain(seed, m, n, scale=1.0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, n)) * np.geomspace(1, scale, n), rng.standard_normal(m)


def _normal_equations(A, b):
    return np.linalg.solve(A.T @ A, A.T @ b)


def _by_cholesky(A, b):
    return scipy.linalg.cho_solve(scipy.linalg.cho_factor(A.T @ A), A.T @ b)


def _squared_where_it_can_be_seen(A, b):
    """The normal equations where kappa(A) = 1e7: their answer is poor there, and no formula breaks down."""
    return _normal_equations(A, b) if 1e6 < np.linalg.cond(A) < 2e7 else lstsq_qr(A, b)


def _is_poor(output, A, b):
    x = lstsq_qr(A, b)
    return np.shape(output) == x.shape and 1e-6 < np.linalg.norm(output - x) / np.linalg.norm(x) < 0.5


def _shrunk(A, b):
    """Ridge, far too strong for these problems: lambda = 1e-10 where sigma_n^2 is 1e-14 or less."""
    return np.linalg.solve(A.T @ A + 1e-10 * np.eye(A.shape[1]), A.T @ b)


def _is_shrunk(output, A, b):
    v, x = np.linalg.svd(A)[2], lstsq_qr(A, b)
    return np.shape(output) == x.shape and (v[-1] @ output) / (v[-1] @ x) < 0.5 and abs((v[0] @ output) / (v[0] @ x) - 1) < 1e-2


def _full(A, b, solve=scipy.linalg.solve_triangular):
    Q, R = np.linalg.qr(A, mode="complete")
    return solve(R, Q.T @ b)


def _half_precision(A, b):
    """The answer with three or four digits."""
    return lstsq_qr(A, b).astype(np.float16).astype(float)


def _is_coarse(output, A, b):
    """Whether an output is nearly right where kappa(A) is small, and lacks digits that a double holds."""
    x = lstsq_qr(A, b)
    if np.shape(output) != x.shape or not np.all(np.isfinite(output)):
        return False
    lost = np.linalg.norm(output - x) / np.linalg.norm(x)
    return 1e-9 < lost and (lost < 1e-2 or np.linalg.cond(A) > 1e6)


def _is_single(output, A, b):
    """Whether the entries are single-precision numbers, or decimals of 8 places."""
    return A.shape[1] > 2 and (np.array_equal(output, np.float32(output)) or np.array_equal(output, np.round(output, 8)))


def _pivoted_order_kept(A, b):
    Q, R, _ = scipy.linalg.qr(A, mode="economic", pivoting=True)
    return np.linalg.solve(R, Q.T @ b)


def _slip(last_line):
    """An answer with the right Q and R, and another last line."""
    return lambda A, b: last_line(*np.linalg.qr(A), A, b)


KAPPA_SQUARED = ("Your error grows like kappa(A)^2: at kappa(A) = 1e8 no digit is left. Something that equals A^T A on paper "
                 "is formed on the way, or your Q has lost its right angles.")
FULL_Q = ("A shape does not fit. If your Q is the full one, m x m, then R has m rows and is not square: ask for the economic "
          "(reduced) form, Q (m, n). If it is not, print the shapes of Q, R and your right-hand side, which needs n entries.")
SHRUNK = ("Your x has lost the directions with small singular values: something was added to A^T A, or cut off. The columns are "
          "independent here, so each direction of the minimizer counts.")
DIAGONAL = ("Only the diagonal of R has entered. The option `lower` says which triangle of its matrix solve_triangular reads, "
            "and the zeros of R are below.")


# -------------------------------------------------------------------------------------- E03.3: digits to expect
def _digits(output):
    """(10, 4) may also come as "10/4" or "10 and 4", or with names."""
    if isinstance(output, dict):
        return tuple(output.values())
    if isinstance(output, str):
        numbers = re.findall(r"-?\d+\.?\d*", output)
        return tuple(map(float, numbers)) if len(numbers) == 2 else output
    return output


def _between(first, second):
    """A test whether a pair of numbers lies in two ranges."""
    return lambda output: first[0] <= output[0] <= first[1] and second[0] <= output[1] <= second[1]


# ---------------------------------------------------------------------------------- E03.4: bug or ill-conditioned
def diagnose(A, b, xa, xb):
    size = np.linalg.norm(A)
    for x in (xa, xb):
        slope = np.linalg.norm(A.T @ (A @ x - b))
        if slope > 1e-10 * size * (size * np.linalg.norm(x) + np.linalg.norm(b)):
            return "bug"
    return "ill-conditioned"


def _moved(x, A, b, slope, far):
    """x, moved along v_1 until ||A^T r|| is `slope` times ||A^T b||, and along v_n by `far` times its length."""
    _, s, Vt = np.linalg.svd(A)
    return x + slope * np.linalg.norm(A.T @ b) / s[0]**2 * Vt[0] + far * np.linalg.norm(x) * Vt[-1]


def _pair(seed, kappa, to_a=(0, 0), to_b=(0, 0), scale=1.0, residual=1.0, m=40, n=6):
    """(A, b, xa, xb): the minimizer, moved in two ways; kappa = inf: of rank n - 1."""
    A, b = _conditioned(seed, min(kappa, 2e8), m, n, residual)
    if np.isinf(kappa):
        A[:, -1] = A[:, :-1].sum(axis=1)
        b = A @ np.ones(n) + residual * b
    x = np.linalg.lstsq(A, b, rcond=None)[0]
    return scale * A, scale * b, _moved(x, A, b, *to_a), _moved(x, A, b, *to_b)


PAIRS = (
    _pair(0, 10, to_b=(1e-4, 1e-4)),                        # a bug, well-conditioned
    _pair(1, 2e8, to_b=(0, 3)),                             # ill-conditioned
    _pair(2, 2e8, to_a=(1e-4, 0), to_b=(0, 3)),             # a bug in xa, ill-conditioned all the same
    _pair(3, 2e8, to_a=(0, -2), to_b=(1e-4, 1)),            # the same in xb
    _pair(4, np.inf, to_b=(0, 2), residual=0),              # two minimizers, and residuals that are rounding
    _pair(5, np.inf, to_b=(0, -2)),                         # two minimizers
    _pair(6, np.inf, to_a=(1e-4, 2)),                       # rank-deficient, and a bug
    _pair(7, 2e8, to_a=(1e-4, 0), to_b=(1e-4, 3)),          # the same bug in both
    _pair(8, 20, to_b=(1e-4, 1e-4), scale=1e-8),            # a bug, in small units
    _pair(9, 2e8, to_b=(0, -3), scale=1e8),                 # ill-conditioned, in large units
)


def _by_perturbation(A, b, xa, xb):
    """The gradient against what a change of A and b in the 12th digit does to it."""
    rng = np.random.default_rng(0)
    changed = A * (1 + 1e-12 * rng.standard_normal(A.shape))
    noise = 1e-12 * np.abs(b) * rng.standard_normal(len(b))
    calm = all(np.linalg.norm(A.T @ (A @ x - b)) <= 1e3 * np.linalg.norm(
        changed.T @ (changed @ x - b - noise) - A.T @ (A @ x - b)) for x in (xa, xb))
    return "ill-conditioned" if calm else "bug"


def _by_prediction(A, b, xa, xb):
    """Each prediction must be the foot of b: compare with a projection that needs no coefficients."""
    U, s, _ = np.linalg.svd(A, full_matrices=False)
    U = U[:, s > 1e-12 * s[0]]
    close = [np.linalg.norm(U.T @ (A @ x - b)) <= 1e-6 * np.linalg.norm(b) for x in (xa, xb)]
    return "Ill conditioned" if all(close) else "a bug"


def _verdict(bug):
    return "bug" if bug else "ill-conditioned"


def _only(x, A, b):
    return diagnose(A, b, x, x)


def _word(output):
    """ "a bug" is "bug", "ill-conditioned problem" is "ill-conditioned". """
    if isinstance(output, str):
        text = output.casefold()
        if "bug" in text and "ill" not in text and "no" not in text:
            return "bug"
        if text.startswith("ill"):
            return "ill-conditioned"
    return output


def _wrong_verdict(said, A, b, xa, xb):
    size = np.linalg.norm(A)
    slope = [np.linalg.norm(A.T @ (A @ x - b)) / size / (size * np.linalg.norm(x) + np.linalg.norm(b)) for x in (xa, xb)]
    return (f"For one of the pairs you say {said!r}. There ||A^T r||, relative to ||A|| (||A|| ||x|| + ||b||), is {slope[0]:.0e} "
            f"for xa and {slope[1]:.0e} for xb. Which of these is rounding?")


KAPPA_ALONE = ("Your verdict follows kappa(A), the rank, or the way from xa to xb. A bug can live in a well-conditioned problem and in "
               "an ill-conditioned one: ask of each x whether it minimizes.")

# ------------------------------------------------------------------------------- E03.5: the units of measurements
def _kappas():
    """kappa of the breast cancer features and of [1 X], each with some ways of scaling: {name: kappa}."""
    X = data.breast_cancer().X
    one, mean, std = np.ones((len(X), 1)), X.mean(axis=0), X.std(axis=0)
    with_ones = {"raw": X, "standardized": (X - mean) / std, "centered": X - mean, "divided": X / std,
                 "0 to 1": (X - X.min(axis=0)) / np.ptp(X, axis=0), "rows": X / np.linalg.norm(X, axis=1, keepdims=True),
                 "one scale": (X - X.mean()) / X.std(), "by variance": (X - mean) / std**2, "by length": X / np.linalg.norm(X, axis=0),
                 "centered, by length": (X - mean) / np.linalg.norm(X, axis=0), "standardized()": data.standardized(X, X[:, 0])[0]}
    kappa = {name: np.linalg.cond(np.hstack([one, features])) for name, features in with_ones.items()}
    unit = np.hstack([one, X])
    return {**kappa, "unit columns": np.linalg.cond(unit / np.linalg.norm(unit, axis=0)),
            "raw, no ones": np.linalg.cond(X), "standardized, no ones": np.linalg.cond((X - mean) / std)}


KAPPA = _kappas()
RATIO = KAPPA["raw"] / KAPPA["standardized"]


def _ratio_slip(value, says, *others):
    """A mistake in a ratio: known to 1.5 %, whichever of several values it is."""
    return Mistake(value, says, shows=lambda output: any(_near(v, 1.5)(output) for v in (value, *others)))


EXERCISES = [
    Exercise(
        id="E03.1", kind="P", minutes=5,
        asks="(A.T @ A)[0, 0] - 1 in floating point, for the columns (1, e, 0) and (1, 0, e) with e = 1e-8",
        hint="Write the entry as a sum of three products, and ask which doubles lie next to 1.",
        answer=0.0,
        accepts=(0, [0], "exactly zero", "singular", np.float32(0)),
        mistakes=(
            Mistake(1e-16, "That is exact arithmetic: e squared. Doubles near 1 are 2.2e-16 apart; which of them is nearest?",
                    shows=_near(1e-16)),
            Mistake(2.2e-16, "1e-16 is less than half of the gap between doubles near 1: to which side is it rounded?",
                    shows=_near(2.22e-16, 1)),
            Mistake(1.11e-16, "That is half of the gap, the bound u on the relative error of one rounding. The result itself must be "
                              "a double: which are the candidates?", shows=_near(1.11e-16, 1)),
            Mistake(2e-16, "The first column is (1, e, 0): e stands in it once, so e squared enters once.", shows=_near(2e-16)),
            Mistake(1e-8, "e enters squared: the entry is 1*1 + e*e + 0*0."),
            Mistake(2e-8, "e enters squared, and once: the entry is 1*1 + e*e + 0*0."),
            Mistake(1.0, "That is the entry itself, or the other one. Asked for is the first entry minus 1."),
            Mistake(-1e-16, "A sum of squares does not fall below its first term, not even after rounding.",
                    shows=lambda output: output < 0),
        ),
        reads=_zero_in_words),
    Exercise(
        id="E03.2", kind="I", minutes=10,
        asks="lstsq_qr(A, b) -> the minimizer of 1/2 ||Ax - b||^2, shape (n,), for A with independent columns",
        hint="Print the shapes of Q and R, then compare R @ x with Q.T @ b for your x.",
        answer=lstsq_qr,
        instances=((LAEUCHLI, np.array([2, 1e-8, 1e-8])), _conditioned(1, 1e7), _conditioned(2, 1e8), _conditioned(3, 1e7),
                   _conditioned(4, 1e8, m=60, n=12), _plain(5, 12, 5), _plain(6, 6, 6), _plain(7, 20, 4, scale=1e6)),
        accepts=(_by_householder, _by_pivoted_qr, _by_gram_schmidt,
                 lambda A, b: np.linalg.solve(*(lambda Q, R: (R, b @ Q))(*scipy.linalg.qr(A, mode="economic"))),
                 lambda A, b: (lambda Q, R: np.linalg.solve(R[:A.shape[1]], (Q.T @ b)[:A.shape[1]]))(*scipy.linalg.qr(A)),
                 lambda A, b: scipy.linalg.lstsq(A, b, lapack_driver="gelsy")[0]),
        mistakes=(
            Mistake(_normal_equations, KAPPA_SQUARED),
            Mistake(lambda A, b: np.linalg.inv(A.T @ A) @ A.T @ b, KAPPA_SQUARED),
            Mistake(_by_cholesky, KAPPA_SQUARED),
            Mistake(lambda A, b: np.linalg.pinv(A.T @ A) @ (A.T @ b), KAPPA_SQUARED),
            Mistake(_half_precision,
                    "Your x lacks digits even where kappa(A) is small. Something is rounded or held in single precision on the way: "
                    "keep all 16 digits to the end.", shows=_is_coarse),
            Mistake(_squared_where_it_can_be_seen, KAPPA_SQUARED, shows=_is_poor),
            Mistake(_shrunk, SHRUNK, shows=_is_shrunk),
            Mistake(_full, FULL_Q),
            Mistake(lambda A, b: _full(A, b, np.linalg.solve), FULL_Q),
            Mistake(_slip(lambda Q, R, A, b: np.linalg.solve(R.T, Q.T @ b)),
                    "You solved with R^T. The equation is R x = Q^T b: which of the two has its zeros below the diagonal?"),
            Mistake(_slip(lambda Q, R, A, b: (Q.T @ b) / np.diag(R)), DIAGONAL),
            Mistake(_slip(lambda Q, R, A, b: np.linalg.solve(R, Q @ b)),
                    "You multiplied b by Q. Q has shape (m, n) and b has m entries: the product that gives n numbers is Q^T b."),
            Mistake(_slip(lambda Q, R, A, b: Q.T @ b),
                    "Those are n numbers, but coordinates along the columns of Q. R leads from there to the columns of A."),
            Mistake(_slip(lambda Q, R, A, b: R @ (Q.T @ b)), "You multiplied by R. R x = Q^T b has to be solved for x."),
            Mistake(_slip(lambda Q, R, A, b: np.linalg.solve(R, A.T @ b)),
                    "A^T b is R^T Q^T b: one factor R^T too many. The right-hand side that belongs to R x is Q^T b."),
            Mistake(_pivoted_order_kept,
                    "Pivoting puts the columns of A in another order, and the entries of x come back in that order. Put each of them "
                    "back in its place."),
            Mistake(_slip(lambda Q, R, A, b: Q @ (Q.T @ b)),
                    "That is the prediction Ax, the foot of b in range(A), with one entry per row. Asked for is x."),
        ),
        remarks=(
            Remark(_with_inverse, "A triangular solve is cheaper and safer than the inverse of R.", shows=_is_inverse),
            Remark(lambda A, b: np.linalg.lstsq(A, b, rcond=None)[0],
                   "This goes through the SVD, which is as accurate and costs more. Write the lines with Q and R as well.",
                   shows=_is_lstsq),
            Remark(lambda A, b: lstsq_qr(A, b).astype(np.float32),
                   "Your x has only the digits of single precision, or is rounded. The measurements below want all 16.",
                   shows=_is_single),
        )),
    Exercise(
        id="E03.3", kind="P", minutes=4,
        asks="kappa(A) = 1e6 and b in range(A): decimal digits to trust in x, as (by QR, by the normal equations)",
        hint="A double holds about 16 digits. How many of them does a factor 1e6 take away, and a factor kappa(A)^2?",
        answer=(10, 4),
        holds=lambda output: _between((9, 12), (3, 6))(output),
        accepts=((11, 5), [10, 4], "10/4", "10 and 4", ((9.7,), (3.5,)), np.array([11.2, 4.9])),
        mistakes=(
            Mistake((16, 16), "That would be so if equal formulas had equal arithmetic. Rounding starts at the 16th digit, and kappa "
                              "multiplies it.", shows=_between((13.5, 17), (13.5, 17))),
            Mistake((10, 10), "Forming A^T A squares kappa: the normal equations are solved with kappa(A^T A).",
                    shows=_between((9, 12), (9, 12))),
            Mistake((4, 4), "kappa^2 is the fault of the normal equations, not of this problem: b is in range(A), and QR never forms "
                            "A^T A.", shows=lambda output: _between((2.5, 6.5), (2.5, 6.5))(output) and abs(output[0] - output[1]) < 1),
            Mistake((6, 0), "6 is the number of digits that kappa takes away from x by QR. How many are left of 16?",
                    shows=lambda output: _between((5.5, 6.5), (-7, 5))(output) and output[0] - output[1] >= 1),
            Mistake((8, 2), "You lose more than the rule says: a double holds 16 digits, and kappa takes as many of them as it has zeros.",
                    shows=lambda output: _between((6.6, 8.9), (-5, 8))(output)),
            Mistake((10, 16), "You trust the normal equations more than QR. Which of the two is solved with kappa(A)^2?",
                    shows=lambda output: _between((8.5, 13.4), (12.1, 17))(output)),
            Mistake((1e-10, 1e-4), "Those are relative errors. Asked for are digits: how many zeros does each error begin with?",
                    shows=lambda output: _between((0, 0.1), (0, 0.1))(output) and min(output) > 0),
            Mistake((1e10, 1e4), "Those are powers of ten, and a double has no more than 17 digits. Asked for are the exponents.",
                    shows=lambda output: max(output) > 17),
            Mistake((4, 10), "Right numbers, other order: first QR, then the normal equations.", shows=_between((3, 5.4), (9, 12))),
            Mistake((6, 12), "Those are the digits lost. How many are left of 16?", shows=_between((5.5, 8), (10, 13))),
            Mistake((13, 10), "You took the root: the factors are kappa and kappa^2, not the root of kappa and kappa.",
                    shows=_between((12.5, 13.4), (9, 11))),
            Mistake((16, 10), "QR is not exact: kappa belongs to the problem, and no algorithm escapes it.",
                    shows=_between((13.5, 17), (6.5, 12))),
            Mistake((16, 4), "Right for the normal equations. QR is not exact: kappa belongs to the problem, and no algorithm "
                             "escapes it.", shows=_between((13.5, 17), (3, 6))),
            Mistake((10, 0), "Right for QR. For the normal equations kappa^2 is 1e12, which leaves something of 1e16.",
                    shows=_between((9, 12), (-9, 2.9))),
            Mistake((10, 8), "Right for QR. Squaring kappa doubles the number of digits that are lost.",
                    shows=_between((9, 12), (6.1, 8.9))),
        ),
        reads=_digits),
    Exercise(
        id="E03.4", kind="T", minutes=8,
        asks='diagnose(A, b, xa, xb) -> "bug" if one of them is no minimizer (beyond rounding), else "ill-conditioned"',
        hint="Lesson 01 had a test for one claimed minimizer: which vector was short, and compared with what?",
        answer=diagnose,
        instances=PAIRS,
        accepts=(
            _by_perturbation, _by_prediction,
            lambda A, b, xa, xb: _verdict(any(np.linalg.norm(A.T @ (A @ x - b)) > 1e-8 * np.linalg.norm(A.T @ b)
                                              for x in (xa, xb))),
            lambda A, b, xa, xb: _verdict(any(np.max(np.abs(A.T @ (A @ x - b)) / np.linalg.norm(A, axis=0))
                                              > 1e-9 * np.linalg.norm(b) for x in (xa, xb))),
            lambda A, b, xa, xb: _verdict(not (np.allclose(A.T @ A @ xa, A.T @ b, rtol=1e-9, atol=1e-9 * np.linalg.norm(A.T @ b))
                                               and np.allclose(A.T @ A @ xb, A.T @ b, rtol=1e-9,
                                                               atol=1e-9 * np.linalg.norm(A.T @ b)))),
        ),
        mistakes=(
            Mistake(lambda A, b, xa, xb: "ill-conditioned",
                    "You say ill-conditioned to every pair: equal residual norms pass them all, and so does a limit that is too wide. "
                    "Look at ||A^T r|| of each, and at A (xa - xb)."),
            Mistake(lambda A, b, xa, xb: "bug",
                    "You say bug to every pair: the coefficients always differ. In some pairs both minimize, up to rounding."),
            Mistake(lambda A, b, xa, xb: _verdict(np.linalg.cond(A) < 1e6), KAPPA_ALONE),
            Mistake(lambda A, b, xa, xb: _verdict(np.linalg.matrix_rank(A) == len(xa)), KAPPA_ALONE),
            Mistake(lambda A, b, xa, xb: _verdict(np.linalg.norm(A @ (xa - xb)) > 1e-6 * np.linalg.norm(b)),
                    "You compare the two with each other only. In one pair both have the same bug and agree: ask of each x whether it "
                    "minimizes."),
            Mistake(lambda A, b, xa, xb: _only(xa, A, b), "You test xa only. In some pairs the bug is in xb."),
            Mistake(lambda A, b, xa, xb: _only(xb, A, b), "You test xb only. In some pairs the bug is in xa."),
            Mistake(lambda A, b, xa, xb: _verdict(any(np.linalg.norm(A.T @ (A @ x - b)) > 1e-8 for x in (xa, xb))),
                    "Your limit is in the units of the data: in small units it misses a bug, in large ones it reports rounding. Make it "
                    "relative."),
            Mistake(lambda A, b, xa, xb: _verdict(any(np.linalg.norm(A.T @ (A @ x - b)) > 1e-8 * np.linalg.norm(A)
                                                      * np.linalg.norm(A @ x - b) for x in (xa, xb))),
                    "You divide by ||r||. Where b is in range(A), r is nothing but rounding, and a right x is called a bug: compare "
                    "with a size that does not vanish."),
            Mistake(lambda A, b, xa, xb: _verdict(any(np.linalg.norm(A @ x - b) > 1e-8 * np.linalg.norm(b) for x in (xa, xb))),
                    "You call a bug what has b outside range(A). If you ask for r = 0: the best residual is not zero there. If you "
                    "compare Ax with a projection of b: mind the rank of A, and that Ax sees an error along v_n to first order."),
            Mistake(lambda A, b, xa, xb: _verdict(any(np.linalg.norm(A @ (x - np.linalg.lstsq(A, b, rcond=None)[0]))
                                                      > 1e-10 * np.linalg.norm(b) for x in (xa, xb))),
                    "You ask for predictions that agree to 1e-10. An error of x along v_n moves Ax by sigma_n and the gradient or the "
                    "loss by sigma_n^2: judge by one of these, or allow Ax more."),
            Mistake(lambda A, b, xa, xb: _verdict(diagnose(A, b, xa, xb) != "bug"), "Your two words are exchanged, in every pair."),
            Mistake(lambda A, b, xa, xb: _verdict(_only(xa, A, b) == _only(xb, A, b) == "bug"),
                    "You say bug only if both fail. One x that does not minimize is enough."),
        ),
        reads=_word, diagnose=_wrong_verdict),
    Exercise(
        id="E03.5", kind="P", minutes=4,
        asks="breast cancer: kappa([1 X]) divided by kappa([1 Z]), with Z the standardized features",
        hint="np.linalg.cond twice: once with X as it comes, once with (X - mean) / std, each with a column of ones.",
        answer=RATIO,
        holds=lambda output: abs(output / RATIO - 1) <= 0.1,
        accepts=(4880, "4880", [round(RATIO)], 1.54e6 / 316, 5000),
        mistakes=(
            _ratio_slip(RATIO**2, "That is the ratio of kappa^2, the one for the normal equations. Asked for is kappa of [1 X] itself."),
            Mistake(KAPPA["raw"] / KAPPA["one scale"], "You took one mean and one standard deviation for the whole table. Each column "
                                                       "needs its own: which axis is that?",
                    shows=_near(KAPPA["raw"] / KAPPA["one scale"], 0.2)),
            Mistake(1.0, "Scaling the columns is not a rotation: it changes the singular values, and with them kappa.", shows=_near(1, 0.2)),
            Mistake(1e3, "That looks like your guess of the power of ten. Now compute both kappas, and see how near it was.",
                    shows=lambda output: output > 1 and abs(np.log10(output) % 1) < 1e-9),
            _ratio_slip(KAPPA["raw"] / KAPPA["by variance"], "You divided by the variance. The standard deviation is its root, in the "
                                                             "units of the column."),
            _ratio_slip(KAPPA["raw"] / KAPPA["by length"], "You divided each column by its length. Its mean is still in it, and the "
                                                           "column of ones then has another size than the rest.",
                        KAPPA["raw"] / KAPPA["centered, by length"]),
            _ratio_slip(KAPPA["raw"] / KAPPA["standardized()"], "standardized() divides by the root of N as well, and your column of ones "
                                                                "does not: there the two have different lengths."),
            _ratio_slip(KAPPA["standardized"], "That is one of the two numbers, or their difference, not their ratio.", KAPPA["raw"]),
            _ratio_slip(1 / RATIO, "That is the ratio upside down: by which factor does kappa fall?"),
            _ratio_slip(np.sqrt(RATIO), "You took a root. Asked for is the ratio of the kappas as they are."),
            _ratio_slip(np.log10(RATIO), "That is the number of decimal digits between the two. Asked for is the factor.", 3, 4, -3, -4),
            Mistake(0.0, "By this your scaled matrix has dependent columns, and its kappa is infinite. Did you standardize the rows, or "
                         "the column of ones with the others?", shows=lambda output: abs(output) < 1e-6),
            _ratio_slip(KAPPA["raw"] / KAPPA["divided"], "You scaled the columns, but did not subtract their means first.",
                        KAPPA["raw"] / KAPPA["unit columns"]),
            _ratio_slip(KAPPA["raw"] / KAPPA["centered"], "You subtracted the means and did not divide: the units are all still there."),
            _ratio_slip(KAPPA["raw"] / KAPPA["0 to 1"], "That is scaling to the range from 0 to 1. Standardized means mean 0 and standard "
                                                        "deviation 1."),
            _ratio_slip(KAPPA["raw"] / KAPPA["rows"], "You scaled the rows, which are the patients. The units belong to the columns."),
        ),
        remarks=(
            Remark(KAPPA["raw, no ones"] / KAPPA["standardized, no ones"],
                   "You left out the column of ones; with it the factor is a few percent larger.",
                   shows=_near(KAPPA["raw, no ones"] / KAPPA["standardized, no ones"])),
        ),
        reads=lambda output: float(output) if isinstance(output, str) and re.fullmatch(r"\s*\d+\.?\d*(e\d+)?\s*", output)
        else output),
]

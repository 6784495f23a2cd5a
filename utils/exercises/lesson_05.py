"""Lesson 05, gradient descent: the step, how long it may be, how many are needed, what k steps learn, where they end."""
import re
from fractions import Fraction

import numpy as np

from .. import data
from ..checking import Exercise, Mistake, between

# ------------------------------------------------------------------------------- E05.1: k steps against the slope
LINE_A, LINE_B = np.array([[1.0, 0], [1, 1], [1, 2]]), np.array([6.0, 0, 0])


def gd(A, b, alpha, k, x0=None, turn=1.0):
    """k steps of length alpha; `turn` multiplies the gradient, for the slips that only change a factor."""
    x = np.zeros(A.shape[1]) if x0 is None else np.array(x0, dtype=float)
    for _ in range(k):
        x = x - alpha * turn * (A.T @ (A @ x - b))
    return x


def _start(A, x0):
    return np.zeros(A.shape[1]) if x0 is None else np.array(x0, dtype=float)


def _by_powers(A, b, alpha, k, x0=None):
    """M^k x0 plus a sum of powers, M = I - alpha A^T A."""
    M, c = np.eye(A.shape[1]) - alpha * A.T @ A, alpha * A.T @ b
    return np.linalg.matrix_power(M, k) @ _start(A, x0) + sum(np.linalg.matrix_power(M, j) @ c for j in range(k))


def _by_error(A, b, alpha, k, x0=None):
    """The error from A^+ b shrinks by I - alpha A^T A in each step, whatever the rank."""
    best, M = np.linalg.pinv(A) @ b, np.eye(A.shape[1]) - alpha * A.T @ A
    return (best + np.linalg.matrix_power(M, k) @ (_start(A, x0) - best))[:, None]


def _by_loops(A, b, alpha, k, x0=None):
    """Lists and loops, and the whole history."""
    history = [list(_start(A, x0))]
    for _ in range(k):
        x = history[-1]
        r = [sum(a * xi for a, xi in zip(row, x)) - bi for row, bi in zip(A, b)]
        history.append([xj - alpha * sum(row[j] * ri for row, ri in zip(A, r)) for j, xj in enumerate(x)])
    return history


def _last_row(output):
    """A history is read as its last row, unless all its rows are one and the same (an array that was not copied)."""
    try:
        rows = np.asarray(output)
    except ValueError:  # ragged: no history
        return output
    if rows.ndim != 2 or 1 in rows.shape or np.all(rows == rows[0]):
        return output
    return rows[-1]


def _same_rows(A, b, alpha, k, x0=None):
    return np.tile(gd(A, b, alpha, k, x0), (k + 1, 1))


def _from_the_start(A, b, alpha, k, x0=None):
    start = x = _start(A, x0)
    for _ in range(k):
        x = start - alpha * A.T @ (A @ x - b)
    return x


def _stops_early(A, b, alpha, k, x0=None):
    x = _start(A, x0)
    for _ in range(k):
        g = A.T @ (A @ x - b)
        if np.linalg.norm(g) < 1e-6:
            break
        x = x - alpha * g
    return x


def _shrinking_steps(A, b, alpha, k, x0=None):
    x = _start(A, x0)
    for i in range(k):
        x = x - alpha / (i + 1) * A.T @ (A @ x - b)
    return x


def _row_by_row(A, b, alpha, k, x0=None):
    x = _start(A, x0)
    for _ in range(k):
        for row, target in zip(A, b):
            x = x - alpha * row * (row @ x - target)
    return x


def _unit_steps(A, b, alpha, k, x0=None):
    x = _start(A, x0)
    for _ in range(k):
        g = A.T @ (A @ x - b)
        x = x - alpha * g / np.linalg.norm(g)
    return x


def _own_steps(A, b, alpha, k, x0=None):
    x = _start(A, x0)
    for _ in range(k):
        g = A.T @ (A @ x - b)
        x = x - (g @ g) / np.sum((A @ g)**2) * g
    return x


def _entry_by_entry(A, b, alpha, k, x0=None):
    x = _start(A, x0)
    for _ in range(k):
        for j in range(len(x)):
            x[j] -= alpha * (A[:, j] @ (A @ x - b))
    return x


def _problem(seed, m, n, k, rank=None, scale=1.0, start=True, size=1.0):
    """A seeded random (A, b, alpha, k, x0) with alpha near 0.9 / L; columns scaled from 1 to `scale`, b and x0 by `size`."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n))
    if rank:
        A = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
    A = A * np.geomspace(1, scale, n)
    problem = A, size * rng.standard_normal(m), float(f"{0.9 / np.linalg.norm(A, 2)**2:.2g}"), k
    return (*problem, size * rng.standard_normal(n)) if start else problem


# ----------------------------------------------------------------- E05.2 and E05.3: the limit, the number of steps
def _number(output):
    """A number in words: "1/5", "0.2 (excluded)", "alpha < 0.2", "about 3,247 steps"."""
    if isinstance(output, str) and "depend" not in output.casefold():
        text = re.sub(r"(?<=\d)[, ](?=\d{3}\b)", "", output)
        found = re.findall(r"(?<![\w./^])-?(?:\d+/\d+|\d*\.?\d+(?:e[-+]?\d+)?)(?![\w/]|\.\d)", text, re.I)
        return float(Fraction(found[-1])) if found else output
    return output


def _says(*words):
    return lambda out: isinstance(out, str) and any(word in out.casefold() for word in words)


LOG_BASE = "That is with another logarithm. The error shrinks by a factor per step, and ln(1 - q) = -q holds for the natural one."
KAPPA_A = "You used kappa(A) = 21.7. The matrix of the step is the Hessian, and kappa(H) = kappa(A)^2 = 470."
NO_LOG = "That is kappa(H) without the logarithm: it brings the error down by a fixed factor, not by 1e-6."
UPSIDE_DOWN = "Upside down: if each step takes a certain amount off the logarithm, the number of steps is the whole way divided by it."
LINEAR = "The error shrinks by a factor in each step, so the steps grow with ln(1/eps), not with 1/eps."
TWICE = "That squares the condition number once more: 470 is kappa(H) already."

# -------------------------------------------------------------------------- E05.4: what is learned after k steps
_A, _b = data.standardized(data.diabetes().X, data.diabetes().y)
SIGMA = np.linalg.svd(_A, compute_uv=False)
ALPHA = 1 / SIGMA[0]**2


def gd_filter(sigma, alpha, k):
    return 1 - (1 - alpha * sigma**2)**k


def _by_log(sigma, alpha, k):
    return -np.expm1(k * np.log1p(-alpha * sigma**2))


def _flow(sigma, alpha, k):
    return -np.expm1(-alpha * k * sigma**2)


def _spectrum(seed, n, k, smallest, part=0.9):
    s = np.sort(np.random.default_rng(seed).uniform(smallest, 3, n))[::-1]
    return s, part / s[0]**2, k


OFF = np.max(np.abs(_flow(SIGMA, ALPHA, 10) - gd_filter(SIGMA, ALPHA, 10)))

# -------------------------------------------------------------------------------- E05.5: where it ends
def _minimizer(out):
    return np.size(out) == 2 and bool(abs(np.sum(np.asarray(out, float)) - 17 / 14) < 5e-3)


EACH = 17 / 28                                          # A^+ b = (17/28, 17/28), from lesson 01

EXERCISES = [
    Exercise(
        id="E05.1", kind="I", minutes=6,
        asks="gd(A, b, alpha, k, x0=None) -> x after k steps, shape (n,)",
        hint="Do one step by hand for the three points: from (0, 0), with alpha = 0.1, it leads to (0.6, 0).",
        answer=lambda A, b, alpha, k, x0=None: gd(A, b, alpha, k, x0),
        instances=((LINE_A, LINE_B, 0.1, 1, None), _problem(0, 12, 3, 7), _problem(1, 3, 6, 9), _problem(2, 9, 4, 25, rank=2),
                   _problem(3, 8, 3, 5, scale=1e6), _problem(4, 5, 2, 0), _problem(5, 6, 3, 4, start=False),
                   _problem(6, 7, 3, 6, size=1e-9)),       # a run that stops at a small gradient does not move here
        accepts=(_by_powers, _by_error, _by_loops, lambda *problem: list(gd(*problem))),
        reads=_last_row,
        mistakes=(
            Mistake(lambda A, b, alpha, k, x0=None: gd(A, b, alpha, k, x0, turn=-1.0),
                    "Sign: you climbed. The step goes against the gradient A^T (Ax - b), and each step should lower the loss."),
            Mistake(lambda A, b, alpha, k, x0=None: gd(A, b, alpha, k + 1, x0),
                    "One step too many: with k = 0 the function must return x0 itself."),
            Mistake(lambda A, b, alpha, k, x0=None: gd(A, b, alpha, max(k - 1, 0), x0),
                    "One step too few: with k = 1 the function must make one step."),
            Mistake(lambda A, b, alpha, k, x0=None: gd(A, b, alpha, k, x0, turn=2.0),
                    "Your steps are twice as long. With f = 1/2 ||r||^2 the gradient is A^T r; the 2 belongs to a loss without 1/2."),
            Mistake(lambda A, b, alpha, k, x0=None: gd(A, b, alpha, k, x0, turn=1 / len(b)),
                    "Your gradient is that of the mean over the rows. The loss of this course is a sum, with no 1/m."),
            Mistake(lambda A, b, alpha, k, x0=None: gd(A, b, alpha, k, x0, turn=2 / len(b)),
                    "Your gradient is that of the mean square error, 2/m A^T r. The loss of this course is 1/2 ||r||^2."),
            Mistake(lambda A, b, alpha, k, x0=None: _start(A, x0) + k * alpha * A.T @ b,
                    "All your steps are alike: each is alpha A^T b, as from x = 0. Where does the present x enter?"),
            Mistake(lambda A, b, alpha, k, x0=None: (
                        _start(A, x0) - k * alpha * A.T @ (A @ _start(A, x0) - b)),
                    "The gradient is computed once, before the loop. It changes with x, so each step needs a new one."),
            Mistake(lambda A, b, alpha, k, x0=None: gd(A, b, alpha, k),
                    "Your run starts at 0 whatever x0 is. The start is given in x0, and only if it is None is it 0."),
            Mistake(lambda A, b, alpha, k, x0=None: gd(A, b, alpha, min(k, 1), x0),
                    "Only one step is made, whatever k is. Is there a loop, and does it end before the return?"),
            Mistake(lambda A, b, alpha, k, x0=None: gd(A, b, alpha, k, np.ones(A.shape[1]) if x0 is None else x0),
                    "Without an x0 your run starts at ones. It should start at 0."),
            Mistake(lambda A, b, alpha, k, x0=None: gd(A, 0 * b, alpha, k, x0),
                    "Your gradient is A^T A x. The residual Ax - b has a second part: where did b go?"),
            Mistake(lambda A, b, alpha, k, x0=None: gd(A, b, 1.0, k, x0),
                    "Your steps are the whole gradient. The step is alpha times the gradient."),
            Mistake(lambda A, b, alpha, k, x0=None: np.linalg.pinv(A) @ b,
                    "That is the pseudo-inverse solution, whatever k is. Asked for is how far k steps come."),
            Mistake(_stops_early, "Your run stops when the gradient is small. Asked for are k steps, and small is relative to the units of b."),
            Mistake(_shrinking_steps, "Your steps get shorter with their number. Asked for is the same alpha in each step."),
            Mistake(_row_by_row, "You step after each row of A (lesson 07). One step here uses the residuals of all rows at the same x."),
            Mistake(_from_the_start, "Each of your steps starts at x0 again. Step from where you are, not from where you began."),
            Mistake(_unit_steps, "Your gradient is scaled to length 1, so no step ever gets short. The step is alpha times the gradient as it is."),
            Mistake(_own_steps, "You choose the step yourself (the best one along the gradient) and never use alpha. Asked for is a fixed step."),
            Mistake(_entry_by_entry, "You change x entry by entry, so later entries see a gradient at another point. Compute the whole "
                                     "gradient first, then step."),
            Mistake(lambda A, b, alpha, k, x0=None: A.T @ (A @ gd(A, b, alpha, k, x0) - b),
                    "You returned the gradient at the end of the run. Asked for is the point x itself."),
            Mistake(_same_rows, "All rows of your history are the same. The list holds one array many times: append x.copy().",
                    shows=lambda out, *problem: (np.ndim(out) == 2 and 1 not in np.shape(out)
                                                 and bool(np.all(np.asarray(out) == np.asarray(out)[0])))),
        )),
    Exercise(
        id="E05.2", kind="P", minutes=4,
        asks="the largest alpha below which all steps converge from every start, for H = diag(10, 1)",
        hint="In one direction a step multiplies the error by 1 - alpha lambda. For which alpha is that below 1 in size, for both?",
        answer=0.2, accepts=("1/5", "0.2 (excluded)", "alpha < 0.2", "below .2", "2/10", [0.2], Fraction(1, 5)), reads=_number, tol=1e-4,
        mistakes=(
            Mistake(0.1, "1/L is safe and the loss then falls in every step, but it is not the limit. May the factor be negative?"),
            Mistake(2 / 11, "2/(L + mu) is the fastest fixed step, not the largest. It leaves room: what is the factor in each direction?",
                    shows=between(0.181, 0.1825)),
            Mistake(2.0, "2/mu is the limit of the flat direction alone. With it the steep direction is multiplied by -19 in each step."),
            Mistake(1.0, "1/mu solves the flat direction in one step. What happens meanwhile in the steep one?"),
            Mistake(2 / np.sqrt(10), "The factor holds the eigenvalue of H itself. Its root is a singular value of A.",
                    shows=between(0.63, 0.635)),
            Mistake(20.0, "Upside down: the steeper the direction, the shorter the step must be.", shows=between(4.5, 25)),
            Mistake(0.0, "With alpha = 0 nothing moves: that is where the range begins, and not where it ends."),
            Mistake(0.21, "Above the limit. With 0.21, for example, the steep direction is multiplied by -1.1 in each step: it grows.",
                    shows=between(0.20003, 1.99)),
            Mistake(0.19, "This one converges, and so do some larger ones. Where exactly does the steep direction stop shrinking?",
                    shows=between(1e-9, 0.19997)),
            Mistake("depends on x0", "Only if x0 has no component along e1, the steep direction. From every start means from the worst.",
                    shows=_says("depend")),
        )),
    Exercise(
        id="E05.3", kind="P", minutes=6,
        asks="how many steps with alpha = 2/(L + mu) until the relative error of x is 1e-6, when kappa(H) = 470",
        hint="Each step multiplies the error by (kappa - 1)/(kappa + 1). How often until 1e-6?",
        answer=3208, holds=lambda k: 2900 <= k <= 3600, reads=_number,
        accepts=(3247, 3247.2, 3200, 2950, "3247 steps", [3247], "3,247", "about 3.2e3"),
        mistakes=(
            Mistake(6494, "That is for alpha = 1/L, whose factor is 1 - 1/kappa. The step 2/(L + mu) is nearly twice as long.",
                    shows=between(5900, 7000)),
            Mistake(150, KAPPA_A, shows=between(140, 160)),
            Mistake(300, KAPPA_A, shows=between(290, 310)),
            Mistake(22, KAPPA_A, shows=between(21, 23)),
            Mistake(598, KAPPA_A, shows=between(590, 606)),
            Mistake(12974, UPSIDE_DOWN, shows=between(12800, 13100)),
            Mistake(0.0587, UPSIDE_DOWN, shows=between(0.05, 0.07)),
            Mistake(2.35e8, LINEAR, shows=between(2.2e8, 2.5e8)),
            Mistake(4.7e8, LINEAR, shows=between(4.5e8, 4.9e8)),
            Mistake(1e6, LINEAR, shows=between(0.9e6, 1.1e6)),
            Mistake(470, NO_LOG, shows=between(465, 475)),
            Mistake(235, NO_LOG, shows=between(230, 240)),
            Mistake(10, "That is what conjugate gradients need without rounding (lesson 08). A fixed step does not adapt to the ten directions.",
                    shows=between(9, 11)),
            Mistake(1410, LOG_BASE, shows=between(1380, 1440)),
            Mistake(2820, LOG_BASE, shows=between(2800, 2840)),
            Mistake(4684, LOG_BASE, shows=between(4600, 4760)),
            Mistake(1624, "That brings the loss gap to 1e-6. The gap goes with the square of the error, so the error of x needs twice as long.",
                    shows=between(1590, 1660)),
            Mistake(1.53e6, TWICE, shows=between(1.4e6, 1.7e6)),
            Mistake(3.05e6, TWICE, shows=between(2.8e6, 3.3e6)),
            Mistake(-3247, "A number of steps is positive: take ln(1/eps), not ln(eps).", shows=between(-1e7, -1)),
        )),
    Exercise(
        id="E05.4", kind="I", minutes=5,
        asks="gd_filter(sigma, alpha, k) -> the learned fraction in each direction, shape of sigma",
        hint="What is left after k steps is a power. At k = 0 nothing is learned, and for large k all of it.",
        answer=gd_filter, tol=1e-10,
        instances=((SIGMA, ALPHA, 10), _spectrum(0, 4, 3, 0.01), _spectrum(1, 7, 50, 1e-4), _spectrum(2, 3, 1, 0.5, 0.5),
                   (np.array([2.0, 1e-3, 1e-6, 0.0]), 0.2, 100_000), _spectrum(3, 5, 0, 0.1),
                   (np.array([2.0, 0.1, 0.0]), 0.2, 10**9)),    # a loop over the steps does not get there
        accepts=(_by_log, lambda sigma, alpha, k: [1 - (1 - alpha * s * s)**k for s in sigma]),
        mistakes=(
            Mistake(lambda sigma, alpha, k: (1 - alpha * sigma**2)**k,
                    "That is what is left. The figure shows what is learned."),
            Mistake(lambda sigma, alpha, k: 1 - (1 - alpha * sigma)**k,
                    "The factor of one step holds the eigenvalue of the Hessian, and that is sigma^2."),
            Mistake(_flow, f"That is the limit of many tiny steps, as if time were continuous. In the example it is off by up to {OFF:.3f}."),
            Mistake(lambda sigma, alpha, k: sigma**2 / (sigma**2 + 1 / (alpha * k)) if k else 0 * sigma,
                    "That is the ridge filter with lambda = 1/(alpha k). Close, and that closeness is a point of this lesson, but not equal."),
            Mistake(lambda sigma, alpha, k: 1 - (1 - alpha * sigma**2)**(k + 1),
                    "One step too many: at k = 0 nothing is learned yet."),
            Mistake(lambda sigma, alpha, k: 1 - (1 - alpha * sigma**2)**max(k - 1, 0),
                    "One step too few: at k = 1 one step has been made."),
            Mistake(lambda sigma, alpha, k: 1 - (1 - alpha * sigma**2)**(2 * k),
                    "The error is squared here: that is the fraction by which the loss gap of a direction has fallen. Asked for is x."),
            Mistake(lambda sigma, alpha, k: 1 - (1 - 2 * alpha * sigma**2)**k,
                    "A factor 2 too many: with f = 1/2 ||r||^2 the gradient is A^T r."),
            Mistake(lambda sigma, alpha, k: 1 - (1 - alpha * sigma**2 / 2)**k,
                    "A factor 1/2 too many: it stands in the loss, and its gradient A^T r has none."),
            Mistake(lambda sigma, alpha, k: 1 - (1 - alpha * sigma**4)**k,
                    "Squared twice: sigma is a singular value of A, and sigma^2 is the eigenvalue of H already."),
            Mistake(lambda sigma, alpha, k: gd_filter(sigma, alpha, k)**2,
                    "Your fraction is squared. What is left is a power of the factor, and what is learned is 1 minus that."),
            Mistake(lambda sigma, alpha, k: gd_filter(sigma, alpha, k) / sigma,
                    "That is what multiplies u_i^T b. Asked for is the fraction of the whole coefficient, (u_i^T b) / sigma_i."),
            Mistake(lambda sigma, alpha, k: alpha * sigma**2 * (1 - alpha * sigma**2)**max(k - 1, 0) * (k > 0),
                    "That is what the last step alone has added. Asked for is the sum of all k."),
            Mistake(lambda sigma, alpha, k: k * alpha * sigma**2,
                    "That grows without end. It is right while it is much smaller than 1, but what is left shrinks, and so do the steps."),
            Mistake(lambda sigma, alpha, k: (alpha * sigma**2)**k,
                    "Check the parentheses: the power belongs to the factor 1 - alpha sigma^2, and 1 minus that is the answer."),
            Mistake(lambda sigma, alpha, k: 1 - (alpha * sigma**2)**k,
                    "The factor by which one step multiplies what is left is 1 - alpha sigma^2, not alpha sigma^2."),
            Mistake(lambda sigma, alpha, k: np.minimum(1, k * alpha * sigma**2),
                    "Cut off at 1, that still grows too fast: each step takes its share of what is left, not of the whole."),
            Mistake(lambda sigma, alpha, k: 1 - alpha * sigma**2 + 0 * k,
                    "That is the factor by which one step multiplies what is left. What is left after k of them, and what is learned?"),
            Mistake(lambda sigma, alpha, k: alpha * sigma**2 + 0 * k,
                    "That is learned after one step, whatever k is."),
            Mistake(lambda sigma, alpha, k: -(1 - alpha * sigma**2)**k,
                    "That is minus what is left. What is learned and what is left add up to 1."),
            Mistake(lambda sigma, alpha, k: 1 - (1 - alpha * sigma**2) * k,
                    "k steps multiply the factor k times by itself: that is a power, not k times the factor."),
            Mistake(lambda sigma, alpha, k: 1 - (1 + alpha * sigma**2)**k,
                    "Sign: with 1 + alpha sigma^2 the error grows in each step."),
            Mistake(lambda sigma, alpha, k: 1 - (1 - sigma**2 / sigma[0]**2)**k,
                    "Your step is always 1/L. Use the alpha that comes as an argument."),
            Mistake(lambda sigma, alpha, k: np.full(np.shape(sigma), 1 - (1 - alpha * sigma[0]**2)**k),
                    "All directions get the same fraction here. Each has its own sigma."),
        )),
    Exercise(
        id="E05.5", kind="P", minutes=6,
        asks="the limit (x1, x2) for two equal columns (1, 2, 3), b = (1, 2, 4), x0 = (3, -1), alpha = 0.03",
        hint="Split x0 in a part along (1, 1), which A sees, and a part along (1, -1), which it does not. Which part can move?",
        answer=np.array([EACH + 2, EACH - 2]), tol=5e-3,
        accepts=([2.6071, -1.3929], (2.6, -1.4), ((2.607,), (-1.393,)), np.array([EACH, EACH]) + 2 * np.array([1, -1])),
        mistakes=(
            Mistake(np.array([EACH, EACH]), "That is A^+ b. It is the limit only from a start in the row space, for example from 0."),
            Mistake(np.array([3.0, -1.0]), "Nothing moved. A does not see the part of x0 along (1, -1), but it sees the other one."),
            Mistake(np.array([3 + EACH, EACH - 1]), "That is A^+ b + x0. The part of x0 that A sees is forgotten, so it must not be added."),
            Mistake(np.array([EACH + 1, EACH + 1]), "You added the part of x0 along (1, 1) to A^+ b. That is the part which A sees, and which is forgotten."),
            Mistake(np.array([2.0, -2.0]), "That is the part of x0 that A does not see. The part that A sees has moved to its best value: where is it?"),
            Mistake(np.array([EACH - 2, EACH + 2]), "The invisible part of x0 = (3, -1) has its sign turned: is its first entry larger or smaller?"),
            Mistake(np.array([2 * EACH + 2, 2 * EACH - 2]), "17/14 is what the two entries sum to. Here each of them carries all of it."),
            Mistake(np.array([2 * EACH, 0]), "A minimizer, and there are many. Which of them the run reaches is decided by x0."),
            Mistake(np.array([1.0, 1.0]), "That is the part of x0 along (1, 1), which A sees, and which is forgotten. What becomes of the other part?"),
            Mistake(np.array([0.0, 0.0]), "At (0, 0) the gradient is -A^T b, which is not 0, so no run ends there."),
            Mistake(np.array([2 * EACH, 2 * EACH]), "17/14 is what the two entries sum to. Here each of them carries all of it."),
            Mistake(np.array([3.0, 2 * EACH - 3]), "A minimizer, and there are many. Which of them the run reaches is decided by x0.",
                    shows=_minimizer),
            Mistake("diverges", "A^T A is singular, but the iteration does not mind: no direction has a factor above 1 in size. Compare 0.03 with 2/28.",
                    shows=_says("diverg", "no limit", "never", "infin", "oscill")),
        )),
]

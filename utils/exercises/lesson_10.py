"""Lesson 10, Newton's method: pretend that the loss is quadratic, solve that least-squares problem, repeat."""
import re

import numpy as np
from scipy.special import expit

from ..checking import Exercise, Mistake, Remark

# ------------------------------------------------------------------- E10.1: the Newton step of logistic regression
EXAMPLE = (np.array([[1.0, 0], [1, 1], [1, 3]]), np.array([0.0, 0, 1]), np.array([0.5, -0.2]), np.array([0.0, 0.3]))


def newton_step(A, y, x, lam):
    h = A @ x
    g = A.T @ (expit(h) - y) + lam * x
    H = A.T @ ((expit(h) * expit(-h))[:, None] * A) + np.diag(lam)
    return np.linalg.solve(H, -g)


def _step(slope=lambda s, y: s - y, weight=lambda s: s * (1 - s), in_g=1.0, in_H=1.0, sign=-1):
    """The Newton step with one piece replaced."""
    def answer(A, y, x, lam):
        s = expit(A @ x)
        H = A.T @ (np.broadcast_to(weight(s), s.shape)[:, None] * A) + in_H * np.diag(lam)
        return sign * np.linalg.lstsq(H, A.T @ slope(s, y) + in_g * lam * x, rcond=None)[0]
    return answer


def _irls(least):
    """The step by weighted least squares; S is at least `least`, or it is divided by as it comes."""
    def answer(A, y, x, lam):
        s = expit(A @ x)
        w = np.maximum(s * (1 - s), least)
        rows = np.vstack([np.sqrt(w)[:, None] * A, np.diag(np.sqrt(lam))])
        targets = np.r_[(y - s) / np.sqrt(w), -np.sqrt(lam) * x]
        return np.linalg.lstsq(rows, targets, rcond=None)[0]
    return answer


def _cholesky(A, y, x, lam):
    from scipy.linalg import cho_factor, cho_solve
    s = 1 / (1 + np.exp(-np.clip(A @ x, -500, 500)))
    H = np.einsum("ij,i,ik->jk", A, s * (1 - s), A) + np.diag(lam)
    return list(-cho_solve(cho_factor(H), A.T @ s - A.T @ y + lam * x))


def _exp_over_exp(A, y, x, lam):
    e = np.exp(A @ x)
    s = e / (1 + e)
    return np.linalg.solve(A.T @ ((s * (1 - s))[:, None] * A) + np.diag(lam), A.T @ (y - s) - lam * x)


def _tanh(A, y, x, lam):
    t = np.tanh(A @ x / 2)
    return np.linalg.solve(A.T @ np.diag((1 - t**2) / 4) @ A + np.diag(lam), A.T @ (y - (1 + t) / 2) - lam * x)


def _logistic(seed, m, n, far=0.0, units=1.0):
    """With `far`, the last column gives two rows logits of about +far and -far, and hardly touches the others."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n)) * np.geomspace(1, units, n)
    x = rng.standard_normal(n) / np.geomspace(1, units, n)
    if far:
        A[:, -1], x[-1] = 1e-3 * A[:, -1], far
        A[:2, -1] = 1, -1
    return A, (rng.random(m) < 0.35).astype(float), x, np.r_[0.2, rng.uniform(0.5, 2, n - 1)]


STEPS = (EXAMPLE, _logistic(0, 12, 4), _logistic(1, 20, 5), _logistic(2, 5, 8), _logistic(3, 15, 3, units=1e3),
         _logistic(4, 14, 4, far=900.0))
def _lam_in_each_row(A, y, x, lam):
    H = A.T @ ((expit(A @ x) * expit(-A @ x))[:, None] * A) + lam
    return np.linalg.lstsq(H, A.T @ (y - expit(A @ x)) - lam * x, rcond=None)[0]


def _logits_alone(A, y, x, lam):
    h = A @ x
    return -np.linalg.solve(A.T @ ((h * (1 - h))[:, None] * A) + np.diag(lam), A.T @ (h - y) + lam * x)


def _weights_everywhere(A, y, x, lam):
    s = expit(A @ x)
    H = A.T @ ((s * (1 - s))[:, None] * A) + np.diag(lam)
    return -np.linalg.lstsq(H, A.T @ (s * (1 - s) * (s - y)) + lam * x, rcond=None)[0]


def _labels_as_weights(A, y, x, lam):
    return np.linalg.solve(A.T @ ((y * (1 - y))[:, None] * A) + np.diag(lam), A.T @ (y - expit(A @ x)) - lam * x)


def _unless_wide(answer):
    """For a mistake that leaves H singular where A has more columns than rows: there it may say anything."""
    def shows(out, A, y, x, lam):
        wrong = answer(A, y, x, lam)
        return len(y) < len(x) or (np.size(out) == len(x)
                                   and np.linalg.norm(np.ravel(out) - wrong) < 1e-6 * np.linalg.norm(wrong))
    return shows


HALF = "The penalty is 1/2 lam x^2: its slope is lam * x, its curvature lam. One of your two has another factor."
NOT_S = "Your weights are not s(1 - s), the variance of a label that is 1 with probability s."
NOT_SAFE = ("With logits of several hundred your answer is not a number: there e^h overflows, and s(1 - s) rounds to 0. Use "
            "scipy.special.expit, and form g and H without a division.")


# ------------------------------------------------------------------------------------------- E10.2: the first step
def first_targets(y):
    return 4 * (y - 0.5)


def _labels(seed, m):
    """Unbalanced labels."""
    y = np.zeros(m)
    y[: max(2, m // 4)] = 1
    return (np.random.default_rng(10 + seed).permutation(y),)


LABELS = ((EXAMPLE[1],), _labels(0, 9), _labels(1, 20), _labels(2, 13))


def _log_odds(cut):
    def answer(y):
        s = np.clip(y, cut, 1 - cut)
        return np.log(s / (1 - s))
    return answer


# ------------------------------------------------------------------------------------ E10.3: which starts converge
def _yes_no(output):
    if isinstance(output, str):
        output = re.split(r"[\s,;/]+", output.strip())
    words = {"yes": True, "no": False, "y": True, "n": False, "true": True, "false": False, "t": True, "f": False,
             "converges": True, "diverges": False}
    if isinstance(output, (list, tuple)) and len(output) == 4:
        return tuple(words.get(part.strip().casefold(), part) if isinstance(part, str) else part for part in output)
    return output


def _said(*first, exact=None):
    """Whether the first three are judged so, or the fourth."""
    return lambda out: isinstance(out, tuple) and (out[3] == exact if exact is not None else out[:3] == first)


# ------------------------------------------------------------------------------------------ E10.4: backtracking
def backtrack(f, g, x, p, factor=0.5, c1=1e-4):
    alpha = 1.0
    while not f(x + alpha * p) <= f(x) + c1 * alpha * (g @ p):
        alpha = alpha * factor
    return alpha


def _search(accepts, factor=0.5, least=1e-20):
    """Backtracking with another test: accepts(f_new, f_old, alpha, slope, trials)."""
    def answer(f, g, x, p):
        alpha, trials = 1.0, 0
        while alpha > least and not accepts(f(x + alpha * p), f(x), alpha, g @ p, trials):
            alpha, trials = factor * alpha, trials + 1
        return alpha
    return answer


def _moves_x(f, g, x, p):
    alpha, start = 1.0, f(x)
    x = x + p
    while alpha > 1e-20 and not f(x) <= start + 1e-4 * alpha * (g @ p):
        alpha = alpha / 2
        x = x + alpha * p
    return alpha


def _moves_x_and_f(f, g, x, p):
    alpha = 1.0
    while alpha > 1e-20 and not f(x + alpha * p) <= f(x) + 1e-4 * alpha * (g @ p):
        x = x + alpha * p
        alpha = alpha / 2
    return alpha


def _with_slope(slope):
    """Backtracking with another slope(g, p)."""
    def answer(f, g, x, p):
        return _search(lambda new, old, alpha, _, trials: new <= old + 1e-4 * alpha * slope(g, p))(f, g, x, p)
    return answer


def _or_tiny(answer):
    """For a mistake after which the loop runs until rounding or a limit ends it: then any tiny alpha will do."""
    def shows(out, f, g, x, p):
        wrong = answer(f, g, x, p)
        return np.size(out) == 1 and bool(abs(out - wrong) <= 1e-9 * wrong or max(abs(out), wrong) < 1e-8)
    return shows


def _tiny(out, f, g, x, p):
    return np.size(out) == 1 and abs(out) < max(1e-4 * backtrack(f, g, x, p), 1e-8)


def _starts_at(first):
    def answer(f, g, x, p):
        return first * backtrack(f, g, x, first * p)
    return answer


def _grows(f, g, x, p):
    alpha = backtrack(f, g, x, p)
    while alpha < 1e6 and f(x + 2 * alpha * p) <= f(x) + 2e-4 * alpha * (g @ p):
        alpha = 2 * alpha
    return alpha


def _forgets_x(f, g, x, p):
    alpha = 1.0
    while alpha > 1e-20 and not f(alpha * p) <= f(x) + 1e-4 * alpha * (g @ p):
        alpha = alpha / 2
    return alpha


def _slope_to_the_point(f, g, x, p):
    alpha = 1.0
    while alpha > 1e-20 and not f(x + alpha * p) <= f(x) + 1e-4 * (g @ (x + alpha * p)):
        alpha = alpha / 2
    return alpha


def _compares_with_the_full_step(f, g, x, p):
    full = f(x + p)
    return _search(lambda new, *_: new < full)(f, g, x, p)


def _by_entries(holds):
    """The slope as a vector g * p: the test must hold for all its entries, or for any."""
    def answer(f, g, x, p):
        return _search(lambda new, old, alpha, *_: holds(new <= old + 1e-4 * alpha * g * p))(f, g, x, p)
    return answer


def _turned(new, old, alpha, slope, trials):
    return not new <= old + 1e-4 * alpha * slope


def _share(c1):
    return _search(lambda new, old, alpha, slope, trials: new <= old + c1 * alpha * slope)


def _best_of_halvings(f, g, x, p):
    return min((0.5**k for k in range(60)), key=lambda alpha: f(x + alpha * p))


def parabola(x):
    return float(5 * np.sum(np.square(x)))


def log_cosh(x):
    return float(np.sum(np.logaddexp(x, -np.asarray(x)) - np.log(2)))


WIDTH = 2.0**-51


def narrow(x):
    """Two wells at +-WIDTH, with a flat top between them: a small slope, and a deep fall near by."""
    return float(5 * np.sum(np.square(np.square(np.divide(x, WIDTH)) - 1)))


def _narrow_slope(x):
    return 20 * (x / WIDTH) * (np.square(x / WIDTH) - 1) / WIDTH


def _along(f, slope, x, p):
    x, p = np.atleast_1d(np.array(x, float)), np.atleast_1d(np.array(p, float))
    return f, slope(x), x, p


def _ten_x(x):
    return 10 * x


SEARCHES = (
    _along(parabola, _ten_x, 1.0, -10.0),
    _along(parabola, _ten_x, [3.0, -1], [-3.0, 1]),                        # the full step is the best one
    _along(parabola, _ten_x, 1.0, -2 * (1 - 2e-5)),                        # falls by less than 1e-4 of the slope
    _along(parabola, _ten_x, 1.0, -4 * (1 - 3.5e-5)),                      # the same at 1/2
    _along(parabola, _ten_x, 1.0, -2 * (1 - 7e-5)),                        # falls by more than half of that
    _along(parabola, _ten_x, 1.0, -4 * (1 - 7e-5)),                        # at 1/2 told by an alpha^2 in the test
    _along(parabola, _ten_x, 1.0, -8 * (1 - 2.5e-4)),                      # at 1/4 told by the alpha in the test
    _along(parabola, _ten_x, 1.0, -16 * (1 - 7e-5)),                       # at 1/8 told by an alpha^2 in the test
    _along(parabola, _ten_x, 1.0, -1.2),
    _along(parabola, _ten_x, [2.0, 1], [-3.4, -2]),
    _along(parabola, _ten_x, 1.0, -1.7),                                   # 1 passes, and 1/2 is lower
    _along(parabola, _ten_x, 1.0, -2 * (1 + 1e-5)),                        # rises by less than 1e-4 of the slope
    _along(parabola, _ten_x, [1.0, 2], [-1.4e-3, 7e-4 * (1 - 1e-3)]),      # almost at right angles to g
    _along(parabola, _ten_x, [1.0, 2], [-2e3, 30]),
    _along(parabola, _ten_x, 1.0, -2 * (1 - 1.3e-4)),                      # falls by hardly more than 1e-4 of the slope
    _along(parabola, _ten_x, 1.0, -0.25),                                  # 1 passes, and 2, and 4
    _along(parabola, _ten_x, 1.0, -0.01),                                  # 1 passes, and 2 to 128
    _along(parabola, _ten_x, [1.0, 2], [-1.6e-3, 8e-4 * (1 - 1.06e-3)]),   # falls by less than 1e-4 of one entry of g * p
    _along(parabola, _ten_x, [1.0, 2], [-1.6e-3, 8e-4 * (1 - 9.5e-4)]),    # rises, by less than 1e-4 of one entry
    _along(narrow, _narrow_slope, 1e-35, 1.0),                             # 51 halvings, as from 20 in the notebook
    _along(log_cosh, np.tanh, 1.5, -1.5 * 5.7),
    _along(log_cosh, np.tanh, [2.0, -1], [-60.0, 30]),
    _along(lambda x: 1e6 * log_cosh(x), lambda x: 1e6 * np.tanh(x), 1.09, -2.18),
)
FACTORS = (*np.arange(5, 91, 5) / 100, 1 / 3, 2 / 3, 0.382, 0.618, (5**0.5 - 1) / 2)


def _is_a_step(out, f, g, x, p):
    """The step of halving, or that of another usual factor; only a power of the factor can be its step."""
    if not 0 < out <= 1:
        return False
    powers = [(factor, factor ** round(np.log(out) / np.log(factor))) for factor in (0.5, *FACTORS)]
    return any(abs(out - power) <= 1e-9 * out and abs(out - backtrack(f, g, x, p, factor)) <= 1e-9 * out
               for factor, power in powers)


def _other_factor(out, f, g, x, p):
    return abs(out - backtrack(f, g, x, p)) > 1e-9


def _exact(f, g, x, p):
    """The minimizer along the line, by many golden sections."""
    low, high = 0.0, 1.0
    for _ in range(150):
        a, b = high - 0.618 * (high - low), low + 0.618 * (high - low)
        low, high = (low, b) if f(x + a * p) <= f(x + b * p) else (a, high)
    return (low + high) / 2


# -------------------------------------------------------------------------------------------- E10.5: the saddle
TURNED = np.array([[0.8, -0.6], [0.6, 0.8]])
PROBE = np.array([0.01, 0.02, 0.03]), np.array([[4.0, 1, 2], [1, 3, 0], [2, 0, 5]])


def ends(step):
    """Of 30 steps from each of four starts: the end, and how many of them went uphill; shape (5, 3).

    The last row is the step minus Newton's where H is positive definite.
    """
    rows = []
    with np.errstate(all="ignore"):
        for R in (np.eye(2), TURNED):
            for start in ((1, 0.3), (-0.5, -0.2)):
                z, uphill = np.array(start, float), 0
                for _ in range(30):
                    g, H = R @ [z[0], z[1]**3 - z[1]], R @ np.diag([1, 3 * z[1]**2 - 1]) @ R.T
                    p = np.ravel(step(g, H))
                    z, uphill = z + R.T @ p, uphill + (g @ p > 1e-12)
                rows.append([*z, uphill])
        return np.array([*rows, np.ravel(step(*PROBE)) + np.linalg.solve(PROBE[1], PROBE[0])])


def _abs(g, H):
    values, V = np.linalg.eigh(H)
    return -V @ (V.T @ g / np.abs(values))


def _shift(g, H):
    return np.linalg.solve(H + max(0, 0.1 - np.linalg.eigvalsh(H)[0]) * np.eye(len(g)), -g)


def _always_shifted(g, H):
    return np.linalg.solve(H + 1.5 * np.eye(len(g)), -g)


def _trust_region(g, H, radius=0.5):
    tau = max(0, 1e-9 - np.linalg.eigvalsh(H)[0])
    while np.linalg.norm(np.linalg.solve(H + tau * np.eye(len(g)), g)) > radius:
        tau = 1.1 * tau + 1e-3
    return -np.linalg.solve(H + tau * np.eye(len(g)), g)


def _clip(g, H):
    values, V = np.linalg.eigh(H)
    return -V @ np.where(values > 0, V.T @ g / np.abs(values), 0)


def _newton(g, H):
    return -np.linalg.solve(H, g)


def _absolute(H):
    values, V = np.linalg.eigh(H)
    return V * np.abs(values) @ V.T


def _floored(g, H, floor):
    values, V = np.linalg.eigh(H)
    return -V @ (V.T @ g / np.maximum(values, floor))


def _probe_says(step):
    """Whether the last row of ends is the one of this step."""
    row = step(*PROBE) + np.linalg.solve(PROBE[1], PROBE[0])
    return lambda table: np.abs(table[4] - row).max() < 1e-6


def _uphill(g, H):
    return -_abs(g, H)


def _flipped(g, H):
    return _newton(g, H) * (1 if np.linalg.eigvalsh(H)[0] > 0 else -1)


def _stops(g, H):
    p = _newton(g, H)
    return p if g @ p < 0 else 0 * p


def _turns_all(g, H):
    p = _newton(g, H)
    return p if g @ p < 0 else -p


def _v_once(g, H):
    values, V = np.linalg.eigh(H)
    return -(V.T @ g) / np.abs(values)


def _tidy(table):
    return np.where(np.isfinite(table), np.clip(table, -1e6, 1e6), 1e6)


REPAIRED = np.array([[0, 1, 0], [0, -1, 0], [0, 1, 0], [0, -1, 0], [0, 0, 0]], float)
IN_WORDS = dict.fromkeys(("diverges", "infinity", "inf", "nowhere", "none", "no limit"), 1e6)
IN_WORDS |= dict.fromkeys(("saddle", "the saddle", "origin", "the origin"), 0.0)


def _saddle(output):
    """(limit, ends), where the limit may be a word and the ends may have overflowed."""
    if isinstance(output, (list, tuple)) and len(output) == 2:
        limit, table = output
        if isinstance(limit, str) and limit.strip().casefold() in IN_WORDS:
            limit = np.full(2, IN_WORDS[limit.strip().casefold()])
        try:
            return np.asarray(limit, float), _tidy(np.asarray(table, float))
        except (TypeError, ValueError):
            return output
    return output


def _at_minimizers(table):
    """Whether the ends, the first four rows, are minimizers."""
    return np.abs(np.abs(table[:4, 1]) - 1).max() < 1e-3 and np.abs(table[:4, 0]).max() < 1e-3


def _all_downhill(table):
    return not np.any(table[:4, 2])


def _is_newton(table):
    """Whether the step is Newton's where H is positive definite; the probe's step is 1e-2 long."""
    return np.abs(table[4]).max() < 1e-6


def _saddle_holds(out):
    return np.abs(out[0]).max() < 1e-3 and _at_minimizers(out[1]) and _all_downhill(out[1]) and _is_newton(out[1])


def _limit(x, y, says, shows=None):
    shows = shows or (lambda limit: np.abs(limit - [x, y]).max() < 2e-2)
    return Mistake((np.array([x, y], float), REPAIRED), says,
                   shows=lambda out: np.shape(out[0]) == (2,) and bool(shows(out[0])))


def _repair(step, says, shows):
    return Mistake((np.zeros(2), _tidy(ends(step))), says,
                   shows=lambda out: np.shape(out[1]) == (5, 3) and bool(shows(out[1])))


EXERCISES = [
    Exercise(
        id="E10.1", kind="I", minutes=6,
        asks="newton_step(A, y, x, lam) -> p, shape (n,)",
        hint="Compute s, then g, then H, and compare each with the formula. At x = 0 each s is 1/2.",
        answer=newton_step,
        instances=STEPS,
        accepts=(_irls(1e-12), _cholesky, _tanh),
        mistakes=(
            Mistake(_step(weight=lambda s: 1.0),
                    "S is missing: A^T A is the Hessian of linear regression. Here each row is weighted by the variance of "
                    "its label."),
            Mistake(_step(weight=lambda s: s),
                    "Your weights are s. The variance of a label that is 1 with probability s is s(1 - s)."),
            Mistake(_step(weight=lambda s: (s * (1 - s))**2),
                    "Your weights are squared: if both factors A are multiplied by a weight, each gets the root of s(1 - s)."),
            Mistake(_step(weight=lambda s: np.sqrt(s * (1 - s))),
                    "Your weights are the root of s(1 - s). The root belongs on each of the two factors A, the whole on "
                    "one."),
            Mistake(_step(weight=lambda s: 0.25),
                    "Your weights are 1/4 everywhere. That is right at x = 0 only."),
            Mistake(_step(in_g=0.0),
                    "The gradient lacks the penalty. The penalty has a gradient and a Hessian: lam * x and diag(lam)."),
            Mistake(_step(in_H=0.0),
                    "The Hessian lacks the penalty. The penalty has a gradient and a Hessian: lam * x and diag(lam).",
                    shows=_unless_wide(_step(in_H=0.0))),
            Mistake(_step(in_g=0.0, in_H=0.0),
                    "The penalty is missing altogether. It adds lam * x to the gradient and diag(lam) to the Hessian.",
                    shows=_unless_wide(_step(in_g=0.0, in_H=0.0))),
            *(Mistake(_step(in_g=in_g, in_H=in_H), HALF) for in_g, in_H in ((0.5, 1), (2, 1), (1, 0.5), (1, 2))),
            *(Mistake(_step(weight=weight), NOT_S)
              for weight in (np.square, lambda s: 1 - s, lambda s: (1 - s)**2, lambda s: 2 * s * (1 - s))),
            Mistake(_weights_everywhere,
                    "The weights stand in your gradient too. The slope of one row is s - y; s(1 - s) is its curvature, and "
                    "belongs in H."),
            Mistake(_labels_as_weights,
                    "Your weights are y(1 - y), which is 0 for every label. The variance is that of the model: its s, not y."),
            Mistake(lambda A, y, x, lam: newton_step(A, y, x, np.full(len(lam), lam[-1])),
                    "You give all weights the last entry of lam. Each weight has its own: lam * x in g, np.diag(lam) in H."),
            Mistake(_step(slope=lambda s, y: y - s),
                    "Your residual is y - s. The slope of the cross-entropy is s - y, and the sign of Newton comes after it."),
            Mistake(_step(slope=lambda s, y: 1 - s - y),
                    "Your s is the probability of y = 0: the sign in the exponent is turned. s = 1 / (1 + e^(-Ax))."),
            Mistake(_logits_alone,
                    "You left out the logistic function: s is the probability 1 / (1 + e^(-Ax)), not Ax itself."),
            Mistake(lambda A, y, x, lam: _step()(A, y, x, lam) + np.linalg.solve(
                        A.T @ ((expit(A @ x) * expit(-A @ x))[:, None] * A) + np.diag(lam), lam * x - lam),
                    "Your gradient adds lam where it should add lam * x."),
            Mistake(lambda A, y, x, lam: _step()(A, y, x, lam) + np.linalg.solve(
                        A.T @ ((expit(A @ x) * expit(-A @ x))[:, None] * A) + np.diag(lam), lam * x - lam @ x),
                    "lam @ x is one number. The gradient of the penalty has n entries: lam * x."),
            Mistake(_step(in_g=2.0, in_H=2.0),
                    "Your penalty counts twice. Its 1/2 goes when you differentiate 1/2 lam x^2."),
            Mistake(_step(sign=1),
                    "The opposite direction: Newton decreases the model, so p solves H p = -g."),
            Mistake(lambda A, y, x, lam: x + newton_step(A, y, x, lam),
                    "That is the next iterate, x + p. Asked for is the step p alone."),
            Mistake(lambda A, y, x, lam: -A.T @ (expit(A @ x) - y) - lam * x,
                    "That is -g, a step of gradient descent. Newton solves H p = -g."),
            Mistake(_step(slope=lambda s, y: s - (2 * y - 1)),
                    "Your residual compares s with labels -1 and 1. Here y is 0 or 1, and the residual is s - y."),
            Mistake(_step(slope=lambda s, y: np.log(np.maximum(s, 1e-300) / np.maximum(1 - s, 1e-300)) - y),
                    "Your residual is Ax - y, the one of least squares. The prediction is s, the probability."),
            Mistake(_lam_in_each_row,
                    "H + lam adds lam to each row of H. The penalties belong on the diagonal: np.diag(lam).",
                    shows=_unless_wide(_lam_in_each_row)),
            Mistake(lambda A, y, x, lam: newton_step(A, y, x, len(y) * lam),
                    "Your loss is a mean over the rows, and the penalty is not. Here the cross-entropies are summed."),
            Mistake(lambda A, y, x, lam: np.linalg.solve(A.T @ ((expit(A @ x) * expit(-A @ x))[:, None] * A) + np.diag(lam),
                                                         A.T @ (y - expit(A @ x)) + lam * x),
                    "The penalty enters g with the wrong sign: in -g it is -lam * x."),
            Mistake(lambda A, y, x, lam: np.linalg.pinv(A) @ first_targets(y),
                    "That is the step from 0 without a penalty. The function is called at other x."),
            Mistake(_irls(0.0), NOT_SAFE),
            Mistake(_exp_over_exp, NOT_SAFE),
        ),
        tol=1e-8),
    Exercise(
        id="E10.2", kind="P", minutes=4,
        asks="first_targets(y) -> b, shape (m,): the Newton step from 0 without penalty is pinv(A) @ b",
        hint="At x = 0 all s are equal. Insert that number in g and in H, and compare with the normal equations.",
        answer=first_targets,
        instances=LABELS,
        accepts=(lambda y: list(2 * (2 * y - 1)), lambda y: np.where(y > 0.5, 2, -2)[:, None],
                 lambda y: np.float32(4) * y - 2, lambda y: [2 if label else -2 for label in y]),
        mistakes=(
            Mistake(lambda y: y, "That fits the classes 0 and 1 by least squares. Compare A^T A p = A^T b with H p = -g at "
                                 "x = 0: which residual, and which weights, are there?"),
            Mistake(lambda y: 4 * y, "The factor is there, the centering is not: which residual s - y is there at x = 0?"),
            Mistake(lambda y: 2 * y - 1, "Half as long as it should be. What are the weights s(1 - s) at x = 0?"),
            Mistake(lambda y: y - 0.5, "That is the residual in -g, and gives a fraction of the step. Newton divides by H: which "
                                       "part of A^T A is the Hessian at 0?"),
            Mistake(lambda y: (y - 0.5) / 4,
                    "The factor is on the wrong side: a Hessian smaller than A^T A makes the step longer."),
            *(Mistake(lambda y, c=c: c * (0.5 - y), "The opposite direction: p is minus the inverse Hessian times g. Which sign "
                                                    "has y in -g?") for c in (4, 1)),
            *(Mistake(lambda y, c=c: c * (y - 1), "At x = 0 the model does not say 1 for every row: what is s = 1 / (1 + e^0)?")
              for c in (1, 4)),
            Mistake(lambda y: 4 * (y - y.mean()),
                    "You center by the share of ones. What does the model say to everybody at x = 0?"),
            Mistake(lambda y: y - y.mean(),
                    "You center by the share of ones, and leave out the weights. What are s and s(1 - s) at x = 0?"),
            Mistake(lambda y: 4 * y - 0.5, "4 times y, minus 1/2: does the factor belong to the whole difference?"),
            Mistake(lambda y: 4 * y - 1, "Your residual times 4 is not 4y - 1. Insert x = 0 in s, and then multiply s - y."),
            *(Mistake(_log_odds(cut), "Those are the log-odds of the labels, infinite or cut off somewhere. The targets of the "
                                      "first step are finite: they follow from s - y and s(1 - s) at x = 0.")
              for cut in 10.0**-np.arange(1, 17)),
            Mistake(lambda y: np.where(y > 0.5, np.inf, -np.inf),
                    "Those are the log-odds of the labels, infinite or cut off somewhere. The targets of the first step are "
                    "finite: they follow from s - y and s(1 - s) at x = 0.",
                    shows=lambda out, y: not np.any(np.isfinite(out))),
        )),
    Exercise(
        id="E10.3", kind="P", minutes=5,
        asks="(1.00 converges, 1.08 converges, 1.09 converges, x5 from 1.00 is exactly 0), each True or False",
        hint="Make one step from each start, and compare |x| before and after.",
        answer=(True, True, False, False),
        reads=_yes_no,
        accepts=(["yes", "yes", "no", "no"], np.array([1, 1, 0, 0]), "yes; yes; no; no", (1, 1, 0, 0)),
        mistakes=(
            Mistake((True, True, True, False), "Convex does not mean that Newton converges. Make one step from each start, and "
                                               "compare |x| before and after.", shows=_said(True, True, True)),
            Mistake((False, False, False, False), "Not one of the three? Make one step from 1.00: is |x| smaller than before?",
                    shows=_said(False, False, False)),
            Mistake((False, False, True, False), "The other way round: where the curvature is smaller, the step is longer.",
                    shows=lambda out: isinstance(out, tuple) and out[2] and not (out[0] and out[1])),
            Mistake((True, False, False, False), "One of the starts is judged wrong. The differences are small: compute |x| "
                                                 "after one step with four digits.", shows=_said(True, False, False)),
            Mistake((False, True, False, False), "1.00 is nearer to the minimizer than 1.08, and this function has no bumps: "
                                                 "make one step from each.", shows=_said(False, True, False)),
            Mistake((True, True, False, True), "The starts are right. For x5, print with '%.3e': four decimals hide what is "
                                               "still there.", shows=_said(exact=True)),
        )),
    Exercise(
        id="E10.4", kind="I", minutes=6,
        asks="backtrack(f, g, x, p) -> alpha, halved from 1 until f falls enough",
        hint="Print alpha, f(x + alpha * p) and the right-hand side of Armijo's test for f = 5 x^2, x = 1, p = -10.",
        answer=backtrack,
        instances=SEARCHES,
        holds=_is_a_step,
        accepts=(lambda f, g, x, p: next(2.0**-k for k in range(99)
                                         if f(x + 2.0**-k * p) <= f(x) + 1e-4 * 2.0**-k * np.dot(g, p)),
                 lambda f, g, x, p: [backtrack(f, g, x, p)]),
        remarks=(Remark(lambda f, g, x, p: backtrack(f, g, x, p, 0.8),
                        "Armijo's test holds; your factor is not the 1/2 of the lesson, and other usual ones will do.",
                        shows=_other_factor),),
        mistakes=(
            Mistake(lambda f, g, x, p: 1.0,
                    "That takes the full step always. For f = 5 x^2, x = 1, p = -10, f rises from 5 to 405."),
            Mistake(_exact,
                    "That is the exact minimizer along the line. Armijo only asks for enough decrease, which costs fewer "
                    "values of f.", shows=lambda out, f, g, x, p: (
                        abs(out - _exact(f, g, x, p)) < max(1e-4 * abs(out), 1e-10))),
            *(Mistake(answer, "That is one halving too many: test first, and halve only if the test fails.")
              for answer in (lambda f, g, x, p: backtrack(f, g, x, p) / 2,
                             lambda f, g, x, p: (1 if backtrack(f, g, x, p) == 1 else backtrack(f, g, x, p) / 2),
                             lambda f, g, x, p: _share(5e-5)(f, g, x, p) / 2)),        # alpha halved between f and the test
            Mistake(lambda f, g, x, p: min(1.0, 2 * backtrack(f, g, x, p)),
                    "That is one halving too few: where alpha = 1 fails, you return an alpha at which f does not fall enough."),
            *(Mistake(search, "Your test asks for too little: a share of the slope's promise that is smaller than c1 = 1e-4, or "
                              "none. Which number multiplies alpha * (g @ p) in it?")
              for search in (_search(lambda new, old, *_: new < old), _share(0), _share(1e-6), _share(1e-5), _share(5e-5))),
            Mistake(_search(lambda new, old, alpha, slope, trials: new <= old + 1e-4 * alpha**2 * slope),
                    "Your test has alpha twice, as in alpha * (g @ (alpha * p)). The slope's promise is c1 * alpha * (g @ p)."),
            Mistake(_slope_to_the_point, "You multiply g by the new point. The slope's promise is c1 * alpha * (g @ p), with the "
                                         "step alone."),
            *(Mistake(_share(c1), "Your test asks for too much: a share of the slope's promise that is larger than c1 = 1e-4. "
                                  "Which number multiplies alpha * (g @ p) in it?")
              for c1 in (1e-3, 1e-2, 0.1, 0.2, 0.3, 0.5, 0.9)),
            *(Mistake(answer, "You return an alpha above 1. The first to try is 1, Newton's full step, and if it passes the "
                              "search ends there.", shows=lambda out, *_: np.size(out) == 1 and out > 1)
              for answer in (_starts_at(2), _starts_at(64), _grows)),
            Mistake(_search(_turned), "Your test is the wrong way round: halve as long as Armijo's test does not hold.",
                    shows=_or_tiny(_search(_turned))),
            Mistake(_forgets_x, "You evaluate f at alpha p. The trial point is x + alpha p."),
            Mistake(_compares_with_the_full_step, "You compare with f(x + p). The fall is measured from f(x).",
                    shows=_or_tiny(_compares_with_the_full_step)),
            *(Mistake(_by_entries(holds), "Your slope g * p is a vector, and the test is asked of its entries. The slope along "
                                          "p is one number, g @ p.") for holds in (np.all, np.any)),
            Mistake(_search(lambda new, old, alpha, slope, trials: new <= old + 1e-4 * slope),
                    "The promise of the slope must shrink with the step: c1 * alpha * (g @ p)."),
            Mistake(_search(lambda new, old, alpha, slope, trials: new <= old - 1e-4 * alpha * slope),
                    "The sign of the slope is turned: g @ p is negative for a downhill p, so your test allows f to rise."),
            Mistake(_share(1.0),
                    "Your alpha is almost 0: the test practically never holds. Is c1 in it, and is it x + alpha p that you "
                    "try?", shows=_tiny),
            Mistake(_with_slope(lambda g, p: -g @ g), "The slope along p is g @ p. It is -g @ g only if p = -g.",
                    shows=_or_tiny(_with_slope(lambda g, p: -g @ g))),
            Mistake(_with_slope(lambda g, p: -np.linalg.norm(g) * np.linalg.norm(p)),
                    "The slope along p is g @ p. Your product of two lengths is the slope only if p is parallel to -g."),
            Mistake(lambda f, g, x, p: min(0.5, backtrack(f, g, x, p)),
                    "You never try alpha = 1. Near a minimizer the full step is the good one."),
            Mistake(_best_of_halvings,
                    "You return the best alpha of many. Backtracking stops at the first one that passes the test."),
            Mistake(lambda f, g, x, p: round(-np.log2(backtrack(f, g, x, p))),
                    "That is the number of halvings. Asked for is alpha itself."),
            *(Mistake(answer, "You move x in each trial, so the trials pile up. Each trial starts from the same x.",
                      shows=_or_tiny(answer))
              for answer in (_moves_x, _moves_x_and_f)),
            Mistake(lambda f, g, x, p: backtrack(f, g, x, -g),
                    "You try points along -g. The direction to test is the p that is handed in."),
            *(Mistake(lambda f, g, x, p, c=c: c, "You return the same alpha, whatever comes in. Start at 1, and test.")
              for c in (0.5, 0.25, 0.125, 0.1, 0.0625)),
            Mistake(lambda f, g, x, p: x + backtrack(f, g, x, p) * p,
                    "That is a point, x + alpha p. Asked for is alpha, one number.",
                    shows=lambda out, f, g, x, p: (np.size(out) == np.size(x) and np.allclose(
                        np.ravel(out), x + backtrack(f, g, x, p) * p, rtol=1e-9))),
        ),
        diagnose=lambda out, f, g, x, p: (
            "Armijo's test does not hold at the alpha that you return: does your loop end too early?"
            if not f(x + out * p) <= f(x) + 1e-4 * out * (g @ p) else
            "Armijo's test holds at your alpha, but the first alpha of 1, 1/2, 1/4, ... that passes is another one. "
            "Print alpha and both sides of the test at each trial."),
        tol=1e-9),
    Exercise(
        id="E10.5", kind="I", minutes=10,
        asks="(limit of pure Newton from (1, 0.3), ends of your repaired step from four starts)",
        hint="In the coordinates of the eigenvectors of H, each coordinate of Newton's step is -g / lambda.",
        answer=(np.zeros(2), REPAIRED),
        reads=_saddle,
        holds=_saddle_holds,
        accepts=(((0, 0), ends(_abs)), [[0.0, 0.0], ends(_shift)], (np.zeros((2, 1)), ends(_abs).tolist()),
                 ((0, 0), ends(_trust_region))),
        remarks=(
            Remark((np.zeros(2), ends(_turns_all)),
                   "Your run from (1, 0.3) ends at (0, -1), on the far side of the saddle: with the uphill part alone turned "
                   "around, it ends at (0, 1).", shows=lambda out: out[1][0, 1] < 0),),
        mistakes=(
            _limit(0, 1, "The limit (0, 1) is where gradient descent goes. Newton moves x2 uphill: -g / lambda with "
                         "lambda < 0."),
            _limit(0, -1, "The limit is not a minimizer: work out the x2 part of the second step as well, with the sign of "
                          "the curvature there."),
            _limit(0, 0.3, "You moved x1 alone. What does -g / lambda say for x2, where lambda = 3 x2^2 - 1?"),
            _limit(0, -0.074, "That is the first step. Make two more: where do they lead?"),
            _limit(1e6, 1e6, "Pure Newton does not diverge from there: the steps of x2 become smaller. Make three of them.",
                   shows=lambda limit: not np.all(np.isfinite(limit)) or np.abs(limit).max() > 10),
            _repair(_newton,
                    "All four runs end at the saddle: your step still heads for it. Shortening does not help, since the first "
                    "step is a descent direction (slope -0.90) already: where lambda < 0, the step must turn around.",
                    lambda table: np.abs(table[:4, :2]).max() < 1e-3),
            _repair(_stops,
                    "Your runs come near the saddle and stay there: where Newton's step goes uphill, yours is 0. A line search "
                    "cannot help, since the direction is wrong: where lambda < 0, the step must turn around.",
                    lambda table: np.abs(table[:4, :2] - ends(_stops)[:4, :2]).max() < 1e-3),
            _repair(_uphill,
                    "Your steps lead away, and most of them go uphill. The repaired step is minus a positive definite matrix "
                    "times g.",
                    lambda table: np.abs(table[:4, :2]).max() > 1e3 and table[:4, 2].min() >= 20),
            _repair(_v_once,
                    "The runs along the axes end at minimizers, those on the turned function do not, and where H is positive "
                    "definite your step is not Newton's. Is V in it twice, once as V.T?",
                    lambda table: (_at_minimizers(table[[0, 1, 0, 1]]) and not _at_minimizers(table)
                                   and not _is_newton(table))),
            _repair(_clip,
                    "Where lambda < 0 your step is 0, so x2 stays where it was. Dropping a direction is not leaving it.",
                    lambda table: np.abs(np.abs(table[:4, 1]) - [0.3, 0.2, 0.3, 0.2]).max() < 1e-2),
            _repair(lambda g, H: -np.linalg.solve(np.abs(H), g),
                    "It works along the axes, and not on the turned function: absolute values of the entries of H are not "
                    "those of its eigenvalues.",
                    lambda table: (_at_minimizers(table[[0, 1, 0, 1]]) and not _at_minimizers(table)
                                   and _is_newton(table))),
            _repair(_flipped,
                    "The runs end well, but some steps went uphill: you turn the whole step. Turn only the part along the "
                    "eigenvectors with lambda < 0.",
                    lambda table: np.abs(table[:4] - ends(_flipped)[:4]).max() < 1e-3),
            _repair(lambda g, H: -np.sign(g) * np.abs(np.linalg.solve(H, g)),
                    "The runs end well, but where H is positive definite your step has Newton's entries with other signs (the "
                    "last row of ends). Turn the parts along the eigenvectors, not the entries.",
                    _probe_says(lambda g, H: -np.sign(g) * np.abs(np.linalg.solve(H, g)))),
            _repair(lambda g, H: -np.linalg.solve(H @ H, g),
                    "You divide by lambda squared, which is positive as well, but not Newton's step where H is positive "
                    "definite (the last row of ends).",
                    _probe_says(lambda g, H: -np.linalg.solve(H @ H, g))),
            _repair(lambda g, H: -_absolute(H) @ g,
                    "You multiply by |lambda|. Newton divides.", _probe_says(lambda g, H: -H @ g)),
            _repair(lambda g, H: _floored(g, H, 1e-8),
                    "The steps are downhill and much too long: an eigenvalue was replaced by a tiny positive number, and "
                    "then you divide by it.",
                    lambda table: _all_downhill(table) and _is_newton(table) and not np.abs(table[:4, :2]).max() < 1.2),
            _repair(_always_shifted,
                    "The runs end well, but where H is positive definite your step is not Newton's (the last row of ends is "
                    "not 0). Print both for that H: a shift that is always added does this, and so does V exchanged with V^T.",
                    lambda table: _at_minimizers(table) and _all_downhill(table) and not _is_newton(table)),
            _repair(lambda g, H: -g,
                    "Your runs leave the saddle, and after 30 steps they are near minimizers, but not there: close to one, H is "
                    "positive definite. Which step is asked for then?",
                    lambda table: (_all_downhill(table) and not _is_newton(table) and not _at_minimizers(table)
                                   and np.abs(np.abs(table[:4, 1]) - 1).max() < 0.2 and np.abs(table[:4, 0]).max() < 0.2)),
            _repair(lambda g, H: -0.02 * g,
                    "Some runs have not arrived after 30 steps: with short steps of gradient descent the saddle is left "
                    "slowly. Use the curvature: only its sign is wrong.",
                    lambda table: (_all_downhill(table) and not _is_newton(table) and not _at_minimizers(table)
                                   and np.all(np.abs(table[:4, 1]) < 1.2) and np.all(np.abs(table[:4, 1]) > 0.15))),
        ),
        diagnose=lambda out: ("The limit is right and the four runs end at minimizers, but some of your steps go uphill, or "
                              "the last row of ends is not 0. Print the column of steps uphill, and that row."
                              if np.abs(out[0]).max() < 1e-3 and _at_minimizers(out[1]) else
                              "The limit is right; of the four runs of your step, not all end at a minimizer. Print the "
                              "first three steps of one that does not."
                              if np.abs(out[0]).max() < 1e-3 else None),
        tol=1e-3),
]

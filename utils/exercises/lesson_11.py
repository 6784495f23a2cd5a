"""Lesson 11, Gauss-Newton and Levenberg-Marquardt: the damped pseudo-inverse of the Jacobian, again and again."""
import numpy as np

from ..checking import Exercise, Mistake, distance

# --------------------------------------------------------------------------------- E11.1: the Gauss-Newton step
EASY_J, EASY_R = np.array([[1.0, 2], [3, 1], [0, 2]]), np.array([2.0, -1, 3])
TWIN_J, WIDE_J = np.array([[1.0, 1], [1, 1], [2, 2]]), np.array([[1.0, 0, 1], [0, 1, 1]])


def _jacobian(seed, m, n, scale=1.0):
    """A seeded random (r, J), with columns scaled from 1 to `scale`."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal(m), rng.standard_normal((m, n)) * np.geomspace(1, scale, n)


def _hard():
    """kappa(J) = 1e7 in random directions, and an r that a step removes: J^T J has lost the small direction."""
    rng = np.random.default_rng(5)
    U, V = (np.linalg.qr(rng.standard_normal((k, 4)))[0] for k in (12, 4))
    J = (U * np.geomspace(1, 1e-7, 4)) @ V.T
    return J @ rng.standard_normal(4), J


def gn_step(r, J):
    return -np.linalg.pinv(J) @ r


def _by_qr(r, J):
    """QR with pivoting, then the shortest (complete orthogonal factorization)."""
    from scipy.linalg import lstsq
    return lstsq(J, -r, lapack_driver="gelsy", cond=1e-12)[0]


def _by_svd(r, J):
    U, s, Vt = np.linalg.svd(J, full_matrices=False)
    keep = s > 1e-12 * s[0]
    return -(Vt[keep].T @ ((U.T @ r)[keep] / s[keep]))[:, None]


def _by_tiny_damping(r, J):
    n, scale = J.shape[1], np.linalg.norm(J)
    stacked = np.vstack([J, 1e-11 * scale * np.eye(n)])
    return np.linalg.lstsq(stacked, np.concatenate([-r, np.zeros(n)]), rcond=1e-10)[0]


SQUARED = ("Right where J is well conditioned, and not where its columns are dependent, or nearly so. Forming J^T J squares "
           "kappa(J) (lesson 03): which solver works with J itself?")

# -------------------------------------------------------------------------------- E11.2: Levenberg-Marquardt
MISRA_X = np.array([77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0])
MISRA_Y = np.array([10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78])
CERTIFIED = np.array([238.94212918, 5.5015643181e-4])      # NIST StRD, Misra1a (public domain)
CALLS = 120


class TooManyCalls(Exception):
    """Raised by a residual that is asked more often than is needed."""


class Residual:
    """theta -> r (m,), with the minimizer that is known, the digits asked for, and the number of calls allowed."""

    def __init__(self, function, solution, digits, most=CALLS):
        self._function, self.solution, self.digits, self._most = function, np.array(solution), digits, most
        self._calls = 0

    def __call__(self, theta):
        self._calls += 1
        if self._calls > self._most:
            raise TooManyCalls(f"res was called more than {self._most} times")
        return self._function(np.ravel(np.asarray(theta, float)))

    def error(self, theta):
        """The largest relative error of an entry of theta."""
        theta = np.ravel(np.asarray(theta, float))
        return np.max(np.abs(theta / self.solution - 1)) if theta.size == self.solution.size else np.inf

    def loss(self, theta):
        return np.sum(self._function(np.ravel(np.asarray(theta, float)))**2) / 2


def _misra(start, unit=1.0):
    """Misra1a, with the pressure in such units that b2 is counted in multiples of `unit`."""
    x = MISRA_X * unit

    def jac(b):
        return np.column_stack([-np.expm1(-b[1] * x), b[0] * x * np.exp(-b[1] * x)])
    units = np.array([1, unit])
    return Residual(lambda b: -b[0] * np.expm1(-b[1] * x) - MISRA_Y, CERTIFIED / units, 1e-7), jac, start / units


def _rosenbrock():
    return (Residual(lambda t: np.array([10 * (t[1] - t[0]**2), 1 - t[0]]), [1.0, 1.0], 1e-6),
            lambda t: np.array([[-20 * t[0], 10], [-1, 0]]), np.array([-1.2, 1]))


def _curve(c, start):
    """(t, c t^2 + t) against the target (-1, 1), with theta = t + 3; LM is slow here, so more calls and fewer digits."""
    return (Residual(lambda t: np.array([t[0] - 2, c * (t[0] - 3)**2 + t[0] - 4]), [3.0], 1e-3, 2000),
            lambda t: np.array([[1], [2 * c * (t[0] - 3) + 1]]), np.array([start + 3]))


PROBLEMS = (_misra(np.array([500, 1e-4])), _misra(np.array([250, 5e-4])), _rosenbrock(), _curve(-2, 0.1),
            _misra(np.array([500, 1e-4]), unit=1e-16))


def _lm(damp=1e-3, up=2.0, down=3.0, scale=lambda J, D: np.linalg.norm(J, axis=0), sign=-1, rejects=True,
        stops=False, loop=CALLS - 1, fresh=True, root=False):
    """Levenberg-Marquardt, or one with a line replaced; `loop` = 0 runs until the gradient is small."""
    def answer(res, jac, theta0):
        theta, lam = np.array(theta0, float), damp
        r, J = res(theta), jac(theta)
        D = np.linalg.norm(J, axis=0)
        for _ in range(loop or 10**6):
            D = scale(J, D)
            g = J.T @ r
            flat = np.all(np.abs(g) <= 1e-8 * np.linalg.norm(J, axis=0) * np.linalg.norm(r) + 1e-300)
            if not loop and (flat or lam > 1e9):  # there are no better points left
                break
            stacked = np.vstack([J, (lam if root else np.sqrt(lam)) * np.diag(D)])
            step = np.linalg.lstsq(stacked, np.r_[sign * r, 0 * theta], rcond=None)[0]
            new = res(theta + step)
            if rejects and not new @ new < r @ r:
                if stops:
                    break
                lam = min(lam * up, 1e100)
                continue
            theta, r, lam = theta + step, new, np.clip(lam / down, 1e-100, 1e100)
            J = jac(theta) if fresh else J
        return theta
    return answer


def lm(res, jac, theta0):
    return _lm()(res, jac, theta0)


def _nielsen(res, jac, theta0, floor=True):
    """Nielsen's update of the damping, by the gain ratio, with the normal equations and largest columns so far."""
    theta, lam, nu = np.array(theta0, float), 1e-3, 2
    r, J = res(theta), jac(theta)
    D = np.linalg.norm(J, axis=0)
    for _ in range(CALLS - 1):
        D = np.maximum(D, np.linalg.norm(J, axis=0))
        g = J.T @ r
        step = np.linalg.solve(J.T @ J + lam * np.diag(D**2), -g)
        new = res(theta + step)
        promised = step @ (lam * D**2 * step - g)
        rho = (r @ r - new @ new) / promised if promised > 0 else -1
        if rho > 0:
            theta, r, J = theta + step, new, jac(theta + step)
            lam, nu = lam * max(1 / 3, 1 - (2 * rho - 1)**3), 2
        else:
            lam, nu = min(lam * nu, 1e100), min(2 * nu, 1e9)
    return list(theta)


def _trust_region(res, jac, theta0):
    """The trust-region form, by scipy."""
    from scipy.optimize import least_squares
    return least_squares(res, theta0, jac, method="trf", x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14,
                         max_nfev=60).x


def _minpack(res, jac, theta0):
    from scipy.optimize import least_squares
    if len(res(theta0)) < len(theta0):
        return theta0
    return least_squares(res, theta0, jac, method="lm", x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14).x[:, None]


def _astray(out, res, jac, theta0):
    return res.error(out) > res.digits


def _start(out, res, jac, theta0):
    return np.size(out) == np.size(theta0) and distance(np.ravel(np.asarray(out, float)), theta0) < 1e-12


def _lm_failure(out, res, jac, theta0):
    return (f"From theta0 = {np.array2string(theta0, precision=4)} you end with a sum of squares of {2 * res.loss(out):.6g}, "
            f"and {2 * res.loss(res.solution):.6g} can be reached. Print lambda and the sum of squares at each trial.")


CRAWLS = ("You come nearer and then crawl. Does lambda ever fall? While it stays large, each step is a slow ridge step.")
WRONG_WAY = "Your steps get shorter and shorter before you are there. What happens to lambda after a step that was good?"
UPHILL = ("You end where the loss does not fall any more from step to step, and not at a minimizer. A step with rho < 0 "
          "made the loss larger: it must be rejected.")
UNITS = ("Right, except where one parameter is counted in units 1e-16 times as large. lambda I adds the same number to "
         "entries of J^T J that have different units: use D.")


# ------------------------------------------------------------------------ E11.3: Gauss-Newton on Rosenbrock
def _steps_and_loss(output):
    """"2 full steps" is 2."""
    if isinstance(output, (tuple, list)) and len(output) == 2 and isinstance(output[0], str):
        return (2.0 if output[0].strip().casefold() in ("2", "two", "2 steps", "2 full steps", "two steps") else output[0],
                output[1])
    return output


def _part(k, low, high, says, answer):
    """A mistake in part k, whatever the other parts are."""
    return Mistake(answer, says, shows=lambda out: isinstance(out, tuple) and low <= out[k] <= high)


# ----------------------------------------------------------------- E11.4: the factor per step, on a curve
def _factors(output):
    """A factor may carry its sign, and "diverges" says what False says."""
    if not isinstance(output, (tuple, list)) or len(output) != 4:
        return output
    return tuple(abs(v) if isinstance(v, (int, float, np.number)) and not isinstance(v, (bool, np.bool_)) else v
                 for v in output[:2]) + tuple(output[2:])


def _says(k, low, high):
    return lambda out: isinstance(out, tuple) and len(out) == 4 and low <= float(out[k]) <= high


# ---------------------------------------------------------------------- E11.5: directions of the damped step
LIMIT_J, LIMIT_R = np.array([[1.0, 2], [0, 2]]), np.array([-4.0, -1])
GRADIENT, GAUSS_NEWTON, SCALED = 5 / 2, 1 / 6, 5 / 16
IN_WORDS = {"gradient": GRADIENT, "-g": GRADIENT, "-gradient": GRADIENT, "negative gradient": GRADIENT,
            "steepest descent": GRADIENT, "gauss-newton": GAUSS_NEWTON, "gauss newton": GAUSS_NEWTON,
            "-j+r": GAUSS_NEWTON, "-j+ r": GAUSS_NEWTON, "-d^-2 g": SCALED, "-d^-2g": SCALED}


def _slopes(output):
    if isinstance(output, str):
        return output
    if isinstance(output, (tuple, list)):
        return tuple(IN_WORDS.get(v.strip().casefold(), v) if isinstance(v, str) else v for v in output)
    return tuple(np.ravel(output)) if isinstance(output, np.ndarray) else output


def _slope(k, value, says):
    """A wrong slope in part k, whatever the other parts are."""
    answer = tuple(value if j == k else right for j, right in enumerate((GRADIENT, GAUSS_NEWTON, SCALED)))
    return Mistake(answer, says, shows=lambda out: (
        isinstance(out, tuple) and len(out) == 3 and abs(out[k] - value) <= 5e-3 * max(1, abs(value))))


EXERCISES = [
    Exercise(
        id="E11.1", kind="I", minutes=6,
        asks="gn_step(r, J) -> the step that minimizes ||J delta + r||, the shortest if there are several, shape (n,)",
        hint="It is a least-squares problem with matrix J. What is its right-hand side?",
        answer=gn_step,
        instances=((EASY_R, EASY_J), _jacobian(0, 7, 3), _jacobian(1, 4, 4), (np.array([1.0, 2, 2]), TWIN_J),
                   (np.array([3.0, -1]), WIDE_J), _jacobian(2, 9, 2, 1e6), _hard()),
        accepts=(_by_qr, _by_svd, _by_tiny_damping,
                 lambda residual, jacobian: np.linalg.lstsq(jacobian, -residual, rcond=None)[0].tolist(),
                 lambda r, J: np.linalg.lstsq(J, -r, rcond=None)[0]),
        mistakes=(
            Mistake(lambda r, J: np.linalg.pinv(J) @ r,
                    "Uphill: this step makes r longer. It should make r + J delta short, so what stands on the right-hand "
                    "side?"),
            Mistake(lambda r, J: -J.T @ r,
                    "That is -g, a gradient step. Where did you divide by curvature?"),
            Mistake(lambda r, J: J.T @ r,
                    "That is the gradient itself: uphill, and without any curvature."),
            Mistake(lambda r, J: -J.T @ r / np.linalg.norm(J, 2)**2,
                    "That is a gradient step of length 1/L (lesson 05). Asked for is the minimizer of ||J delta + r||."),
            Mistake(lambda r, J: np.linalg.solve(J, -r),
                    "solve wants a square J. Here J has as many rows as there are residuals, and r can rarely become 0."),
            Mistake(lambda r, J: np.linalg.solve(J.T @ J, -J.T @ r), SQUARED),
            Mistake(lambda r, J: -np.linalg.inv(J.T @ J) @ J.T @ r, SQUARED),
            Mistake(lambda r, J: -np.linalg.pinv(J.T @ J) @ (J.T @ r),
                    "Right where J is well conditioned. But the pseudo-inverse of J^T J drops a direction that J still "
                    "knows: J^T J squares kappa(J) (lesson 03)."),
            Mistake(lambda r, J: np.linalg.solve(J.T @ J + np.eye(J.shape[1]), -J.T @ r),
                    "This step is damped, with lambda = 1. The Gauss-Newton step is not."),
            Mistake(lambda r, J: J @ np.linalg.pinv(J) @ -r,
                    "One entry for each row: this is J delta, the change of the residual. Asked for is delta itself."),
            Mistake(lambda r, J: r - J @ np.linalg.pinv(J) @ r,
                    "That is the residual that the step leaves, one entry for each row. Asked for is the step, one entry for "
                    "each parameter."),
        )),
    Exercise(
        id="E11.2", kind="I", minutes=15,
        asks=f"lm(res, jac, theta0) -> theta, with at most {CALLS} calls of res",
        hint="Print lambda and the sum of squares at each trial, from (500, 1e-4).",
        answer=lm,
        instances=PROBLEMS,
        holds=lambda out, res, jac, theta0: res.error(out) <= res.digits,
        accepts=(_nielsen, _trust_region, _minpack, _lm(1e-2, 4, 5), _lm(loop=0), _lm(1e-6), _lm(loop=100),
                 _lm(scale=lambda J, D: np.maximum(D, np.linalg.norm(J, axis=0)))),
        mistakes=(
            Mistake(_lm(sign=1), "You return the start: no step was ever accepted. Check the sign of the step.",
                    shows=_start),
            Mistake(_lm(up=1 / 2, down=1 / 3), WRONG_WAY, shows=_astray),
            Mistake(_lm(up=1 / 2, down=1 / 3, loop=0), WRONG_WAY),
            Mistake(_lm(stops=True), "You stop too early, from some starts. A rejected step is not convergence: raise "
                                     "lambda and try again from the same point.", shows=_astray),
            Mistake(_lm(down=1, up=10), CRAWLS, shows=_astray),
            Mistake(_lm(down=1, up=10, loop=0), CRAWLS),
            Mistake(_lm(rejects=False), UPHILL, shows=_astray),
            Mistake(_lm(rejects=False, loop=0), UPHILL),
            Mistake(_lm(scale=lambda J, D: 0 * D + 1), UNITS, shows=_astray),
            Mistake(_lm(scale=lambda J, D: 0 * D + 1, loop=0), UNITS),
        ),
        diagnose=_lm_failure),
    Exercise(
        id="E11.3", kind="P", minutes=5,
        asks="Gauss-Newton on Rosenbrock's residuals from (-1.2, 1): (number of steps to the minimizer, f after the first)",
        hint="J is square here: solve J delta = -r by hand. The second equation alone gives the first entry of delta.",
        answer=(2.0, 1171.28),
        accepts=([2, 1171.28], ("2 full steps", 1171.3), (2, [1171.28])),
        reads=_steps_and_loss,
        mistakes=(
            _part(0, 2.5, np.inf, "That many steps are not needed. J is square and invertible here: each step solves the "
                                  "linearized equations exactly, so what is 1 - x after the first one?", (30.0, 1171.28)),
            _part(0, 0.5, 1.5, "One step solves the linearized equations. The second residual is linear, the first is not: "
                               "is it 0 after the step?", (1.0, 1171.28)),
            _part(1, -1e-6, 0.05, "Zero after the first step would need linear residuals. The first step solves the "
                                  "linearized equations: insert the new point into the true ones.", (2.0, 0.0)),
            _part(1, 11.6, 11.8, "The factor 10 is missing in the first residual.", (2.0, 11.7128)),
            _part(1, 0.05, 12.0, "You expect the loss to fall. Gauss-Newton without damping promises no descent: insert the "
                                 "new point into f.", (2.0, 4.0)),
            _part(1, 12.05, 12.15, "That is f at the start.", (2.0, 12.1)),
            _part(1, 2342, 2343, "That is the sum of squares; f is half of it.", (2.0, 2342.56)),
            _part(1, 48.3, 48.5, "That is the size of the first residual. What is f?", (2.0, 48.4)),
        ),
        diagnose=lambda out: ("The number of steps is right; f after the first step is not. The new point is (1, y), with "
                              "y from the first equation." if isinstance(out, tuple) and out[0] == 2 else None),
        tol=1e-3),
    Exercise(
        id="E11.4", kind="P", minutes=6,
        asks="on the curve: |error after / before a step| near 0 for c = 0.5, the same for c = -2, then True or False: do "
             "steps from 0.1 tend to 0 for c = -2, and for c = 2?",
        hint="At 0, J = (1, 1) and r = (1, -1). Only the second residual has a second derivative, 2c.",
        answer=(0.5, 2.0, False, False),
        accepts=([0.5, -2, False, False], (0.5, 2, 0, 0), (0.48, 2.1, False, False), ((0.5,), (2,), False, False)),
        reads=_factors,
        holds=lambda out: abs(out[0] - 0.5) <= 0.05 and abs(out[1] - 2) <= 0.2 and not out[2] and not out[3],
        mistakes=(
            Mistake((0.0, 2.0, False, False), "A factor 0 would be faster than linear. For that the residual must vanish at "
                    "the solution, and here it is (1, -1).", shows=_says(0, -0.01, 0.01)),
            Mistake((0.25, 2.0, False, False), "The factor for c = 0.5 is not squared: the error is multiplied by it at each "
                    "step. Recompute the two by two of it.", shows=_says(0, 0.24, 0.26)),
            Mistake((1.0, 4.0, False, False), "Twice too much: J^T J is 1 + 1 here, not 1.",
                    shows=lambda out: _says(0, 0.95, 1.05)(out) and _says(1, 3.9, 4.1)(out)),
            Mistake((0.5, 0.0, False, False), "A factor 0 for c = -2 would be faster than linear. The residual at the "
                    "solution is (1, -1) for each c.", shows=_says(1, -0.01, 0.01)),
            Mistake((0.5, 0.5, False, False), "The factor for c = -2 is not that for c = 0.5, nor its inverse: it is "
                    "proportional to c.", shows=_says(1, 0.4, 0.6)),
            Mistake((0.5, "no minimizer", False, False), "For c = -2 there is a minimizer: f''(0) = 2 - 2c = 6 > 0. The "
                    "question is whether steps come nearer to it.", shows=None),
            Mistake((0.5, 2.0, True, True), "Neither: one has a factor above 1, and so has the other. A minimizer can repel, "
                    "and a maximum should.", shows=lambda out: _says(2, 1, 1)(out) and _says(3, 1, 1)(out)),
            Mistake((0.5, 2.0, True, False), "For c = -2, 0 is a minimizer, but look at your factor: does the error shrink "
                    "from step to step?", shows=_says(2, 1, 1)),
            Mistake((0.5, 2.0, False, True), "For c = 2, f''(0) = 2 - 2c < 0: there 0 is a maximum. Steps leave it and go to "
                    "0.25.", shows=_says(3, 1, 1)),
        ),
        tol=1e-3),
    Exercise(
        id="E11.5", kind="P", minutes=6,
        asks="the slope delta_2 / delta_1 of the damped step: with lambda I as lambda grows without bound, as lambda goes to "
             "0, and with lambda D^2 as lambda grows without bound",
        hint="Which term of the matrix decides when lambda is huge, and which when it is 0?",
        answer=(GRADIENT, GAUSS_NEWTON, SCALED),
        accepts=([2.5, 0.167, 0.3125], ("gradient", "Gauss-Newton", 0.3125), ("-g", "-J+r", 5 / 16),
                 ((2.5,), (0.1667,), (0.3125,)), np.array([2.5, 1 / 6, 0.312])),
        reads=_slopes,
        holds=lambda out: all(abs(a - b) <= 2e-3 * max(1, b) for a, b in zip(out, (GRADIENT, GAUSS_NEWTON, SCALED))),
        mistakes=(
            Mistake((GAUSS_NEWTON, GRADIENT, SCALED), "The first two are exchanged: a large lambda hides the curvature J^T J, "
                    "a small one reveals it.",
                    shows=lambda out: (isinstance(out, tuple) and len(out) == 3 and abs(out[0] - GAUSS_NEWTON) < 5e-3
                                       and abs(out[1] - GRADIENT) < 1e-2)),
            _slope(0, 0.0, "The length of the step goes to 0, its direction does not. Multiply the step by lambda, then let "
                           "lambda grow."),
            _slope(0, GAUSS_NEWTON, "The first is the direction of -J+r. With a large lambda the curvature J^T J no longer "
                                    "counts."),
            _slope(0, SCALED, "The first is the direction with lambda D^2. Here it is lambda I."),
            _slope(0, 0.4, "The first is delta_1 / delta_2. Asked for is delta_2 / delta_1."),
            _slope(0, -2.5, "Both entries of -g have the same sign. Recompute J^T r."),
            _slope(0, 0.25, "That is the slope of r. The gradient is J^T r."),
            _slope(0, 8.0, "You multiplied by J, not by its transpose, or lost a term. Recompute J^T r."),
            _slope(1, 0.0, "As lambda goes to 0 the step does not vanish: it solves J delta = -r."),
            _slope(1, GRADIENT, "The second is the direction of -g. With lambda = 0 the curvature J^T J counts in full."),
            _slope(1, 6.0, "The second is delta_1 / delta_2. Asked for is delta_2 / delta_1."),
            _slope(2, GRADIENT, "The third is the direction of -g, as with lambda I. With lambda D^2 each entry of g is divided "
                                "by a number of its own."),
            _slope(2, GAUSS_NEWTON, "The third is the direction of -J+r. D^2 holds only the diagonal of J^T J."),
            _slope(2, 5 / 2 / np.sqrt(8), "The third divides g by the lengths of the columns. The matrix is D^2: divide by "
                                          "their squares."),
            _slope(2, 20.0, "The third multiplies by D^2. The step solves lambda D^2 delta = -g."),
            _slope(2, 3.2, "The third is delta_1 / delta_2. Asked for is delta_2 / delta_1."),
        ),
        tol=1e-3),
]

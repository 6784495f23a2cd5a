"""Lesson 11, Gauss-Newton and Levenberg-Marquardt: the damped pseudo-inverse of the Jacobian, again and again."""
import numpy as np

from ..checking import Exercise, Mistake, Seen, distance

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
DROPPED = ("Right where J is well conditioned. But the pseudo-inverse of J^T J drops a direction that J still knows: J^T J squares "
           "kappa(J) (lesson 03). Which solver works with J itself?")
TWICE = ("Two things: the step goes uphill, and J^T J squares kappa(J) (lesson 03). Look at the right-hand side first.")
HIDDEN = ("Right where J is well conditioned, and not where kappa(J) = 1e7: there a direction is missing that counts. How small "
          "may a singular value be, beside the largest one, before you treat it as 0?")
ORDER = ("numpy.linalg refused each J, a square one too. gn_step gets r first and J second: which of the two does your routine "
         "take for the matrix?")
QR = ("QR and back substitution need independent columns, and at least as many rows. Where J is rank-deficient, R is singular or "
      "not square: which routine copes with that?")


def _qr_solve(r, J):
    Q, R = np.linalg.qr(J)
    return -np.linalg.solve(R, Q.T @ r)


def _qr_triangular(r, J):
    from scipy.linalg import solve_triangular
    Q, R = np.linalg.qr(J)
    return -solve_triangular(R, Q.T @ r)


def _cholesky(r, J):
    from scipy.linalg import cho_factor, cho_solve
    return -cho_solve(cho_factor(J.T @ J), J.T @ r)


def _scipy_solve(r, J):
    from scipy.linalg import solve
    return solve(J.T @ J, -J.T @ r, assume_a="pos")


def _step_failure(out, r, J):
    """What is special of a J on which a step is wrong, unless the step has the right direction there."""
    s, truth = np.linalg.svd(J, compute_uv=False), gn_step(r, J)
    if distance(out, truth * (out @ truth) / (truth @ truth)) < 1e-6:
        return None
    if s[-1] < 1e-12 * s[0]:
        return (f"Wrong where J has dependent columns (J of shape {J.shape}). Print its singular values: which of them are 0 but "
                "for rounding, and what does your code do with those?")
    if len(J) < J.shape[1]:
        return (f"Wrong where J has fewer rows than columns (J of shape {J.shape}). Many steps then make J delta + r = 0: is yours "
                "one of them, and the shortest?")
    if s[-1] < 1e-4 * s[0]:
        return (f"Wrong where kappa(J) = {s[0] / s[-1]:.0e}. Print the part of r that your step leaves, and what your code does to "
                "small singular values: cut, damp, square, or round them?")
    return (f"Wrong where kappa(J) is only {s[0] / s[-1]:.0f} (J of shape {J.shape}): relative error {distance(out, truth):.1g}. "
            "After the right step J delta + r is orthogonal to each column of J: print J^T (J delta + r).")


# -------------------------------------------------------------------------------- E11.2: Levenberg-Marquardt
MISRA_X = np.array([77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0])
MISRA_Y = np.array([10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78])
CERTIFIED = np.array([238.94212918, 5.5015643181e-4])      # NIST StRD, Misra1a (public domain)
CALLS = 120


FITS, CLIMB = 1e-6, 1 + 1e-6      # a linear equation is solved; a sum of squares is larger, by more than rounding


# Raised by a `Residual` whose record shows that the run cannot become right. The class is the fault:
class WrongSign(Seen):
    """minus the first step is a damped step."""


class GradientStep(Seen):
    """The first step is a multiple of -J^T r."""


class CutStep(Seen):
    """A step is -J^+ r times a number."""


class PriceOnTheta(Seen):
    """In the first step the price is on D (theta + delta)."""


class DampedByI(Seen):
    """In other units the first step is another one, and solves (J^T J + lambda I) delta = -J^T r."""


class DampedByD(Seen):
    """The same, with lambda D."""


class DampedByD4(Seen):
    """The same, with lambda D^4."""


class OtherUnits(Seen):
    """In other units the first step is another one."""


class Climbed(Seen):
    """A step starts from a trial where the sum of squares is larger than where the trial started."""


class OldResidual(Seen):
    """A step starts from an accepted trial, with the r of the point before."""


class OldJacobian(Seen):
    """A step starts from an accepted trial, with the J of the point before."""


class OfRefused(Seen):
    """A step starts from where a refused trial started, with r or J of the trial."""


class ThetaLeft(Seen):
    """A step has r and J of an accepted trial, and starts from where the trial started."""


class MovedAnyway(Seen):
    """A step starts from a refused trial, with r and J of where the trial started."""


class FellAfterRefused(Seen):
    """After a refused trial lambda became smaller."""


class GrewAfterGood(Seen):
    """Three times in a row lambda became larger after a step that kept three quarters of its promise."""


class NeverFell(Seen):
    """Ten trials were accepted, lambda has never become smaller, and the minimum is not reached."""


class SameTrial(Seen):
    """One and the same trial was refused and made again, five times."""


class CalledTwice(Seen):
    """More calls than allowed, and from the beginning many of them at a point where r was known."""


class StillRunning(Seen):
    """More calls than allowed, and the minimum was reached before half of them."""


class TooManyCalls(Seen):
    """More calls than allowed, for another reason."""


class Step:
    """A step delta against the linear problem of some r and J, in parameters that make J's columns of length 1."""

    def __init__(self, delta, r, J):
        self.D = np.linalg.norm(J, axis=0)
        self.D[self.D == 0] = 1
        self.s, self.g, self.G = self.D * delta, (J / self.D).T @ r, (J / self.D).T @ (J / self.D)
        self.promised = r @ r - np.sum((J @ delta + r)**2)

    def damping(self, power=2, sign=1, pull=0.0):
        """The lambda for which (J^T J + lambda D^power) delta = -J^T r; None if there is none. Both may be altered:
        sign * delta in place of delta, and D^power applied to delta + pull."""
        rest = -self.g - sign * (self.G @ self.s)
        price = self.D**(power - 2.0) * (sign * self.s + self.D * pull)
        if not price @ price > 0:
            return None
        lam = rest @ price / (price @ price)
        misfit, size = np.linalg.norm(rest - lam * price), np.linalg.norm(self.g)
        altered = power != 2 or sign != 1 or np.any(pull)
        fits = misfit <= FITS * size and (not altered or misfit <= max(1e-3 * np.linalg.norm(rest), 1e-9 * size))
        return lam if fits and lam > -FITS * (self.D**(2.0 - power)).max() else None

    def is_cut(self):
        """Whether it is the Gauss-Newton step times a number that is not 1."""
        whole = -np.linalg.pinv(self.G, rcond=1e-13, hermitian=True) @ self.g
        part = self.s @ whole / (whole @ whole)
        aside = np.linalg.norm(self.s - part * whole) / np.linalg.norm(self.s)
        return abs(part - 1) > FITS and aside <= min(0.01 * abs(part - 1), 0.1 * FITS)

    def is_gradient(self):
        downhill = -self.D**2 * self.g
        along = self.s @ downhill / (downhill @ downhill)
        return along > 0 and np.all(np.abs(self.s - along * downhill) <= 1e-3 * np.abs(self.s))


class Residual:
    """theta -> r (m,), with the minimizer that is known. It records the trials of whoever calls it and works out, from
    the numbers alone, where each step starts and which lambda it has; and it raises what it has `Seen`.

    A step that it cannot explain (another D, a trust region of another shape) ends the watching, not the run.
    `units` belongs to a problem that is one problem twice, side by side, the second time in other units.
    """

    digits = 1e-7

    def __init__(self, function, jac, solution, units=None):
        self._function, self._jac, self._units, self.solution = function, jac, units, np.array(solution)
        self._points, self._asked, self._calls, self._reached = [], [], 0, None
        self._start, self._lams, self._promised, self._accepted, self._grew = 0, [], None, 0, 0
        self._watching, self._fell, self._told = True, False, 0

    def __call__(self, theta):
        theta = np.ravel(np.asarray(theta, float)).copy()
        r = self._function(theta)
        self._calls += 1
        known = [k for k, (point, _) in enumerate(self._points) if np.array_equal(point, theta)]
        if known:
            self._again(known[0])
        else:
            self._new(theta, r)
        if self._calls > CALLS:
            self._end()
        return r

    def error(self, theta):
        """The largest relative error of an entry of theta."""
        theta = np.ravel(np.asarray(theta, float))
        return np.max(np.abs(theta / self.solution - 1)) if theta.size == self.solution.size else np.inf

    def slope(self, theta):
        """The largest cosine between r and a column of J: 0 at a stationary point."""
        r, J = self._function(theta), self._jac(theta)
        return np.max(np.abs(J.T @ r) / (np.linalg.norm(J, axis=0) * np.linalg.norm(r) + 1e-300))

    def sum(self, theta):
        return np.sum(self._function(theta)**2)

    def _sum(self, k):
        return self._points[k][1] @ self._points[k][1]

    def _step(self, place, r_of=None, J_of=None):
        """The step to the newest point from point `place`, judged with r and J of that point, or of others."""
        r_of, J_of = (place if k is None else k for k in (r_of, J_of))
        return Step(self._points[-1][0] - self._points[place][0], self._points[r_of][1], self._jac(self._points[J_of][0]))

    def _again(self, k):
        self._asked.append(k)
        self._told += self._reached is None
        if self._asked.count(k) == 4 and self._sum(k) > CLIMB * self._sum(self._start):
            raise SameTrial(f"one trial, with a sum of squares of {self._sum(k):.4g}, was made five times")

    def _new(self, theta, r):
        self._points.append((theta, r))
        last = len(self._points) - 1
        moves = last and np.any(np.abs(theta - self._points[self._start][0]) > 1e-4 * np.abs(theta))
        if self._reached is None and r @ r <= (1 + 1e-8) * self.sum(self.solution):
            self._reached = self._calls
        if self._reached or not (moves and self._watching and np.all(np.isfinite(r))):
            self._watching = last == 0
        elif last == 1:
            self._first()
        else:
            self._later(last - 1)

    def _first(self):
        step = self._step(0)
        lam = step.damping()
        if lam is None:
            theta0 = self._points[0][0]
            if any(step.damping(power, -1) is not None for power in (2, 0, 1, 4)):
                raise WrongSign("minus your first step is a damped step")
            if step.damping(0) is None and step.is_gradient():
                raise GradientStep("your first step is a multiple of -J^T r")
            if step.is_cut():
                raise CutStep("your first step is -J^+ r times a number")
            if step.damping(pull=theta0) is not None:
                raise PriceOnTheta("in your first step the price is on D (theta + delta)")
        if self._units is not None:
            move = (self._points[1][0] - self._points[0][0]) * self._units
            half = move.size // 2
            if distance(move[:half], move[half:]) > 1e-3 or np.any(np.abs(move[:half] - move[half:])
                                                                  > 1e-3 * np.abs(move).reshape(2, -1).max(axis=0)):
                for power, seen in ((0, DampedByI), (1, DampedByD), (4, DampedByD4)):
                    if step.damping(power) is not None:
                        raise seen("in other units your first step is another one")
                raise OtherUnits("in other units your first step is another one")
        self._explained(step, lam)

    def _later(self, trial):
        """The newest step, after `trial`: it starts from the trial, or from where the trial started."""
        stay = self._start
        if self._step(trial).damping() is not None:
            self._accept(trial, stay)
        elif self._step(stay).damping() is not None:
            if self._step(stay).damping() < 0.999 * self._lams[-1] and self._lams[-1] > 1e-8:
                raise FellAfterRefused("after a refused trial lambda became smaller")
            self._explained(self._step(stay), self._step(stay).damping())
        else:
            fell = self._sum(trial) < self._sum(stay)
            for seen, place, r_of, J_of in ((OldResidual, trial, stay, trial), (OldJacobian, trial, trial, stay),
                                            (OldResidual if fell else MovedAnyway, trial, stay, stay),
                                            (ThetaLeft if fell else OfRefused, stay, trial, trial),
                                            (OfRefused, stay, trial, stay), (OfRefused, stay, stay, trial)):
                if self._step(place, r_of, J_of).damping() is not None:
                    raise seen("r, J and theta of one step belong to different points")
            if self._step(trial).is_cut() or self._step(stay).is_cut():
                raise CutStep("a step is -J^+ r times a number")
            self._watching = False

    def _accept(self, trial, stay):
        before, after = self._sum(stay), self._sum(trial)
        if after > CLIMB * before:
            raise Climbed(f"you step on from a trial with a sum of squares of {after:.4g}, after {before:.4g}")
        step = self._step(trial)
        lam, was = step.damping(), self._lams[-1]
        good = before - after > 0.75 * self._promised
        self._grew = self._grew + 1 if good and lam > 1.001 * was and lam > 1e-8 else 0
        self._fell |= lam < 0.999 * was or lam < 1e-8
        self._accepted += 1
        if self._grew == 3:
            raise GrewAfterGood("three times in a row lambda became larger after a good step")
        if self._accepted == 10 and not self._fell:
            raise NeverFell("lambda has not become smaller in ten accepted steps")
        self._start = trial
        self._explained(step, lam)

    def _explained(self, step, lam):
        """Note a step and its lambda. Without a lambda (None) nothing can be said of the steps that follow."""
        self._watching = lam is not None
        self._lams.append(lam)
        self._promised = step.promised

    def _end(self):
        calls = f"res was called more than {CALLS} times"
        if self._told > 0.3 * (self._reached or self._calls):
            raise CalledTwice(f"{calls}, often twice at one point")
        if self._reached is not None and self._reached <= CALLS // 2:
            raise StillRunning(f"{calls}, and the minimum was reached at call {self._reached}: print what should end your loop")
        least = min(r @ r for _, r in self._points)
        raise TooManyCalls(f"{calls}; the best sum of squares was {least:.6g}, {self.sum(self.solution):.6g} can be reached")


def _model(unit=1.0):
    """Misra1a with b2 counted in multiples of `unit`: its residual and its Jacobian."""
    x = MISRA_X * unit

    def jac(b):
        return np.column_stack([-np.expm1(-b[1] * x), b[0] * x * np.exp(-b[1] * x)])
    return (lambda b: -b[0] * np.expm1(-b[1] * x) - MISRA_Y), jac


def _misra(start):
    res, jac = _model()
    return Residual(res, jac, CERTIFIED), jac, start


def _twice(start, unit):
    """Misra1a twice, side by side, four parameters: as it is, and with b2 counted in multiples of `unit`."""
    (res, jac), (other, other_jac) = _model(), _model(unit)
    units = np.array([1, 1, 1, unit])

    def both(b):
        return np.vstack([np.pad(jac(b[:2]), ((0, 0), (0, 2))), np.pad(other_jac(b[2:]), ((0, 0), (2, 0)))])
    return (Residual(lambda b: np.concatenate([res(b[:2]), other(b[2:])]), both, np.tile(CERTIFIED, 2) / units, units),
            both, np.tile(start, 2) / units)


FAR, NEAR = np.array([500, 1e-4]), np.array([250, 5e-4])     # NIST's two starts
PROBLEMS = (_misra(FAR), _misra(NEAR), _twice(FAR, 1e-6))


def _damped(r, J, lam, D):
    return np.linalg.lstsq(np.vstack([J, np.sqrt(lam) * np.diag(D)]), np.r_[-r, 0 * D], rcond=None)[0]


def _lm(damp=1e-3, up=2.0, down=3.0, scale=lambda J: np.linalg.norm(J, axis=0), step=None, accepts=lambda new, r: new @ new < r @ r,
        stops=False, loop=100, keeps=True, fresh=(True, True), of_refused=False, moves=(True, False)):
    """Levenberg-Marquardt, or one with a line replaced. step: (r, J, lam, D, theta) -> delta; keeps: r and J are kept, not
    computed again for each trial; fresh: are r, and J, those of the new point after it was accepted; of_refused: r and J of
    a refused trial are used; moves: does theta become an accepted trial, and a refused one?"""
    def answer(res, jac, theta0):
        theta, lam = np.array(theta0, float), damp
        r, J = res(theta), jac(theta)
        for _ in range(loop):
            if not keeps:
                r, J = res(theta), jac(theta)
            D = scale(J)
            delta = step(r, J, lam, D, theta) if step else _damped(r, J, lam, D)
            new = res(theta + delta)
            if accepts(new, r):
                r, J = new if fresh[0] else r, jac(theta + delta) if fresh[1] else J
                theta, lam = theta + moves[0] * delta, np.clip(lam / down, 1e-100, 1e100)
            elif stops:
                break
            else:
                lam = min(lam * up, 1e100)
                if of_refused:
                    r, J = new, jac(theta + delta)
                theta = theta + moves[1] * delta
        return theta
    return answer


def lm(res, jac, theta0):
    return _lm()(res, jac, theta0)


def _nielsen(res, jac, theta0):
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


def _until_flat(res, jac, theta0):
    """Marquardt's normal equations, stopped when r is orthogonal to the columns of J."""
    theta, lam = np.array(theta0, float), 1e-3
    r, J = res(theta), jac(theta)
    while np.any(np.abs(J.T @ r) > 1e-9 * np.linalg.norm(J, axis=0) * np.linalg.norm(r)) and lam < 1e9:
        delta = np.linalg.solve(J.T @ J + lam * np.diag(np.diag(J.T @ J)), -J.T @ r)
        new = res(theta + delta)
        if new @ new < r @ r:
            theta, r, J, lam = theta + delta, new, jac(theta + delta), lam / 3
        else:
            lam = 2 * lam
    return theta


def _trust_region(res, jac, theta0):
    """The trust-region form, by scipy."""
    from scipy.optimize import least_squares
    return least_squares(res, theta0, jac, method="trf", x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14,
                         max_nfev=60).x


def _minpack(res, jac, theta0):
    from scipy.optimize import least_squares
    return least_squares(res, theta0, jac, method="lm", x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14).x[:, None]


def _returns_start(out, res, jac, theta0):
    return np.size(out) == np.size(theta0) and distance(np.ravel(np.asarray(out, float)), theta0) < 1e-12


GREW = ("Three times in a row your lambda becomes larger after a step that kept at least three quarters of its promise. Print "
        "lambda after each kind of trial.")


CUT = ("A step of yours is -J^+ r times a number: cut, not damped. With a price on the length the direction turns too: which "
       "problem do you hand to gn_step?")
BY_I = ("In a problem that holds the same readings twice, in two units, your first step is not the same in both: it is damped by "
        "lambda I. What are the units of the diagonal of J^T J?")
STACKED = ("It stopped at each start, at the first step. If you put sqrt(lambda) D under J, D has shape (n, n), the matrix m + n "
           "rows, and the right-hand side m + n entries: print the three shapes.")
FOUR = ("In the problem with four parameters it stopped. Is there a 2 in your code, or misra and misra_jac where res and jac "
        "belong?")


def _by_pinv(r, J, lam, D, theta):
    return -np.linalg.pinv(np.vstack([J, np.sqrt(lam) * np.diag(D)])) @ np.r_[r, 0 * theta]


def _largest_times_identity(r, J, lam, D, theta):
    """As Madsen and Nielsen start: lambda times the largest diagonal entry of J^T J, and the identity."""
    return np.linalg.solve(J.T @ J + lam * np.max(D)**2 * np.eye(len(D)), -J.T @ r)


def _no_zeros(solve):
    """A step whose stacked problem has a right-hand side that is too short."""
    return lambda r, J, lam, D, theta: solve(np.vstack([J, np.sqrt(lam) * np.diag(D)])) @ -r


def _two_only(method):
    """A method that calls the residual and the Jacobian of Misra1a, whatever it is given."""
    return lambda res, jac, theta0: method(*_model(), theta0)


def _lm_failure(out, res, jac, theta0):
    reached = (f"From theta0 = {np.array2string(theta0, precision=4)} you end with a sum of squares of {res.sum(out):.6g}, "
               f"and {res.sum(res.solution):.6g} can be reached")
    if np.all(np.abs(out) < 1e-3 * np.abs(res.solution)):
        return ("Every entry of what you return is near 0. Is it the last step, and not the point? Print both before the return.")
    if res.sum(out) < (1 + 1e-4) * res.sum(res.solution):
        return (f"From theta0 = {np.array2string(theta0, precision=4)} you come to the minimizer, but not to seven digits. "
                "What ends your loop, and how long was the last step that you accepted?")
    if not res.slope(out) > 1e-6:
        return f"{reached}. J^T r is 0 there to rounding: print theta and the sum of squares at each trial."
    return (f"{reached}. J^T r is not 0 there, so some lambda still brings a smaller sum. Print lambda and the sum of squares "
            "at each trial, and see what ended the loop.")


# ------------------------------------------------------------------------ E11.3: Gauss-Newton on Rosenbrock
def _steps_and_loss(output):
    """"2 full steps" is 2, and "many" is a large number."""
    words = {"2": 2.0, "two": 2.0, "2 steps": 2.0, "2 full steps": 2.0, "two steps": 2.0, "many": 1e6, "infinitely many": 1e6,
             "infinite": 1e6, "never": 1e6}
    if isinstance(output, (tuple, list)) and len(output) == 2 and isinstance(output[0], str):
        return words.get(output[0].strip().casefold(), output[0]), output[1]
    return output


def _part(k, low, high, says, answer):
    """A mistake in part k, whatever the other parts are."""
    return Mistake(answer, says, shows=lambda out: isinstance(out, tuple) and low <= out[k] <= high)


# ----------------------------------------------------------------- E11.4: the factor per step, on a curve
def _factors(output):
    """A factor may carry its sign; "diverges" and "no" say what False says."""
    if not isinstance(output, (tuple, list)) or len(output) != 4:
        return output
    words = {"false": False, "f": False, "no": False, "diverges": False, "true": True, "t": True, "yes": True, "converges": True}
    factors = [abs(v) if isinstance(v, (int, float, np.number)) and not isinstance(v, (bool, np.bool_)) else v
               for v in output[:2]]
    return (*factors, *(words.get(v.strip().casefold(), v) if isinstance(v, str) else v for v in output[2:]))


def _near(k, value):
    return lambda out: isinstance(out, tuple) and len(out) == 4 and abs(float(out[k]) - value) <= 0.05 * max(value, 0.2)


def _both(first, second):
    return lambda out: _near(0, first)(out) and _near(1, second)(out)


def _says_so(k):
    """True is said of c = -2 (k = 2), or of c = 2 (k = 3), by someone whose factors are right."""
    return lambda out: _factors_right(out) and out[k] in (True, 1)


def _no_factor(out):
    """A word or infinity for the factor at c = -2."""
    return isinstance(out, (tuple, list)) and len(out) == 4 and (isinstance(out[1], str) or np.isinf(out[1]))


def _factors_right(out):
    return isinstance(out, tuple) and len(out) == 4 and abs(out[0] - 0.5) <= 0.05 and abs(out[1] - 2) <= 0.2


def _factors_failure(out):
    right = [abs(out[0] - 0.5) <= 0.05, abs(out[1] - 2) <= 0.2]
    if any(right):
        good, bad = ("c = 0.5", "c = -2") if right[0] else ("c = -2", "c = 0.5")
        return (f"The factor for {good} is right, and that for {bad} is not. It is the size of (J^T J)^-1 S at 0: write S down, "
                "with r and the second derivative of each entry of r.")
    return ("Neither factor is right. It is the size of (J^T J)^-1 S at 0: write S down, with r and the second derivative of each "
            "entry of r.")


# ---------------------------------------------------------------------- E11.5: directions of the damped step
GRADIENT, GAUSS_NEWTON, SCALED = 5 / 2, 1 / 6, 5 / 16  # for J = ((1, 2), (0, 2)) and r = (-4, -1)
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
        isinstance(out, tuple) and len(out) == 3 and abs(out[k] - value) <= 0.01 * max(0.1, abs(value))))


def _slopes_right(out):
    return [abs(a - b) <= 0.03 * b for a, b in zip(out, (GRADIENT, GAUSS_NEWTON, SCALED))]


def _slopes_failure(out):
    tips = ("Multiply the step by lambda and let lambda grow: what is left of the equation?",
            "With lambda = 0 the step solves J delta = -r, and the second row alone gives an entry.",
            "Multiply the step by lambda and let lambda grow: which matrix still stands before delta?")
    right = _slopes_right(out)
    words = [f"the {word} is {'' if is_right else 'not '}right" for word, is_right in zip(("first", "second", "third"), right)]
    return f"Of your slopes, {words[0]}, {words[1]} and {words[2]}. {tips[right.index(False)]}"


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
                    "numpy.linalg refused a J that is not square. J has a row for each residual and a column for each "
                    "parameter: which routine solves least squares, and in which order does it take its arguments?"),
            Mistake(lambda r, J: -np.linalg.pinv(r) @ J, ORDER),
            Mistake(_qr_solve, QR),
            Mistake(_qr_triangular, QR),
            Mistake(lambda r, J: np.linalg.solve(J.T @ J, -J.T @ r), SQUARED),
            Mistake(lambda r, J: -np.linalg.inv(J.T @ J) @ J.T @ r, SQUARED),
            Mistake(_cholesky, SQUARED),
            Mistake(_scipy_solve, SQUARED),
            Mistake(lambda r, J: -np.linalg.pinv(J.T @ J) @ (J.T @ r), DROPPED),
            Mistake(lambda r, J: -np.linalg.pinv(J.T @ J) @ J.T @ r, DROPPED),
            Mistake(lambda r, J: -np.linalg.lstsq(J.T @ J, J.T @ r, rcond=None)[0], DROPPED),
            Mistake(lambda r, J: np.linalg.solve(J.T @ J, J.T @ r), TWICE),
            Mistake(lambda r, J: np.linalg.inv(J.T @ J) @ J.T @ r, TWICE),
            Mistake(lambda r, J: np.linalg.pinv(J.T @ J) @ J.T @ r, TWICE),
            Mistake(lambda r, J: -np.linalg.pinv(J, rcond=1e-6) @ r, HIDDEN),
            Mistake(lambda r, J: np.linalg.solve(J.T @ J + 1e-9 * np.eye(J.shape[1]), -J.T @ r), HIDDEN),
            Mistake(lambda r, J: np.linalg.solve(J.T @ J + np.eye(J.shape[1]), -J.T @ r),
                    "This step is damped, with lambda = 1. The Gauss-Newton step is not."),
            Mistake(lambda r, J: J @ np.linalg.pinv(J) @ -r,
                    "One entry for each row: this is J delta, the change of the residual. Asked for is delta itself."),
            Mistake(lambda r, J: r - J @ np.linalg.pinv(J) @ r,
                    "That is the residual that the step leaves, one entry for each row. Asked for is the step, one entry for "
                    "each parameter."),
        ),
        diagnose=_step_failure),
    Exercise(
        id="E11.2", kind="I", minutes=15,
        asks=f"lm(res, jac, theta0) -> theta, with at most {CALLS} calls of res",
        hint="Print lambda and the sum of squares at each trial, from (500, 1e-4).",
        answer=lm,
        instances=PROBLEMS,
        holds=lambda out, res, jac, theta0: res.error(out) <= res.digits,
        accepts=(_nielsen, _until_flat, _trust_region, _minpack, _lm(1e-2, 4, 5), _lm(1e-6), _lm(1.0), _lm(100.0), _lm(loop=119),
                 _lm(keeps=False, loop=50), _lm(accepts=lambda new, r: np.linalg.norm(new) <= np.linalg.norm(r))),
        mistakes=(
            Mistake(_lm(step=lambda r, J, lam, D, theta: -_damped(r, J, lam, D)),
                    "Minus your first step is a damped step: yours goes uphill. Look at the sign of r where the step is "
                    "computed, in lm and in your gn_step (E11.1)."),
            Mistake(_lm(step=lambda r, J, lam, D, theta: -J.T @ r),
                    "Your first step is a multiple of -J^T r: the curvature J^T J has no part in it. Print J^T J beside the "
                    "matrix that you add to it."),
            Mistake(_lm(step=lambda r, J, lam, D, theta: _damped(r, J, 0, D) / (1 + lam)),
                    CUT),
            Mistake(_lm(step=lambda r, J, lam, D, theta: _damped(r, J, 0, D) / max(1, 1000 * lam)), CUT),
            Mistake(_lm(step=lambda r, J, lam, D, theta: np.linalg.lstsq(
                        np.vstack([J, np.sqrt(lam) * np.diag(D)]), np.r_[-r, -np.sqrt(lam) * D * theta], rcond=None)[0]),
                    "The price in your first step is on theta + delta, so it pulls theta to 0. Here delta has the price: what "
                    "stands under r in the stacked problem?"),
            Mistake(_lm(scale=lambda J: np.ones(J.shape[1])), BY_I),
            Mistake(_lm(step=_largest_times_identity), BY_I),
            Mistake(_lm(scale=lambda J: np.sqrt(np.linalg.norm(J, axis=0))),
                    "In a problem that holds the same readings twice, in two units, your first step is not the same in both: it "
                    "is damped by lambda D. What are the units of the diagonal of J^T J?"),
            Mistake(_lm(scale=lambda J: np.linalg.norm(J, axis=0)**2),
                    "In a problem that holds the same readings twice, in two units, your first step is not the same in both: it "
                    "is damped by lambda D^4. Which matrix, stacked under J, gives lambda D^2 in the normal equations?"),
            Mistake(_lm(scale=lambda J: 1 / np.linalg.norm(J, axis=0)),
                    "In a problem that holds the same readings twice, in two units, your first step is not the same in both. "
                    "Print the damping of each parameter beside the length of its column of J."),
            Mistake(_lm(accepts=lambda new, r: True),
                    "You step on from a trial where the sum of squares is larger than before it. Print both, and the line "
                    "that your code then takes."),
            Mistake(_lm(fresh=(False, True)),
                    "You step on from an accepted trial with its J, and with the r of the point before. Which variables change "
                    "when a trial is accepted?"),
            Mistake(_lm(fresh=(True, False)),
                    "You step on from an accepted trial with its r, and with the J of the point before. Which variables change "
                    "when a trial is accepted?"),
            Mistake(_lm(of_refused=True),
                    "After a refused trial you stay where you are, and compute the next step with r or J of the trial. Which "
                    "variables may change when a trial is refused?"),
            Mistake(_lm(moves=(False, False)),
                    "A trial was accepted, and the next step has its r and J, but starts from the theta before. Which variables "
                    "change when a trial is accepted?"),
            Mistake(_lm(moves=(True, True)),
                    "A trial was refused, and r and J are kept, but the next step starts from the refused trial. Which variables "
                    "may change when a trial is refused?"),
            Mistake(_lm(up=1 / 2),
                    "After a refused trial your lambda becomes smaller, and the next step longer. Print lambda after each kind "
                    "of trial."),
            Mistake(_lm(down=1 / 3), GREW),
            Mistake(_lm(up=1 / 2, down=1 / 3), GREW),
            Mistake(_lm(down=1), "In ten accepted steps your lambda has never become smaller, and the minimum is far. While "
                                 "lambda stays, each step is a slow ridge step: print lambda after an accepted trial."),
            Mistake(_lm(up=1), "You make the same refused trial again and again. Print lambda and delta after a refused trial."),
            Mistake(_lm(keeps=False), "res was called more than 120 times, and often where r was known. Keep r and J of the point "
                                      "where you stay: how many calls does one trial then need?"),
            Mistake(_lm(loop=200), "res was called more than 120 times, and you had been at the minimum before half of them. "
                                   "What ends your loop?"),
            Mistake(_lm(stops=True), "You stop at the first refused trial. It is not convergence: what changes before the next "
                                     "trial from the same point?"),
            Mistake(_lm(loop=1), "What you return has seen one trial. How far is your return indented?"),
            Mistake(lambda res, jac, theta0: theta0.copy(),
                    "You return the start: no trial was accepted, or the accepted point is in another variable. Print both sums "
                    "of squares at the first trial, and the line that your code then takes.", shows=_returns_start),
            Mistake(_lm(step=_no_zeros(np.linalg.pinv)), STACKED),
            Mistake(_lm(step=_no_zeros(lambda J: np.linalg.lstsq(J, np.zeros(len(J) - 1), rcond=None)[0])), STACKED),
            Mistake(_two_only(_lm(step=_by_pinv)), FOUR),
            Mistake(_two_only(_lm()), FOUR),
        ),
        diagnose=_lm_failure),
    Exercise(
        id="E11.3", kind="P", minutes=5,
        asks="Gauss-Newton on Rosenbrock's residuals from (-1.2, 1): (number of steps to the minimizer, f after the first)",
        hint="J is square here: solve J delta = -r by hand. The second equation alone gives the first entry of delta.",
        answer=(2.0, 1171.28),
        accepts=([2, 1171.28], ("2 full steps", 1171.3), (2, [1171.28]), (2, 1170)),
        reads=_steps_and_loss,
        mistakes=(
            Mistake((1171.28, 2.0), "The two are exchanged: first the number of steps, then f after the first.",
                    shows=lambda out: isinstance(out, tuple) and out[1] == 2 and abs(out[0] - 1171.28) < 4),
            _part(0, 2.5, np.inf, "That many steps are not needed. J is square and invertible here: each step solves the "
                                  "linearized equations exactly, so what is 1 - u after the first one?", (30.0, 1171.28)),
            _part(1, -np.inf, -1e-6, "f is half a sum of squares, so it is not negative: recompute the squares.", (2.0, -1171.28)),
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
        diagnose=lambda out: ("The number of steps is right; f after the first step is not. The new point has u = 1: find v "
                              "from the first linearized equation, and insert both into f." if isinstance(out, tuple) and out[0] == 2 else None),
        tol=3e-3),
    Exercise(
        id="E11.4", kind="P", minutes=6,
        asks="on the curve: |error after / before a step| near 0 for c = 0.5, the same for c = -2, then True or False: do "
             "steps from 0.1 tend to 0 for c = -2, and for c = 2?",
        hint="At 0, J = (1, 1) and r = (1, -1). Only the second residual has a second derivative, 2c.",
        answer=(0.5, 2.0, False, False),
        accepts=([0.5, -2, False, False], (0.5, 2, 0, 0), (0.48, 2.1, False, False), ((0.5,), (2,), False, False)),
        reads=_factors,
        holds=lambda out: _factors_right(out) and not out[2] and not out[3],
        mistakes=(
            Mistake((2.0, 0.5, False, False), "The two factors are exchanged: c = 0.5 comes first.", shows=_both(2, 0.5)),
            Mistake((1.0, 4.0, False, False), "Twice too much: both residuals depend on theta, so what is J^T J?",
                    shows=_both(1, 4)),
            Mistake((0.5, 3.0, False, False), "The second is (J^T J)^-1 H, the part of an error that the step takes away. What is "
                    "left of the error?", shows=_both(0.5, 3)),
            Mistake((1.0, 6.0, False, False), "These are f''(0). The step divides the gradient by J^T J: which part of the error "
                    "is left?", shows=_both(1, 6)),
            Mistake((1.0, 2 / 3, False, False), "You divided S by H, as a Newton step would divide. Which matrix does Gauss-Newton "
                    "divide by?", shows=_both(1, 2 / 3)),
            Mistake((0.0, 2.0, False, False), "A factor 0 would be faster than linear. For that the residual must vanish at "
                    "the solution: insert theta = 0 into r.", shows=_near(0, 0)),
            Mistake((0.25, 2.0, False, False), "If you squared the factor for c = 0.5: asked for is the factor of one step. If not, "
                    "recompute S and J^T J: both residuals depend on theta, and one of them is curved.", shows=_near(0, 0.25)),
            Mistake((0.5, 0.0, False, False), "A factor 0 for c = -2 would be faster than linear. For that the residual must "
                    "vanish at the solution: insert theta = 0 into r.", shows=_near(1, 0)),
            Mistake((0.5, 0.5, False, False), "The factor is proportional to the size of c, so it is not the same for both. Put "
                    "c = -2 into your formula.", shows=_both(0.5, 0.5)),
            Mistake((0.5, "no minimizer", False, False), "For c = -2 there is a minimizer: f''(0) = 2 - 2c = 6 > 0. The "
                    "question is whether steps come nearer to it.", shows=None),
            Mistake((0.5, "diverges", False, False), "A factor is asked for even where errors grow: by how much does one step "
                    "multiply a small error?", shows=_no_factor),
            Mistake((0.5, 2.0, True, False), "For c = -2, 0 is a minimizer. But look at your own factor: what becomes of an "
                    "error that is multiplied by it at each step?", shows=_says_so(2)),
            Mistake((0.5, 2.0, False, True), "For c = 2, f''(0) = 2 - 2c < 0. What kind of point is 0 then, and which factor does "
                    "your formula give there?", shows=_says_so(3)),
        ),
        diagnose=_factors_failure,
        tol=1e-3),
    Exercise(
        id="E11.5", kind="P", minutes=6,
        asks="the slope delta_2 / delta_1 of the damped step: with lambda I as lambda grows without bound, as lambda goes to "
             "0, and with lambda D^2 as lambda grows without bound",
        hint="Which term of the matrix decides when lambda is huge, and which when it is 0?",
        answer=(GRADIENT, GAUSS_NEWTON, SCALED),
        accepts=([2.5, 0.167, 0.3125], ("gradient", "Gauss-Newton", 0.3125), ("-g", "-J+r", 5 / 16),
                 ((2.5,), (0.1667,), (0.3125,)), np.array([2.5, 1 / 6, 0.312]), (2.5, 0.17, 0.31)),
        reads=_slopes,
        holds=lambda out: all(_slopes_right(out)),
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
            _slope(0, 0.25, "The first is the slope of r. The gradient is J^T r."),
            _slope(0, 1 / 3, "The first is the slope of J r. Recompute J^T r: it sums over the rows of J."),
            _slope(0, 2.0, "The first entry of the gradient is right, the second has lost a term. Recompute J^T r."),
            _slope(1, 0.0, "As lambda goes to 0 the step does not vanish: it solves J delta = -r."),
            _slope(1, GRADIENT, "The second is the direction of -g. With lambda = 0 the curvature J^T J counts in full."),
            _slope(1, -GAUSS_NEWTON, "The second has the right size, and one sign is wrong. Solve J delta = -r from its last row up."),
            _slope(1, 6.0, "The second is delta_1 / delta_2. Asked for is delta_2 / delta_1."),
            _slope(2, GRADIENT, "The third is the direction of -g, as with lambda I. With lambda D^2 each entry of g is divided "
                                "by a number of its own."),
            _slope(2, GAUSS_NEWTON, "The third is the direction of -J+r. D^2 holds only the diagonal of J^T J."),
            _slope(2, 5 / 2 / np.sqrt(8), "The third divides g by the lengths of the columns. The matrix is D^2: divide by "
                                          "their squares."),
            _slope(2, 3.125, "The third divides g by the squared lengths of the rows of J. D belongs to the parameters: rows or "
                             "columns?"),
            _slope(2, -SCALED, "The third has the right size, and one sign is wrong. Both entries of g have the same sign."),
            _slope(2, 20.0, "The third multiplies by D^2. The step solves lambda D^2 delta = -g."),
            _slope(2, 3.2, "The third is delta_1 / delta_2. Asked for is delta_2 / delta_1."),
        ),
        diagnose=_slopes_failure,
        tol=1e-3),
]

"""Lesson 04, what should it refuse to learn? Ridge, its filter, its conventions, leave-one-out, bias and variance."""
import numpy as np

from .. import data
from ..checking import Exercise, Mistake, distance

# ------------------------------------------------------------------------------------------- E04.1: ridge


def ridge(A, b, lam):
    return np.linalg.lstsq(np.vstack([A, np.sqrt(lam) * np.eye(A.shape[1])]), np.r_[b, np.zeros(A.shape[1])], rcond=None)[0]


def _normal_equations(A, b, lam):
    return np.linalg.solve(A.T @ A + lam * np.eye(A.shape[1]), A.T @ b)


def _filtered(A, b, gain):
    """sum gain(sigma_i) (u_i . b) v_i"""
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    return Vt.T @ (gain(s) * (U.T @ b))


def _by_filter(A, b, lam):
    return _filtered(A, b, lambda s: s / (s**2 + lam))[:, None]


def _by_dual(A, b, lam):
    return list(A.T @ np.linalg.solve(A @ A.T + lam * np.eye(len(b)), b))


def _by_sklearn(X, y, alpha):
    from sklearn.linear_model import Ridge
    return Ridge(alpha=alpha, fit_intercept=False, solver="svd").fit(X, y).coef_


def _problem(seed, m, n, lam, rank=None, scale=1.0):
    """A seeded random (A, b, lam); of the given rank, with columns scaled from 1 to `scale`."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n))
    if rank:
        A = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
    return A * np.geomspace(1, scale, n), rng.standard_normal(m), lam


def _by_solving(system):
    """A mistake that solves system(A, lam) x = A^T b: told where that has one solution; elsewhere it gives noise."""
    def shows(out, A, b, lam):
        M = system(A, lam)
        return bool(np.linalg.matrix_rank(M) < len(M) or distance(out, np.linalg.solve(M, A.T @ b)) < 1e-6)
    return shows


def _nearly(answer, safe=lambda A, lam: True):
    """Told by agreement to 1e-6, because tiny eigenvalues carry rounding; not asked where safe(A, lam) is False."""
    return lambda out, A, b, lam: bool(not safe(A, lam) or distance(out, answer(A, b, lam)) < 1e-6)


def _centered_ridge(A, b, lam):
    return ridge(A - A.mean(axis=0), b - b.mean(), lam)


def _refused(A, b, lam):
    return _filtered(A, b, lambda s: lam / (s**2 + lam) / np.maximum(s, 1e-9))


def _truncated(A, b, lam):
    return _filtered(A, b, lambda s: np.where(s**2 > lam, 1 / np.maximum(s, 1e-9), 0))


TWO_BY_TWO = np.array([[2.0, 0], [0, 1], [0, 0]]), np.array([2.0, 1, 5]), 0.25
SQUARE = np.diag([3.0, 2, 1, 0.5, 0.2]) @ np.linalg.qr(np.random.default_rng(4).standard_normal((5, 5)))[0]


# -------------------------------------------------------------------------------------- E04.3: conventions
def _entry(k, wrong, says, answer=None):
    """A mistake in the k-th number alone, whatever the others are."""
    right = [0.25, 0.5, 0.5, 0.25 / 442]
    return Mistake(tuple(right[:k] + [wrong] + right[k + 1:]), says,
                   shows=lambda out: not isinstance(out, str) and distance(np.ravel(out)[k], wrong) < 0.01)


# ------------------------------------------------------------------------------------ E04.4: leave-one-out
def _parts(X, y, lam, intercept=True):
    """Residuals, leverages without the intercept's 1/N, and filter factors of ridge on centered columns."""
    center, level = (X.mean(axis=0), y.mean()) if intercept else (0, 0)
    U, s, _ = np.linalg.svd(X - center, full_matrices=False)
    phi = s**2 / (s**2 + lam)
    return level + U @ (phi * (U.T @ (y - level))) - y, U**2 @ phi, phi


def loo_mse(X, y, lam):
    r, h, _ = _parts(X, y, lam)
    return np.mean((r / (1 - h - 1 / len(y)))**2)


def _by_refits(X, y, lam):
    """N fits, each without one row."""
    errors = []
    for i in range(len(y)):
        keep = np.arange(len(y)) != i
        center, level = X[keep].mean(axis=0), y[keep].mean()
        w = ridge(X[keep] - center, y[keep] - level, lam)
        errors.append(level + (X[i] - center) @ w - y[i])
    return np.mean(np.square(errors))


def _by_hat_matrix(X, y, lam):
    A = np.column_stack([np.ones(len(y)), X])
    penalty = lam * np.diag([0.0] + [1.0] * X.shape[1])
    H = A @ np.linalg.solve(A.T @ A + penalty, A.T)
    return [np.mean(((H @ y - y) / (1 - np.diag(H)))**2)]


def _by_ridge_cv(X, y, lam):
    from sklearn.linear_model import RidgeCV
    return -RidgeCV(alphas=[lam]).fit(X, y).best_score_


def _penalized_intercept(X, y, lam):
    r, h, _ = _parts(np.column_stack([np.ones(len(y)), X]), y, lam, intercept=False)
    return np.mean((r / (1 - h))**2)


def _no_intercept(X, y, lam):
    r, h, _ = _parts(X, y, lam, intercept=False)
    return np.mean((r / (1 - h))**2)


def _uncentered_svd(X, y, lam):
    """y is centered, X is not."""
    r, h, _ = _parts(X, y - y.mean(), lam, intercept=False)
    return np.mean((r / (1 - h - 1 / len(y)))**2)


def _centered_outside(X, y, lam):
    """N fits, but the columns are centered once, with row i among them."""
    errors, center = [], X.mean(axis=0)
    for i in range(len(y)):
        keep = np.arange(len(y)) != i
        w = ridge(X[keep] - center, y[keep] - y[keep].mean(), lam)
        errors.append(y[keep].mean() + (X[i] - center) @ w - y[i])
    return np.mean(np.square(errors))


def _level_forgotten(X, y, lam):
    """X is centered, y is not, and no mean is added to the prediction."""
    r, h, _ = _parts(X - X.mean(axis=0), y, lam, intercept=False)
    return np.mean((r / (1 - h - 1 / len(y)))**2)


def _rational_filter(X, y, lam):
    """phi = sigma / (sigma + lam), in the residual and in the leverage."""
    U, s, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    phi = s / (s + lam)
    r, h = y.mean() + U @ (phi * (U.T @ (y - y.mean()))) - y, 1 / len(y) + U**2 @ phi
    return np.mean((r / (1 - h))**2)


def _five_folds(X, y, lam):
    errors = []
    for fold in range(5):
        out = np.arange(len(y)) % 5 == fold
        center, level = X[~out].mean(axis=0), y[~out].mean()
        errors.append(level + (X[out] - center) @ ridge(X[~out] - center, y[~out] - level, lam) - y[out])
    return np.mean(np.square(np.concatenate(errors)))


def _gcv(X, y, lam):
    r, h, _ = _parts(X, y, lam)
    return np.mean((r / (1 - np.mean(h + 1 / len(y))))**2)


def _unfiltered_leverage(X, y, lam):
    r, _, _ = _parts(X, y, lam)
    _, h, _ = _parts(X, y, 0.0)
    return np.mean((r / (1 - h - 1 / len(y)))**2)


def _noisy_line(seed, m, n, lam, scale=1.0):
    rng = np.random.default_rng(seed)
    X = (2 + rng.standard_normal((m, n))) * np.geomspace(1, scale, n)
    return X, 10 + X[:, 0] - X[:, -1] / scale + 2 * rng.standard_normal(m), lam


def _one_phi(phi):
    """Leave-one-out with other filter factors phi(sigma, lam), in the residual and in the leverage."""
    def answer(X, y, lam):
        U, s, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
        f, d = phi(s, lam), y - y.mean()
        return np.mean(((U @ (f * (U.T @ d)) - d) / (1 - 1 / len(y) - U**2 @ f))**2)
    return answer


def _other_leverage(leverage):
    """The right residuals, with leverage(U, phi) and the 1/N of the intercept."""
    def answer(X, y, lam):
        r, _, phi = _parts(X, y, lam)
        U = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)[0]
        return np.mean((r / (1 - 1 / len(y) - leverage(U, phi)))**2)
    return answer


def _plain_leverage(X, y, lam):
    return np.mean((_parts(X, y, lam)[0] / (1 - _parts(X, y, 0.0)[1]))**2)


def _lam_unused(X, y, lam):
    return loo_mse(X, y, 0.0)


def _where_tall(answer):
    """Told where there are more rows than columns; elsewhere 1 - h is rounding."""
    return lambda out, X, y, lam: bool(len(y) <= X.shape[1] or distance(out, answer(X, y, lam)) < 1e-6)


_diabetes = data.diabetes()


def _leverage_slip(change):
    def answer(X, y, lam):
        r, h, _ = _parts(X, y, lam)
        return change(r, h + 1 / len(y), len(y))
    return answer


# -------------------------------------------------------------------------------- E04.5: bias and variance
def _three_numbers(output):
    """((bias^2, variance), lambda) is the same as three numbers in a row."""
    return tuple(np.hstack([np.ravel(part) for part in output])) if isinstance(output, (tuple, list)) else output


def _near(value, wanted):
    return abs(value - wanted) <= 0.011 * wanted


def _trade_off_holds(output):
    bias2, variance, lam = output
    return bool(_near(bias2, 0.25) and _near(variance, 0.0625) and 0.0025 / 1.2 <= lam <= 0.0025 * 1.2)


def _slip(k, wrong, says):
    right = [0.25, 0.0625, 0.0025]

    def shows(out):
        value = np.ravel(out)[k]
        return bool(abs(value - wrong) <= 0.011 * abs(wrong) if wrong else value == 0)
    return Mistake(tuple(right[:k] + [wrong] + right[k + 1:]), says, shows=shows)


NOT_DIVIDED = ("Your variance forgets that the solution divides by sigma, and the square of that by sigma^2. "
               "How large is the noise once it is divided by 0.1?")

EXERCISES = [
    Exercise(
        id="E04.1", kind="I", minutes=6,
        asks="ridge(A, b, lam) -> array of shape (n,)",
        hint="Test the optimality condition on your x: A^T (A x - b) + lam x should be zero.",
        answer=ridge,
        instances=(TWO_BY_TWO, _problem(0, 9, 4, 0.3), _problem(1, 4, 7, 0.02), _problem(2, 8, 5, 1e-3, rank=2),
                   _problem(3, 12, 4, 10.0), _problem(5, 12, 4, 2.0, scale=1e2),
                   (SQUARE, np.array([1.0, -1, 2, 0.3, 0.7]), 1e-12)),
        accepts=(_normal_equations, _by_filter, _by_dual, _by_sklearn,
                 lambda A, b, lam: np.linalg.pinv(np.vstack([A, lam**0.5 * np.eye(A.shape[1])])) @ np.append(b, 0 * A[0])),
        mistakes=(
            Mistake(lambda A, b, lam: ridge(A, b, lam * len(b)),
                    "Your penalty is lam times m. That is right only where the loss is divided by m, and ours is a sum."),
            Mistake(lambda A, b, lam: ridge(A, b, lam / len(b)),
                    "Your penalty is lam divided by m, as if lam belonged to m times the loss. Our loss is a plain sum."),
            Mistake(lambda A, b, lam: ridge(A, b, lam**2),
                    "Your penalty is lam squared. With extra rows lam I the square of the length squares lam as well; which "
                    "rows give lam?",
                    shows=_nearly(lambda A, b, lam: ridge(A, b, lam**2))),
            Mistake(lambda A, b, lam: ridge(A, b, np.sqrt(lam)),
                    "Your penalty is the root of lam. A root belongs in the extra rows only, where the square of the length "
                    "removes it again."),
            Mistake(lambda A, b, lam: ridge(A, b, 2 * lam),
                    "Your penalty is 2 lam. Loss and penalty both carry a 1/2, and both lose it in the gradient."),
            Mistake(lambda A, b, lam: ridge(A, b, lam / 2),
                    "Your penalty is lam / 2. Loss and penalty both carry a 1/2, and both lose it in the gradient."),
            Mistake(_centered_ridge,
                    "You centered the columns first, as Ridge of scikit-learn does by default. Here A is taken as it is: "
                    "fit_intercept=False.", shows=_nearly(_centered_ridge, safe=lambda A, lam: lam > 1e-9)),
            Mistake(lambda A, b, lam: np.linalg.lstsq(A, b, rcond=None)[0],
                    "That is A^+ b: lam is never used.", shows=_by_solving(lambda A, lam: A.T @ A)),
            Mistake(_truncated, "That is a truncated SVD with the threshold sqrt(lam): each direction whole or not at all."),
            Mistake(lambda A, b, lam: np.linalg.lstsq(A.T @ A + lam, A.T @ b, rcond=None)[0],
                    "A.T @ A + lam adds lam to every entry of the matrix. Asked for is lam on the diagonal only.",
                    shows=_by_solving(lambda A, lam: A.T @ A + lam)),
            Mistake(lambda A, b, lam: _filtered(A, b, lambda s: s / (s**2 - lam)),
                    "Your lam has the wrong sign: it takes from the diagonal, and then directions are amplified, not damped."),
            Mistake(lambda A, b, lam: np.linalg.lstsq(A, b, rcond=None)[0] / (1 + lam),
                    "You shrink A^+ b as a whole. Ridge shrinks each singular direction by its own factor."),
            Mistake(lambda A, b, lam: _filtered(A, b, lambda s: 1 / (s + lam)),
                    "Your filter is sigma / (sigma + lam). In A^T A the singular values stand squared."),
            Mistake(lambda A, b, lam: _filtered(A, b, lambda s: s**2 / (s**2 + lam)),
                    "You filtered u_i . b, and did not divide by sigma_i. The filter multiplies the pseudo-inverse's answer."),
            Mistake(lambda A, b, lam: ridge(A, b, lam * A.shape[1]),
                    "Your penalty is lam times n. The length of x is a plain sum of squares, and lam multiplies it once."),
            Mistake(lambda A, b, lam: _filtered(A, b, lambda s: np.where(s > lam, 1 / np.maximum(s, 1e-12), 0)),
                    "That is a truncated SVD with the threshold lam: each direction whole or not at all."),
            Mistake(lambda A, b, lam: _filtered(A, b, lambda s: np.where(s > lam * s[0], 1 / np.maximum(s, 1e-12), 0)),
                    "That is a pseudo-inverse with lam as its relative cutoff: each direction whole or not at all."),
            Mistake(lambda A, b, lam: _filtered(A, b, lambda s: 1 / (s + np.sqrt(lam))),
                    "Your filter is sigma / (sigma + sqrt(lam)). The squares are added, and no root is taken of the parts."),
            Mistake(lambda A, b, lam: _filtered(A, b, lambda s: s / (s + lam)),
                    "Your factor sigma / (sigma + lam) multiplies u_i . b itself. Two things are missing: squares, and the "
                    "division by sigma_i."),
            Mistake(lambda A, b, lam: _filtered(A, b, lambda s: 1 / (s**2 + lam)),
                    "You divide u_i . b by sigma_i^2 + lam. On the right side stands A^T b, not b: which factor does A^T bring?"),
            Mistake(_refused, "You kept the part that ridge refuses: your factor is 1 - phi.",
                    shows=_nearly(_refused, safe=lambda A, lam: np.linalg.matrix_rank(A) == min(A.shape))),
        ),
        tol=1e-8),
    Exercise(
        id="E04.2", kind="P", minutes=4,
        asks="the filter factor of ridge at sigma = sqrt(lam), 10 sqrt(lam), sqrt(lam) / 10",
        hint="The factor depends only on sigma^2 / lam. Which three ratios are these?",
        answer=(1 / 2, 100 / 101, 1 / 101),
        accepts=([0.5, 0.990, 0.0099], np.array([[0.5], [0.99], [0.01]]), (0.5, 1 / 1.01, 0.01 / 1.01)),
        mistakes=(
            Mistake((0.0, 1.0, 0.0), "That is the filter of the truncated SVD: all or nothing. Ridge has no threshold."),
            Mistake((1.0, 1.0, 0.0), "That is the filter of the truncated SVD: all or nothing. Ridge has no threshold."),
            Mistake((1 / 2, 1.0, 0.0), "Nearly, but the filter of ridge reaches neither 0 nor 1: give two digits."),
            Mistake((1 / 2, 10 / 11, 1 / 11), "You used sigma where sigma squared stands.",
                    shows=lambda out: not isinstance(out, str) and bool(
                        abs(np.ravel(out)[1] - 10 / 11) < 0.01 or abs(np.ravel(out)[2] - 1 / 11) < 0.002)),
            Mistake((1 / 2, 1 / 101, 100 / 101),
                    "That is 1 - phi, the part that is refused. Which directions should be learned, the loud or the faint?"),
            Mistake((1 / 2, 1 / 11, 10 / 11),
                    "You used sigma where sigma squared stands, and gave the part that is refused."),
            Mistake((1.0, 1.0, 1.0), "That is the pseudo-inverse, which keeps each direction whole. Ridge does so in none."),
            Mistake((1 / 4, (100 / 101)**2, (1 / 101)**2),
                    "You squared the filter factor. Squared it belongs to a variance; asked for is the factor itself."),
            Mistake((1 / 2**0.5, (100 / 101)**0.5, (1 / 101)**0.5),
                    "That is the root of the filter factor. The squares of sigma stay in it."),
            Mistake((1 / 2, 10 / 101, 10 / 101),
                    "That is phi / sigma, the factor of u_i . b. Asked for is the fraction of the pseudo-inverse's answer."),
            Mistake((50.0, 9900 / 101, 100 / 101), "Those are percentages. Give fractions, between 0 and 1.",
                    shows=lambda out: not isinstance(out, str) and bool(
                        abs(np.ravel(out)[0] - 50) < 0.5 and abs(np.ravel(out)[1] - 99) < 1.1)),
            Mistake((2.0, 1.01, 101.0), "A filter of ridge never amplifies: it lies between 0 and 1.",
                    shows=lambda out: not isinstance(out, str) and bool(np.any(np.ravel(out) > 1.001))),
        ),
        tol=0.02),
    Exercise(
        id="E04.3", kind="P", minutes=5,
        asks="for lam = 0.25: (alpha of sklearn, damp of lsqr, Hansen's lambda_H, lambda_N of the loss f / 442)",
        hint="Bring each objective to the form 1/2 ||Ax - b||^2 + (something) 1/2 ||x||^2; the something must be 0.25.",
        answer=(0.25, 0.5, 0.5, 0.25 / 442),
        accepts=([0.25, 0.5, 0.5, 5.656e-4], np.array([0.25, 0.5, 0.5, 0.000566])),
        mistakes=(
            _entry(1, 0.25, "Not this damp: lsqr minimizes ||r||^2 + damp^2 ||x||^2, so damp is squared before it acts."),
            _entry(1, 0.0625, "Your damp is lam squared. The square is already in lsqr's objective: which number squared is lam?"),
            _entry(2, 0.25, "Hansen's parameter is squared in his objective, as damp is in lsqr's. The same name does not make "
                            "it the same number."),
            _entry(2, 0.0625, "Your lambda_H is lam squared. The square is already in Hansen's objective: which number squared "
                              "is lam?"),
            _entry(0, 110.5, "Your alpha has a factor 442. Ridge of scikit-learn does not divide its loss by the number of rows."),
            _entry(0, 0.25 / 442, "Your alpha is divided by 442. Ridge of scikit-learn does not divide its loss by the number "
                                  "of rows."),
            _entry(0, 0.5, "Your alpha is twice lam, or its root. Multiplying a whole objective by 2 moves no minimizer, so "
                           "the missing 1/2 is in both terms."),
            _entry(0, 0.125, "Your alpha is half of lam. Multiplying a whole objective by 2 moves no minimizer, so the missing "
                             "1/2 is in both terms."),
            _entry(3, 110.5, "Right factor, wrong direction: if the loss shrinks by 442, a penalty that keeps up with it must "
                             "shrink too."),
            _entry(3, 0.25, "Your lambda_N has not changed: next to a loss that is 442 times smaller, the same penalty weighs "
                            "442 times more."),
            _entry(3, 0.25 / 884, "Your lambda_N has a 1/2 too many: it stands in front of both terms already."),
            _entry(3, 0.5 / 442, "Your lambda_N comes from 0.5 instead of 0.25: there is no root in this convention."),
            Mistake((0.25, 0.5, 0.5, 0.001), "Your lambda_N is rounded to one digit. Write the fraction and let Python divide.",
                    shows=lambda out: not isinstance(out, str) and bool(
                        np.any(np.abs(np.ravel(out)[3] - np.array([0.0005, 0.0006, 0.001])) < 1e-6))),
            _entry(3, 0.25 / 442**0.5, "Your lambda_N is divided by the root of 442. What is the loss divided by?"),
            _entry(3, 0.25 / 442**2, "Your lambda_N is divided by 442 twice. The loss is divided by it once."),
            _entry(3, 221.0, "Right factor, wrong direction: if the loss shrinks by 442, a penalty that keeps up with it must "
                             "shrink too. There is no root in this convention either."),
            _entry(1, -0.5, "The minimizer would be the same, since damp is squared. By convention damp is positive."),
            _entry(2, -0.5, "The minimizer would be the same, since lambda_H is squared. By convention it is positive."),
            _entry(1, 0.125, "Your damp is half of lam. It is squared before it acts, and both terms have lost the same 1/2."),
            _entry(2, 0.125, "Your lambda_H is half of lam. It is squared before it acts, and both terms have lost the same "
                             "1/2."),
            _entry(1, 0.5**0.5, "Your damp is the root of 2 lam. Both terms have lost the same 1/2, so no 2 is left over."),
            _entry(2, 0.5**0.5, "Your lambda_H is the root of 2 lam. Both terms have lost the same 1/2, so no 2 is left over."),
            _entry(1, 0.125**0.5, "Your damp is the root of lam / 2. Both terms have lost the same 1/2, so no 2 is left over."),
            _entry(2, 0.125**0.5, "Your lambda_H is the root of lam / 2. Both terms have lost the same 1/2, so no 2 is left "
                                  "over."),
            _entry(0, 0.0625, "Your alpha is lam squared. In the objective of Ridge alpha is not squared."),
        ),
        tol=0.01),
    Exercise(
        id="E04.4", kind="I", minutes=12,
        asks="loo_mse(X, y, lam) -> the mean square leave-one-out error, intercept not penalized",
        hint="Compare with the definition on a small case: leave row 0 out, fit, predict row 0. Is your first residual that one?",
        answer=loo_mse,
        instances=((_diabetes.X, _diabetes.y, 0.01), _noisy_line(0, 25, 4, 0.5), _noisy_line(1, 14, 3, 4.0),
                   _noisy_line(2, 12, 20, 0.3), _noisy_line(3, 30, 3, 2.0, scale=1e3)),
        accepts=(_by_refits, _by_hat_matrix, _by_ridge_cv),
        mistakes=(
            Mistake(_leverage_slip(lambda r, h, N: np.mean(r**2)),
                    "That is the training error: each row has voted on its own prediction. What does the leverage do to r?"),
            Mistake(_leverage_slip(lambda r, h, N: np.mean((r / (1 - h + 1 / N))**2)),
                    "The leverage of the intercept, 1/N, is missing: the mean that you subtract contains y_i as well."),
            Mistake(_leverage_slip(lambda r, h, N: np.mean(r**2 / (1 - h))),
                    "You square r before the division. Each residual is divided by 1 - h, so 1 - h is squared as well."),
            Mistake(_gcv, "That is GCV, generalized cross-validation: it puts the average leverage in the place of each "
                          "row's own. A close cousin, not leave-one-out."),
            Mistake(_leverage_slip(lambda r, h, N: np.sum((r / (1 - h))**2)),
                    "That is the sum over the rows. Asked for is the mean."),
            Mistake(_leverage_slip(lambda r, h, N: np.sqrt(np.mean((r / (1 - h))**2))),
                    "That is the root of the mean square. Asked for is the mean square itself."),
            Mistake(_leverage_slip(lambda r, h, N: np.mean((r / h)**2)),
                    "You divide by h. A row with much leverage pulls the fit to itself, so its residual is too small by the "
                    "factor 1 - h."),
            Mistake(_leverage_slip(lambda r, h, N: np.mean((r * (1 - h))**2)),
                    "You multiply by 1 - h. Without its own vote a row is predicted worse, not better."),
            Mistake(_leverage_slip(lambda r, h, N: np.mean(np.abs(r / (1 - h)))),
                    "That is the mean absolute error. Asked for is the mean square."),
            Mistake(_unfiltered_leverage,
                    "Your leverage is that of the unregularized fit. In the prediction each direction carries its filter "
                    "factor, so in the leverage too."),
            Mistake(_penalized_intercept,
                    "Your column of ones is penalized like the others, so the fit is pulled toward 0 instead of the mean. "
                    "Center the columns and y, and the intercept is out of the way."),
            Mistake(_no_intercept,
                    "There is no intercept in this fit: the average row is predicted only if y has mean 0. Center X and y."),
            Mistake(_uncentered_svd,
                    "You centered y and not the columns of X. With an intercept, the SVD is that of the centered columns."),
            Mistake(_level_forgotten,
                    "You centered the columns of X and not y. Subtract the mean of y before the fit, and add it to each "
                    "prediction."),
            Mistake(_centered_outside,
                    "You centered the columns once, with the left-out row among them. A row that is left out takes no part in "
                    "the centering either."),
            Mistake(_five_folds,
                    "That is five-fold cross-validation: a fair estimate, of fits with a fifth fewer rows. Here one row at a "
                    "time is left out."),
            Mistake(lambda X, y, lam: loo_mse(X / X.std(axis=0), y, lam),
                    "You divided the columns by their standard deviations. Then the same lam is another penalty."),
            Mistake(_rational_filter, "Your filter is sigma / (sigma + lam): the singular values stand squared."),
            Mistake(lambda X, y, lam: loo_mse(X, y, lam * len(y)),
                    "Right method for N times lam: our loss is a sum, not a mean."),
            Mistake(lambda X, y, lam: loo_mse(X, y, lam**2),
                    "Right method for lam squared: the filter factor is sigma^2 / (sigma^2 + lam)."),
            Mistake(lambda X, y, lam: loo_mse(X, y, lam / len(y)),
                    "Right method for lam divided by N: our loss is a sum, not a mean."),
            Mistake(lambda X, y, lam: loo_mse(X, y, 2 * lam),
                    "Right method for 2 lam: loss and penalty both carry a 1/2."),
            Mistake(lambda X, y, lam: loo_mse(X, y, np.sqrt(lam)),
                    "Right method for the root of lam: the filter factor is sigma^2 / (sigma^2 + lam)."),
            Mistake(_leverage_slip(lambda r, h, N: np.var(r / (1 - h))),
                    "That is the variance of the errors. Their mean is close to 0 but not 0, so take the mean square."),
            Mistake(_leverage_slip(lambda r, h, N: np.sum((r / (1 - h))**2) / (N - 1)),
                    "You divide the sum by N - 1. Asked for is the mean over all N rows."),
            Mistake(_leverage_slip(lambda r, h, N: np.mean((r / (1 - h))**2) / 2),
                    "Half of it: the loss carries a 1/2, the mean square error does not."),
            Mistake(_leverage_slip(lambda r, h, N: np.median((r / (1 - h))**2)),
                    "That is the median of the squares. Asked for is their mean."),
            Mistake(_leverage_slip(lambda r, h, N: np.mean((r / (1 + h))**2)),
                    "You divide by 1 + h, which makes each residual smaller. Without its own vote a row is predicted worse."),
            Mistake(_leverage_slip(lambda r, h, N: np.mean((r / (1 - h**2))**2)),
                    "You squared the leverage inside 1 - h. First subtract, then divide, then square."),
            Mistake(_leverage_slip(lambda r, h, N: np.mean(r**2 / (1 - h**2))),
                    "You squared r and h one by one. First subtract, then divide, then square."),
            Mistake(_leverage_slip(lambda r, h, N: np.mean(r**2) / np.mean((1 - h)**2)),
                    "You divide one mean by another. Each residual is divided by its own 1 - h, and the mean comes last."),
            Mistake(_one_phi(lambda s, lam: s / (s**2 + lam)),
                    "Your factor is sigma / (sigma^2 + lam), which gives the weights. For the fitted values one more factor "
                    "sigma comes from X."),
            Mistake(_one_phi(lambda s, lam: lam / (s**2 + lam)), "Your factor is 1 - phi, the part that ridge refuses."),
            Mistake(_other_leverage(lambda U, phi: U**2 @ phi**2),
                    "Your leverage contains phi squared. The prediction is linear in y, and each direction carries phi once."),
            Mistake(_other_leverage(lambda U, phi: U @ phi),
                    "Your leverage is U @ phi. On the diagonal of U diag(phi) U^T each entry of U meets itself."),
            Mistake(_other_leverage(lambda U, phi: 0),
                    "Your leverage is 1/N alone, that of the mean. The columns of X give each row a vote as well."),
            Mistake(_plain_leverage,
                    "Your leverage is that of a fit without lam and without intercept. Take it from the matrix that gives the "
                    "fitted values.", shows=_where_tall(_plain_leverage)),
            Mistake(_lam_unused, "That is leave-one-out for lam = 0: lam is never used.", shows=_where_tall(_lam_unused)),
            Mistake(lambda X, y, lam: np.round(loo_mse(X, y, lam), 2), "Right, but rounded. Return the number as it is.",
                    shows=lambda out, X, y, lam: bool(np.all(np.round(out, 4) == out)
                                                      and np.all(np.abs(out - loo_mse(X, y, lam)) < 0.00501))),
        ),
        tol=3e-6),
    Exercise(
        id="E04.5", kind="P", minutes=6,
        asks="for sigma = 0.1, c = 1, nu = 0.05: bias^2 and variance at lam = 0.01, then the best lam",
        hint="Write the two terms with phi = sigma^2 / (sigma^2 + lam), and try a few lam on both sides of 0.01.",
        answer=(0.25, 0.0625, 0.0025),
        accepts=([0.25, 0.0625, 0.0024], ((0.25, 0.0625), 0.0025), (1 / 4, 1 / 16, 1 / 400), np.array([0.25, 0.0625, 0.0027])),
        mistakes=(
            Mistake((0.0625, 0.25, 0.0025), "The two numbers in the other order: bias^2 comes first, then the variance.",
                    shows=lambda out: bool(_near(np.ravel(out)[0], 0.0625) and _near(np.ravel(out)[1], 0.25))),
            _slip(1, 0.125, "Your variance has phi once. The noise is multiplied by phi, so its variance by phi squared."),
            _slip(1, 0.25, "That is the variance at lam = 0, or the standard deviation at lam = 0.01. Did you leave out phi, or the "
                           "square?"),
            _slip(1, 0.000625, NOT_DIVIDED),
            _slip(1, 0.00625, NOT_DIVIDED),
            _slip(1, 1.25, "Your variance has nu once. A variance is the square of a standard deviation."),
            _slip(0, 0.5, "That is the bias: its square is asked for."),
            _slip(0, -0.5, "That is the bias with its sign: its square is asked for."),
            _slip(2, 0.0, "No bias at all is not the best: at lam = 0 the sum is all variance. A little bias buys more than it "
                          "costs."),
            _slip(2, 0.01, "There phi = 1/2, and that is not an optimum: the sum is even larger than without ridge. Try other "
                           "values."),
            _slip(2, 0.05, "lam stands beside sigma squared: compare squares with squares."),
            _slip(2, 0.25, "Set the derivative of the sum to zero: sigma cancels. The best lam compares the noise with the "
                           "coefficient, not with sigma."),
            _slip(2, 0.5, "That is nu / sigma, or its ratio to c. Set the derivative of the sum to zero: sigma cancels."),
            _slip(2, 400.0, "That is the signal over the noise. More noise should call for more refusal: which way round?"),
            _slip(2, 0.005, "That is not the smallest sum. Bias and variance need not be equal there, and sigma cancels: where "
                            "is the derivative of the sum zero?"),
            _slip(2, 0.00125, "A factor 1/2 is too many: set the derivative of the sum to zero, and both terms bring a 2."),
            _slip(2, 0.1, "That is sigma. lam stands beside sigma squared, and the best one does not depend on sigma."),
            _slip(2, 0.3125, "That is the sum at lam = 0.01. The third number is a lam."),
            _slip(2, 0.2, "That is the smallest sum itself. The third number is the lam where it is reached."),
            _slip(0, 0.04, "That is bias^2 at the best lam. The first two numbers are asked for at lam = 0.01."),
            _slip(1, 0.16, "That is the variance at the best lam. The first two numbers are asked for at lam = 0.01."),
            _slip(0, (0.01 / 0.11)**2, "Your phi is sigma / (sigma + lam). In the filter factor sigma stands squared."),
            _slip(1, 0.25 / 1.1**2, "Your phi is sigma / (sigma + lam). In the filter factor sigma stands squared."),
        ),
        holds=_trade_off_holds, reads=_three_numbers),
]

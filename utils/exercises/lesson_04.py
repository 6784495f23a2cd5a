"""Lesson 04, what should it refuse to learn? Ridge, its filter, its conventions, leave-one-out, bias and variance."""
import numpy as np

from .. import data
from ..checking import Exercise, Mistake, Remark, distance

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


def _one_lam(value):
    """One lam, whatever the third argument is."""
    return lambda A, b, lam: ridge(A, b, value)


def _unpenalized(j):
    """The unknown j pays nothing."""
    def answer(A, b, lam):
        price = np.ones(A.shape[1])
        price[j] = 0
        return np.linalg.solve(A.T @ A + lam * np.diag(price), A.T @ b)
    return answer


def _marquardt(solve):
    """lam diag(A^T A) in the place of lam I."""
    def answer(A, b, lam):
        H = A.T @ A
        return solve(H + lam * np.diag(np.diag(H)), A.T @ b)
    return answer


def _phi_over_sigma(A, b, lam):
    """Right, and 0 / 0 where a sigma is 0."""
    return _filtered(A, b, lambda s: s**2 / (s**2 + lam) / s)


def _float32(A, b, lam):
    A, b = A.astype(np.float32), b.astype(np.float32)
    return np.linalg.solve(A.T @ A + np.float32(lam) * np.eye(A.shape[1], dtype=np.float32), A.T @ b)


def _is_float32(out, A, b, lam):
    """Each entry is a float32, and x is right as far as float32 goes."""
    return bool(np.array_equal(out, np.float32(out)) and distance(out, ridge(A, b, lam)) < 0.01)


def _descent(A, b, lam):
    """20 000 steps of gradient descent from 0, of length 1 / L, by their filter."""
    return _filtered(A, b, lambda s: s / (s**2 + lam) * (1 - (1 - (s**2 + lam) / (s[0]**2 + lam))**20000))


def _stops_short(out, A, b, lam):
    """Right along the largest sigma, between 0 and right along the others, nothing outside the rows of A."""
    if np.iscomplexobj(out) or distance(out, ridge(A, b, lam)) < 1e-7:
        return False
    _, s, Vt = np.linalg.svd(A, full_matrices=False)
    Vt = Vt[s > 1e-9 * s[0]]
    reached = Vt @ out / (Vt @ ridge(A, b, lam))
    return bool(distance(Vt.T @ (Vt @ out), out) < 1e-6 and abs(reached[0] - 1) < 1e-6
                and np.all((reached > -1e-6) & (reached < 1 + 1e-6)) and np.all(np.diff(reached) < 1e-6))


TWO_BY_TWO = np.array([[2.0, 0], [0, 1], [0, 0]]), np.array([2.0, 1, 5]), 0.25
ZERO_SIGMA = np.diag([3.0, 0, 2, 0])[:, :3], np.array([5.0, 0, -2, 0]), 0.5
SQUARE = np.diag([3.0, 2, 1, 0.5, 0.2]) @ np.linalg.qr(np.random.default_rng(4).standard_normal((5, 5)))[0]


# ----------------------------------------------------------------------------------- E04.2: filter factors
KEPT = (1 / 2, 100 / 101, 1 / 101)


def _numbers(output):
    """Numbers in a row, a column or nested, ((bias^2, variance), lambda), are the same as a tuple of numbers."""
    if isinstance(output, np.ndarray):
        return tuple(output.ravel())
    return tuple(np.hstack([np.ravel(part) for part in output])) if isinstance(output, (tuple, list)) else output


def _kept_holds(output):
    """Right to two digits; 1 is not 0.99."""
    return bool(abs(output[0] - 1 / 2) < 0.0051 and 0.9849 < output[1] < 0.9951 and 0.0094 < output[2] < 0.0106)


def _reordered(right):
    """Whether the right numbers came in another order, each within 1.1 %."""
    def shows(out):
        near = np.isclose(np.sort(np.float64(out)), np.sort(right), rtol=0.011)
        return bool(np.all(near) and not np.allclose(np.float64(out), right, rtol=0.05))
    return shows


def _told(test):
    """A sign that is a test of three numbers; an answer of another form does not show it."""
    return lambda out: isinstance(out, (tuple, list)) and bool(test(*out))


# -------------------------------------------------------------------------------------- E04.3: conventions
LAM, N = 0.16, 442
CONVERTED = (LAM, LAM**0.5, LAM**0.5, LAM / N)


def _entry(k, wrong, says, answer=None):
    """A mistake in the k-th number alone, whatever the others are."""
    return Mistake((*CONVERTED[:k], wrong, *CONVERTED[k + 1:]), says,
                   shows=lambda out: not isinstance(out, str) and distance(np.ravel(out)[k], wrong) < 0.01)


def _squared_entries(k, name, who):
    """The slips in a parameter that is squared in its objective: damp of lsqr, lambda_H of Hansen."""
    no_two = f"Your {name} is {{}}. Both terms have lost the same 1/2: which 2 is left over?"
    return [
        _entry(k, LAM, f"That is lam itself. Look at the objective of {who}: {name} is squared before it acts."),
        _entry(k, LAM**2, f"Your {name} is lam squared. The square is in the objective of {who} already: which number squared "
                          "is lam?"),
        _entry(k, -LAM**0.5, f"The minimizer would be the same, since {name} is squared. By convention it is positive."),
        _entry(k, LAM / 2, f"Your {name} is half of lam. It is squared before it acts, and both terms have lost the same 1/2."),
        _entry(k, 2 * LAM, f"Your {name} is twice lam. It is squared before it acts, and both terms have lost the same 1/2."),
        _entry(k, (2 * LAM)**0.5, no_two.format("the root of 2 lam")),
        _entry(k, (LAM / 2)**0.5, no_two.format("the root of lam / 2")),
        _entry(k, 2 * LAM**0.5, no_two.format("twice the root of lam")),
    ]


NOT_DIVIDED_BY_N = "Ridge of scikit-learn does not divide its loss by the number of rows: look at its row of the table."
SAME_TWO = "Multiplying a whole objective by 2 moves no minimizer: is the 1/2 missing in one term or in both?"
NO_ROOT = "There is no root in this convention: lambda_N stands unsquared in the table."
WRONG_WAY = "Right factor, wrong direction: if the loss shrinks by 442, a penalty that keeps up with it must shrink too."


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


def _no_intercept(share):
    """Neither X nor y is centered; the intercept has `share` / N of the leverage."""
    def answer(X, y, lam):
        r, h, _ = _parts(X, y, lam, intercept=False)
        return np.mean((r / (1 - h - share / len(y)))**2)
    return answer


def _uncentered_svd(share):
    """y is centered, X is not; the intercept has `share` / N of the leverage."""
    def answer(X, y, lam):
        r, h, _ = _parts(X, y - y.mean(), lam, intercept=False)
        return np.mean((r / (1 - h - share / len(y)))**2)
    return answer


def _centered_outside(X, y, lam):
    """N fits, but the columns are centered once, with row i among them."""
    errors, center = [], X.mean(axis=0)
    for i in range(len(y)):
        keep = np.arange(len(y)) != i
        w = ridge(X[keep] - center, y[keep] - y[keep].mean(), lam)
        errors.append(y[keep].mean() + (X[i] - center) @ w - y[i])
    return np.mean(np.square(errors))


def _no_level(share):
    """X is centered, and the mean of y is in no prediction; the intercept has `share` / N of the leverage."""
    def answer(X, y, lam):
        r, h, _ = _parts(X - X.mean(axis=0), y, lam, intercept=False)
        return np.mean((r / (1 - h - share / len(y)))**2)
    return answer


def _one_mean_for_all(X, y, lam):
    """X - X.mean(), without an axis."""
    r, h, _ = _parts(X - X.mean(), y - y.mean(), lam, intercept=False)
    return np.mean((r / (1 - h - 1 / len(y)))**2)


def _predicts_uncentered(X, y, lam):
    """Fitted on X - mean, predicted from X."""
    r, h, _ = _parts(X, y, lam)
    shift = X.mean(axis=0) @ ridge(X - X.mean(axis=0), y - y.mean(), lam)
    return np.mean(((r + shift) / (1 - h - 1 / len(y)))**2)


def _other_fit(factor):
    """Fitted values ybar + U factor(sigma, lam) U^T (y - ybar), with the right leverages."""
    def answer(X, y, lam):
        U, s, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
        d = y - y.mean()
        return np.mean(((U @ (factor(s, lam) * (U.T @ d)) - d) / (1 - 1 / len(y) - _parts(X, y, lam)[1]))**2)
    return answer


def _rational_filter(X, y, lam):
    """phi = sigma / (sigma + lam), in the residual and in the leverage."""
    U, s, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    phi = s / (s + lam)
    r, h = y.mean() + U @ (phi * (U.T @ (y - y.mean()))) - y, 1 / len(y) + U**2 @ phi
    return np.mean((r / (1 - h))**2)


def _predicts_raw(X, y, lam):
    """N fits on centered columns, each asked about its row as it is."""
    errors = []
    for i in range(len(y)):
        keep = np.arange(len(y)) != i
        w = ridge(X[keep] - X[keep].mean(axis=0), y[keep] - y[keep].mean(), lam)
        errors.append(y[keep].mean() + X[i] @ w - y[i])
    return np.mean(np.square(errors))


def _ten_folds(X, y, lam):
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import cross_val_score
    return -np.mean(cross_val_score(Ridge(alpha=lam), X, y, cv=10, scoring="neg_mean_squared_error"))


def _five_folds(folds, mean=np.concatenate):
    """Five-fold cross-validation; folds(N) is the fold of each row, and `mean` may average each fold first."""
    def answer(X, y, lam):
        errors = []
        for fold in range(5):
            out = folds(len(y)) == fold
            center, level = X[~out].mean(axis=0), y[~out].mean()
            errors.append(level + (X[out] - center) @ ridge(X[~out] - center, y[~out] - level, lam) - y[out])
        return np.mean(mean([error**2 for error in errors]))
    return answer


def _mean_of_each(folds):
    return [np.mean(fold) for fold in folds]


def _blocks(N):
    """The five folds of KFold: rows in a row."""
    return np.repeat(np.arange(5), [len(part) for part in np.array_split(np.arange(N), 5)])


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
SIGMA, C, NU, PRICE = 0.2, 3.0, 0.24, 0.06
PHI = SIGMA**2 / (SIGMA**2 + PRICE)
BEST = NU**2 / C**2
PHI_BEST = SIGMA**2 / (SIGMA**2 + BEST)
TRADE = ((1 - PHI)**2 * C**2, NU**2 * PHI**2 / SIGMA**2, BEST)


def _near(value, wanted):
    return abs(value - wanted) <= 0.015 * abs(wanted)


def _trade_off_holds(output):
    bias2, variance, lam = output
    return bool(_near(bias2, TRADE[0]) and _near(variance, TRADE[1]) and BEST / 1.21 <= lam <= BEST * 1.21)


def _slip(k, wrong, says):
    def shows(out):
        return isinstance(out, (tuple, list)) and bool(abs(out[k] - wrong) <= 0.011 * abs(wrong))
    return Mistake((*TRADE[:k], wrong, *TRADE[k + 1:]), says, shows=shows)


NOT_DIVIDED = ("Your variance forgets that the solution divides by sigma, and the square of that by sigma^2. "
               "How large is the noise once it is divided by 0.2?")
ONE_OVER_SIGMA_PLUS = "Your phi is sigma / (sigma + lam). In the filter factor sigma stands squared."
HOLDS_SIGMA = "That lam depends on sigma. Set the derivative of the sum to zero: does sigma stay in it?"
AT_ANOTHER_LAM = "The first two numbers are asked for at lam = 0.06."

EXERCISES = [
    Exercise(
        id="E04.1", kind="I", minutes=6,
        asks="ridge(A, b, lam) -> array of shape (n,)",
        hint="Test the optimality condition on your x: A^T (A x - b) + lam x should be zero.",
        answer=ridge,
        instances=(TWO_BY_TWO, _problem(0, 9, 4, 0.3), _problem(1, 4, 7, 0.02), _problem(2, 8, 5, 1e-3, rank=2),
                   _problem(3, 12, 4, 10.0), _problem(5, 12, 4, 2.0, scale=1e2),
                   (SQUARE, np.array([1.0, -1, 2, 0.3, 0.7]), 1e-12), ZERO_SIGMA),
        accepts=(_normal_equations, _by_filter, _by_dual, _by_sklearn,
                 lambda A, b, lam: np.linalg.pinv(np.vstack([A, lam**0.5 * np.eye(A.shape[1])])) @ np.append(b, 0 * A[0]),
                 lambda A, b, lam: ridge(A, b, lam).astype(np.float32)),
        mistakes=(
            Mistake(lambda A, b, lam: ridge(A, b, lam * len(b)),
                    "Against the loss your penalty weighs m times too much: lam has a factor m, or the loss is divided by m. "
                    "Our loss is a plain sum over the m rows."),
            Mistake(lambda A, b, lam: ridge(A, b, lam / len(b)),
                    "Against the loss your penalty weighs m times too little. Our loss is a plain sum over the m rows: where "
                    "does an m enter?"),
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
            Mistake(lambda A, b, lam: _filtered(A, b, lambda s: s**3 / (s**2 + lam)**2),
                    "Your factor is phi squared: each direction is damped twice. In how many places does lam stand in your code?"),
            Mistake(_phi_over_sigma,
                    "Right where each sigma is above 0, and 0 / 0 where one is 0. Simplify phi / sigma before you compute it."),
            *(Mistake(_unpenalized(j), "One unknown pays nothing in your solution, as the intercept in other courses. Here "
                                       "all n entries of x are penalized: count them in your code.") for j in (0, -1)),
            *(Mistake(_marquardt(solve), "You weigh the penalty with the squared lengths of the columns, diag(A^T A). Here "
                                         "each x_j pays the same: which matrix stands beside lam?")
              for solve in (np.linalg.solve, lambda M, c: np.linalg.lstsq(M, c, rcond=None)[0])),
            *(Mistake(_one_lam(value), f"You take lam = {value:g}, whatever lam is. Where does your function read its third "
                                       "argument?") for value in (1.0, 0.1)),
            Mistake(_descent, "Right along the largest sigma and too short along smaller ones, as in a loop that ends early. "
                              "How long is the gradient A^T (A x - b) + lam x at your x?", shows=_stops_short),
            Mistake(_float32, "Your numbers carry the 7 digits of float32, and on some matrices fewer are left. The check asks "
                              "for float64: print the dtype of what you return.", shows=_is_float32),
        ),
        tol=1e-7),
    Exercise(
        id="E04.2", kind="P", minutes=4,
        asks="the filter factor of ridge at sigma = sqrt(lam), 10 sqrt(lam), sqrt(lam) / 10",
        hint="The factor depends only on sigma^2 / lam. Which three ratios are these?",
        answer=KEPT,
        accepts=([0.5, 0.990, 0.0099], np.array([[0.5], [0.99], [0.01]]), (0.5, 1 / 1.01, 0.01 / 1.01),
                 [[0.5, 0.99, 0.01]], np.array([[0.5, 0.99, 0.01]]), np.float32(KEPT)),
        mistakes=(
            Mistake((0.0, 1.0, 0.0), "That is the filter of the truncated SVD: all or nothing. Ridge has no threshold."),
            Mistake((1.0, 1.0, 0.0), "That is the filter of the truncated SVD: all or nothing. Ridge has no threshold."),
            Mistake((1 / 2, 10000 / 10001, 1 / 10001), "You squared sigma once too often: sigma^2 and lam are compared.",
                    shows=_told(lambda u, v, w: abs(u - 0.5) < 0.01 and abs(v - 0.9999) < 6e-5 and abs(w - 1e-4) < 2e-6)),
            Mistake((1 / 2, 1.0, 1 / 101), "Nearly, but the filter of ridge reaches neither 0 nor 1: give two digits.",
                    shows=_told(lambda u, v, w: abs(u - 0.5) < 0.01 and 0.98 < v < 1.01 and abs(w) < 0.011
                                and (v >= 0.9951 or w == 0))),
            Mistake((1 / 2, 10 / 11, 1 / 11), "You used sigma where sigma squared stands.",
                    shows=_told(lambda u, v, w: abs(v - 10 / 11) < 0.01 or abs(w - 1 / 11) < 0.002)),
            Mistake((1 / 2, 1 / 101, 100 / 101),
                    "That is 1 - phi, the part that is refused. Which directions should be learned, the loud or the faint?",
                    shows=_told(lambda u, v, w: abs(u - 0.5) < 0.01 and abs(v - 0.01) < 0.001 and abs(w - 0.99) < 0.011)),
            Mistake((1 / 2, 1 / 11, 10 / 11),
                    "You used sigma where sigma squared stands, and gave the part that is refused.",
                    shows=_told(lambda u, v, w: abs(v - 1 / 11) < 0.002 and abs(w - 10 / 11) < 0.01)),
            Mistake((1.0, 1.0, 1.0), "That is the pseudo-inverse, which keeps each direction whole. Ridge does so in none."),
            Mistake((1 / 4, (100 / 101)**2, (1 / 101)**2),
                    "You squared the filter factor. Squared it belongs to a variance; asked for is the factor itself.",
                    shows=_told(lambda u, v, w: abs(u - 0.25) < 0.003 and abs(v - 0.98) < 0.006 and w < 0.0011)),
            Mistake((1 / 2**0.5, (100 / 101)**0.5, (1 / 101)**0.5),
                    "That is the root of the filter factor. The squares of sigma stay in it.",
                    shows=_told(lambda u, v, w: abs(u - 0.707) < 0.008 and abs(w - 0.0995) < 0.001)),
            Mistake((1 / 2, 10 / 101, 10 / 101),
                    "That is phi / sigma, the factor of u_i . b. Asked for is the fraction of the pseudo-inverse's answer.",
                    shows=_told(lambda u, v, w: abs(u - 0.5) < 0.01 and max(abs(v - 0.0995), abs(w - 0.0995)) < 0.001)),
            Mistake((50.0, 9900 / 101, 100 / 101), "Those are percentages. Give fractions, between 0 and 1.",
                    shows=_told(lambda u, v, w: abs(u - 50) < 0.5 and abs(v - 99) < 1.1)),
            Mistake((2.0, 1.01, 101.0), "A filter of ridge never amplifies: it lies between 0 and 1.",
                    shows=_told(lambda u, v, w: max(u, v, w) > 1.001)),
            Mistake((100 / 101, 1 / 2, 1 / 101),
                    "The right numbers in another order. Give them for sqrt(lam), then 10 sqrt(lam), then sqrt(lam) / 10.",
                    shows=_reordered(KEPT)),
        ),
        holds=_kept_holds, reads=_numbers, tol=0.02),
    Exercise(
        id="E04.3", kind="P", minutes=5,
        asks="for lam = 0.16: (alpha of sklearn, damp of lsqr, Hansen's lambda_H, lambda_N of the loss f / 442)",
        hint="Bring each objective to the form 1/2 ||Ax - b||^2 + (something) 1/2 ||x||^2; the something must be 0.16.",
        answer=CONVERTED,
        accepts=([0.16, 0.4, 0.4, 3.62e-4], np.array([0.16, 0.4, 0.4, 0.000362]), [[0.16, 0.4, 0.4, 0.16 / 442]],
                 np.float32(CONVERTED)),
        mistakes=(
            Mistake((LAM / N, LAM, LAM**0.5, LAM**0.5),
                    "The right numbers in another order. Asked for are alpha, damp, lambda_H, lambda_N, in this order.",
                    shows=_reordered(CONVERTED)),
            *_squared_entries(1, "damp", "lsqr"),
            *_squared_entries(2, "lambda_H", "Hansen"),
            _entry(0, LAM * N, f"Your alpha has a factor 442. {NOT_DIVIDED_BY_N}"),
            _entry(0, LAM / N, f"Your alpha is divided by 442. {NOT_DIVIDED_BY_N}"),
            _entry(0, 2 * LAM, f"Your alpha is twice lam. {SAME_TWO}"),
            _entry(0, LAM / 2, f"Your alpha is half of lam. {SAME_TWO}"),
            _entry(0, LAM**0.5, "Your alpha is the root of lam. In the objective of Ridge alpha is not squared."),
            _entry(0, LAM**2, "Your alpha is lam squared. In the objective of Ridge alpha stands as it is."),
            _entry(0, 1 / LAM, "Your alpha is 1 / lam, as the C of LogisticRegression. Does a large alpha of Ridge mean more "
                               "penalty or less?"),
            _entry(3, LAM * N, WRONG_WAY),
            _entry(3, LAM**0.5 * N, f"{WRONG_WAY} {NO_ROOT.split(':')[0]}."),
            _entry(3, LAM, "Your lambda_N has not changed: next to a loss that is 442 times smaller, the same penalty weighs 442 "
                           "times more."),
            _entry(3, LAM / N / 2, "Your lambda_N has a 1/2 too many: it stands in front of both terms already."),
            _entry(3, 2 * LAM / N, "Your lambda_N has a 2 too many: the 1/2 stands in front of both terms."),
            _entry(3, LAM**0.5 / N, NO_ROOT),
            _entry(3, (LAM / N)**0.5, NO_ROOT),
            Mistake((*CONVERTED[:3], 0.0003), "Your lambda_N is rounded to one digit. Write the fraction and let Python divide.",
                    shows=lambda out: bool(np.any(np.abs(np.ravel(out)[3] - np.array([0.0003, 0.0004, 0.001])) < 1e-6))),
            _entry(3, LAM / N**0.5, "Your lambda_N is divided by the root of 442. What is the loss divided by?"),
            _entry(3, LAM / N**2, "Your lambda_N is divided by 442 twice. The loss is divided by it once."),
            _entry(3, LAM / 353, "You divided by 353, the number of training patients. The N of the question is another one."),
        ),
        reads=_numbers, tol=0.01),
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
                    "Row i still has a vote in its own prediction, by a second way. In which number that you subtract is y_i "
                    "hidden?"),
            Mistake(_leverage_slip(lambda r, h, N: np.mean(r**2 / (1 - h))),
                    "You square r before the division. Each residual is divided by 1 - h, so 1 - h is squared as well."),
            Mistake(_gcv, "That is GCV, generalized cross-validation: it puts the average leverage in the place of each "
                          "row's own. A close cousin, not leave-one-out."),
            Mistake(_leverage_slip(lambda r, h, N: np.sum((r / (1 - h))**2)),
                    "That is the sum over the rows. Asked for is the mean."),
            Mistake(_leverage_slip(lambda r, h, N: np.sqrt(np.mean((r / (1 - h))**2))),
                    "That is the root of the mean square. Asked for is the mean square itself."),
            Mistake(_leverage_slip(lambda r, h, N: np.mean((r / (1 - h + 2 / N))**2)),
                    "Your leverage of row i is smaller than that of the columns alone: a 1/N has the wrong sign. Two votes "
                    "of one row add up."),
            Mistake(_leverage_slip(lambda r, h, N: np.mean((r / (h - 1 / N))**2)),
                    "What you divide by has the size of the leverage of the columns. For a row that hardly moves its own "
                    "prediction it should be near 1: print it for a few rows."),
            Mistake(_leverage_slip(lambda r, h, N: -np.mean((r / (1 - h))**2)),
                    "Right size, with a minus sign. Scores of scikit-learn are negative so that more is better; asked for is the "
                    "mean square itself."),
            Mistake(lambda X, y, lam: np.nan,
                    "Your number is nan. If it is a score of scikit-learn: the default score of a regression is R^2, which a "
                    "single row does not have. If not, look for 0 / 0."),
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
            *(Mistake(_no_intercept(share),
                      "There is no intercept in this fit: the average row is predicted only if y has mean 0. Center X and y.")
              for share in (0, 1)),
            *(Mistake(_uncentered_svd(share),
                      "You centered y and not the columns of X. With an intercept, the SVD is that of the centered columns.")
              for share in (0, 1)),
            *(Mistake(_no_level(share),
                      "Your fitted values have mean 0, and y has not: the mean of y is missing from them. What should be "
                      "predicted for a row in the middle of all others?") for share in (0, 1)),
            Mistake(_one_mean_for_all, "You subtracted one mean from all of X. Each column has its own: along which axis?"),
            Mistake(_predicts_uncentered,
                    "The fit saw X minus its column means, and your predictions are made from X as it is. What is predicted for "
                    "the average row?"),
            Mistake(_other_fit(lambda s, lam: 1 + 0 * s),
                    "Your fitted values are those without lam; only your leverage knows it. Where else does phi belong?",
                    shows=_where_tall(_other_fit(lambda s, lam: 1 + 0 * s))),
            Mistake(_other_fit(lambda s, lam: s / (s**2 + lam)),
                    "In your fitted values u_i . (y - ybar) is multiplied by phi / sigma, which gives the weights. Which factor "
                    "sigma comes back when X multiplies them?"),
            Mistake(_centered_outside,
                    "You centered the columns once, with the left-out row among them. A row that is left out takes no part in "
                    "the centering either."),
            *(Mistake(answer, "That is five-fold cross-validation: a fair estimate, of fits with a fifth fewer rows. Here one "
                              "row at a time is left out.")
              for answer in (_five_folds(_blocks), _five_folds(_blocks, _mean_of_each), _five_folds(lambda N: np.arange(N) % 5))),
            Mistake(_ten_folds, "That is ten-fold cross-validation, of fits with a tenth fewer rows. Here one row at a time is "
                                "left out."),
            Mistake(_predicts_raw, "Each fit saw rows minus their mean, and you predict from the left-out row as it is. What is "
                                   "subtracted from it first?"),
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
        asks="for sigma = 0.2, c = 3, nu = 0.24: bias^2 and variance at lam = 0.06, then the best lam (within 20 %)",
        hint="Write the two terms with phi = sigma^2 / (sigma^2 + lam), and try a few lam on both sides of 0.06.",
        answer=TRADE,
        accepts=([3.24, 0.2304, 0.0064], ((3.24, 0.23), 0.0064), (81 / 25, 144 / 625, 4 / 625), np.array([3.2, 0.23, 0.006]),
                 np.array([[3.24], [0.2304], [0.0064]]), [[3.24, 0.2304, 0.0064]], np.float32(TRADE)),
        mistakes=(
            Mistake((TRADE[1], TRADE[0], BEST), "The two numbers in the other order: bias^2 comes first, then the variance.",
                    shows=_told(lambda first, second, lam: _near(first, TRADE[1]) and _near(second, TRADE[0]))),
            _slip(1, NU**2 * PHI / SIGMA**2,
                  "Your variance has phi once. The noise is multiplied by phi, so its variance by phi squared."),
            _slip(1, NU**2 / SIGMA**2, "That is the variance without ridge, at lam = 0. What does phi do to it?"),
            _slip(1, NU * PHI / SIGMA, "That is the standard deviation at lam = 0.06. The variance is its square."),
            _slip(1, NU**2 * PHI**2, NOT_DIVIDED),
            _slip(1, NU**2 * PHI**2 / SIGMA, NOT_DIVIDED),
            _slip(1, NU**2, "That is the variance of u . e. Which factor has the noise in x, after ridge?"),
            _slip(1, PHI**2 / SIGMA**2, "In your variance nu is missing. What is multiplied by phi / sigma?"),
            _slip(1, NU**2 / (SIGMA**2 + PRICE)**2,
                  "Your gain is 1 / (sigma^2 + lam). It acts on A^T b, and A^T brings one factor sigma."),
            _slip(1, NU * PHI**2 / SIGMA**2, "Your variance has nu once. A variance is the square of a standard deviation."),
            _slip(1, NU**2 * (1 - PHI)**2 / SIGMA**2,
                  "Your variance has the factor 1 - phi, which belongs to the refused signal. What is the noise let in "
                  "multiplied by?"),
            _slip(0, (1 - PHI) * C, "That is the size of the bias: its square is asked for."),
            _slip(0, (PHI - 1) * C, "That is the bias with its sign: its square is asked for."),
            _slip(0, (1 - PHI)**2, "In your bias^2 the true coefficient is missing. How much signal is refused if c is larger?"),
            _slip(0, (1 - PHI)**2 * C, "Your bias^2 has c once. The refused signal is squared as a whole."),
            _slip(0, (1 - PHI) * C**2, "Your bias^2 has 1 - phi once. The refused signal is squared as a whole."),
            _slip(0, (PHI * C)**2, "That is the square of what ridge keeps of the signal. The bias is what it refuses."),
            _slip(0, TRADE[0] + TRADE[1], "Your first number is the sum. Asked for is bias^2 alone."),
            _slip(1, TRADE[0] + TRADE[1], "Your second number is the sum. Asked for is the variance alone."),
            _slip(2, 0.0, "No bias at all is not the best: at lam = 0 the sum is all variance. Compute it there and at a small "
                          "lam."),
            _slip(2, PRICE, "That is the lam of the first two numbers, and there the sum is larger than at lam = 0. Try other "
                            "values."),
            *(_slip(2, wrong, "lam stands beside sigma squared: is your lam made of squares?") for wrong in (NU / C, NU, SIGMA)),
            _slip(2, NU**2, "That is nu squared, whatever c is. If c were 0, there would be nothing to learn: which lam "
                            "would you want then?"),
            _slip(2, NU**2 / C, "Your lam has c once. In the sum nu and c are both squared: does a square get lost on the way?"),
            *(_slip(2, wrong, HOLDS_SIGMA)
              for wrong in (NU**2 / SIGMA**2, NU / SIGMA, NU * SIGMA, SIGMA**2, (NU / SIGMA / C)**2)),
            _slip(2, C**2 / NU**2, "That is the signal over the noise. More noise should call for more refusal: which way "
                                   "round?"),
            _slip(2, NU * SIGMA / C, "There bias^2 and variance are equal, and their sum is not smallest. Where is the "
                                     "derivative of the sum zero?"),
            *(_slip(2, wrong, "A factor 2 is off. Set the derivative of the sum to zero once more, and count the 2 of each term.")
              for wrong in (2 * BEST, BEST / 2)),
            _slip(2, TRADE[0] + TRADE[1], "That is the sum at lam = 0.06. The third number is a lam."),
            _slip(2, NU**2 / (SIGMA**2 + BEST), "That is the smallest sum itself. The third number is the lam where it is "
                                                "reached."),
            _slip(2, PHI_BEST, "That is the filter factor at the best lam. The third number is that lam itself."),
            _slip(2, PHI, "Your third number has the value of the filter factor at lam = 0.06. Compute the sum there: is it "
                          "small?"),
            _slip(0, (1 - PHI_BEST)**2 * C**2, f"That is bias^2 at the best lam. {AT_ANOTHER_LAM}"),
            _slip(1, NU**2 * PHI_BEST**2 / SIGMA**2, f"That is the variance at the best lam. {AT_ANOTHER_LAM}"),
            _slip(0, (PRICE / (SIGMA + PRICE))**2 * C**2, ONE_OVER_SIGMA_PLUS),
            _slip(1, NU**2 / (SIGMA + PRICE)**2, ONE_OVER_SIGMA_PLUS),
            Mistake((*TRADE[:2], 0.0045), "Your lam is near the best one and not within 20 % of it. Compute the sum at your lam "
                                          "and at values 20 % above and below: which way does it fall?",
                    shows=_told(lambda bias2, variance, lam: BEST / 2.5 < lam < BEST * 2.5
                                and not BEST / 1.21 <= lam <= BEST * 1.21)),
        ),
        remarks=(
            Remark((*TRADE[:2], 0.0058), "Your lam is near the best one; the sum is flat there. The zero of its derivative "
                                         "gives the lam itself.", shows=_told(lambda bias2, variance, lam: abs(lam / BEST - 1) > 0.02)),
        ),
        holds=_trade_off_holds, reads=_numbers, tol=0.02),
]

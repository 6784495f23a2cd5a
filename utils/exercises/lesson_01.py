"""Lesson 01, how does the pseudo-inverse learn? The line through three points, its gradient, its test, real data."""
import numpy as np

from .. import data
from ..checking import Exercise, Mistake, Remark, distance

# ---------------------------------------------------------------- E01.1: a line through three points, by hand
LINE_A, LINE_B = np.array([[1.0, 0], [1, 1], [1, 2]]), np.array([6.0, 0, 0])


def _line_conditions(x):
    g = np.round(LINE_A.T @ (LINE_A @ x - LINE_B), 9) + 0.0
    return (f"Your residuals sum to {g[0]:.4g}, and multiplied by t they sum to {g[1]:.4g}. "
            "For the best line both sums are 0.")


# ------------------------------------------------------------------------------ E01.2: the loss and its gradient
def loss_and_grad(A, b, x):
    r = A @ x - b
    return r @ r / 2, A.T @ r


def _by_loops(A, b, x):
    """The same with lists and loops, and the gradient as a column."""
    r = [sum(a * xi for a, xi in zip(row, x)) - bi for row, bi in zip(A, b)]
    g = [[sum(row[j] * ri for row, ri in zip(A, r))] for j in range(len(x))]
    return [sum(ri * ri for ri in r) / 2, g]


def _by_expansion(A, b, x):
    return np.float32(0) + (x @ (A.T @ A) @ x) / 2 - b @ (A @ x) + b @ b / 2, (A.T @ A) @ x - A.T @ b


def _problem(seed, m, n, rank=None, scale=1.0):
    """A seeded random (A, b, x); of the given rank, with columns scaled from 1 to `scale`."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n))
    if rank:
        A = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
    return A * np.geomspace(1, scale, n), rng.standard_normal(m), rng.standard_normal(n)


GRADIENT_AT_ZERO = "This gradient does not depend on x: it is A^T b, up to its sign, as at x = 0. Where does x enter?"

# ------------------------------------------------------------------------------- E01.3: a test without the answer
TWIN_A, TWIN_B = np.array([[1.0, 1], [2, 2], [3, 3]]), np.array([1.0, 2, 4])


def _is_minimizer(A, b, x, rtol=1e-8):
    norm = np.linalg.norm(A)
    return np.linalg.norm(A.T @ (A @ x - b)) <= rtol * norm * (norm * np.linalg.norm(x) + np.linalg.norm(b))


PERPENDICULAR = np.array([1.0, -2, 1]) / 3  # to both columns of LINE_A


def _minimizer_cases():
    A, b, _ = _problem(3, 20, 4)
    x = np.linalg.lstsq(A, b, rcond=None)[0]
    consistent = A @ np.array([1.0, -2, 3, 0.1])
    return (
        (LINE_A, LINE_B, np.array([5.0, -3])),                        # the optimum
        (LINE_A, LINE_B, np.array([6.0, -6])),                        # two of three points met exactly
        (TWIN_A, TWIN_B, np.array([17 / 14, 0])),                     # a minimizer, not the shortest
        (TWIN_A, TWIN_B, np.array([17 / 28, 17 / 28])),               # the shortest
        (1e-8 * LINE_A, 1e-8 * LINE_B, np.array([6.0, -6])),          # wrong, in small units
        (1e8 * A, 1e8 * b, x),                                        # right, in large units
        (A, consistent, np.linalg.lstsq(A, consistent, rcond=None)[0]),  # r = 0 up to rounding
        (A, b, x + 1e-6),                                             # nearly right
        (A, b, x + 1e-6, 1e-3),                                       # the same, and nearly is enough
        (LINE_A, LINE_B, np.array([2.0, 0])),                         # the residuals sum to 0, and that is all
        (LINE_A, LINE_B, np.array([0.0, 0])),                         # r is perpendicular to Ax = 0, and that is all
        (LINE_A, PERPENDICULAR, np.linalg.pinv(LINE_A) @ PERPENDICULAR),  # A^T b = 0 up to rounding
    )


def _touches(A, b):
    """Whether b leans toward any column of A."""
    return np.linalg.norm(A.T @ b) > 1e-12 * np.linalg.norm(A) * np.linalg.norm(b)


def _minimizer_failure(said, A, b, x, rtol=1e-8):
    units = " in small units" if np.linalg.norm(A) < 1e-6 else " in large units" if np.linalg.norm(A) > 1e6 else ""
    asked = f", with rtol = {rtol:g}" if rtol != 1e-8 else ""
    return (f"For one of the cases (A of shape {A.shape}{units}{asked}) your test says {said}, and {not said} is right. "
            "Print the lengths of r and of A^T r for cases that you make yourself.")


# ------------------------------------------------------------------------------------ E01.4: real data, honestly
def _rmse(residual):
    return np.sqrt(np.mean(residual**2))


def _with_ones(X):
    return np.column_stack([np.ones(len(X)), X])


def _scores(X, y, fit="train", intercept=True, measure=_rmse, tested="test"):
    """fit_and_score, and its usual slips: fit or scored on other rows, no intercept, another measure."""
    rows = np.arange(len(y))
    part = {"test": rows % 5 == 0, "train": rows % 5 != 0, "all": rows >= 0}
    A = _with_ones(X) if intercept else X
    train, test = part[fit], part[tested]
    w = np.linalg.lstsq(A[train], y[train], rcond=None)[0]
    return measure(A[test] @ w - y[test]), _rmse(y[part["test"]] - y[part["train"]].mean())


def fit_and_score(X, y):
    return _scores(X, y)


def _by_pinv(X, y):
    test = np.arange(len(y)) % 5 == 0
    A = _with_ones(X)
    w = np.linalg.pinv(A[~test]) @ y[~test]
    return _rmse(A[test] @ w - y[test]), _rmse(y[~test].mean() - y[test])


def _by_sklearn(X, y):
    from sklearn.dummy import DummyRegressor
    from sklearn.linear_model import LinearRegression
    test = np.arange(len(y)) % 5 == 0
    return np.array([_rmse(model.fit(X[~test], y[~test]).predict(X[test]) - y[test])
                     for model in (LinearRegression(), DummyRegressor())])


def _first(says, slip):
    """A mistake in the first number, slip(X, y, test), whatever the second is."""
    def answer(X, y):
        return slip(X, y, np.arange(len(y)) % 5 == 0), _scores(X, y)[1]
    return _part(0, says, answer)


def _second(says, slip):
    """A mistake in the second number, slip(y, test), whatever the first is."""
    def answer(X, y):
        return _scores(X, y)[0], slip(y, np.arange(len(y)) % 5 == 0)
    return _part(1, says, answer)


def _part(k, says, answer):
    return Mistake(answer, says, shows=lambda out, X, y: (
        np.size(out) == 2 and distance(np.ravel(out)[k], answer(X, y)[k]) < 2e-4))


def _cut(X, y, test):
    k, A = len(y) * 4 // 5, _with_ones(X)
    return _rmse(A[k:] @ np.linalg.lstsq(A[:k], y[:k], rcond=None)[0] - y[k:])


def _shifted(X, y, test):
    w = np.linalg.lstsq(X[~test], y[~test] - y[~test].mean(), rcond=None)[0]
    return _rmse(X[test] @ w + y[~test].mean() - y[test])


def _noisy_line(seed, m, n):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    return X, 300 + 20 * X @ np.arange(1.0, n + 1) + 60 * rng.standard_normal(m)


_diabetes = data.diabetes()

# --------------------------------------------------------------------------------------- E01.5: two equal columns
TWIN = np.array([17 / 14, 17 / 28, 17 / 28])


def _twin_answer(output):
    """Nested lists are one list; "only the sum" is right in words."""
    if isinstance(output, str):
        return TWIN if output.strip().casefold() in ("only the sum", "the sum", "x1 + x2", "x1+x2") else output
    return np.hstack(output) if isinstance(output, (tuple, list)) else output


def _numbers(out):
    return np.ravel(out).astype(float) if np.size(out) == 3 and not isinstance(out, str) else np.zeros(3)


EXERCISES = [
    Exercise(
        id="E01.1", kind="P", minutes=5,
        asks="the line x1 + x2 t that fits (0, 6), (1, 0), (2, 0) best, as (x1, x2)",
        hint="Write the three residuals, and ask that they sum to 0 and that t times them sums to 0.",
        answer=(5.0, -3.0),
        accepts=([5, -3], ((5,), (-3,))),
        mistakes=(
            Mistake((6.0, -6.0), "This passes exactly through the first two points and ignores the third. What does the "
                                 "third residual cost?"),
            Mistake((6.0, -3.0), "This passes exactly through the first and the last point and ignores the middle one. "
                                 "What does its residual cost?"),
            Mistake((0.0, 0.0), "This passes exactly through the last two points and ignores the first. What does the "
                                "first residual cost?"),
            Mistake((2.0, 0.0), "That is the mean: the best answer if slopes were forbidden."),
            Mistake((-3.0, 5.0), "Right numbers, other order: the columns of A are [1, t]."),
            Mistake((5.0, 3.0), "Size right, sign lost: do the data rise or fall?"),
        ),
        diagnose=_line_conditions),
    Exercise(
        id="E01.2", kind="I", minutes=8,
        asks="loss_and_grad(A, b, x) -> (float, array of shape (n,))",
        hint="For the three points at x = (1, 2), print r, then your loss, then your gradient: 29.5 and (3, 13) are right.",
        answer=loss_and_grad,
        instances=((LINE_A, LINE_B, np.array([1.0, 2])), _problem(0, 7, 3), _problem(1, 3, 5),
                   _problem(2, 8, 4, rank=2), _problem(3, 6, 3, scale=1e6)),
        accepts=(_by_loops, _by_expansion,
                 lambda A, b, x: (np.linalg.norm(A @ x - b)**2 / 2, np.einsum("ij,i->j", A, A @ x - b)),
                 lambda matrix, target, point: loss_and_grad(matrix, target, point)),
        mistakes=(
            Mistake(lambda A, b, x: (loss_and_grad(A, b, x)[0], A.T @ (b - A @ x)),
                    "You used b - Ax. The loss is the same, the gradient flips; descending would climb."),
            Mistake(lambda A, b, x: tuple(2 * part for part in loss_and_grad(A, b, x)),
                    "Your loss has no 1/2. Legal, but this course keeps the 1/2; see the notation sheet."),
            Mistake(lambda A, b, x: (loss_and_grad(A, b, x)[0], 2 * A.T @ (A @ x - b)),
                    "Your loss has the 1/2, your gradient does not. Differentiating 1/2 r^2 gives r, not 2 r."),
            Mistake(lambda A, b, x: (np.sum((A @ x - b)**2), A.T @ (A @ x - b)),
                    "Your gradient is right; your loss has no 1/2, so the two do not belong together."),
            Mistake(lambda A, b, x: tuple(part / len(b) for part in loss_and_grad(A, b, x)),
                    "That is the gradient of the mean. Legal, but then every step size is multiplied by m."),
            Mistake(lambda A, b, x: (np.linalg.norm(A @ x - b), A.T @ (A @ x - b)),
                    "Your loss is the length ||r||. Asked for is half of its square, and your gradient is already that one's."),
            Mistake(lambda A, b, x: (np.linalg.norm(A @ x - b) / 2, A.T @ (A @ x - b)),
                    "Your gradient is right; your loss is half the length ||r||. The loss is half of its square."),
            Mistake(lambda A, b, x: (np.mean((A @ x - b)**2) / 2, A.T @ (A @ x - b)),
                    "Your gradient is right; your loss is a mean over the rows, so the two do not belong together. Here the "
                    "loss is a sum."),
            Mistake(lambda A, b, x: (np.mean((A @ x - b)**2), 2 * A.T @ (A @ x - b) / len(b)),
                    "That is the mean square error and its gradient. Consistent, but another loss: which constant stands "
                    "before the sum here?"),
            Mistake(lambda A, b, x: (np.linalg.norm(A @ x - b), A.T @ (A @ x - b) / np.linalg.norm(A @ x - b)),
                    "That is the length ||r|| and its gradient. The loss squares the length, and then nothing is left to "
                    "divide by."),
            Mistake(lambda A, b, x: (loss_and_grad(A, b, x)[0], A.T @ (A @ x + b)),
                    "Your gradient has A^T b with the wrong sign. Which sign has b in the residual?"),
            Mistake(lambda A, b, x: (loss_and_grad(A, b, x)[0], A.T @ (A @ x - b) * x),
                    "Your gradient is multiplied by x, entry by entry. The derivative of Ax with respect to x is A alone."),
            Mistake(lambda A, b, x: (loss_and_grad(A, b, x)[0] - b @ b / 2, A.T @ (A @ x - b)),
                    "Your gradient is right; your loss lacks the term 1/2 ||b||^2. It is constant in x, so the gradient "
                    "does not notice."),
            Mistake(lambda A, b, x: (loss_and_grad(A, b, x)[0], -A.T @ b), GRADIENT_AT_ZERO),
            Mistake(lambda A, b, x: (loss_and_grad(A, b, x)[0], A.T @ b), GRADIENT_AT_ZERO),
            Mistake(lambda A, b, x: (loss_and_grad(A, b, x)[0], A @ x - b),
                    "You returned the residual, with one entry per row of A. Sensitivity to x has one entry per column: "
                    "it needs A^T."),
            Mistake(lambda A, b, x: (loss_and_grad(A, b, x)[0], A.T @ A @ x),
                    "Your gradient is A^T A x: the target b is missing from it."),
        )),
    Exercise(
        id="E01.3", kind="T", minutes=10,
        asks="is_minimizer(A, b, x, rtol=1e-8) -> True or False, without computing the solution",
        hint="Which vector is zero exactly at the minimizers, and what should its length be compared with?",
        answer=_is_minimizer,
        instances=_minimizer_cases(),
        holds=lambda out, A, b, x, rtol=1e-8: out == _is_minimizer(A, b, x, rtol) or not _touches(A, b),
        accepts=(
            lambda A, b, x, rtol=1e-8: np.linalg.norm(A.T @ (A @ x - b)) <= rtol * np.linalg.norm(A) * np.linalg.norm(b),
            lambda A, b, x, rtol=1e-8: np.max(np.abs(A.T @ (A @ x - b)) / np.linalg.norm(A, axis=0)) <= (
                rtol * np.linalg.norm(b)),
            lambda A, b, x, rtol=1e-8: int(np.linalg.norm(A.T @ (A @ x - b)) <= rtol * np.linalg.norm(A)**2
                                           * (np.linalg.norm(x) + np.linalg.norm(b) / np.linalg.norm(A))),
        ),
        remarks=(
            Remark(lambda A, b, x, rtol=1e-8: np.linalg.norm(A.T @ (A @ x - b)) <= rtol * np.linalg.norm(A.T @ b),
                   "One caution: where b is perpendicular to all columns, A^T b is rounding noise, and your test rejects a "
                   "right x. ||A|| ||b|| does not vanish.",
                   lambda out, A, b, x, rtol=1e-8: not out and not _touches(A, b)),
        ),
        mistakes=(
            Mistake(lambda A, b, x, rtol=1e-8: np.linalg.norm(A @ x - b) <= rtol * np.linalg.norm(b),
                    "This rejects the right answer when b is not in range(A). Best does not mean zero."),
            Mistake(lambda A, b, x, rtol=1e-8: np.allclose(x, np.linalg.pinv(A) @ b, rtol=rtol),
                    "This rejects a right x. With two equal columns many x have the same, smallest loss, and the "
                    "pseudo-inverse gives only one of them: minimizers need not be unique."),
            Mistake(lambda A, b, x, rtol=1e-8: np.linalg.norm(A.T @ (A @ x - b)) < 1e-8,
                    "This accepts a wrong x when units are nanometers and rejects a right one when they are kilometers: "
                    "make it relative."),
            Mistake(lambda A, b, x, rtol=1e-8: (np.linalg.norm(A.T @ (A @ x - b))
                                                <= rtol * np.linalg.norm(A) * np.linalg.norm(A @ x - b)),
                    "This divides by ||r||. When b is in range(A), r is nothing but rounding noise, and a right x is "
                    "rejected: compare with a size that does not vanish."),
            Mistake(lambda A, b, x, rtol=1e-8: abs(np.sum(A @ x - b)) <= rtol * np.linalg.norm(b),
                    "Residuals that sum to 0 satisfy one equation, and only if A has a column of ones. There is one "
                    "equation for each column of A."),
            Mistake(lambda A, b, x, rtol=1e-8: np.allclose(A.T @ A @ x, A.T @ b),
                    "np.allclose adds an absolute tolerance, 1e-8 unless you set atol, and has an rtol of its own. In small "
                    "units everything is below it."),
            Mistake(lambda A, b, x, rtol=1e-8: np.linalg.norm(A.T @ (A @ x - b)) <= rtol * np.linalg.norm(b),
                    "In other units A and b both grow, and A^T r grows with each of them. Your comparison grows with one of "
                    "the two only."),
            Mistake(lambda A, b, x, rtol=1e-8: np.linalg.norm(A.T @ (A @ x - b)) <= 1e-8 * np.linalg.norm(A) * np.linalg.norm(b),
                    "A relative test, as it should be, but it does not use rtol: whoever asks for less gets the same."),
            Mistake(lambda A, b, x, rtol=1e-8: np.all(A.T @ (A @ x - b) == 0),
                    "You ask for an exact zero. Rounding leaves a small remainder even at a minimizer: where does the "
                    "tolerance enter?"),
            Mistake(lambda A, b, x, rtol=1e-8: abs((A @ x - b) @ (A @ x)) <= rtol * np.linalg.norm(b)**2,
                    "You test whether r is perpendicular to Ax. At the minimizer it is, but also at x = 0: r must be "
                    "perpendicular to each column."),
            Mistake(lambda A, b, x, rtol=1e-8: abs((A @ x - b) @ A[:, 0]) <= rtol * np.linalg.norm(A) * np.linalg.norm(b),
                    "You test one column of A only. Each column gives an equation."),
            Mistake(lambda A, b, x, rtol=1e-8: True,
                    "Your test says True to everything. Which x should it reject?"),
            Mistake(lambda A, b, x, rtol=1e-8: False,
                    "Your test says False to everything, also to (5, -3) for the three points."),
        ),
        diagnose=_minimizer_failure),
    Exercise(
        id="E01.4", kind="I", minutes=10,
        asks="fit_and_score(X, y) -> (rmse_test, rmse_baseline)",
        hint="Check one thing at a time: the rows you fit on, the column of ones, the rows you score on, the square root.",
        answer=fit_and_score,
        instances=((_diabetes.X, _diabetes.y), _noisy_line(0, 57, 4), _noisy_line(1, 38, 2)),
        accepts=(_by_pinv, _by_sklearn),
        mistakes=(
            _first("You fitted on all rows, so the test rows leaked in. It looks better because it is not a test.",
                   lambda X, y, test: _scores(X, y, fit="all")[0]),
            _first("No intercept: the model must predict 0 for an average patient, and the mean is 152.",
                   lambda X, y, test: _scores(X, y, intercept=False)[0]),
            _first("Mean square; take the root to get the units of y.",
                   lambda X, y, test: _scores(X, y, measure=lambda r: np.mean(r**2))[0]),
            _first("Mean absolute error: a fair measure, but another one. Asked for is the root of the mean square.",
                   lambda X, y, test: _scores(X, y, measure=lambda r: np.mean(np.abs(r)))[0]),
            _first("Your measure is the length of the error vector: it grows with the number of patients. The mean under the "
                   "root is missing.", lambda X, y, test: _scores(X, y, measure=np.linalg.norm)[0]),
            _first("The square root is of a sum divided by the number of all rows. Divide by the number of rows you score on.",
                   lambda X, y, test: _scores(X, y)[0] * np.sqrt(test.mean())),
            _first("That is R^2, a share without units. Asked for is an error in the units of y.",
                   lambda X, y, test: 1 - (_scores(X, y)[0] / y[test].std())**2),
            _first("That is the training error: score on the rows that the fit has not seen.",
                   lambda X, y, test: _scores(X, y, tested="train")[0]),
            _first("Scored on all rows, training rows included. Score on the rows that the fit has not seen.",
                   lambda X, y, test: _scores(X, y, tested="all")[0]),
            _first("You fitted on the test rows and scored on the training rows. Test rows are those with index % 5 == 0.",
                   lambda X, y, test: _scores(X, y, fit="test", tested="train")[0]),
            _first("The fit is scored on the rows it was fitted on: the test rows. Fit on the other four fifths.",
                   lambda X, y, test: _scores(X, y, fit="test")[0]),
            _first("You cut the rows into a first and a last part. In this course the test rows are those with "
                   "index % 5 == 0.", _cut),
            _first("You shifted y by its training mean, but X is not centered on the training rows. Fit the intercept as a "
                   "weight: a column of ones.", _shifted),
            _second("The second number is the standard deviation of all y; predict the training mean on the test rows.",
                    lambda y, test: y.std()),
            _second("The second number predicts the mean of the test rows, which nobody knows beforehand. Use the training "
                    "mean.", lambda y, test: y[test].std()),
            _second("The second number divides by one less than the number of rows, and predicts the test mean. Use the "
                    "training mean, and divide by the number.", lambda y, test: y[test].std(ddof=1)),
            _second("The second number predicts the mean of all rows, test rows included. Use the training mean.",
                    lambda y, test: _rmse(y[test] - y.mean())),
            _second("The second number is scored on the training rows. Score the baseline where the fit is scored.",
                    lambda y, test: y[~test].std()),
            _second("The second number predicts 0 for everybody. Predict the mean of the training rows.",
                    lambda y, test: _rmse(y[test])),
            _second("The second number is the prediction of the baseline, not its error.",
                    lambda y, test: y[~test].mean()),
            _second("The second number predicts the median. The baseline of this course is the mean.",
                    lambda y, test: _rmse(y[test] - np.median(y[~test]))),
        ),
        tol=2e-4),
    Exercise(
        id="E01.5", kind="P", minutes=8,
        asks="for two equal columns (1, 2, 3) and b = (1, 2, 4): x1 + x2 of any minimizer, then x1 and x2 of A^+ b",
        hint="Ax only sees the sum x1 + x2: fit that one number first, then share it out so that x1^2 + x2^2 is smallest.",
        answer=TWIN,
        accepts=([1.214, [0.607, 0.607]], ((17 / 14,), (17 / 28,), (17 / 28,)), "only the sum"),
        mistakes=(
            Mistake(np.array([17 / 14, 17 / 14, 0]),
                    "A minimizer, but not the shortest: compare the lengths of (1.214, 0) and of other ways to share the sum."),
            Mistake(np.array([17 / 14, 0, 17 / 14]),
                    "A minimizer, but not the shortest: nothing makes the second column better than the first."),
            Mistake(np.array([17 / 14, 17 / 14, 17 / 14]),
                    "The sum is right, but then each of the two carries all of it: the prediction is doubled."),
            Mistake(np.array([17 / 7, 17 / 14, 17 / 14]), "Your two weights predict twice what fits b best."),
            Mistake(np.array([7 / 3 / 2, 7 / 12, 7 / 12]),
                    "That is the ratio of the means of b and of the column. It makes the residuals sum to 0, but there is no "
                    "column of ones here: write A^T r = 0 for the sum."),
            Mistake(np.array([1, 0.5, 0.5]), "This fits the first two rows exactly and ignores the third. What does its "
                                             "residual cost?"),
            Mistake(np.array([4 / 3, 2 / 3, 2 / 3]), "This fits the last row exactly and ignores the first two. What do their "
                                                     "residuals cost?"),
            Mistake(np.array([10, 5, 5]) / 9, "That is the mean of the three ratios of b and the column. Least squares gives "
                                              "long rows more weight: write A^T r = 0 for the sum."),
            Mistake(np.array([17 / 14, 1, 3 / 14]),
                    "A minimizer, but not the shortest: how long is it, and how long are other ways to share the sum?",
                    shows=lambda out: (abs(_numbers(out)[0] - TWIN[0]) < 2e-3 and abs(_numbers(out)[1:].sum() - TWIN[0]) < 2e-3
                                       and abs(_numbers(out)[1] - _numbers(out)[2]) > 5e-3)),
            Mistake("no solution", "A^T A is singular, so its inverse does not exist; the minimum does.",
                    shows=lambda out: isinstance(out, str) and set(out.casefold().split()) & {
                        "no", "none", "singular", "undefined", "impossible"} != set()),
        ),
        reads=_twin_answer,
        diagnose=lambda out: ("Close, and rounded too much to tell. Give fractions, or four digits."
                              if distance(out, TWIN) < 8e-3 else None),
        tol=1e-3),
]

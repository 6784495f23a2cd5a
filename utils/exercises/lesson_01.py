"""Lesson 01, how does the pseudo-inverse learn? The line through three points, its gradient, its test, real data."""
import numpy as np

from .. import data
from ..checking import Exercise, Mistake, distance

# ---------------------------------------------------------------- E01.1: a line through three points, by hand
LINE_A, LINE_B = np.array([[1.0, 0], [1, 1], [1, 2]]), np.array([6.0, 0, 0])


def _line_conditions(x):
    g = LINE_A.T @ (LINE_A @ x - LINE_B)
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
        (A, b, x + 1e-3),                                             # nearly right
        (LINE_A, LINE_B, np.array([2.0, 0])),                         # residuals sum to 0, and that is all
    )


def _minimizer_failure(said, A, b, x):
    slope = np.linalg.norm(A.T @ (A @ x - b)) / (np.linalg.norm(A) * np.linalg.norm(b))
    return (f"For one of the cases (A of shape {A.shape}) your test says {said}. There ||A^T r|| is {slope:.1e} times "
            f"||A|| ||b||, so the right answer is {not said}.")


# ------------------------------------------------------------------------------------ E01.4: real data, honestly
def _rmse(residual):
    return np.sqrt(np.mean(residual**2))


def _with_ones(X):
    return np.column_stack([np.ones(len(X)), X])


def _scores(X, y, fit=None, intercept=True, measure=_rmse, tested="test", level=None):
    """fit_and_score and its usual slips: fit on other rows, no intercept, another measure, another baseline."""
    rows = np.arange(len(y))
    part = {"test": rows % 5 == 0, "train": rows % 5 != 0, "all": rows >= 0}
    A = _with_ones(X) if intercept else X
    train, test = part[fit or "train"], part[tested]
    w = np.linalg.lstsq(A[train], y[train], rcond=None)[0]
    return measure(A[test] @ w - y[test]), _rmse(y[part["test"]] - y[part[level or "train"]].mean())


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


def _score_slip(says, baseline=None, **slip):
    """A mistake in the first number, or with `baseline` (a function of y, test) in the second, whatever the other is."""
    def answer(X, y):
        scores = _scores(X, y, **slip)
        return (scores[0], baseline(y, np.arange(len(y)) % 5 == 0)) if baseline else scores
    which = 1 if baseline else 0
    return Mistake(answer, says, shows=lambda out, X, y: distance(np.ravel(out)[which], answer(X, y)[which]) < 2e-4)


def _noisy_line(seed, m, n):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    return X, 10 + X @ np.arange(1.0, n + 1) + 3 * rng.standard_normal(m)


_diabetes = data.diabetes()

# --------------------------------------------------------------------------------------- E01.5: two equal columns
def _twin_answer(output):
    """Nested lists are one list; "only the sum" is right in words."""
    if isinstance(output, str):
        return np.array([17 / 14, 17 / 28, 17 / 28]) if "sum" in output.casefold() else output
    return np.hstack(output) if isinstance(output, (tuple, list)) else output


EXERCISES = [
    Exercise(
        id="E01.1", kind="P", minutes=5,
        asks="the line c + s t that fits (0, 6), (1, 0), (2, 0) best, as (c, s)",
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
        hint="Print your gradient at x = (1, 1) for the three points: it should be (0, 8).",
        answer=loss_and_grad,
        instances=((LINE_A, LINE_B, np.array([1.0, 1])), _problem(0, 7, 3), _problem(1, 3, 5),
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
        accepts=(
            lambda A, b, x, rtol=1e-8: np.linalg.norm(A.T @ (A @ x - b)) <= rtol * np.linalg.norm(A.T @ b),
            lambda A, b, x, rtol=1e-8: np.max(np.abs(A.T @ (A @ x - b)) / np.linalg.norm(A, axis=0)) <= (
                rtol * np.linalg.norm(b)),
            lambda A, b, x, rtol=1e-8: int(np.allclose(A.T @ A @ x, A.T @ b, rtol=rtol, atol=0)),
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
        answer=_scores,
        instances=((_diabetes.X, _diabetes.y), _noisy_line(0, 57, 4), _noisy_line(1, 38, 2)),
        accepts=(_by_pinv, _by_sklearn),
        mistakes=(
            _score_slip("You fitted on all rows, so the test rows leaked in. It looks better because it is not a test.",
                        fit="all"),
            _score_slip("No intercept: the model must predict 0 for an average patient, and the mean is 152.",
                        intercept=False),
            _score_slip("Mean square; take the root to get the units of y.", measure=lambda r: np.mean(r**2)),
            _score_slip("Mean absolute error: a fair measure, but another one. Asked for is the root of the mean square.",
                        measure=lambda r: np.mean(np.abs(r))),
            _score_slip("That is the training error: score on the rows that the fit has not seen.", tested="train"),
            _score_slip("You fitted on the test rows and scored on the training rows. Test rows are those with "
                        "index % 5 == 0.", fit="test", tested="train"),
            _score_slip("The fit is scored on the rows it was fitted on: the test rows. Fit on the other four fifths.",
                        fit="test"),
            _score_slip("The second number is the standard deviation of all y; predict the training mean on the test rows.",
                        baseline=lambda y, test: y.std()),
            _score_slip("The second number predicts the mean of the test rows, which nobody knows beforehand. Use the "
                        "training mean.", baseline=lambda y, test: y[test].std()),
            _score_slip("The second number predicts the mean of all rows, test rows included. Use the training mean.",
                        baseline=lambda y, test: _rmse(y[test] - y.mean())),
            _score_slip("The second number is scored on the training rows. Score the baseline where the fit is scored.",
                        baseline=lambda y, test: y[~test].std()),
        ),
        tol=2e-4),
    Exercise(
        id="E01.5", kind="P", minutes=8,
        asks="for two equal columns (1, 2, 3) and b = (1, 2, 4): x1 + x2 of any minimizer, then x1 and x2 of A^+ b",
        hint="Ax only sees the sum x1 + x2: fit that one number first, then share it out so that x1^2 + x2^2 is smallest.",
        answer=np.array([17 / 14, 17 / 28, 17 / 28]),
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
                    "That is the ratio of the means of b and of the column. Least squares weighs each row: it is <a, b> / <a, a>."),
            Mistake("no solution", "A^T A is singular, so its inverse does not exist; the minimum does.",
                    shows=lambda out: isinstance(out, str) and any(
                        word in out.casefold() for word in ("no", "singular", "undefined", "none"))),
        ),
        reads=_twin_answer, tol=1e-3),
]

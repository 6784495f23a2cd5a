"""Lesson 07, stochastic gradients: a few rows at a time, projections row by row, the plateau, and two ways below it."""
from fractions import Fraction
from functools import lru_cache

import numpy as np

from ..checking import Exercise, Mistake, Remark, between
from ..data import diabetes

# -------------------------------------------------------------------------------- E07.1: the gradient from a few rows


def minibatch_grad(A, b, x, idx):
    rows = A[idx]
    return rows.T @ (rows @ x - b[idx]) / len(idx)


def _by_mean(A, b, x, idx):
    """The mean of the rows, each times its residual."""
    return np.mean((A[idx] @ x - b[idx])[:, None] * A[idx], axis=0)


def _by_loop(A, b, x, idx):
    """Row after row, as a column."""
    g = sum((A[i] @ x - b[i]) * A[i] for i in idx) / np.size(idx)
    return g[:, None]


def _by_weights(A, b, x, idx):
    """Of the full residual vector, each row as often as it was drawn."""
    counts = np.bincount(idx, minlength=len(b))
    return list(A.T @ (counts * (A @ x - b)) / counts.sum())


def _times(factor):
    """The right gradient times factor(N, B)."""
    return lambda A, b, x, idx: minibatch_grad(A, b, x, idx) * factor(len(b), len(idx))


def _batch(seed, N, n, B, scale=1.0, rank=None):
    """A seeded random problem and B rows of it, the first of them drawn twice; columns stretched by `scale`, or of low rank."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((N, rank or n)) @ rng.standard_normal((rank or n, n)) * np.geomspace(1, scale, n)
    idx = rng.integers(1, N, size=B)
    idx[-1] = idx[0]
    return A, rng.standard_normal(N) + 1, rng.standard_normal(n) + 0.5, idx


LINE = np.array([[1.0, 0], [1, 1], [1, 2]])


# ----------------------------------------------------------------------------------------- E07.2: one equation at a time
def kaczmarz(A, b, x0, order):
    x = np.array(x0, dtype=float)
    for i in order:
        x = x - (A[i] @ x - b[i]) / (A[i] @ A[i]) * A[i]
    return x


def _by_unit_rows(A, b, x0, order):
    """Every equation is divided by the length of its row first; the history is kept."""
    length = np.linalg.norm(A, axis=1)
    units, sides, path = A / length[:, None], b / length, [np.array(x0, dtype=float)]
    for i in order:
        path.append(path[-1] + (sides[i] - units[i] @ path[-1]) * units[i])
    return path


def _by_matrices(A, b, x0, order):
    """The projection as a matrix, and the result as a column."""
    x = np.reshape(np.array(x0, dtype=float), (-1, 1))
    for i in order:
        row = A[i:i + 1]
        x = (np.eye(len(x)) - row.T @ row / np.sum(row**2)) @ x + row.T * b[i] / np.sum(row**2)
    return x


def _by_lists(A, b, x0, order):
    x = list(x0)
    for i in order:
        gap = sum(a * xi for a, xi in zip(A[i], x)) - b[i]
        x = [xi - gap * a / sum(c * c for c in A[i]) for a, xi in zip(A[i], x)]
    return x


def _last_row(output):
    """A history is read as its last row, unless all its rows are one and the same (an array that was not copied)."""
    try:
        rows = np.asarray(output, dtype=float)
    except (TypeError, ValueError):
        return output
    if rows.ndim != 2 or min(rows.shape) < 2 or np.all(rows == rows[0]):
        return output
    return rows[-1]


def _step(A, b, x0, order, power=2, relax=1.0, sign=-1.0):
    """x <- x + sign relax (a^T x - b_i) / |a|^power a: the projection, and its slips in a factor."""
    x = np.array(x0, dtype=float)
    for i in order:
        x = x + sign * relax * (A[i] @ x - b[i]) / np.linalg.norm(A[i])**power * A[i]
    return x


def _old_residuals(A, b, x0, order):
    """All residuals are taken at x0."""
    start = np.array(x0, dtype=float)
    return start - sum(((A[i] @ start - b[i]) / (A[i] @ A[i]) * A[i] for i in order), np.zeros(len(start)))


def _from_zero(A, b, x0, order):
    return kaczmarz(A, b, np.zeros(len(x0)), order)


def _forgets_x(A, b, x0, order):
    """Each time the point of the hyperplane nearest to 0, not to x."""
    i = order[-1] if len(order) else None
    return np.array(x0, dtype=float) if i is None else b[i] / (A[i] @ A[i]) * A[i]


def _by_frobenius(A, b, x0, order):
    x = np.array(x0, dtype=float)
    for i in order:
        x = x - (A[i] @ x - b[i]) / np.sum(A**2) * A[i]
    return x


def _largest_row(A, b, x0, order):
    x = np.array(x0, dtype=float)
    for i in order:
        x = x - (A[i] @ x - b[i]) / np.max(np.sum(A**2, axis=1)) * A[i]
    return x


def _adds_b(A, b, x0, order):
    x = np.array(x0, dtype=float)
    for i in order:
        x = x - (A[i] @ x + b[i]) / (A[i] @ A[i]) * A[i]
    return x


def _quartic(A, b, x0, order):
    x = np.array(x0, dtype=float)
    for i in order:
        x = x - (A[i] @ x - b[i]) / np.linalg.norm(A[i]**2) * A[i]
    return x


def _sum_of_entries(A, b, x0, order):
    x = np.array(x0, dtype=float)
    for i in order:
        x = x - (A[i] @ x - b[i]) / np.sum(A[i]) * A[i]
    return x


def _along_ones(A, b, x0, order):
    x = np.array(x0, dtype=float)
    for i in order:
        x = x - (A[i] @ x - b[i]) / (A[i] @ A[i])
    return x


def _same_rows(A, b, x0, order):
    return np.tile(kaczmarz(A, b, x0, order), (len(order) + 2, 1))


def _equations(seed, m, n, steps, scale=1.0, rank=None):
    """Seeded random equations (A, b, x0, order); rows stretched by up to `scale`."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, rank or n)) @ rng.standard_normal((rank or n, n)) * rng.permutation(np.geomspace(1, scale, m))[:, None]
    return A, rng.standard_normal(m) * np.linalg.norm(A, axis=1), rng.standard_normal(n), rng.integers(m, size=steps)


# --------------------------------------------------------------------- E07.3, E07.4: numbers, and what people say instead
WORDS = {0.5: "half ahalf onehalf abouthalf byhalf halve halves ithalves halved itishalved itishalf halfashigh",
         1.0: "nochange unchanged same thesame", 0.25: "quarter aquarter onequarter quarters", 2.0: "doubles doubled",
         0.0: "vanishes zero", 0.5**0.5: "1sqrt2 sqrt12 sqrt05"}
NUMBERS = {word: number for number, words in WORDS.items() for word in words.split()}


def _number(output):
    """A number in words: "1/2", "half", "50 %"."""
    if not isinstance(output, str):
        return output
    word = "".join(c for c in output.casefold() if c.isalnum())
    if word in NUMBERS:
        return NUMBERS[word]
    text = output.casefold().removesuffix("times").replace(" ", "").replace("\u00bd", "1/2").replace("\u00bc", "1/4")
    try:
        above, _, below = text.rstrip("%").partition("/")
        return float(Fraction(above) / Fraction(below if below else "1")) / (100 if text.endswith("%") else 1)
    except (ValueError, ZeroDivisionError):
        return output


# ------------------------------------------------------------------------------------ E07.5: below the plateau, in 60 passes
N, STEPS, GOAL, SEEDS = 442, 60 * 442, 5.0, (0, 1, 2)
NOT_MADE, EXPLODED = 1e6, 2e6  # each entry of a run of more than 60 passes, and of one that overflows: both have a sentence


@lru_cache(maxsize=1)
def _patients():
    """(A, b, minimizer, H, eigenvectors of H in the order of ascending eigenvalues) of the lesson: a column of ones first."""
    data = diabetes()
    X = data.X - data.X.mean(axis=0)
    A = np.column_stack([np.ones(N), X / X.std(axis=0)])
    H = A.T @ A / N
    return A, data.y, np.linalg.lstsq(A, data.y, rcond=None)[0], H, np.linalg.eigh(H)[1]


@lru_cache(maxsize=14)
def _paths(alphas, sizes):
    """The points of the runs with seeds 0, 1 and 2, (steps + 1, 3, 11), side by side."""
    A, b = _patients()[:2]
    alphas, sizes = np.frombuffer(alphas), np.frombuffer(sizes, dtype=np.int64)
    draws = np.array([np.random.default_rng(seed).integers(N, size=sizes.sum()) for seed in SEEDS]).T
    path, end = np.zeros((len(alphas) + 1, len(SEEDS), 11)), 0
    with np.errstate(over="ignore", invalid="ignore"):
        for k, (alpha, B) in enumerate(zip(alphas, sizes)):
            rows, end = draws[end:end + B], end + B
            products = A[rows] * path[k]
            path[k + 1] = path[k] - alpha / B * ((products.sum(axis=-1) - b[rows])[..., None] * A[rows]).sum(axis=0)
    return path


def _walk(seed):
    """walk(alphas, B=1) -> the points x_0 = 0 to the last, of a run of the lesson with this seed.

    walk.runs keeps (alpha / B of each step, last point, two entries of each point) of the latest runs:
    does an answer come from one of them?
    """
    def walk(alphas, B=1):
        if np.ndim(alphas) != 1:
            raise ValueError("walk wants a list of step lengths, one for each step")
        alphas = np.array(alphas, dtype=float)
        sizes = np.array(np.broadcast_to(np.asarray(B, dtype=np.int64), alphas.shape))
        if np.any(sizes < 1):
            raise ValueError("walk wants at least one row in each step")
        if sizes.sum() > STEPS:
            return np.full((len(alphas) + 1, 11), NOT_MADE)
        path = _paths(alphas.tobytes(), sizes.tobytes())[:, seed].copy()
        if not np.all(np.isfinite(path[-1])):
            path[:] = EXPLODED
        walk.runs = [*walk.runs[-99:], (alphas / sizes, path[-1].copy(), path[:, :2].copy())]
        return path
    walk.runs = []
    return walk


def settle(walk, steps):
    decayed = walk(0.02 * (1 - np.arange(steps) / steps))
    fixed = walk(np.full(steps, 0.01))
    return decayed[-1], fixed[steps // 6:].mean(axis=0)


def _excess(x):
    """F(x) - F*, and the share of it that lies along the two flattest directions."""
    _, _, best, H, V = _patients()
    e = np.asarray(x, dtype=float).ravel() - best
    gap = e @ H @ e / 2
    flat = V[:, :2] @ (V[:, :2].T @ e)
    return gap, (flat @ H @ flat / 2) / max(gap, 1e-300)


def _two_points(out):
    return isinstance(out, (tuple, list)) and len(out) == 2 and all(np.size(x) == 11 for x in out)


def _both_low(out):
    return _two_points(out) and all(1e-6 < _excess(x)[0] < GOAL for x in out)


def _steps_to(x, walk):
    """(alpha / B of each step) of the run of walk whose last point is x, or None."""
    x = np.ravel(np.asarray(x, dtype=float))
    return next((lengths for lengths, last, _ in walk.runs if np.linalg.norm(last - x) <= 1e-6 * np.linalg.norm(last)), None)


def _ends_a_falling_run(x, walk):
    lengths = _steps_to(x, walk)
    return lengths is not None and lengths[-1] < np.max(lengths) / 2


def _averages(points, mean):
    """Whether mean is that of points[j:k] for some j < k: then the sums of points - mean up to j and up to k are equal."""
    sums = np.vstack([np.zeros(2), np.cumsum(points - mean, axis=0)])
    gaps = np.diff(sums[np.argsort(sums[:, 0])], axis=0)
    return bool(np.any(np.all(np.abs(gaps) <= 1e-6, axis=1)))


def _averages_a_falling_run(out, walk, steps):
    """Whether part 2 is the mean of a stretch of points (all of them, or one a pass) of a run whose steps fall."""
    if not _both_low(out):
        return False
    mean = np.ravel(np.asarray(out[1], dtype=float))[:2]
    return any(lengths[-1] < np.max(lengths) / 2 and (_averages(points, mean) or _averages(points[::N], mean))
               for lengths, _, points in walk.runs)


def _below_the_plateau(out, walk, steps):
    return (_both_low(out) and _ends_a_falling_run(out[0], walk) and _steps_to(out[1], walk) is None
            and not _averages_a_falling_run(out, walk, steps))


def _one_point_twice(out, walk, steps):
    return _two_points(out) and np.allclose(np.ravel(out[0]), np.ravel(out[1]), rtol=1e-9, atol=0)


def _other_order(out, walk, steps):
    return _both_low(out) and _ends_a_falling_run(out[1], walk) and _steps_to(out[0], walk) is None


def _first_from_elsewhere(out, walk, steps):
    return _both_low(out) and not _ends_a_falling_run(out[0], walk)


def _second_is_a_last_point(out, walk, steps):
    return _both_low(out) and _steps_to(out[1], walk) is not None


def _not_made(out, walk, steps):
    return _two_points(out) and any(np.allclose(x, NOT_MADE) for x in out)


def _farther_than_the_start(out, walk, steps):
    return _two_points(out) and any(_excess(x)[0] > 2 * _excess(np.zeros(11))[0] for x in out)


def _part(k, low, high, flat=(0, 1)):
    """A sign on part k of the answer: its excess in [low, high), and the share of the flat directions between two numbers."""
    def shows(out, walk, steps):
        if not _two_points(out):
            return False
        gap, share = _excess(out[k])
        return bool(low <= gap < high and flat[0] <= share <= flat[1])
    return shows


def _other_is_right(k, below=np.inf):
    """A sign for a wrong answer whose other part is right for each seed, while part k stays below a number."""
    def shows(out, walk, steps):
        return _two_points(out) and bool(_excess(out[1 - k])[0] < GOAL and _excess(out[k])[0] < below)
    return shows


def _fixed_step(out, walk, steps):
    """Whether part 1 is the last point of a run whose steps did not fall, and which has not thrown it away."""
    lengths = _steps_to(out[0], walk) if _two_points(out) and not _farther_than_the_start(out, walk, steps) else None
    return lengths is not None and bool(np.ptp(lengths) <= 1e-9 * np.max(lengths))


def _from_the_start(out, walk, steps):
    for alpha in (0.02, 0.01):
        path = walk(np.full(steps, alpha))
        if any(np.allclose(out[1], path[k:].mean(axis=0), rtol=1e-8) for k in (0, 1)):
            return True
    return False


def _settle(schedule=None, start=None, alpha=0.01):
    """The answer with another schedule of step lengths, another start of the average, or another fixed step."""
    def answer(walk, steps):
        decayed = walk(schedule(np.arange(steps)) if schedule else 0.02 * (1 - np.arange(steps) / steps))
        return decayed[-1], walk(np.full(steps, alpha))[steps // 6 if start is None else start:].mean(axis=0)
    return answer


def _larger_batches(walk, steps):
    """The step stays, the batches grow; and an average by loop, as columns."""
    sizes = np.repeat([1, 4, 16, 64], [steps // 2, steps // 24, steps // 96, steps // 384])
    path, total = walk(np.full(steps, 0.01)), 0.0
    for x in path[10_000:]:
        total = total + x
    return walk(np.full(len(sizes), 0.02), sizes)[-1][:, None], [[v] for v in total / len(path[10_000:])]


def _least_squares(walk, steps):
    return _patients()[2], _patients()[2].copy()


EXERCISES = [
    Exercise(
        id="E07.1", kind="I", minutes=6,
        asks="minibatch_grad(A, b, x, idx) -> the mean of the gradients of f_i over the i in idx, shape (n,)",
        hint="In the example the residuals of the four drawn rows are -5, 3, 3 and 5, and the gradient is (1.5, 4).",
        answer=minibatch_grad,
        instances=((LINE, np.array([6.0, 0, 0]), np.array([1.0, 2]), np.array([0, 1, 1, 2])),
                   _batch(0, 9, 4, 3), _batch(1, 5, 8, 3), _batch(2, 12, 5, 3, rank=2), _batch(3, 11, 3, 3, scale=1e6),
                   _batch(4, 7, 3, 1), _batch(5, 6, 4, 11)),
        accepts=(_by_mean, _by_loop, _by_weights,
                 lambda A, rhs, point, rows: np.einsum("ij,i->j", A[rows], A[rows] @ point - rhs[rows]) / len(rows)),
        mistakes=(
            Mistake(_times(lambda N, B: B), "This is the sum over the batch, not the mean: the step would grow with the batch size."),
            Mistake(_times(lambda N, B: B / N), "Divided by N: your gradient is too short by B/N, so on average it is not the gradient "
                                                "of F. How many rows were added?"),
            Mistake(_times(lambda N, B: B / 442), "Divided by 442, the N of the notebook. How many rows were added?"),
            Mistake(_times(lambda N, B: B**0.5), "Divided by the square root of B: so the error shrinks, and not the sum. Asked for is "
                                                 "a mean."),
            Mistake(lambda A, b, x, idx: A.T @ (A @ x - b), "This is the gradient of the sum f, from all rows: idx is not used, and F "
                                                            "is a mean."),
            Mistake(_times(lambda N, B: N / B), "The factor N/B belongs to a sum over all rows. F is a mean already, so it was "
                                                "counted twice."),
            Mistake(_times(lambda N, B: N), "N times too long: that estimates the gradient of the sum f. In this lesson F = f/N."),
            Mistake(_times(lambda N, B: -1), "Sign: with r = Ax - b the gradient is the mean of r_i a_i. Yours points downhill."),
            Mistake(_times(lambda N, B: -B), "Two things: the sign (r is Ax - b), and the sum instead of the mean over the batch."),
            Mistake(_times(lambda N, B: -2 * B), "Three things: the sign (r is Ax - b), the factor 1/2 of f_i, and the sum instead of the "
                                                 "mean. Write down the gradient of one f_i first."),
            Mistake(_times(lambda N, B: -2), "Two things: the sign (r is Ax - b), and the factor 1/2 of f_i. Write down the gradient of one "
                                             "f_i first."),
            Mistake(lambda A, b, x, idx: minibatch_grad(A, -b, x, idx), "Sign of b: the residual is Ax - b. Look at the residuals of the "
                                                                        "example: -5, 3, 3 and 5."),
            Mistake(lambda A, b, x, idx: minibatch_grad(A, b, x, np.asarray(idx) - 1), "Each row is the one before the drawn one. The "
                                                                                       "numbers in idx begin at 0, as numpy's do."),
            Mistake(_times(lambda N, B: 2), "Twice as long: that is the gradient of the mean of r_i^2. Our f_i carries a factor 1/2."),
            Mistake(_times(lambda N, B: 2 * B), "Twice the sum over the batch. Our f_i carries a factor 1/2, and F is a mean."),
            Mistake(lambda A, b, x, idx: minibatch_grad(A, b, x, np.arange(len(b))),
                    "This is the gradient from all rows: idx is not used. It is right, and it costs a full pass."),
            Mistake(lambda A, b, x, idx: minibatch_grad(A, b, x, np.unique(idx)),
                    "A row that was drawn twice counts twice. Yours counts it once."),
            Mistake(lambda A, b, x, idx: minibatch_grad(A, b, x, np.unique(idx)) * len(np.unique(idx)) / len(idx),
                    "A row that was drawn twice is added once, though you divide by all draws. Look at += with repeated indices."),
            Mistake(lambda A, b, x, idx: minibatch_grad(A, b, x, idx[:1]), "Only the first drawn row is used. All those in idx count."),
            Mistake(lambda A, b, x, idx: minibatch_grad(A, b, x, idx[-1:]), "Only the last drawn row is used. Is the sum overwritten "
                                                                          "in your loop?"),
            Mistake(lambda A, b, x, idx: minibatch_grad(A, b, x, np.arange(len(idx)) % len(b)),
                    "These are the first B rows, not the drawn ones: idx holds the numbers of the rows."),
            Mistake(lambda A, b, x, idx: A[:len(idx)].T @ (A[:len(idx)] @ x - b[:len(idx)]) / len(idx),
                    "These are the first B rows, not the drawn ones: idx holds the numbers of the rows."),
            Mistake(lambda A, b, x, idx: minibatch_grad(A, 0 * b, x, idx), "b is missing: this is the gradient for a target of zeros."),
            Mistake(lambda A, b, x, idx: minibatch_grad(A, b, 0 * x, idx), "x is missing: this is the gradient at 0."),
            Mistake(lambda A, b, x, idx: np.mean(A[idx] @ x - b[idx]) * A[idx].mean(axis=0),
                    "You multiplied the mean residual with the mean row. Asked for is the mean of the products, row by row."),
            Mistake(lambda A, b, x, idx: minibatch_grad(A, b, x, idx) / len(idx), "Divided by B twice: does one of your products take "
                                                                                 "a mean already?"),
            Mistake(lambda A, b, x, idx: (A[idx] @ x - b[idx])[:, None] * A[idx],
                    "These are the gradients row by row. Asked for is their mean, one vector of shape (n,).",
                    shows=lambda out, A, b, x, idx: (np.shape(out) == (len(idx), len(x)) and bool(np.allclose(
                        out, (A[idx] @ x - b[idx])[:, None] * A[idx])))),
            Mistake(lambda A, b, x, idx: np.mean((A[idx] @ x - b[idx])**2) / 2,
                    "This is the loss of the batch, a number. Asked for is its gradient, of shape (n,).",
                    shows=lambda out, A, b, x, idx: np.size(out) == 1 and bool(np.isclose(
                        float(np.squeeze(out)), [c * np.sum((A[idx] @ x - b[idx])**2) for c in (1, 0.5, 1 / len(idx), 0.5 / len(idx))]).any())),
            Mistake(lambda A, b, x, idx: minibatch_grad(A, b, x, idx) * len(idx) / len(x),
                    "You divide by the number of columns. The mean is over the drawn rows."),
            Mistake(lambda A, b, x, idx: A.T @ (A @ x - b) / len(idx),
                    "All rows are added, and the sum is divided by the size of the batch. Only the rows in idx belong to it."),
            Mistake(lambda A, b, x, idx: x - minibatch_grad(A, b, x, idx), "This is the point after a step of length 1. Asked for is the "
                                                                           "gradient alone."),
        )),
    Exercise(
        id="E07.2", kind="I", minutes=8,
        asks="kaczmarz(A, b, x0, order) -> x after a projection for each i in order, shape (n,)",
        hint="After the step for row i, a_i^T x = b_i must hold exactly. In the example the first two points are (6, 2) and (2, -2).",
        answer=kaczmarz,
        instances=((LINE, np.array([6.0, 0, 0]), np.array([1.0, 2]), np.array([0, 1, 2])),
                   _equations(0, 7, 3, 5), _equations(1, 3, 6, 4), _equations(2, 6, 4, 9, rank=2), _equations(3, 5, 3, 6, scale=30.0),
                   _equations(4, 4, 3, 1), _equations(5, 4, 3, 0)),
        accepts=(_by_unit_rows, _by_matrices, _by_lists,
                 lambda rows, sides, start, which: kaczmarz(rows, sides, np.float64(start), list(which))),
        reads=_last_row,
        mistakes=(
            Mistake(lambda *p: _step(*p, power=0), "|a_i|^2 is missing, so this is not a projection: look at a_i^T x - b_i after a step."),
            Mistake(lambda *p: _step(*p, power=1), "Divided by |a_i| once: that is right only for rows of length 1. Look at "
                                                   "a_i^T x - b_i after a step."),
            Mistake(lambda *p: _step(*p, relax=0.5), "You go half of the way. That is a legal method (relaxation 1/2), with other "
                                                     "iterates; here the equation must hold after its step."),
            Mistake(lambda *p: _step(*p, relax=2.0), "You go twice the way, to the mirror image behind the plane. After a step "
                                                     "a_i^T x must equal b_i."),
            Mistake(lambda *p: _step(*p, sign=1.0), "Sign: you move away from the plane of the equation."),
            Mistake(lambda *p: _step(*p, power=0, sign=1.0), "Two things: the sign (you move away from the plane), and |a_i|^2 is missing."),
            Mistake(_quartic, "norm(a**2) is not |a|^2: it squares the entries once more. Look at a_i^T x - b_i after a step."),
            Mistake(_sum_of_entries, "You divide by the sum of the entries of a_i, and |a_i|^2 is another number. Look at a_i^T x - b_i "
                                     "after a step."),
            Mistake(lambda A, b, x0, order: kaczmarz(A, 0 * b, x0, order), "b is missing: you project on planes through 0."),
            Mistake(_along_ones, "The step goes along the row a_i. Yours changes all entries of x by the same amount."),
            Mistake(_old_residuals, "All your residuals are taken at x0. Each step must use the x that the step before has made."),
            Mistake(_from_zero, "Your run starts at 0. It must start at x0."),
            Mistake(_forgets_x, "You return the point of the plane nearest to 0. Asked for is the point nearest to the present x."),
            Mistake(_by_frobenius, "You divide by the sum of squares of all of A. The step for row i needs its own |a_i|^2."),
            Mistake(_largest_row, "You divide by the largest |a_i|^2 of all rows. The step for row i needs its own."),
            Mistake(_adds_b, "Sign of b_i: the residual is a_i^T x - b_i."),
            Mistake(lambda A, b, x0, order: kaczmarz(A, b, x0, range(len(b))),
                    "You took the rows 0, 1, 2 and so on. They come in the order of `order`, some of them twice."),
            Mistake(lambda A, b, x0, order: kaczmarz(A, b, x0, range(len(order))) if len(order) <= len(b) else np.zeros(len(x0)),
                    "You count the steps, and use the count as the row. The row of step k is order[k].",
                    shows=lambda out, A, b, x0, order: len(order) > len(b) or bool(np.allclose(
                        out, kaczmarz(A, b, x0, range(len(order)))))),
            Mistake(lambda A, b, x0, order: kaczmarz(A, b, x0, order[::-1]), "You went through order from its end. The first projection is "
                                                                             "that for order[0]."),
            Mistake(lambda A, b, x0, order: kaczmarz(A, b, x0, np.sort(order)), "You sorted the rows. They come as order has them: each "
                                                                                "projection changes what the next one finds."),
            Mistake(lambda A, b, x0, order: kaczmarz(A, b, x0, order)[:0] if len(order) == 0 else kaczmarz(A, b, x0, order),
                    "An empty order asks for no step. Then x is x0: return it.",
                    shows=lambda out, A, b, x0, order: len(order) == 0 and np.size(out) == 0),
            Mistake(lambda A, b, x0, order: kaczmarz(A, b, x0, order[:-1]), "One step too few: the last row of order is not used."),
            Mistake(lambda A, b, x0, order: kaczmarz(A, b, x0, order[1:]), "One step too few: the first row of order is not used."),
            Mistake(lambda A, b, x0, order: kaczmarz(A, b, x0, order[:1]), "Only the first step is made. Does the return stand inside "
                                                                        "the loop?"),
            Mistake(lambda A, b, x0, order: kaczmarz(A, b, x0, order[-1:]), "Only the last step counts: each of your steps starts at x0."),
            Mistake(lambda A, b, x0, order: np.array(x0), "You return x0 as it came. Is the moved x the one that you return?"),
            Mistake(lambda A, b, x0, order: kaczmarz(A, b, x0, order) - x0, "You returned the way from x0. Asked for is where it ends."),
            Mistake(lambda A, b, x0, order: np.linalg.pinv(A) @ b, "That is the pseudo-inverse solution. Asked for is where the "
                                                                   "projections lead, one equation after another."),
            Mistake(_same_rows, "All rows of your history are the same. The list holds one array many times: append x.copy().",
                    shows=lambda out, *p: (np.ndim(out) == 2 and 1 not in np.shape(out)
                                           and bool(np.all(np.asarray(out) == np.asarray(out)[0])))),
        )),
    Exercise(
        id="E07.3", kind="P", minutes=4,
        asks="the factor by which the plateau of the excess loss changes when alpha is halved",
        hint="Think of the plateau as a balance: each step adds noise, and each step forgets a part of the older noise.",
        answer=0.5, holds=lambda out: bool(0.4 <= out <= 0.6), reads=_number,
        accepts=("half", "about half", "a half", "Halve", "\u00bd", "0.5 times", "1/2", "50 %", [0.5], np.float32(0.47), Fraction(1, 2)),
        mistakes=(
            Mistake(1.0, "Does alpha set only the speed, and not the height? The runs that follow measure both.", shows=between(0.95, 1.05)),
            Mistake(0.25, "The variance of one step is proportional to alpha^2. But a shorter step also forgets the older noise "
                          "more slowly.", shows=between(0.2, 0.3)),
            Mistake(0.0, "With a fixed step, however short, some noise arrives in every step. Can the plateau be zero?",
                    shows=between(0.0, 1e-3)),
            Mistake(2.0, "A shorter step makes less noise. Can the plateau rise?", shows=between(1.8, 2.2)),
            Mistake(0.7071, "That would be the distance to the minimizer. The excess loss goes with its square.", shows=between(0.68, 0.73)),
            Mistake(4.0, "A shorter step makes less noise. Can the plateau rise, and so fast?", shows=between(3.8, 4.2)),
            Mistake(2**0.5, "Upside down, and the distance to the minimizer instead of the loss.", shows=between(1.39, 1.44)),
            Mistake(-0.5, "The excess is never below 0, at no point. Can the factor between two means of it be negative?",
                    shows=between(-np.inf, -1e-9)),
            Mistake(50.0, "As a percentage, perhaps. Asked for is a factor: 1 means unchanged.", shows=between(40, 60)),
        )),
    Exercise(
        id="E07.4", kind="P", minutes=4,
        asks="E x^2 in the long run for lambda = 1, nu = 1, alpha = 0.1",
        hint="In the long run E x^2 is the same before and after a step. Square the step, take the mean, and solve for it.",
        answer=1 / 19, holds=lambda out: bool(0.0495 <= out <= 0.055), reads=_number,
        accepts=(0.05, 0.0526, "1/19", "0.1/1.9", [0.053], "0.05", Fraction(1, 19)),
        mistakes=(
            Mistake(0.0, "The mean of x tends to 0. Its variance does not: each step brings new noise.", shows=between(-1e-9, 1e-9)),
            Mistake(0.01, "That is the noise of one step, alpha^2 nu^2. The steps before it are not forgotten at once, so they add up.",
                    shows=between(0.0095, 0.0105)),
            Mistake(0.1, "You are near. In E x^2 the factor 1 - alpha lambda of a step enters squared: is it squared in your balance?",
                    shows=between(0.095, 0.105)),
            Mistake(19**-0.5, "That is the standard deviation. Asked for is E x^2.", shows=between(0.22, 0.235)),
            Mistake(1 / 21, "A sign: expand the square of 1 - alpha lambda again. Its last term is positive.", shows=between(0.0473, 0.048)),
            Mistake(10 / 19, "One alpha too few: the noise enters a step as alpha nu, and its square as alpha^2 nu^2.",
                    shows=between(0.5, 0.53)),
            Mistake(1 / 190, "One alpha too many: solve your balance of what is added and what is forgotten again.",
                    shows=between(0.0049, 0.0055)),
            Mistake(1 / 38, "That is the excess loss, lambda/2 times E x^2. Asked for is E x^2 itself.", shows=between(0.0245, 0.0275)),
            Mistake(0.19, "That is 1 - (1 - alpha lambda)^2, the part that a step forgets. What does a step add?", shows=between(0.185, 0.195)),
            Mistake(1.0, "That is nu^2, the variance of one gradient, or what the steps give if all noises have one sign. They enter "
                         "multiplied by alpha, and independent.",
                    shows=between(0.98, 1.02)),
            Mistake(-1 / 19, "E x^2 is a mean of squares. Can it be negative? Look at the signs where you solve your balance.",
                    shows=between(-np.inf, -1e-6)),
            Mistake(5.26, "Right digits, as a percentage. Asked for is the number itself.", shows=between(4.9, 5.5)),
        )),
    Exercise(
        id="E07.5", kind="X", minutes=8,
        asks="settle(walk, steps) -> (last point of a run with falling steps, average of points of a run with a fixed step), each (11,)",
        hint="Look at the excess loss of each part for several seeds; walk(alphas) returns the points x_0 to the last.",
        answer=settle, holds=_below_the_plateau,
        instances=tuple((_walk(seed), STEPS) for seed in SEEDS),
        accepts=(_larger_batches, _settle(lambda k: 0.03 * (1 - k / STEPS)**2, STEPS // 2),
                 _settle(lambda k: 0.02 * 0.9997**k, STEPS // 10, 0.02), _settle(lambda k: 0.2 / (1 + k / 40)),
                 lambda walk, steps: np.float32(settle(walk, steps))),
        mistakes=(
            Mistake(lambda walk, steps: (settle(walk, steps)[0], walk(np.full(2 * steps, 0.01)).mean(axis=0)),
                    "A run with more than 60 passes was asked of walk, and was not made. A pass is 442 rows: add up B over the steps of "
                    "each run.", shows=_not_made),
            Mistake(lambda walk, steps: (walk(np.full(2000, 0.25))[-1], settle(walk, steps)[1]),
                    "One of the points is farther from the minimizer than x_0 = 0 was. Look at the excess of that run after each pass: "
                    "are its steps too long for single rows?", shows=_farther_than_the_start),
            Mistake(_least_squares, "No excess at all: that is the least-squares solution itself. Both parts must come from points "
                                    "of walk.", shows=lambda out, walk, steps: _two_points(out) and min(_excess(x)[0] for x in out) <= 1e-6),
            Mistake(lambda walk, steps: settle(walk, steps)[1:] * 2, "Both parts are the same point. Asked for are two ways: falling steps, "
                                                                     "and an average at a fixed step.", shows=_one_point_twice),
            Mistake(lambda walk, steps: settle(walk, steps)[::-1], "Both are low enough, in the other order. First comes the last point of "
                                                                   "the run with falling steps, then the average.", shows=_other_order),
            Mistake(lambda walk, steps: (settle(walk, steps)[1], walk(np.full(steps, 0.02))[steps // 6:].mean(axis=0)),
                    "Low enough, but the first part is not the last point of a run of walk with falling steps. Where does it come from?",
                    shows=_first_from_elsewhere),
            Mistake(lambda walk, steps: (settle(walk, steps)[0], walk(0.03 * (1 - np.arange(steps) / steps)**2)[-1]),
                    "Low enough, but the second part is the last point of a run. Asked for is an average of many points.",
                    shows=_second_is_a_last_point),
            Mistake(lambda walk, steps: (settle(walk, steps)[0], walk(0.02 * (1 - np.arange(steps) / steps))[steps // 2:].mean(axis=0)),
                    "Low enough, but the second part averages the run whose steps fall. Asked for is an average at a fixed step.",
                    shows=_averages_a_falling_run),
            Mistake(_settle(lambda k: np.full(STEPS, 0.01)), "The first part is the last point of a run whose step is fixed. Let the step "
                                                             "lengths fall during the run.", shows=_fixed_step),
            Mistake(_settle(lambda k: 0.01 * (1 - k / STEPS)), "The first part is close, but not below 5 for each seed: the height is "
                                                               "random, so one run proves nothing. Leave a margin.",
                    shows=_other_is_right(0, 6.5)),
            Mistake(_settle(lambda k: 0.02 / (1 + k)**2), "The first part stopped moving before it arrived: the sum of all its step lengths "
                                                         "is too small. Let them fall more slowly.", shows=_part(0, 1000, 14_000)),
            Mistake(_settle(lambda k: 0.02 * 0.999**k), "The first part is quiet, but has not arrived along the flattest directions: the sum "
                                                       "of its step lengths is too small. Let them fall more slowly.",
                    shows=_part(0, GOAL, 1000, (0.4, 1))),
            Mistake(_settle(lambda k: 0.02 / (1 + k / 5000)), "The first part is still noisy: its last steps are too long, and the plateau "
                                                              "is proportional to them. Let them fall further.",
                    shows=_part(0, GOAL, 1000, (0, 0.4))),
            Mistake(_settle(start=STEPS), "The second part is a single point, or an average of very few: it is still noisy. Average over "
                                          "many passes.", shows=_part(1, GOAL, 1000, (0, 0.4))),
            Mistake(_settle(start=0, alpha=0.002), "The second part still remembers the start: its points had not arrived along the flattest "
                                                   "directions when the average began. Begin later, or take longer steps.",
                    shows=_part(1, GOAL, 1000, (0.4, 1))),
            Mistake(lambda walk, steps: (settle(walk, steps)[0], walk(0.02 / (1 + np.arange(steps))**2)[-steps // 2:].mean(axis=0)),
                    "The second part is nowhere near: its points are still on the way. Which points do you average, and over which axis?",
                    shows=_part(1, 1000, 14_000)),
            Mistake(_settle(lambda k: 1 / (1 + k)), "The second part is right. The first is above 5 for at least one seed: are its first steps "
                                                    "so long that they throw the run away, their sum too small, or the last ones too long?",
                    shows=_other_is_right(0)),
            Mistake(_settle(start=25_000), "The first part is right. The second is above 5 for at least one seed: average over more passes, "
                                           "and begin after the way from the start is over.", shows=_other_is_right(1)),
        ),
        remarks=(
            Remark(_settle(start=0), "Your average begins at step 0 and carries the way from the start along; begun after 10 passes it "
                                     "is lower here.", shows=_from_the_start),
        )),
]

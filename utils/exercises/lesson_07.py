"""Lesson 07, stochastic gradients: a few rows at a time, projections row by row, the plateau, and two ways below it."""
from fractions import Fraction
from functools import lru_cache

import numpy as np

from ..checking import Exercise, Mistake, Remark
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
    if rows.ndim != 2 or 1 in rows.shape or np.all(rows == rows[0]):
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
WORDS = {"half": 0.5, "abouthalf": 0.5, "halves": 0.5, "ithalves": 0.5, "halved": 0.5, "itishalved": 0.5, "nochange": 1.0, "1sqrt2": 0.5**0.5, "unchanged": 1.0, "same": 1.0, "thesame": 1.0,
         "quarter": 0.25, "aquarter": 0.25, "quarters": 0.25, "doubles": 2.0, "vanishes": 0.0, "zero": 0.0}


def _number(output):
    """A number in words: "1/2", "half", "50 %"."""
    if not isinstance(output, str):
        return output
    word = "".join(c for c in output.casefold() if c.isalnum())
    if word in WORDS:
        return WORDS[word]
    text = output.replace(" ", "")
    try:
        return float(Fraction(text.rstrip("%"))) / (100 if text.endswith("%") else 1)
    except (ValueError, ZeroDivisionError):
        return output


def _between(low, high):
    """Whether the number handed in lies between two others: for predictions that differ by their rounding."""
    def shows(out):
        try:
            return np.size(out) == 1 and bool(low <= float(np.squeeze(out)) <= high)
        except (TypeError, ValueError):
            return False
    return shows


# ------------------------------------------------------------------------------------ E07.5: below the plateau, in 60 passes
N, K, GOAL, SEEDS = 442, 60 * 442, 5.0, (0, 1, 2)


@lru_cache(maxsize=1)
def _patients():
    """(A, b, minimizer, H, eigenvectors of H in the order of ascending eigenvalues) of the lesson: a column of ones first."""
    data = diabetes()
    X = data.X - data.X.mean(axis=0)
    A = np.column_stack([np.ones(N), X / X.std(axis=0)])
    H = A.T @ A / N
    return A, data.y, np.linalg.lstsq(A, data.y, rcond=None)[0], H, np.linalg.eigh(H)[1]


@lru_cache(maxsize=12)
def _paths(alphas, sizes):
    """The points of the runs with seeds 0, 1 and 2, (K + 1, 3, 11), side by side."""
    A, b = _patients()[:2]
    alphas, sizes = np.frombuffer(alphas), np.frombuffer(sizes, dtype=np.int64)
    draws = np.array([np.random.default_rng(seed).integers(N, size=sizes.sum()) for seed in SEEDS]).T
    path, end = np.zeros((len(alphas) + 1, len(SEEDS), 11)), 0
    with np.errstate(over="ignore", invalid="ignore"):
        for k, (alpha, B) in enumerate(zip(alphas, sizes)):
            rows, end = draws[end:end + B], end + B
            products = A[rows] * path[k]
            path[k + 1] = path[k] - alpha / B * ((products.sum(axis=-1) - b[rows])[..., None] * A[rows]).sum(axis=0)
    if not np.all(np.isfinite(path[-1])):
        raise ValueError("the run has overflowed: its steps are too long for single rows")
    return path


def _walk(seed):
    """walk(alphas, B=1) -> the points x_0 = 0 to x_K of a run of the lesson with this seed; ValueError beyond 60 passes."""
    def walk(alphas, B=1):
        if np.ndim(alphas) != 1:
            raise ValueError("walk wants a list of step lengths, one for each step")
        alphas = np.array(alphas, dtype=float)
        sizes = np.array(np.broadcast_to(np.asarray(B, dtype=np.int64), alphas.shape))
        if sizes.sum() > K or np.any(sizes < 1):
            raise ValueError(f"{sizes.sum() / N:.1f} passes were asked of walk, and 60 are allowed")
        return _paths(alphas.tobytes(), sizes.tobytes())[:, seed].copy()
    return walk


def settle(walk, K):
    decayed = walk(0.02 * (1 - np.arange(K) / K))
    fixed = walk(np.full(K, 0.01))
    return decayed[-1], fixed[K // 6:].mean(axis=0)


def _excess(x):
    """F(x) - F*, and the share of it that lies along the two flattest directions."""
    _, _, best, H, V = _patients()
    e = np.asarray(x, dtype=float).ravel() - best
    gap = e @ H @ e / 2
    flat = V[:, :2] @ (V[:, :2].T @ e)
    return gap, (flat @ H @ flat / 2) / max(gap, 1e-300)


def _below_the_plateau(out, walk, K):
    return all(1e-6 < _excess(x)[0] < GOAL for x in out) and not _one_point_twice(out, walk, K)


def _one_point_twice(out, walk, K):
    return _two_points(out) and np.allclose(np.ravel(out[0]), np.ravel(out[1]), rtol=1e-9, atol=0)


def _two_points(out):
    return isinstance(out, (tuple, list)) and len(out) == 2 and all(np.size(x) == 11 for x in out)


def _part(k, low, high, flat=(0, 1)):
    """A sign on part k of the answer: its excess in [low, high), and the share of the flat directions between two numbers."""
    def shows(out, walk, K):
        if not _two_points(out):
            return False
        gap, share = _excess(out[k])
        return bool(low <= gap < high and flat[0] <= share <= flat[1])
    return shows


def _other_is_right(k, below=np.inf):
    """A sign for a wrong answer whose other part is right for each seed, while part k stays below a number."""
    def shows(out, walk, K):
        return _two_points(out) and bool(_excess(out[1 - k])[0] < GOAL and _excess(out[k])[0] < below)
    return shows


def _fixed_step(out, walk, K):
    return _two_points(out) and any(np.allclose(out[0], walk(np.full(K, alpha))[-1], rtol=1e-8) for alpha in (0.02, 0.01))


def _from_the_start(out, walk, K):
    for alpha in (0.02, 0.01):
        path = walk(np.full(K, alpha))
        if any(np.allclose(out[1], path[k:].mean(axis=0), rtol=1e-8) for k in (0, 1)):
            return True
    return False


def _settle(schedule=None, start=None, alpha=0.01):
    """The answer with another schedule of step lengths, another start of the average, or another fixed step."""
    def answer(walk, K):
        decayed = walk(schedule(np.arange(K)) if schedule else 0.02 * (1 - np.arange(K) / K))
        return decayed[-1], walk(np.full(K, alpha))[K // 6 if start is None else start:].mean(axis=0)
    return answer


def _larger_batches(walk, K):
    """The step stays, the batches grow; and an average by loop, as columns."""
    sizes = np.repeat([1, 4, 16, 64], [K // 2, K // 24, K // 96, K // 384])
    path, total = walk(np.full(K, 0.01)), 0.0
    for x in path[10_000:]:
        total = total + x
    return walk(np.full(len(sizes), 0.02), sizes)[-1][:, None], [[v] for v in total / len(path[10_000:])]


def _least_squares(walk, K):
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
            Mistake(lambda A, b, x0, order: kaczmarz(A, b, x0, order[:-1]), "One step too few: the last row of order is not used."),
            Mistake(lambda A, b, x0, order: kaczmarz(A, b, x0, order[1:]), "One step too few: the first row of order is not used."),
            Mistake(lambda A, b, x0, order: kaczmarz(A, b, x0, order[:1]), "Only the first step is made. Does the return stand inside "
                                                                        "the loop?"),
            Mistake(lambda A, b, x0, order: kaczmarz(A, b, x0, order[-1:]), "Only the last step counts: each of your steps starts at x0."),
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
        accepts=("half", "about half", "1/2", "50 %", [0.5], np.float32(0.47), Fraction(1, 2)),
        mistakes=(
            Mistake(1.0, "Does alpha set only the speed, and not the height? The runs that follow measure both.", shows=_between(0.8, 1.2)),
            Mistake(0.25, "The variance of one step is proportional to alpha^2. But a shorter step also forgets the older noise "
                          "more slowly.", shows=_between(0.2, 0.3)),
            Mistake(0.0, "With a fixed step, however short, some noise arrives in every step. The plateau is lower, and not zero.",
                    shows=_between(-0.01, 0.01)),
            Mistake(2.0, "Upside down: a shorter step makes less noise.", shows=_between(1.8, 2.2)),
            Mistake(0.7071, "That would be the distance to the minimizer. The excess loss goes with its square.", shows=_between(0.68, 0.73)),
            Mistake(4.0, "Upside down, and a square too many: a shorter step makes less noise.", shows=_between(3.8, 4.2)),
            Mistake(2**0.5, "Upside down, and the distance to the minimizer instead of the loss.", shows=_between(1.39, 1.44)),
            Mistake(50.0, "As a percentage, perhaps. Asked for is a factor: 1 means unchanged.", shows=_between(40, 60)),
        )),
    Exercise(
        id="E07.4", kind="P", minutes=4,
        asks="E x^2 in the long run for a = 1, s = 1, alpha = 0.1",
        hint="In the long run E x^2 is the same before and after a step. Square the step, take the mean, and solve for it.",
        answer=1 / 19, holds=lambda out: bool(0.0495 <= out <= 0.055), reads=_number,
        accepts=(0.05, 0.0526, "1/19", [0.053], "0.05", Fraction(1, 19)),
        mistakes=(
            Mistake(0.0, "The mean of x tends to 0. Its variance does not: each step brings new noise.", shows=_between(-1e-9, 1e-9)),
            Mistake(0.01, "That is the noise of one step, alpha^2 s^2. The steps before it are not forgotten at once, so they add up.",
                    shows=_between(0.0095, 0.0105)),
            Mistake(0.1, "You are near. In E x^2 the factor 1 - alpha a of a step enters squared: is it squared in your balance?",
                    shows=_between(0.095, 0.105)),
            Mistake(19**-0.5, "That is the standard deviation. Asked for is E x^2.", shows=_between(0.22, 0.235)),
            Mistake(1 / 21, "A sign: expand the square of 1 - alpha a again. Its last term is positive.", shows=_between(0.0473, 0.048)),
            Mistake(10 / 19, "One alpha too few: the noise enters a step as alpha s, and its square as alpha^2 s^2.",
                    shows=_between(0.5, 0.53)),
            Mistake(1 / 190, "One alpha too many: solve your balance of what is added and what is forgotten again.",
                    shows=_between(0.0049, 0.0055)),
            Mistake(1 / 38, "That is the excess loss, a/2 times E x^2. Asked for is E x^2 itself.", shows=_between(0.0245, 0.0275)),
            Mistake(0.19, "That is 1 - (1 - alpha a)^2, the part that a step forgets. What does a step add?", shows=_between(0.185, 0.195)),
            Mistake(1.0, "That is s^2, the variance of one gradient, or what the steps give if all noises have one sign. They enter "
                         "multiplied by alpha, and independent.",
                    shows=_between(0.95, 1.05)),
            Mistake(5.26, "Right digits, as a percentage. Asked for is the number itself.", shows=_between(4.9, 5.5)),
        )),
    Exercise(
        id="E07.5", kind="X", minutes=8,
        asks="settle(walk, K) -> (x from steps that get shorter, average of iterates of a fixed step), both of shape (11,)",
        hint="Look at the excess loss of each part for several seeds; walk(alphas) returns the points x_0 to x_K.",
        answer=settle, holds=_below_the_plateau,
        instances=tuple((_walk(seed), K) for seed in SEEDS),
        accepts=(_larger_batches, _settle(lambda k: 0.03 * (1 - k / K)**2, K // 2),
                 _settle(lambda k: 0.02 * 0.9997**k, K // 10, 0.02)),
        mistakes=(
            Mistake(_least_squares, "No excess at all: that is the least-squares solution itself. Both parts must come from points "
                                    "of walk.", shows=lambda out, walk, K: _two_points(out) and min(_excess(x)[0] for x in out) <= 1e-6),
            Mistake(lambda walk, K: settle(walk, K)[1:] * 2, "Both parts are the same point. Asked for are two ways: falling steps, and "
                                                             "an average at a fixed step.", shows=_one_point_twice),
            Mistake(_settle(lambda k: np.full(K, 0.01)), "The first part is the last point of a run with a fixed step: it jumps about on "
                                                         "the plateau. Let the step lengths fall.", shows=_fixed_step),
            Mistake(_settle(lambda k: 0.01 * (1 - k / K)), "The first part is close, but not for each seed: one lucky run proves "
                                                           "nothing, for the height is random. Leave a margin.",
                    shows=_other_is_right(0, 6.5)),
            Mistake(_settle(lambda k: 0.02 / (1 + k)**2), "The first part stopped moving before it arrived: the sum of all its step lengths "
                                                         "is too small. Let them fall more slowly.", shows=_part(0, 1000, np.inf)),
            Mistake(_settle(lambda k: 0.02 * 0.999**k), "The first part is quiet, but has not arrived along the flattest directions: the sum "
                                                       "of its step lengths is too small. Let them fall more slowly.",
                    shows=_part(0, GOAL, 1000, (0.4, 1))),
            Mistake(_settle(lambda k: 0.02 / (1 + k / 5000)), "The first part is still noisy: its last steps are too long, and the plateau "
                                                              "is proportional to them. Let them fall further, over all K steps.",
                    shows=_part(0, GOAL, 1000, (0, 0.4))),
            Mistake(_settle(start=K), "The second part is a single point, or an average of very few: it is still noisy. Average over "
                                      "many passes.", shows=_part(1, GOAL, 1000, (0, 0.4))),
            Mistake(_settle(start=0, alpha=0.002), "The second part still remembers the start: its points had not arrived along the flattest "
                                                   "directions when the average began. Begin later, or take longer steps.",
                    shows=_part(1, GOAL, np.inf, (0.4, 1))),
            Mistake(lambda walk, K: (settle(walk, K)[0], walk(0.02 / (1 + np.arange(K))**2)[-K // 2:].mean(axis=0)),
                    "The second part is nowhere near: its points are still on the way. Which points do you average, and over which axis?",
                    shows=_part(1, 1000, np.inf)),
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

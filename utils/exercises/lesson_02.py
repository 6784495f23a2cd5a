"""Lesson 02, what it learns: singular values by hand, A^+ from them, the loud direction, silent ones, the best k."""
import numpy as np

from ..checking import Exercise, Mistake, Remark


def _with_singular_values(seed, m, n, s):
    """A random (m, n) matrix with the given nonzero singular values."""
    rng = np.random.default_rng(seed)
    k = len(s)
    U, V = (np.linalg.qr(rng.standard_normal((size, k)))[0] for size in (m, n))
    return U * s @ V.T


def _is_array(out, shape):
    return isinstance(out, np.ndarray) and out.shape == shape


# ------------------------------------------------------------------- E02.1: the singular values of [[3, 0], [4, 5]]
def _largest_first(output):
    """Any order, either sign (they are lengths), a set, or the diagonal matrix Sigma."""
    try:
        values = np.asarray(list(output) if isinstance(output, set) else output, float)
    except (TypeError, ValueError):
        return output
    if values.shape == (2, 2) and not (values - np.diag(np.diag(values))).any():
        values = np.diag(values)
    return np.sort(np.abs(values).ravel())[::-1]


# ------------------------------------------------------------------------------------ E02.2: A^+ from the SVD
RANK_TWO = np.array([[1.0, 0, 1], [0, 1, 1], [1, 1, 2], [2, 0, 2], [0, 2, 2]])


def pinv_svd(A, rtol=1e-12):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    keep = s > rtol * s[0]
    return Vt[keep].T / s[keep] @ U[:, keep].T


def _by_terms(A, rtol=1e-12):
    """The same as a sum of rank-one matrices, in nested lists."""
    U, s, Vt = np.linalg.svd(A)
    total = np.zeros((A.shape[1], A.shape[0]))
    for i, sigma in enumerate(s):
        if sigma > rtol * max(s):
            total += np.outer(Vt[i], U[:, i]) / sigma
    return total.tolist()


def _by_scipy(A, rtol=1e-12):
    from scipy.linalg import pinv
    return pinv(A, rtol=rtol)


def _by_where(A, rtol=1e-12):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    return Vt.T @ np.diag(np.where(s > rtol * s.max(), 1 / s, 0)) @ U.T


def _by_eigenvectors(A, rtol=1e-12):
    """Through the eigenvectors of A^T A, cut off at rtol in the eigenvalues."""
    values, V = np.linalg.eigh(A.T @ A)
    keep = values > rtol * values[-1]
    return V[:, keep] / values[keep] @ V[:, keep].T @ A.T


def _by_noisy_eigenvectors(A, rtol=1e-12):
    values, V = np.linalg.eigh(A.T @ A)
    keep = values > rtol**2 * values[-1]
    return V[:, keep] / values[keep] @ V[:, keep].T @ A.T


def _by_noisy_roots(A, rtol=1e-12):
    values, V = np.linalg.eigh(A.T @ A)
    s = np.sqrt(np.maximum(values, 0))
    keep = s > rtol * s[-1]
    return V[:, keep] / s[keep] @ (A @ V[:, keep] / s[keep]).T


def _scaled_terms(weight, form=lambda U, V, w: V * w @ U.T):
    """A slip in the recipe V diag(weight) U^T: another weight, or another order of the factors."""
    def answer(A, rtol=1e-12):
        U, s, Vt = np.linalg.svd(A, full_matrices=False)
        keep = s > rtol * s[0]
        return form(U[:, keep], Vt[keep].T, weight(s[keep]))
    return answer


def _not_transposed(A, rtol=1e-12):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    inverse = np.array([1 / sigma if sigma > rtol * s[0] else 0 for sigma in s])
    return Vt @ np.diag(inverse) @ U.T


def _no_cutoff(A, rtol=1e-12):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    return Vt.T / s @ U.T


def _absolute_cutoff(A, rtol=1e-12):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    keep = s > rtol
    return Vt[keep].T / s[keep] @ U[:, keep].T


def _far_too_loud(out, A, rtol):
    """1 / sigma for each sigma: rounding noise at full volume, or what rtol = 0.01 leaves out."""
    right = pinv_svd(A, rtol)
    return _is_array(out, A.T.shape) and (not np.linalg.norm(out) <= 10 * np.linalg.norm(right)
                                          or np.allclose(out, _no_cutoff(A), atol=1e-6 * np.linalg.norm(right)))


def _instead_of_zero(weight):
    """V diag(1 / sigma) U^T, with a weight where sigma counts as zero, and how that shows: it is the largest one."""
    def answer(A, rtol=1e-12):
        U, s, Vt = np.linalg.svd(A, full_matrices=False)
        return Vt.T @ np.diag([1 / sigma if sigma > rtol * s[0] else weight(rtol * s[0]) for sigma in s]) @ U.T

    def shows(out, A, rtol):
        added, wanted = np.linalg.norm(out - pinv_svd(A, rtol), 2), weight(rtol * np.linalg.norm(A, 2))
        return _is_array(out, A.T.shape) and 0.7 * wanted < added < 1.3 * wanted
    return dict(answer=answer, shows=shows)


def _another_scale(scale):
    """rtol times something that is not sigma_1."""
    def answer(A, rtol=1e-12):
        U, s, Vt = np.linalg.svd(A, full_matrices=False)
        keep = s > rtol * scale(A, s)
        return Vt[keep].T / s[keep] @ U[:, keep].T
    return Mistake(answer, "You multiply rtol by something else than sigma_1. A sum of sigmas, a count of rows, an entry or "
                           "another norm of A gives another cutoff.")


def _one_too_few(A, rtol=1e-12):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    last = np.sum(s > rtol * s[0]) - 1
    return Vt[:last].T / s[:last] @ U[:, :last].T


def _sigma_left(A, rtol=1e-12):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    return Vt.T @ np.diag([1 / sigma if sigma > rtol * s[0] else sigma for sigma in s]) @ U.T


def _added(A, rtol=1e-12):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    return Vt.T / (s + rtol) @ U.T


def _wrong_side(A, rtol=1e-12):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    return Vt.T @ np.diag([0 if sigma > rtol * s[0] else 1 / sigma for sigma in s]) @ U.T


FIXED = "Your cutoff is a fixed number. When the data change units the problem stays the same: compare sigma with sigma_1."
MULTIPLIED = "You multiplied by sigma: V Sigma U^T is A^T. A^+ divides."
SQUARED = ("You work with squares, as in A^T A: a sigma of 1e-7 sigma_1 becomes 1e-14, and drowns in the cutoff or in rounding. "
           "Work with sigma itself; lesson 03 shows what squaring costs.")
NO_INVERSE = ("(A^T A)^-1 A^T needs independent columns, and A^T (A A^T)^-1 needs independent rows. On other matrices "
              "they divide by rounding noise or stop: work with the singular values.")


# ------------------------------------------------------------------------------- E02.4: another minimizer, or none
def _rank(A):
    return np.linalg.matrix_rank(A, tol=1e-12 * np.linalg.norm(A))


def _shortest(A, b):
    return pinv_svd(A) @ b


def other_minimizer(A, b, seed):
    _, s, Vt = np.linalg.svd(A)
    rank = np.sum(s > 1e-12 * s[0])
    if rank == A.shape[1]:
        return None
    z = np.random.default_rng(seed).standard_normal(A.shape[1] - rank) @ Vt[rank:]
    return np.linalg.lstsq(A, b, rcond=1e-12)[0] + z


def _by_projector(A, b, seed):
    """A random vector without what A can see of it; a column."""
    y = np.random.default_rng(seed).standard_normal(A.shape[1])
    z = y - np.linalg.pinv(A) @ (A @ y)
    return None if np.linalg.norm(z) < 1e-9 else (np.linalg.pinv(A) @ b + 10 * z)[:, None]


def _by_null_space(A, b, seed):
    from scipy.linalg import null_space
    N = null_space(A)
    return [*(np.linalg.pinv(A) @ b + N[:, 0])] if N.size else "None"


def _by_qr(A, b, seed):
    """The last columns of the complete Q of A^T are perpendicular to its rows."""
    from scipy.linalg import qr
    Q, R, _ = qr(A.T, pivoting=True)
    rank = np.sum(abs(np.diag(R)) > 1e-10 * abs(R[0, 0]))
    return None if rank == A.shape[1] else np.linalg.pinv(A) @ b - 3 * Q[:, -1]


def _is_other_minimizer(out, A, b, seed):
    if _rank(A) == A.shape[1]:
        return out == "none" if isinstance(out, str) else False
    x = _shortest(A, b)
    return _change(out, A, x) <= 1e-6 and np.linalg.norm(out - x) > 1e-5 * np.linalg.norm(x)


def _unless_unique(answer):
    """The same slip, by somebody who does return None where the minimizer is unique."""
    return lambda A, b, seed: None if _rank(A) == A.shape[1] else answer(A, b, seed)


def _on_minimizers(sign):
    """A sign that is asked only where the minimizer is not unique, and of arrays of the right shape."""
    def shows(out, A, b, seed):
        return _rank(A) < A.shape[1] and _is_array(out, (A.shape[1],)) and bool(sign(out, A, _shortest(A, b)))
    return shows


def _change(out, A, x):
    """How much the predictions change, relative to the size of the factors (float32 rounds to 1e-7)."""
    return np.linalg.norm(A @ (out - x)) / (np.linalg.norm(A) * np.linalg.norm(out))


def _raises_loss(out, A, x):
    return _change(out, A, x) > 1e-6


def _none_where(wrongly):
    """None on one kind of matrix with dependent columns, and how that shows."""
    def answer(A, b, seed):
        return None if wrongly(A) else other_minimizer(A, b, seed)

    def shows(out, A, b, seed):
        return _rank(A) < A.shape[1] and wrongly(A) and (out is None or out == "none")
    return dict(answer=answer, shows=shows)


def _last_column(A, b, seed):
    return _shortest(A, b) + np.linalg.svd(A)[2][:, -1] * np.linalg.norm(_shortest(A, b))


def _last_row(A, b, seed):
    return _shortest(A, b) + np.linalg.svd(A, full_matrices=False)[2][-1]


def _projected_target(A, b, seed):
    y = np.random.default_rng(seed).standard_normal(len(A))
    return _shortest(A, b) + (y - A @ (pinv_svd(A) @ y))


NOT_WEIGHTS = ("You added a vector of null(A^T): it has m entries, like b. The weights have n entries, and Az = 0 asks for "
               "directions among the rows of Vt, not for columns of U.")


def _fits(seed, A):
    """An instance; the seed for the learner is not one that made A or b."""
    return A, np.random.default_rng(20 + seed).standard_normal(len(A)), seed


# -------------------------------------------------------------------- E02.5: the best k layers, and what they miss
def rank_k(A, k):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    return U[:, :k] * s[:k] @ Vt[:k], np.sqrt(np.sum(s[k:]**2)), "Frobenius"


def _with_norm(output):
    """(A_k, error) is meant in the Frobenius norm; a third entry names another."""
    if isinstance(output, (tuple, list)) and len(output) == 2:
        return (*output, "Frobenius")
    if isinstance(output, (tuple, list)) and len(output) == 3 and isinstance(output[2], (str, int)):
        word = str(output[2]).strip().casefold()
        return (*output[:2], "spectral" if word.startswith(("spec", "oper")) or word in ("2", "l2", "2-norm", "2 norm") else
                "Frobenius" if word.startswith("fro") else word)
    return output


def _parts(out, A, k):
    """Whether the matrix is right, and whether the error is the one in the norm that is named; to a tolerance."""
    A_k, frobenius, _ = rank_k(A, k)
    error = {"frobenius": frobenius, "spectral": np.linalg.svd(A, compute_uv=False)[k]}.get(out[2], np.inf)
    size = np.linalg.norm(A)
    return np.linalg.norm(out[0] - A_k) / size, abs(out[1] - error) / size


def _is_rank_k(out, A, k):
    return max(_parts(out, A, k)) <= 1e-6


def _is_read(out):
    """Whether an output came in the form (matrix, error, name of the norm)."""
    return isinstance(out, tuple) and len(out) == 3 and isinstance(out[2], str) and np.ndim(out[0]) == 2


def _which_part(out, A, k):
    """What is said if no mistake explains an answer."""
    matrix, error = (part <= 1e-6 for part in _parts(out, A, k))
    if matrix or error:
        return (f"The {'matrix' if matrix else 'error'} is right, the {'error' if matrix else 'matrix'} is not. "
                "Try the diagonal matrix with 4, 2 and 1: with k = 1, which entries are missing?")
    return ""


def _not_two_values(out, A, k):
    """No pair of a matrix of the shape of A and a number."""
    if not isinstance(out, (tuple, list)) or len(out) not in (2, 3):
        return True
    return np.shape(out[0]) != A.shape or np.size(out[1]) != 1


def _another_of_rank_k(out, A, k):
    """A matrix of rank at most k, with its own error, which is larger than it need be."""
    size, error = np.linalg.norm(A), np.linalg.norm(A - out[0])
    return (np.linalg.matrix_rank(out[0], tol=1e-6 * size) <= k and abs(out[1] - error) <= 1e-6 * size
            and error > rank_k(A, k)[1] + 1e-5 * size)


def _on_first_columns(A, k):
    B = np.linalg.qr(A[:, :k])[0]
    return B @ (B.T @ A), np.linalg.norm(A - B @ (B.T @ A))


def _centered(A, U, s, Vt, k):
    return A.mean(axis=0) + _centered_only(A, U, s, Vt, k)


def _centered_only(A, U, s, Vt, k):
    return rank_k(A - A.mean(axis=0), k)[0]


def _rank_k_slip(says, error=None, layers=None):
    """A slip in the error (of s and k), or in the matrix (of A, U, s, Vt and k), the other part being right."""
    def answer(A, k):
        U, s, Vt = np.linalg.svd(A, full_matrices=False)
        A_k, right, _ = rank_k(A, k)
        return layers(A, U, s, Vt, k) if layers else A_k, error(s, k, A) if error else right
    return Mistake(answer, says)


def _by_outer(matrix, keep):
    U, s, Vt = np.linalg.svd(matrix)
    total = sum(s[i] * np.outer(U[:, i], Vt[i]) for i in range(keep))
    return [total.tolist(), np.linalg.norm(s[keep:])]


def _by_projection(A, k):
    """Each row projected on the first k right singular vectors, from the eigenvectors of A^T A."""
    V = np.linalg.eigh(A.T @ A)[1][:, ::-1][:, :k]
    A_k = A @ V @ V.T
    return A_k, (np.linalg.norm(A)**2 - np.linalg.norm(A_k)**2)**0.5


def _spectral(A, k):
    return rank_k(A, k)[0], np.linalg.svd(A, compute_uv=False)[k], "spectral norm"


EXERCISES = [
    Exercise(
        id="E02.1", kind="P", minutes=5,
        asks="the two singular values of [[3, 0], [4, 5]]",
        hint="Their squares are the eigenvalues of A^T A, which is [[25, 20], [20, 25]]. Try the vectors (1, 1) and (1, -1).",
        answer=np.array([45**0.5, 5**0.5]),
        accepts=([6.7, 2.2], [6.71, 2.236], (5**0.5, 3 * 5**0.5), [[6.7082], [-2.2361]], np.float32([2.2361, 6.7082]),
                 {6.7082, 2.2361}, np.diag([6.7082, 2.2361])),
        mistakes=(
            Mistake(np.array([5.0, 3]), "Those are the eigenvalues of A. A is not symmetric, so they are not stretches."),
            Mistake(np.array([45.0, 5]), "Those are the eigenvalues of A^T A; one square root is missing."),
            Mistake(np.array([5.0, 5]), "Those are the lengths of the columns: how far A stretches the coordinate axes "
                                        "only. Other directions are stretched more, or less."),
            Mistake(np.array([41**0.5, 3]), "Those are the lengths of the rows: how far A^T stretches the coordinate axes "
                                            "only. Other directions are stretched more, or less."),
            Mistake(np.array([25.0, 25]), "That is the diagonal of A^T A: squared lengths of the columns. Its entries beside "
                                          "the diagonal are not zero."),
            Mistake(np.array([4 + 5**0.5, 4 - 5**0.5]), "You symmetrized A. Singular values come from A^T A, not from "
                                                        "the mean of A and A^T."),
            Mistake(np.array([5**0.5, 3**0.5]), "You took the roots of the eigenvalues of A. Take those of A^T A."),
            Mistake(np.array([45**0.5, 5]), "One of the two still needs its square root."),
            Mistake(np.array([45, 5**0.5]), "One of the two still needs its square root."),
            Mistake(np.array([50**0.5, 50**0.5]), "That is the Frobenius norm: the root of the sum of both squares. Asked for "
                                                  "are the two one by one."),
            Mistake(np.array([25.0, 9]), "Those are the squared eigenvalues of A, which are not the eigenvalues of A^T A."),
            Mistake(np.array([41.0, 9]), "That is the diagonal of A A^T: squared lengths of the rows. Its entries beside "
                                         "the diagonal are not zero."),
            Mistake(np.array([45**-0.5, 5**-0.5]), "Those are the stretches of the inverse. A^+ divides by what is asked "
                                                   "for here."),
        ),
        reads=_largest_first, tol=6e-3),
    Exercise(
        id="E02.2", kind="I", minutes=12,
        asks="pinv_svd(A, rtol=1e-12) -> A^+, an array of shape (n, m)",
        hint="Print s, 1 / s and the shapes of U, s and Vt for the 5 x 3 example, and follow one direction through.",
        answer=pinv_svd,
        instances=((RANK_TWO, 1e-12), (np.random.default_rng(0).standard_normal((7, 4)), 1e-12),
                   (np.random.default_rng(1).standard_normal((3, 6)), 1e-12),
                   (_with_singular_values(2, 8, 4, [3, 1.0]), 1e-12),
                   (1e-14 * _with_singular_values(3, 6, 5, [2, 1.0]), 1e-12),
                   (_with_singular_values(4, 6, 3, [1, 1e-3, 1e-7]), 1e-12),
                   (_with_singular_values(5, 5, 4, [1, 0.3, 1e-3]), 1e-2),
                   (_with_singular_values(6, 5, 4, [1, 0.3, 0.0103, 0.0097]), 1e-2)),
        accepts=(_by_terms, _by_scipy, _by_where, lambda A, rtol: np.linalg.pinv(A, rtol)),
        mistakes=(
            Mistake(says="You raised the small sigmas to the cutoff and divided by it: 1 / cutoff is loud. Where sigma counts as "
                         "zero, nothing is written.", **_instead_of_zero(lambda cut: 1 / cut)),
            Mistake(says="Where sigma counts as zero, you divide by 1, or write with weight 1. Nothing is to be written there.",
                    **_instead_of_zero(lambda cut: 1)),
            Mistake(_sigma_left,
                    "Where sigma counts as zero, you left sigma itself in the place of 1 / sigma. Nothing is to be written "
                    "there."),
            Mistake(_one_too_few,
                    "One direction is missing: the weakest sigma that does not count as zero. Count your slice, or look at "
                    "your comparison."),
            _another_scale(lambda A, s: max(A.shape) * s[0]),
            _another_scale(lambda A, s: np.sum(s)),
            _another_scale(lambda A, s: np.linalg.norm(A)),
            _another_scale(lambda A, s: np.max(np.abs(A))),
            Mistake(_no_cutoff,
                    "You divide by a sigma that is rounding noise, 1e-16 of sigma_1, and learn noise at full volume. Which "
                    "sigma should count as zero?", shows=_far_too_loud),
            Mistake(_absolute_cutoff, FIXED),
            Mistake(lambda A, rtol=1e-12: _absolute_cutoff(A, 1e-10), FIXED),
            Mistake(_wrong_side,
                    "You kept the directions whose sigma counts as zero, and left out the others. Look at your comparison."),
            Mistake(_not_transposed,
                    "numpy's svd already returned V transposed: its rows are the v_i. A^+ needs V itself, with the v_i as "
                    "columns."),
            Mistake(_scaled_terms(lambda s: s), MULTIPLIED),
            Mistake(lambda A, rtol=1e-12: A.T, MULTIPLIED),
            Mistake(_scaled_terms(lambda s: 1 / s, lambda U, V, w: U * w @ V.T),
                    "This is the transpose: A^+ maps targets back to weights, so its shape is n x m."),
            Mistake(_scaled_terms(lambda s: s, lambda U, V, w: U * w @ V.T), "You put A together again. A^+ divides by "
                                                                             "sigma, and goes from u_i to v_i."),
            Mistake(_scaled_terms(lambda s: 1 / s**2), "You divided by sigma twice. Reading b along u_i and dividing once "
                                                       "is enough."),
            Mistake(_scaled_terms(np.ones_like), "Nothing is divided by sigma here: U and V only turn, the volume is "
                                                 "missing."),
            Mistake(_by_eigenvectors, SQUARED),
            Mistake(_by_noisy_eigenvectors, SQUARED),
            Mistake(_by_noisy_roots, SQUARED),
            Mistake(_added,
                    "Adding a small number to sigma leaves no direction out: 1 / rtol is still loud, and it depends on the "
                    "units. Leave out the directions whose sigma counts as zero."),
            Mistake(lambda A, rtol=1e-12: pinv_svd(A, 1e-12),
                    "Your cutoff does not use rtol. With rtol = 0.01, directions below a hundredth of sigma_1 should be left "
                    "out."),
            Mistake(lambda A, rtol=1e-12: np.linalg.inv(A.T @ A) @ A.T, NO_INVERSE),
            Mistake(lambda A, rtol=1e-12: np.linalg.solve(A.T @ A, A.T), NO_INVERSE),
            Mistake(lambda A, rtol=1e-12: A.T @ np.linalg.inv(A @ A.T), NO_INVERSE),
        )),
    Exercise(
        id="E02.3", kind="P", minutes=5,
        asks="how far A^+ b moves if sigma = (10, 1, 0.01) and b moves by 0.1 along u_3",
        hint="Follow the three steps: read along u_3, divide, write along v_3.",
        answer=10.0,
        accepts=(-10, [10], (0, 0, 10), np.float32(10)),
        mistakes=(
            Mistake(0.001, "You multiplied by sigma_3; A^+ divides."),
            Mistake(0.1, "Orthogonal matrices preserve length, and U and V are orthogonal. The division between them is not."),
            Mistake(0.0, "That is truncation: small sigma thrown away. The pseudo-inverse keeps every sigma that is not zero."),
            Mistake(100.0, "That is 1 / sigma_3, for a move of length 1. By how much does b move?"),
            Mistake(1000.0, "You divided by sigma_3 twice, or gave sigma_1 / sigma_3, a bound for relative moves. Here b moves "
                            "along one known direction."),
            Mistake(0.01, "You divided by sigma_1, or gave sigma_3 itself. Along which direction does b move, and what does A^+ "
                          "do with its sigma?"),
            Mistake(1.0, "You multiplied by sigma_1. Along which direction does b move, and does A^+ multiply?"),
            Mistake(10.11, "You added the moves along all three directions. Along which direction does b move?"),
            Mistake((0.01**2 + 0.1**2 + 10**2)**0.5, "You let b move along all three directions. Along which one does it move?"),
        ),
        reads=lambda output: np.linalg.norm(np.asarray(output, float)), tol=4e-6),
    Exercise(
        id="E02.4", kind="X", minutes=8,
        asks="other_minimizer(A, b, seed) -> an x with the loss of A^+ b that is not A^+ b, or None if there is none",
        hint="Print np.linalg.norm(A @ z) for the vector z that you add, on a tall, a wide and a square singular A.",
        answer=other_minimizer, holds=_is_other_minimizer,
        instances=((np.array([[1.0, 1], [2, 2], [3, 3]]), np.array([1.0, 2, 4]), 0),
                   _fits(1, RANK_TWO), _fits(2, np.random.default_rng(12).standard_normal((3, 6))),
                   _fits(3, np.random.default_rng(13).standard_normal((6, 3))),
                   _fits(4, _with_singular_values(14, 4, 4, [5, 2.0])),
                   _fits(5, _with_singular_values(15, 9, 5, [1, 0.5, 0.1]) * np.geomspace(1, 1e6, 5)),
                   _fits(6, 1e-13 * np.random.default_rng(16).standard_normal((5, 3)))),
        accepts=(_by_projector, _by_null_space, _by_qr,
                 lambda A, b, seed: None if _rank(A) == A.shape[1] else other_minimizer(A, b, seed).astype(np.float32)),
        mistakes=(
            Mistake(lambda A, b, seed: _shortest(A, b),
                    "That is A^+ b itself, the shortest minimizer. Which vectors z can be added without changing Ax?"),
            Mistake(_unless_unique(lambda A, b, seed: _shortest(A, b)),
                    "None comes where it should, and elsewhere A^+ b itself. Which vectors z can be added without changing "
                    "Ax?"),
            Mistake(lambda A, b, seed: None,
                    "None says that the minimizer is unique. For two equal columns it is not."),
            Mistake(says="None came for a tall A, whose minimizer need not be unique. Compare the rank with the number of "
                         "columns: two columns may be equal.", **_none_where(lambda A: len(A) > A.shape[1])),
            Mistake(says="None came for a wide A, which has more columns than its rank. Compare the rank with the number of "
                         "columns, and note that full_matrices=False keeps only m of the n directions.",
                    **_none_where(lambda A: len(A) < A.shape[1])),
            Mistake(says="None came for a badly scaled A with dependent columns. A determinant, or a cutoff in units, does not "
                         "find the rank: compare each sigma with sigma_1.", **_none_where(lambda A: len(A) == 9)),
            Mistake(lambda A, b, seed: (_shortest(A, b) + np.ones(3) if np.linalg.norm(A) < 1e-9
                                        else other_minimizer(A, b, seed)),
                    "For an A in tiny units, with independent columns, a vector came instead of None. The units must not "
                    "matter: compare each sigma with sigma_1.",
                    shows=lambda out, A, b, seed: np.linalg.norm(A) < 1e-9 and isinstance(out, np.ndarray)),
            Mistake(lambda A, b, seed: False if _rank(A) == A.shape[1] else other_minimizer(A, b, seed),
                    "Where the minimizer is unique, return None itself: not False, an empty list or a text.",
                    shows=lambda out, A, b, seed: (_rank(A) == A.shape[1] and not (isinstance(out, str) and out == "none")
                                                   and np.size(out) < A.shape[1])),
            Mistake(_unless_unique(lambda A, b, seed: _shortest(A, b) if seed == 0 else other_minimizer(A, b, seed)),
                    "With seed 0 you add nothing. Let the seed start a generator, np.random.default_rng(seed), instead of "
                    "multiplying by it.",
                    shows=_on_minimizers(lambda out, A, x: np.linalg.norm(out - x) <= 1e-6 * np.linalg.norm(x))),
            Mistake(_unless_unique(lambda A, b, seed: _shortest(A, b) + np.linalg.svd(A)[0][:, -1]), NOT_WEIGHTS),
            Mistake(_unless_unique(_projected_target), NOT_WEIGHTS),
            Mistake(_unless_unique(lambda A, b, seed: np.round(other_minimizer(A, b, seed), 3)),
                    "Almost: A @ z is small and not zero. Did you round, or is your z outside null(A) and short?",
                    shows=_on_minimizers(lambda out, A, x: 1e-6 < _change(out, A, x) < 2e-3)),
            Mistake(_unless_unique(lambda A, b, seed: 0.9 * _shortest(A, b)),
                    "Yours is shorter than A^+ b, and no minimizer is. Compare the two losses.",
                    shows=_on_minimizers(lambda out, A, x: np.linalg.norm(out) < (1 - 1e-9) * np.linalg.norm(x))),
            Mistake(_unless_unique(lambda A, b, seed: 3 * np.linalg.svd(A)[2][-1] * np.linalg.norm(_shortest(A, b))),
                    "You returned a vector of null(A) alone. Add it to a minimizer.",
                    shows=_on_minimizers(lambda out, A, x: (np.linalg.norm(A @ out) <= 1e-9 * np.linalg.norm(A)
                                                            * np.linalg.norm(out) > 0))),
            Mistake(_unless_unique(_last_column),
                    "The added vector is not in null(A), so the loss changed. Print np.linalg.norm(A @ z), and remember that "
                    "numpy's svd returns V transposed.", shows=_on_minimizers(_raises_loss)),
            Mistake(_unless_unique(_last_row),
                    "Right except for a wide A: with full_matrices=False, svd returns only m of the n directions. The missing "
                    "ones are those that you need.",
                    shows=lambda out, A, b, seed: len(A) < A.shape[1] and _on_minimizers(_raises_loss)(out, A, b, seed)),
            Mistake(lambda A, b, seed: (_shortest(A, b) if _rank(A) == A.shape[1] else other_minimizer(A, b, seed)),
                    "One of the matrices has independent columns, so its minimizer is unique. Return None there.",
                    shows=lambda out, A, b, seed: _rank(A) == A.shape[1] and isinstance(out, np.ndarray)),
        )),
    Exercise(
        id="E02.5", kind="I", minutes=8,
        asks="rank_k(A, k) -> (A_k, error), the error from the singular values",
        hint="Try the diagonal matrix with 4, 2 and 1: with k = 1, which entries are missing?",
        answer=rank_k, reads=_with_norm, holds=_is_rank_k, diagnose=_which_part,
        instances=((np.diag([4.0, 2, 1]), 1), (np.random.default_rng(0).standard_normal((7, 5)), 2),
                   (np.random.default_rng(1).standard_normal((4, 6)), 2),
                   (_with_singular_values(2, 8, 6, [5, 4, 3, 2.0]), 2),
                   (np.random.default_rng(3).standard_normal((6, 4)) * np.geomspace(1, 1e6, 4), 1)),
        accepts=(_by_outer, _by_projection, lambda A, k: rank_k(A, k)[:2],
                 lambda A, k: (rank_k(A, k)[0], np.linalg.norm(A - rank_k(A, k)[0], 2), 2)),
        remarks=(
            Remark(_spectral, "Your error is in the spectral norm, as you say; the figure after this uses Frobenius.",
                   shows=lambda out, A, k: isinstance(out, tuple) and len(out) == 3 and out[2] == "spectral"),
        ),
        mistakes=(
            _rank_k_slip("That is the error in the spectral norm: the longest stretch that is missing. The Frobenius norm "
                         "counts all that are missing.", error=lambda s, k, A: s[k]),
            _rank_k_slip("The missing sigmas are summed. The layers are perpendicular to each other, and then squares add, "
                         "lengths do not.", error=lambda s, k, A: np.sum(s[k:])),
            _rank_k_slip("The matrix is right. The error leaves out one sigma: counted from 1, sigma_{k+1} is the first one "
                         "dropped.", error=lambda s, k, A: np.linalg.norm(s[k + 1:])),
            _rank_k_slip("The matrix is right. The error counts one sigma too many: sigma_k is kept.",
                         error=lambda s, k, A: np.linalg.norm(s[k - 1:])),
            _rank_k_slip("k + 1 layers are kept: counted from 1, sigma_{k+1} is the first one dropped.",
                         error=lambda s, k, A: np.linalg.norm(s[k + 1:]),
                         layers=lambda A, U, s, Vt, k: rank_k(A, k + 1)[0]),
            _rank_k_slip("k - 1 layers are kept: counted from 1, sigma_k is the last one kept.",
                         error=lambda s, k, A: np.linalg.norm(s[k - 1:]),
                         layers=lambda A, U, s, Vt, k: rank_k(A, k - 1)[0]),
            _rank_k_slip("The error is right, but the matrix has k + 1 layers.",
                         layers=lambda A, U, s, Vt, k: rank_k(A, k + 1)[0]),
            _rank_k_slip("The error is squared; take the root.", error=lambda s, k, A: np.sum(s[k:]**2)),
            _rank_k_slip("That is the size of what is kept. Asked for is what is missing.",
                         error=lambda s, k, A: np.linalg.norm(s[:k])),
            _rank_k_slip("That is the error relative to the size of A. Asked for is the error itself.",
                         error=lambda s, k, A: np.linalg.norm(s[k:]) / np.linalg.norm(s)),
            _rank_k_slip("That is the share of the energy that is lost. Asked for is the length of the error.",
                         error=lambda s, k, A: np.sum(s[k:]**2) / np.sum(s**2)),
            _rank_k_slip("That is the share of the energy that is kept. Asked for is the length of what is missing.",
                         error=lambda s, k, A: np.sum(s[:k]**2) / np.sum(s**2)),
            _rank_k_slip("That is the root mean square error of an entry: a fair measure, but the Frobenius norm does not "
                         "divide by the number of entries.", error=lambda s, k, A: np.linalg.norm(s[k:]) / A.size**0.5),
            _rank_k_slip("That is the mean square error of an entry. The Frobenius norm takes the root of the sum, without a mean.",
                         error=lambda s, k, A: np.sum(s[k:]**2) / A.size),
            _rank_k_slip("You subtracted two lengths. It is their squares that may be subtracted: Pythagoras.",
                         error=lambda s, k, A: np.linalg.norm(s) - np.linalg.norm(s[:k])),
            _rank_k_slip("The matrix is transposed: A_k has the shape of A.", layers=lambda A, U, s, Vt, k: rank_k(A, k)[0].T),
            _rank_k_slip("svd already returned V transposed: take its first k rows.",
                         layers=lambda A, U, s, Vt, k: U[:, :k] * s[:k] @ Vt[:, :k].T),
            _rank_k_slip("You kept the first k columns of A. Asked for are the first k directions, which are mixtures of "
                         "columns.", layers=lambda A, U, s, Vt, k: A * (np.arange(A.shape[1]) < k)),
            _rank_k_slip("Those are the coordinates along the k directions. Multiply by the first k rows of Vt to get pictures "
                         "again.", layers=lambda A, U, s, Vt, k: U[:, :k] * s[:k]),
            _rank_k_slip("You kept the k smallest sigmas: svd sorts them from large to small.",
                         layers=lambda A, U, s, Vt, k: U[:, -k:] * s[-k:] @ Vt[-k:]),
            _rank_k_slip("The first output is what is missing, A - A_k. Asked for is A_k.",
                         layers=lambda A, U, s, Vt, k: A - rank_k(A, k)[0]),
            _rank_k_slip("The error is right, but the matrix has k - 1 layers.",
                         layers=lambda A, U, s, Vt, k: rank_k(A, k - 1)[0]),
            _rank_k_slip("The matrix is layer number k alone. A_k is the sum of the layers 1 to k.",
                         layers=lambda A, U, s, Vt, k: s[k - 1] * np.outer(U[:, k - 1], Vt[k - 1])),
            _rank_k_slip("The sigmas are missing in your matrix: each layer u_i v_i^T is multiplied by its sigma_i.",
                         layers=lambda A, U, s, Vt, k: U[:, :k] @ Vt[:k]),
            _rank_k_slip("You kept the k smallest sigmas: svd sorts them from large to small.",
                         error=lambda s, k, A: np.linalg.norm(s[:-k]),
                         layers=lambda A, U, s, Vt, k: U[:, -k:] * s[-k:] @ Vt[-k:]),
            _rank_k_slip("That is a mean over the missing sigmas. The squares are added, and not divided by their number.",
                         error=lambda s, k, A: np.sqrt(np.mean(s[k:]**2))),
            *(_rank_k_slip("You subtracted the mean of each column first, as PCA does. Asked for is the best approximation of A "
                           "as it is.", layers=layers,
                           error=lambda s, k, A: rank_k(A - A.mean(axis=0), k)[1]) for layers in (_centered, _centered_only)),
            Mistake(lambda A, k: (*rank_k(A, k)[:2], "spectral"), "You name the spectral norm, and your error is the one in the "
                                                                  "Frobenius norm."),
            Mistake(lambda A, k: (rank_k(A, k)[0], np.sum(np.linalg.svd(A)[1][k:]), "nuclear"),
                    "Two norms are known here, Frobenius and spectral. Yours has another name.",
                    shows=lambda out, A, k: _is_read(out) and out[2] not in ("frobenius", "spectral")),
            Mistake(lambda A, k: (np.round(rank_k(A, k)[0], 3), round(rank_k(A, k)[1], 3)),
                    "Right to about 3 digits, and more can be had. Do you round?",
                    shows=lambda out, A, k: _is_read(out) and max(_parts(out, A, k)) < 1e-3),
            Mistake(_on_first_columns, "Your matrix has rank at most k, and the error belongs to it. But another matrix of rank "
                                       "k comes closer to A.", shows=lambda out, A, k: (
                                           _is_read(out) and (_is_rank_k(out, A, k) or _another_of_rank_k(out, A, k)))),
            Mistake(lambda A, k: rank_k(A, k)[1], "The error came alone. Return it after the matrix, as two values."),
            Mistake(lambda A, k: rank_k(A, k)[0], "The matrix came alone. Return it together with its error, as two values."),
            Mistake(lambda A, k: rank_k(A, k)[1::-1], "The two values came in the other order: first the matrix, then its "
                                                      "error."),
            Mistake(lambda A, k: {"A_k": rank_k(A, k)[0]},
                    "Asked for are two values: a matrix of the shape of A, and its error as one number. Print the shapes of both.",
                    shows=_not_two_values),
        )),
]

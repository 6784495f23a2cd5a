"""Lesson 08, Krylov subspaces and conjugate gradients: the best point that k gradients allow."""
import numpy as np

from .. import data
from ..checking import Exercise, Mistake, Remark, distance
from ..krylov import cg


class NotAVector(TypeError):
    """Raised by a Meter that is asked to multiply a matrix."""


class Meter:
    """A matrix that can only be multiplied by vectors (`A @ v`, `A.T @ u`, `A(v)`), and counts the products.

    Copies and the transpose share the matrix and the tally: `spent()` is the number of products that the copy
    used last has made. So a count can be read after a call on a copy, and each copy starts from zero.
    """

    def __init__(self, matrix, tally=None, own=None, transposed=False):
        self._matrix, self._tally, self._own = matrix, tally or {"last": 0}, own or {"made": 0}
        self._transposed = transposed
        self.shape, self.dtype = matrix.shape[::-1] if transposed else matrix.shape, matrix.dtype

    def __deepcopy__(self, memo):
        return type(self)(self._matrix, self._tally, transposed=self._transposed)

    def spent(self):
        return self._tally["last"]

    def __call__(self, v):
        v = v if isinstance(v, Meter) else np.asarray(v, float)
        if isinstance(v, Meter) or v.ndim > 2 or (v.ndim == 2 and v.shape[1] != 1):
            raise NotAVector("this matrix can only be multiplied by vectors")
        self._own["made"] += 1
        self._tally["last"] = self._own["made"]
        return (self._matrix.T if self._transposed else self._matrix) @ v

    __matmul__ = dot = matvec = __call__
    ndim = 2

    def __len__(self):
        return self.shape[0]

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if ufunc is not np.matmul or method != "__call__":
            raise NotAVector("this matrix can only be multiplied by vectors")
        left, right = inputs
        return left(right) if isinstance(left, Meter) else right.__rmatmul__(left)

    def __array_function__(self, function, types, args, kwargs):
        if function is np.dot:
            return self.__array_ufunc__(np.matmul, "__call__", *args)
        if function is np.transpose and len(args) == 1:
            return self.T
        raise NotAVector("this matrix can only be multiplied by vectors")

    def __rmatmul__(self, other):
        if np.ndim(other) != 1:
            raise NotAVector("this matrix can only be multiplied by vectors")
        return self.T(other)

    def rmatvec(self, u):
        return self.T(u)

    def __array__(self, *args, **kwargs):
        raise NotAVector("this matrix can only be multiplied by vectors")

    @property
    def T(self):
        return type(self)(self._matrix, self._tally, self._own, not self._transposed)

    def transpose(self):
        return self.T


class Product(Meter):
    """A Meter that can only be called, like the function H_mul of E08.1."""

    def __matmul__(self, v):
        raise TypeError("H_mul is a function: write H_mul(p), not H_mul @ p")


def _spd(seed, eigenvalues, scale=1.0):
    """A symmetric matrix with these eigenvalues, times scale, in seeded random directions."""
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(eigenvalues),) * 2))[0]
    H = scale * (Q * eigenvalues) @ Q.T
    return (H + H.T) / 2


def _vector(seed, n, scale=1.0):
    return scale * np.random.default_rng(1000 + seed).standard_normal(n)


# ----------------------------------------------------------------------- E08.1: conjugate gradients, in order
SHEWCHUK_H, SHEWCHUK_C = np.array([[3.0, 2], [2, 6]]), np.array([2.0, -8])


def _cg(H_mul, c, tol, maxiter):
    x, r = np.zeros_like(c), -c
    p, k = -r, 0
    while np.linalg.norm(r) > tol * np.linalg.norm(c) and k < maxiter:
        Hp = H_mul(p)
        alpha = (r @ r) / (p @ Hp)
        x, old, r = x + alpha * p, r, r + alpha * Hp
        p, k = -r + (r @ r) / (old @ old) * p, k + 1
    return x, k


def _cg_slip(beta=lambda new, old, Hp, p: (new @ new) / (old @ old),
             alpha=lambda r, p, Hp, Hr: (r @ r) / (p @ Hp),
             turn=lambda new, old, beta, p: -new + beta * p,
             update=lambda r, alpha, Hp, p: r + alpha * Hp,
             small=lambda r, c, step, x, tol, p: np.linalg.norm(r) <= tol * np.linalg.norm(c),
             start=-1, first=-1, count=0, needs_Hr=False):
    """Conjugate gradients with one line replaced."""
    def answer(H_mul, c, tol, maxiter):
        x, r, k, step = np.zeros_like(c), start * c, 0, np.full_like(c, np.inf)
        p = first * r
        while k < maxiter and not small(r, c, step, x, tol, p):
            Hp = H_mul(p)
            a = alpha(r, p, Hp, H_mul(r) if needs_Hr else None)
            x, step, old, r = x + a * p, a * p, r, update(r, a, Hp, p)
            p, k = turn(r, old, beta(r, old, Hp, p), p), k + 1
        return x, k + count
    return answer


def _cg_b_minus_Ax(H_mul, c, tol, maxiter):
    """The other sign of the residual, with the formula of Polak and Ribiere."""
    x, r, k = 0 * c, 1.0 * c, 0
    p = r
    while k < maxiter and r @ r > tol**2 * (c @ c):
        Hp = H_mul(p)
        alpha = (p @ r) / (p @ Hp)
        x, new = x + alpha * p, r - alpha * Hp
        p, r, k = new + new @ (new - r) / (r @ r) * p, new, k + 1
    return [list(x), k]


def _cg_lanczos(H_mul, c, tol, maxiter):
    """The Galerkin solution in the Lanczos basis."""
    x, k, V = 0 * c, 0, [c / (np.linalg.norm(c) or 1)]
    r = -c
    HV = []
    while np.linalg.norm(r) > tol * np.linalg.norm(c) and k < maxiter:
        HV.append(H_mul(V[-1]))
        basis, products = np.array(V).T, np.array(HV).T
        y = np.linalg.solve(basis.T @ products, basis.T @ c)
        x, r, k = basis @ y, products @ y - c, k + 1
        w = HV[-1]
        for _ in range(2):
            w = w - basis @ (basis.T @ w)
        V.append(w / (np.linalg.norm(w) or 1))
    return x, k


def _cg_recomputes(H_mul, c, tol, maxiter):
    x, r, k = np.zeros_like(c), -c, 0
    p = -r
    while np.linalg.norm(r) > tol * np.linalg.norm(c) and k < maxiter:
        x = x + (r @ r) / (p @ H_mul(p)) * p
        new = H_mul(x) - c
        p, r, k = -new + (new @ new) / (r @ r) * p, new, k + 1
    return x, k


def _cg_starts_with_a_product(H_mul, c, tol, maxiter):
    H_mul(np.zeros_like(c))
    return _cg(H_mul, c, tol, maxiter)


def _cg_until_maxiter(H_mul, c, tol, maxiter):
    return _cg(H_mul, c, tol, maxiter)[0], maxiter


def _cg_keeps_r(H_mul, c, tol, maxiter):
    """r = r_new is missing."""
    x, r = np.zeros_like(c), -c
    p, k = -r, 0
    while np.linalg.norm(r) > tol * np.linalg.norm(c) and k < maxiter:
        Hp = H_mul(p)
        alpha = (r @ r) / (p @ Hp)
        x, new = x + alpha * p, r + alpha * Hp
        p, k = -new + (new @ new) / (r @ r) * p, k + 1
    return x, k


def _cg_moves_late(H_mul, c, tol, maxiter):
    """x = x + alpha * p stands after p has turned."""
    x, r = np.zeros_like(c), -c
    p, k = -r, 0
    while np.linalg.norm(r) > tol * np.linalg.norm(c) and k < maxiter:
        Hp = H_mul(p)
        alpha = (r @ r) / (p @ Hp)
        old, r = r, r + alpha * Hp
        p = -r + (r @ r) / (old @ old) * p
        x, k = x + alpha * p, k + 1
    return x, k


def _cg_counts_from_one(H_mul, c, tol, maxiter):
    x, k = _cg(H_mul, c, tol, maxiter - 1)
    return x, k + 1


def _cg_asks_late(H_mul, c, tol, maxiter):
    if not np.any(c):
        return c * np.nan, 1
    return _cg(H_mul, c, tol, maxiter)


def _spread(shift, scale_H, scale_c, tol, maxiter=50):
    """A seeded problem whose residual passes tol between two steps, in units of H and c to choose."""
    H = _spd(shift, np.array([1.0, 2, 4, 5, 7, 9]), scale_H)
    return Product(H), _vector(shift, 6, scale_c), tol, maxiter


CG_CALLS = (
    (Product(SHEWCHUK_H), SHEWCHUK_C, 1e-10, 1),
    (Product(SHEWCHUK_H), SHEWCHUK_C, 1e-10, 20),
    (Product(_spd(0, np.geomspace(1, 50, 8))), _vector(0, 8), 1e-12, 3),
    _spread(1, 1.0, 1.0, 0.13),
    _spread(2, 1e6, 1.0, 0.13),
    _spread(3, 1.0, 1e6, 0.13),
    _spread(4, 1.0, 1e-6, 0.13),
    (Product(np.eye(3)), np.zeros(3), 1e-8, 9),
)


# ------------------------------------------------------------------------------ E08.2: forecasts of the steps
A_FEW_MORE = ("few more", "a few more", "a few more than 22", "22 and a few more")


def _steps_in_words(output):
    if isinstance(output, (list, tuple)) and len(output) == 2 and isinstance(output[1], str):
        return (output[0], 27.0) if output[1].casefold().strip(" .") in A_FEW_MORE else output
    return output


def _forecast(part, low, high, says, example):
    """A mistake in forecast (a) or (b), whatever the other one is."""
    answer = (example, 27.0) if part == 0 else (3.0, example)
    return Mistake(answer, says, shows=lambda out: isinstance(out, tuple) and low <= out[part] <= high)


def _forecast_holds(out):
    return out[0] in (3, 4) and 23 <= out[1] <= 35


# ------------------------------------------------------------ E08.3: least squares, A never multiplied by A^T
def _cgls(A, b, k):
    r = -b
    s = A.T @ r
    x, p = np.zeros_like(s), -s
    for _ in range(k):
        Ap = A @ p
        alpha = (s @ s) / (Ap @ Ap)
        x, r = x + alpha * p, r + alpha * Ap
        old, s = s, A.T @ r
        p = -s + (s @ s) / (old @ old) * p
    return x


def _cgls_slip(alpha=lambda s, p, Ap, r: (s @ s) / (Ap @ Ap),
               beta=lambda s, old, r, old_r: (s @ s) / (old @ old),
               x0=0.0, start=-1, first=-1, more=0, sign=1):
    """CGLS with one line replaced."""
    def answer(A, b, k):
        x = np.full(A.shape[1], x0)
        r = A @ x + start * b
        s = A.T @ r
        p = first * s
        for _ in range(k + more):
            Ap = A @ p
            a = alpha(s, p, Ap, r)
            old_r, old = r, s
            x, r = x + a * p, r + sign * a * Ap
            s = A.T @ r
            p = -s + beta(s, old, r, old_r) * p
        return x
    return answer


def _cgls_forms(A, b, k):
    H = A.T @ A
    return _cg(lambda v: H @ v, A.T @ b, 0, k)[0]


def _cgls_by_gradient(A, b, k):
    """The gradient s by recursion: conjugate gradients on the normal equations, with A^T(Ap)."""
    return _cg(lambda v: A.T @ (A @ v), A.T @ b, 0, k)[0]


def _cgls_recomputes(A, b, k):
    x = np.zeros(A.shape[1])
    s = A.T @ (A @ x - b)
    p = -s
    for _ in range(k):
        Ap = A @ p
        x = x + (s @ s) / (Ap @ Ap) * p
        old, s = s, A.T @ (A @ x - b)
        p = -s + (s @ s) / (old @ old) * p
    return x


def _lsqr(A, b, k):
    from scipy.sparse.linalg import lsqr
    return lsqr(A, b, atol=0, btol=0, conlim=0, iter_lim=k)[0]


def _cgls_polak(A, b, k):
    r = 1.0 * b
    s = A.T @ r
    x, p = 0 * s, s
    for _ in range(k):
        Ap = A @ p
        step = (p @ s) / (Ap @ Ap)
        x, r = x + step * p, r - step * Ap
        new = A.T @ r
        p, s = new + new @ (new - s) / (s @ s) * p, new
    return x[:, None]


def _with_singular_values(seed, m, n, s, consistent=False, scale=1.0):
    rng = np.random.default_rng(seed)
    U = np.linalg.qr(rng.standard_normal((m, len(s))))[0]
    V = np.linalg.qr(rng.standard_normal((n, len(s))))[0]
    A = scale * (U * s) @ V.T
    return A, A @ rng.standard_normal(n) if consistent else rng.standard_normal(m)


def _hard():
    """kappa(A) = 1e6, b consistent: the gradient keeps its digits if it is A^T r, not if it is a recursion."""
    A, b = _with_singular_values(6, 40, 4, np.geomspace(1, 1e-6, 4), consistent=True)
    return Meter(A), b, 16


def _loses_digits(out, A, b, k):
    """In the hard case A x meets b, and x is wrong all the same: along the smallest singular value."""
    return (k == 16 and np.shape(out) == (A.shape[1],) and distance(out, _cgls(A, b, k)) > 1e-7
            and np.linalg.norm(A @ out - b) <= 1e-8 * np.linalg.norm(b))


def _matrix(A):
    """The matrix of an A that may be a Meter, by its products."""
    return np.column_stack([A @ e for e in np.eye(A.shape[1])])


def _leaves_the_row_space(out, A, b, k):
    """In the cases with a null space, the part of `out` in it is not zero; other cases say nothing."""
    matrix = _matrix(A)
    if np.shape(out) != (A.shape[1],):
        return False
    if np.linalg.matrix_rank(matrix) == A.shape[1]:
        return True
    inside = np.linalg.pinv(matrix) @ (matrix @ out)
    return distance(inside, out) > 1e-4


_standard = data.standardized(data.diabetes().X, data.diabetes().y)
CGLS_CALLS = (
    (*_standard, 3),
    (*_with_singular_values(1, 12, 5, np.array([4.0, 3, 2, 1.5, 1])), 2),
    (*_with_singular_values(2, 10, 6, np.array([3.0, 2, 1])), 3),           # rank 3: A^+ b
    (*_with_singular_values(3, 4, 7, np.array([2.0, 1.5, 1, 0.5])), 4),     # wide: A^+ b
    (*_with_singular_values(4, 9, 4, np.array([4.0, 2, 1, 0.5]), scale=1e6), 2),
    (*(lambda A, b: (Meter(A), b))(*_with_singular_values(5, 15, 6, np.geomspace(5, 1, 6))), 3),
    _hard(),
)


# ---------------------------------------------------------------------------------- E08.4: is x in K_k(H, c)?
def _krylov_basis(H, c, k, passes=2, back=None):
    """Orthonormal columns that span K_k(H, c); back = 1 makes them perpendicular to the last one only."""
    Q, v = np.zeros((len(c), 0)), c
    for j in range(k):
        new = v
        if back is None:
            for _ in range(passes):
                new = new - Q @ (Q.T @ new)
        elif j:
            new = new - Q[:, -1] * (Q[:, -1] @ new)
        if np.linalg.norm(new) <= 1e-10 * np.linalg.norm(v):
            break
        Q = np.column_stack([Q, new / np.linalg.norm(new)])
        v = H @ Q[:, -1]
    return Q


def _inside(Q, x, tol=1e-8):
    return np.linalg.norm(x - Q @ (Q.T @ x)) <= tol * np.linalg.norm(x)


def _in_krylov(H, c, x, k):
    return _inside(_krylov_basis(H, c, k), x)


def _powers(H, c, k, normalize=False):
    columns = [c]
    while len(columns) < k:
        columns.append(H @ columns[-1])
    return np.column_stack([v / np.linalg.norm(v) for v in columns] if normalize else columns)


def _in_krylov_by_rank(H, c, x, k):
    K = _powers(H, c, k)
    return np.linalg.matrix_rank(np.column_stack([K, x])) == np.linalg.matrix_rank(K)


def _in_krylov_raw_lstsq(H, c, x, k):
    K = _powers(H, c, k)
    y = np.linalg.lstsq(K, x, rcond=None)[0]
    return np.linalg.norm(K @ y - x) <= 1e-8 * np.linalg.norm(x)


def _in_krylov_scaled_lstsq(H, c, x, k):
    K = _powers(H, c, k, normalize=True)
    y = np.linalg.lstsq(K, x, rcond=None)[0]
    return int(np.linalg.norm(K @ y - x) <= 1e-8 * np.linalg.norm(x))


def _in_krylov_by_qr(H, c, x, k):
    """Householder orthogonalization as it goes, with a stop."""
    Q = c[:, None] / np.linalg.norm(c)
    for _ in range(k - 1):
        longer, R = np.linalg.qr(np.column_stack([Q, H @ Q[:, -1]]))
        if abs(R[-1, -1]) < 1e-10 * np.linalg.norm(R[:, -1]):
            break
        Q = longer
    return np.linalg.norm(Q @ (Q.T @ x) - x) < 1e-9 * np.linalg.norm(x)


def _in_krylov_qr_endless(H, c, x, k):
    Q = c[:, None] / np.linalg.norm(c)
    for _ in range(k - 1):
        Q = np.linalg.qr(np.column_stack([Q, H @ Q[:, -1]]))[0]
    return _inside(Q, x)


def _in_krylov_absolute(H, c, x, k):
    Q = _krylov_basis(H, c, k)
    return np.linalg.norm(x - Q @ (Q.T @ x)) <= 1e-8


def _is_cg_iterate(H, c, x, k):
    return distance(_cg(lambda v: H @ v, c, 1e-14, k)[0], x) < 1e-8


def _krylov_cases():
    H, c = _spd(7, np.geomspace(1, 10, 10)), _vector(7, 10)
    descent, momentum, last = 0 * c, 0 * c, 0 * c
    for _ in range(4):
        descent = descent - 0.1 * (H @ descent - c)
        momentum, last = momentum - 0.15 * (H @ momentum - c) + 0.3 * (momentum - last), momentum
    best, solution = _cg(lambda v: H @ v, c, 0, 4)[0], np.linalg.solve(H, c)
    wide, c20 = _spd(8, np.geomspace(1, 10, 20)), _vector(8, 20)
    two, c_two = _spd(9, np.repeat([1.0, 4], 5)), _vector(9, 10)
    other = _vector(11, 10)
    return (
        (H, c, descent, 4), (H, c, descent, 3), (H, c, momentum, 4), (H, c, momentum, 3), (H, c, best, 4),
        (H, c, best, 3), (H, c, solution, 6), (H, c, solution, 10), (H, c, -3 * c, 1),
        (H, c, other, 5),
        (100 * wide, c20, np.linalg.solve(100 * wide, c20), 12),
        (H, c, 1e9 * momentum, 4), (H, c, 1e-12 * momentum, 3),
        (two, c_two, np.linalg.solve(two, c_two), 6),                  # K_k stops growing at k = 2
        (two, c_two, other, 10),
        (H, c, H @ c, 2),
        (H, c, best + 1e-5 * np.linalg.norm(best) * other / np.linalg.norm(other), 4),
    )


def _krylov_failure(said, H, c, x, k):
    Q = _krylov_basis(H, c, k)
    outside = np.linalg.norm(x - Q @ (Q.T @ x)) / np.linalg.norm(x)
    return (f"For one of the cases (H of shape {H.shape}, k = {k}) your test says {said}. "
            f"There the part of x outside K_k is {outside:.1e} times as long as x, so the right answer is "
            f"{not said}.")


# ------------------------------------------------------------------------------------ E08.5: a preconditioner
def _pcg(H, c, M=lambda r: r, tol=1e-8, maxiter=3000):
    x, r, k = np.zeros_like(c), -c, 0
    y = M(r)
    p = -y
    while np.linalg.norm(r) > tol * np.linalg.norm(c) and k < maxiter:
        Hp = H @ p
        ry = r @ y
        alpha = ry / (p @ Hp)
        x, r, k = x + alpha * p, r + alpha * Hp, k + 1
        y = M(r)
        p = -y + (r @ y) / ry * p
    return x, k


def _jacobi(H, c):
    return _pcg(H, c, lambda r: r / np.diag(H))


def _jacobi_by_scipy(H, c):
    from scipy.sparse.linalg import LinearOperator
    from scipy.sparse.linalg import cg as scipy_cg
    steps = []
    M = LinearOperator(H.shape, matvec=lambda v: np.ravel(v) / np.diag(H))
    options = {"rtol": 1e-8} if _has_rtol(scipy_cg) else {"tol": 1e-8}
    x, _ = scipy_cg(H, c, maxiter=3000, M=M, callback=steps.append, **options)
    return x, len(steps)


def _has_rtol(function):
    import inspect
    return "rtol" in inspect.signature(function).parameters


def _jacobi_by_scaling(H, c):
    root = 1 / np.sqrt(np.diag(H))
    y, k = _pcg(root[:, None] * H * root, root * c, tol=1e-10)
    return root * y, k


def _scaled_and_left(H, c):
    root = 1 / np.sqrt(np.diag(H))
    return _pcg(root[:, None] * H * root, root * c, tol=1e-10)


def _exact(H, c):
    return _pcg(H, c, lambda r: np.linalg.solve(H, r))


def _tridiagonal(H, c):
    """Solves with the three middle diagonals of H: for the chain this is H itself."""
    band = np.triu(np.tril(H, 1), -1)
    return _pcg(H, c, lambda r: np.linalg.solve(band, r))


def _residual(x, H, c):
    return np.linalg.norm(H @ x - c) / np.linalg.norm(c)


def _solves(x, H, c):
    """To 1e-8, measured in scaled units or not; with more room if x comes in single precision."""
    single = np.array_equal(x, np.float32(x))
    return _residual(x, H, c) <= (1e-5 if single else 2e-7)


def _preconditioned(out, H, c):
    return bool(_solves(out[0], H, c) and 0 < out[1] <= 1.4 * _jacobi(H, c)[1] + 5)


def _about_as_many(M):
    """A sign: as many products as with this M, to a few percent, or the same failure to arrive."""
    def shows(out, H, c):
        k = _pcg(H, c, M(H))[1]
        return abs(out[1] - k) <= 0.04 * k
    return shows


def _worse_than_none(out, H, c):
    return out[1] > 1.3 * _pcg(H, c)[1] or not np.all(np.isfinite(out[0]))


def _where_it_stands(out, H, c):
    reached, enough = _residual(out[0], H, c), _jacobi(H, c)[1]
    return (f"For H of shape {H.shape} your x leaves ||Hx - c|| at {reached:.1e} ||c||, after {out[1]:g} products. "
            f"Asked for is 1e-8 ||c||; the diagonal allows it in {enough} products.")


def _jacobi_as_array(H, c):
    solution = cg(lambda v: H @ v, c, tol=1e-8, M=1 / np.diag(H))
    return solution.x, solution.products


def _jacobi_of_all_entries(H, c):
    solution = cg(lambda v: H @ v, c, tol=1e-8, M=lambda r: (1 / H) @ r)
    return solution.x, solution.products


def _stops_early(out, H, c):
    """Not there yet, in at most as many products as Jacobi needs."""
    return not _solves(out[0], H, c) and _residual(out[0], H, c) < 0.5 and 1 < out[1] <= _jacobi(H, c)[1]


def _scaled_on_one_side(H, c):
    d = np.diag(H)
    solution = cg(lambda v: (H @ v) / d, c / d, tol=1e-8, maxiter=3000)
    return solution.x, solution.products


def _is_lost(out, H, c):
    return not _residual(out[0], H, c) < 1.5


def _not_scaled_back(out, H, c):
    return not _solves(out[0], H, c) and _solves(out[0] / np.sqrt(np.diag(H)), H, c)


def chain(n=200, link=0.96, spread=1e4):
    """The matrix of the notebook: a chain of n links, in units that differ by up to `spread`."""
    T = 2 * np.eye(n) - link * (np.eye(n, k=1) + np.eye(n, k=-1))
    root = np.sqrt(np.geomspace(1, spread, n))
    return root[:, None] * T * root


def _badly_scaled(seed, n, spread):
    """A seeded random symmetric matrix with a dominant diagonal, in units drawn at random."""
    rng = np.random.default_rng(seed)
    W = rng.random((n, n)) * (rng.random((n, n)) < 3 / n)
    W = W + W.T
    T = np.diag(1.05 * W.sum(axis=1) + 0.05) - W
    root = np.sqrt(10 ** rng.uniform(0, np.log10(spread), n))
    return root[:, None] * T * root, rng.standard_normal(n)


EXERCISES = [
    Exercise(
        id="E08.1", kind="R", minutes=12,
        asks="cg(H_mul, c, tol, maxiter) -> (x, k), one product with H a step",
        hint="Run it for H = [[3, 2], [2, 6]] and c = (2, -8), one step at a time: the lesson prints both "
             "iterates.",
        answer=_cg,
        instances=CG_CALLS,
        accepts=(_cg_b_minus_Ax, _cg_lanczos, _cg_slip(),
                 _cg_slip(beta=lambda new, old, Hp, p: (new @ Hp) / (p @ Hp)),
                 lambda product, right, tol, most: [part for part in _cg(product, right, tol, most)]),
        mistakes=(
            Mistake(_cg_slip(beta=lambda *_: 0.0),
                    "Without beta p each step goes straight down the gradient, with the exact step length. "
                    "That is steepest descent: it zig-zags."),
            Mistake(_cg_slip(beta=lambda new, old, Hp, p: (old @ old) / (new @ new)),
                    "Your beta is old over new. It is new over old: it shrinks when the residual shrinks."),
            Mistake(_cg_slip(turn=lambda new, old, beta, p: -new - beta * p),
                    "A sign: the new direction is -r + beta p. With -r - beta p it is not conjugate to p."),
            Mistake(_cg_slip(turn=lambda new, old, beta, p: new + beta * p),
                    "Your new direction starts from +r, which points uphill. Downhill is -r."),
            Mistake(_cg_slip(first=1),
                    "Your first direction is r itself, which points uphill. Downhill is -r."),
            Mistake(_cg_slip(first=1, turn=lambda new, old, beta, p: new + beta * p),
                    "Your directions are made from +r. With r = Hx - c that is uphill: use -r, also at the "
                    "start."),
            Mistake(_cg_slip(start=1, first=1),
                    "You start with r = c, the residual c - Hx, and go on as if r were Hx - c. Choose one of "
                    "them for all lines."),
            Mistake(_cg_moves_late,
                    "Your x moves along the new p, but alpha was made for the old one. Move x before p "
                    "turns."),
            Mistake(_cg_slip(turn=lambda new, old, beta, p: p),
                    "Your direction never changes, so each step goes along the same line. At the end of a "
                    "step p has to turn."),
            Mistake(_cg_slip(turn=lambda new, old, beta, p: -old + beta * p),
                    "Your new direction is made from the old residual. Update r first, then turn p."),
            Mistake(_cg_slip(beta=lambda new, old, Hp, p: np.linalg.norm(new) / np.linalg.norm(old)),
                    "Your beta is a ratio of lengths. It is the ratio of their squares, r @ r."),
            Mistake(_cg_slip(beta=lambda *_: 1.0),
                    "Your beta is always 1: the old r @ r must be kept before r is overwritten."),
            Mistake(_cg_slip(alpha=lambda r, p, Hp, Hr: (r @ r) / (p @ p)),
                    "Your step length has p @ p below the line. The curvature along p is p @ Hp."),
            Mistake(_cg_slip(alpha=lambda r, p, Hp, Hr: (r @ r) / (r @ Hr), needs_Hr=True),
                    "Your step length has r @ Hr below the line: that is the curvature along r, but the "
                    "step goes along p."),
            Mistake(_cg_slip(update=lambda r, alpha, Hp, p: r + alpha * p),
                    "Your residual moves by alpha p. When x moves by alpha p, Hx - c moves by alpha Hp."),
            Mistake(_cg_slip(update=lambda r, alpha, Hp, p: r - alpha * Hp),
                    "Your residual moves the wrong way: r = Hx - c grows by +alpha Hp when x grows by "
                    "+alpha p."),
            Mistake(_cg_slip(start=1),
                    "You solve Hx = -c. At x = 0 the residual Hx - c is -c."),
            Mistake(_cg_slip(small=lambda r, c, step, x, tol, p: step @ step <= tol**2 * (x @ x)),
                    "You stop when the step is short. A small step is not a small residual: test the length "
                    "of r."),
            Mistake(_cg_slip(small=lambda r, c, step, x, tol, p: np.linalg.norm(step) <= tol),
                    "You stop when the step is short. A small step is not a small residual: test the length "
                    "of r."),
            Mistake(_cg_slip(small=lambda r, c, step, x, tol, p: np.linalg.norm(r) <= tol or not np.any(c)),
                    "Your tolerance is absolute, so it depends on the units of c. Compare the length of r "
                    "with tol times the length of c."),
            Mistake(_cg_slip(small=lambda r, c, step, x, tol, p: r @ r <= tol * (c @ c)),
                    "You compare squared lengths with tol. Then tol must be squared too."),
            Mistake(_cg_keeps_r,
                    "The residual stays what it was at the start. At the end of each step the new one takes "
                    "its place."),
            Mistake(lambda H_mul, c, tol, maxiter: _cg(H_mul, c, tol, maxiter + 1),
                    "You make one step more than maxiter allows: k counts the steps made so far."),
            Mistake(lambda H_mul, c, tol, maxiter: _cg(H_mul, c, tol, 10_000),
                    "You do not stop after maxiter steps."),
            Mistake(_cg_counts_from_one,
                    "You count from k = 1, so one step is missing where maxiter ends the loop. No step, "
                    "k = 0."),
            Mistake(_cg_slip(small=lambda r, c, step, x, tol, p: p @ p <= tol**2 * (c @ c)),
                    "You stop by the length of the direction p. What should be small is the residual r."),
            Mistake(_cg_until_maxiter,
                    "Your k is always maxiter: stop as soon as the residual is small, and return the steps "
                    "really made."),
            Mistake(_cg_slip(count=1), "Your x is right and your k is one too many: no step, k = 0."),
            Mistake(_cg_slip(count=-1), "Your x is right and your k is one too few: after the first step, k "
                                        "= 1."),
            Mistake(_cg_asks_late,
                    "For c = 0 the start is the solution, and your first step divides 0 by 0. Ask about the "
                    "residual before the first step.",
                    shows=lambda out, H_mul, c, tol, maxiter: not (np.any(c) or np.all(np.isfinite(out[0])))),
            Mistake(_cg_slip(small=lambda r, c, step, x, tol, p: False),
                    "Your loop goes on when the residual is 0, and then divides 0 by 0. Stop as soon as its "
                    "length is at most tol times that of c.",
                    shows=lambda out, H_mul, c, tol, maxiter: out[1] == maxiter),
        ),
        remarks=(
            Remark(_cg_recomputes, "You use two products with H in each step: right, and twice the cost. "
                                   "Computed once, Hp serves alpha and r.",
                   shows=lambda out, H_mul, c, tol, maxiter: out[1] >= 2 and H_mul.spent() >= 2 * out[1]),
            Remark(_cg_starts_with_a_product, "One product is spent on x = 0, where the residual is known "
                                              "to be -c.",
                   shows=lambda out, H_mul, c, tol, maxiter: out[1] >= 2 and H_mul.spent() == out[1] + 1),
        )),
    Exercise(
        id="E08.2", kind="P", minutes=6,
        asks="the number of CG steps (a) for three clusters, (b) for [1, 10] with one outlier, as (a, b)",
        hint="After k steps the error is p(H) e_0 with a polynomial of degree k. Where would you place its "
             "k roots?",
        answer=(3.0, 27.0),
        holds=_forecast_holds,
        reads=_steps_in_words,
        accepts=([3, 27], (4, 24), ((3,), (30,)), (3, "a few more"), [3, "A few more than 22"], (3.0, 35)),
        mistakes=(
            _forecast(0, 49, 51, "(a) n steps is the worst case, when all n eigenvalues differ. Here many "
                                 "are equal.", 50.0),
            _forecast(0, 10, 10, "(a) The square root of kappa bounds spectra that are spread out. This one "
                                 "sits on a few points.", 10.0),
            _forecast(0, 99, 101, "(a) kappa(H) steps is the scale of gradient descent.", 100.0),
            _forecast(0, 5, 49,
                      "(a) Fewer suffice. How often an eigenvalue occurs does not matter: one root serves "
                      "all its copies.",
                      5.0),
            _forecast(0, 1, 2, "(a) A polynomial of that degree has too few roots to vanish on all "
                               "eigenvalues.", 2.0),
            _forecast(1, 650, 800, "(b) The bound sees only kappa(H). The polynomial can spend one root on "
                                   "the outlier.", 725.0),
            _forecast(1, 22, 22, "(b) The outlier is not free: a polynomial that ignores it is huge there.",
                                 22.0),
            _forecast(1, 99, 101, "(b) That is n, or the square root of kappa(H). Neither sees that one "
                                  "eigenvalue stands alone.", 100.0),
            _forecast(1, 9_000, 11_000, "(b) kappa(H) steps is the scale of gradient descent.", 10_000.0),
            _forecast(1, 44, 44, "(b) One more eigenvalue needs one more root, not twice as many.", 44.0),
            _forecast(1, 1, 21, "(b) An additional eigenvalue never makes the worst case easier: the "
                                "polynomial has one more point to be small at.", 11.0),
            _forecast(1, 36, 649,
                      "(b) That is more than one additional eigenvalue costs. Place one root on it, and "
                      "think of the rest as before.", 200.0),
        )),
    Exercise(
        id="E08.3", kind="I", minutes=10,
        asks="cgls(A, b, k) -> x after k steps from 0, with products A @ v and A.T @ u only",
        hint="Compare with your cg on A.T @ A, for a small A. The iterates must agree to many digits.",
        answer=_cgls,
        instances=CGLS_CALLS,
        accepts=(_lsqr, _cgls_polak, _cgls_slip(), lambda matrix, b, steps: list(_cgls(matrix, b, steps))),
        mistakes=(
            Mistake(_cgls_forms,
                    "A.T @ A is formed here, or A goes whole into a library function. Multiply p by A and "
                    "the residual by A.T, vectors only: nothing else may be known of A."),
            Mistake(_cgls_by_gradient,
                    "Right in exact arithmetic, but with kappa(A) = 1e6 a gradient updated by recursion "
                    "loses half of the digits. Update r in the space of b, and compute the gradient from it "
                    "as A.T @ r.",
                    shows=_loses_digits),
            Mistake(_cgls_slip(x0=1.0),
                    "Your iteration does not start at 0. What the start has in the null space of A stays "
                    "there for good.",
                    shows=_leaves_the_row_space),
            Mistake(_cgls_slip(more=1), "That is one step too many."),
            Mistake(_cgls_slip(more=-1), "That is one step too few: count the steps, not the gradients."),
            Mistake(lambda A, b, k: np.linalg.pinv(_matrix(A)) @ b,
                    "That is where the iteration ends, A^+ b. Asked for is the k-th iterate on the way."),
            Mistake(_cgls_slip(alpha=lambda s, p, Ap, r: (s @ s) / (p @ p)),
                    "Your step length has p @ p below the line. The curvature along p is the squared length "
                    "of Ap."),
            Mistake(_cgls_slip(alpha=lambda s, p, Ap, r: (s @ s) / np.linalg.norm(Ap)),
                    "Your step length divides by the length of Ap. Its square belongs there."),
            Mistake(_cgls_slip(alpha=lambda s, p, Ap, r: (r @ r) / (Ap @ Ap)),
                    "Your step length uses r, which lives in the space of b. Above the line belongs the "
                    "gradient s = A.T @ r."),
            Mistake(_cgls_slip(beta=lambda s, old, r, old_r: (r @ r) / (old_r @ old_r)),
                    "Your beta is made from r, which lives in the space of b and need not shrink to 0. It "
                    "is made from the gradient s = A.T @ r."),
            Mistake(_cgls_slip(beta=lambda *_: 0.0),
                    "Without beta p this is steepest descent with exact steps."),
            Mistake(_cgls_slip(beta=lambda s, old, r, old_r: (old @ old) / (s @ s)),
                    "Your beta is old over new. It is new over old."),
            Mistake(_cgls_slip(sign=-1),
                    "Your residual moves the wrong way: r = Ax - b grows by +alpha Ap when x grows by "
                    "+alpha p."),
            Mistake(_cgls_slip(first=1),
                    "Your first direction is the gradient s itself, which points uphill."),
            Mistake(_cgls_slip(beta=lambda *_: 1.0),
                    "Your beta is always 1: keep the old s @ s before s is overwritten."),
            Mistake(_cgls_slip(start=1), "You fit -b: at x = 0 the residual Ax - b is -b."),
        ),
        remarks=(
            Remark(_cgls_recomputes, "You use more than two products in each step: right, and more than "
                                     "needed. With Ap at hand, only A.T @ r is left to compute.",
                   shows=lambda out, A, b, k: isinstance(A, Meter) and A.spent() > 2 * k + 2),
        ),
        tol=1e-7),
    Exercise(
        id="E08.4", kind="T", minutes=8,
        asks="in_krylov(H, c, x, k) -> True or False: is x in span{c, Hc, ..., H^(k-1) c}?",
        hint="Build an orthonormal basis one product at a time, then look at the part of x outside it, "
             "relative to x.",
        answer=_in_krylov,
        instances=_krylov_cases(),
        accepts=(_in_krylov_by_qr, _in_krylov_scaled_lstsq,
                 lambda H, c, x, k: np.bool_(_inside(_krylov_basis(H, c, k, passes=3), x, 1e-9))),
        mistakes=(
            Mistake(_in_krylov_by_rank,
                    "The columns c, Hc, H^2 c, ... grow and become parallel: with H times 100 your test "
                    "claims H^-1 c in K_12, and it is not. Orthonormalize as you go."),
            Mistake(_in_krylov_raw_lstsq,
                    "The columns c, Hc, H^2 c, ... grow and become parallel: with H times 100 your test "
                    "claims H^-1 c in K_12, and it is not. Orthonormalize as you go."),
            Mistake(_is_cg_iterate,
                    "You compare with the CG iterate. To be in the space does not mean to be the best point "
                    "of it."),
            Mistake(_in_krylov_absolute,
                    "Your tolerance is absolute: it rejects an x inside that is large, and accepts an x "
                    "outside that is small. Compare with the length of x."),
            Mistake(lambda H, c, x, k: _inside(_krylov_basis(H, c, k), x, 1e-4),
                    "Your tolerance is too wide: an x with a part of 1e-5 of its length outside K_k passes."),
            Mistake(lambda H, c, x, k: np.linalg.norm(H @ x - c) <= 1e-8 * np.linalg.norm(c),
                    "You test whether x solves Hx = c. The question is whether x is a combination of c, Hc, "
                    "..., H^(k-1) c."),
            Mistake(lambda H, c, x, k: _inside(np.linalg.qr(np.array([H**j @ c for j in range(k)]).T)[0], x),
                    "H ** j raises each entry of H to the power j. Multiply the last vector by H instead."),
            Mistake(lambda H, c, x, k: _in_krylov(H, c, x, k + 1),
                    "Your space has one power too many: K_k ends with H^(k-1) c."),
            Mistake(lambda H, c, x, k: _in_krylov(H, c, x, k - 1) if k > 1 else False,
                    "Your space has one power too few: K_1 already holds c."),
            Mistake(lambda H, c, x, k: _inside(_krylov_basis(H, H @ c, k), x),
                    "Your space starts with Hc. The first vector is c itself."),
            Mistake(_in_krylov_qr_endless,
                    "In one case H has only two distinct eigenvalues, K_k stops growing at k = 2, and your "
                    "test says True to any x. A new vector that brings nothing new is rounding noise: leave "
                    "it out, and test x against the basis you have."),
            Mistake(lambda H, c, x, k: _in_krylov(H, c, x, k) and _krylov_basis(H, c, k).shape[1] == k,
                    "In one case K_k stops growing at k = 2, and your test says False to any x. When a new "
                    "vector brings nothing new, the basis is complete: test x against it."),
            Mistake(lambda H, c, x, k: _inside(_powers(H, c, k, normalize=True), x),
                    "Your basis vectors are not all perpendicular to each other, so Q @ Q.T is no "
                    "projection. Take from each new vector its parts along all earlier ones."),
            Mistake(lambda H, c, x, k: _inside(_krylov_basis(H, c, k, back=1), x),
                    "Your basis vectors are not all perpendicular to each other, so Q @ Q.T is no "
                    "projection. Take from each new vector its parts along all earlier ones."),
            Mistake(lambda H, c, x, k: True, "Your test says True to everything. Which x should it reject?"),
            Mistake(lambda H, c, x, k: False, "Your test says False to everything, also to a multiple of c."),
        ),
        diagnose=_krylov_failure),
    Exercise(
        id="E08.5", kind="I", minutes=8,
        asks="jacobi_cg(H, c) -> (x, products), to ||Hx - c|| <= 1e-8 ||c||",
        hint="M gets a residual and returns what D^-1 makes of it, entry by entry; print the number of "
             "products.",
        answer=_jacobi,
        instances=((chain(), np.ones(200)), (chain(150, 0.9, 1e5), _vector(20, 150)),
                   _badly_scaled(21, 120, 1e4), _badly_scaled(22, 120, 1e5)),
        accepts=(_jacobi_by_scipy, _jacobi_by_scaling, _tridiagonal, lambda H, c: list(_jacobi(H, c))),
        holds=_preconditioned,
        diagnose=_where_it_stands,
        mistakes=(
            Mistake(lambda H, c: _pcg(H, c, lambda r: r * np.diag(H)),
                    "With your M it takes longer than without. M applies an approximate inverse of H: "
                    "multiplied by the diagonal, it is none.",
                    shows=_worse_than_none),
            Mistake(lambda H, c: _pcg(H, c, lambda r: r / np.diag(H)**2),
                    "Your M divides by the diagonal twice. One division makes every diagonal entry of M H "
                    "equal to 1, the second turns the differences around.",
                    shows=_about_as_many(lambda H: lambda r: r / np.diag(H)**2)),
            Mistake(lambda H, c: _pcg(H, c, lambda r: r / np.diag(H), tol=1e-5),
                    "Your M works and the solver stops too early: ||Hx - c|| is still above 1e-8 ||c||. With "
                    "which tolerance, and after how many steps at most, does it stop?",
                    shows=_stops_early),
            Mistake(_jacobi_as_array,
                    "It stopped with a ValueError, as it does with an array in the place of a function: M and "
                    "H are both handed over as functions of a vector. If yours are functions, print the "
                    "shapes of what they return."),
            Mistake(_jacobi_of_all_entries,
                    "The solver gave up after its first product: what your M returns is not finite, or M is "
                    "not positive definite. Only the diagonal is inverted.",
                    shows=lambda out, H, c: out[1] <= 1 and not _solves(out[0], H, c)),
            Mistake(lambda H, c: _pcg(H, c, lambda r: r / np.sqrt(np.diag(H))),
                    "Better, but that is half of the scaling: you divide by the square root of the diagonal.",
                    shows=_about_as_many(lambda H: lambda r: r / np.sqrt(np.diag(H)))),
            Mistake(_pcg,
                    "That is as many products as without M. Does your M reach the solver, and does it treat "
                    "the entries differently?", shows=_about_as_many(lambda H: lambda r: r)),
            Mistake(_scaled_and_left,
                    "You solved the scaled system and returned its unknown. The scaling has to be undone "
                    "once for x.",
                    shows=_not_scaled_back),
            Mistake(_scaled_on_one_side,
                    "You hand M H and M c to CG, and the product of two symmetric matrices is in general not "
                    "symmetric: CG may converge or blow up. Hand over H and c as they are, and M beside "
                    "them.",
                    shows=_is_lost),
        ),
        remarks=(
            Remark(_exact, "At most two products: your M solves with H itself. Perfect and pointless, for "
                           "whoever can solve with H needs no CG.", shows=lambda out, H, c: out[1] <= 2),
        ),
        seconds=10.0),
]

"""Lesson 09, Jacobians you can only multiply by: backward, forward and second-order products of a small network."""
import re

import numpy as np

from ..checking import Exercise, Mistake, Remark, distance

# The network of this lesson: h = tanh(X W1^T + b1) W2^T + b2, sizes (d, q, K), and F = 1/(2N) ||h - Y||^2.
# theta holds [W1, b1] and [W2, b2] in C order, as `utils.network` does.


def unpack(theta, sizes):
    d, q, K = sizes
    first, second = theta[:q * (d + 1)].reshape(q, d + 1), theta[q * (d + 1):].reshape(K, q + 1)
    return first[:, :-1], first[:, -1], second[:, :-1], second[:, -1]


def pack(W1, b1, W2, b2):
    return np.concatenate([np.column_stack([W1, b1]).ravel(), np.column_stack([W2, b2]).ravel()])


def _outputs(theta, sizes, X):
    W1, b1, W2, b2 = unpack(theta, sizes)
    return np.tanh(X @ W1.T + b1) @ W2.T + b2


def _loss(theta, sizes, X, Y):
    return np.sum((_outputs(theta, sizes, X) - Y)**2) / (2 * len(X))


def _network(seed, d, q, K, N, scale=1.0):
    """A seeded random (theta, sizes, X, Y); the inputs are `scale` times larger, the weights that meet them smaller."""
    rng = np.random.default_rng(seed)
    W1, X = rng.standard_normal((q, d)) / scale, scale * rng.standard_normal((N, d))
    theta = pack(W1, rng.standard_normal(q) / 2, rng.standard_normal((K, q)), rng.standard_normal(K))
    return theta, (d, q, K), X, 2 * rng.standard_normal((N, K))


NETWORKS = (_network(0, 2, 3, 1, 5), _network(1, 4, 5, 2, 7), _network(2, 3, 4, 3, 2), _network(3, 2, 6, 2, 9, scale=20.0))


def _along(seed, with_targets):
    """The networks, each with a direction v."""
    for k, (theta, sizes, X, Y) in enumerate(NETWORKS):
        v = np.random.default_rng(seed + k).standard_normal(theta.size)
        v[:sizes[1] * (sizes[0] + 1)] *= np.abs(theta[0]) if np.abs(X).max() > 15 else 1
        yield (theta, sizes, X, Y, v) if with_targets else (theta, sizes, X, v)


def _digits_lost(out, truth):
    return 1e-12 < distance(out, truth)


def _torch_order(theta, sizes):
    """The same numbers with each layer's weights first and its biases after them."""
    return np.concatenate([part.ravel() for part in unpack(np.asarray(theta), sizes)])


LAYOUT = "Right numbers, other layout: in theta the bias is the last column of its block. The function pack does it."
COMPLEX = "Your answer is complex. Which part of a complex step is the derivative, and is it taken last?"
ALL_ENTRIES = "You divide by all N K entries. F is a mean over the N samples and a sum over the K outputs."


def _array(output):
    """Whether an output is one array of numbers, in whatever shape."""
    return isinstance(output, (np.ndarray, list, tuple)) and np.asarray(output).dtype.kind in "iuf"


# ------------------------------------------------------------------------------------------- E09.1: backpropagation
def _slope(Z, S):
    return 1 - S**2


def mlp_grad(theta, sizes, X, Y):
    return _backward()(theta, sizes, X, Y)


def _backward(slope=_slope, residual=lambda h, Y: h - Y, count=lambda N, K: N, bias=np.sum, last=lambda X, Z, S: S,
              back=lambda U, W2: U @ W2, top=lambda h: 1, forward=lambda X, W1, b1: X @ W1.T + b1, layout=pack):
    """mlp_grad with one piece replaced."""
    def answer(theta, sizes, X, Y):
        W1, b1, W2, b2 = unpack(theta, sizes)
        Z = forward(X, W1, b1)
        S = np.tanh(Z)
        h = S @ W2.T + b2
        U = residual(h, Y) * top(h) / count(*Y.shape)
        D = back(U, W2) * slope(Z, S)
        return layout(D.T @ X, bias(D, axis=0), U.T @ last(X, Z, S), bias(U, axis=0))
    return answer


def _by_samples(theta, sizes, X, Y):
    """A sample at a time, as a list."""
    W1, b1, W2, b2 = unpack(theta, sizes)
    total = np.zeros_like(theta)
    for x, y in zip(X, Y):
        s = np.tanh(W1 @ x + b1)
        u = (W2 @ s + b2 - y) / len(X)
        e = (W2.T @ u) / np.cosh(W1 @ x + b1)**2
        total += pack(np.outer(e, x), e, np.outer(u, s), u)
    return total.tolist()


def _by_einsum(theta, sizes, X, Y):
    W1, b1, W2, b2 = unpack(theta, sizes)
    S = np.tanh(np.einsum("nd,qd->nq", X, W1) + b1)
    U = (np.einsum("nq,kq->nk", S, W2) + b2 - Y) / len(X)
    D = np.einsum("nk,kq->nq", U, W2) * (1 - S * S)
    ones = np.ones((len(X), 1))
    first, second = (np.einsum("no,ni->oi", B, np.hstack([A, ones])) for B, A in ((D, X), (U, S)))
    return np.hstack([first.ravel(), second.ravel()])[:, None]


def _by_complex_steps(theta, sizes, X, Y):
    steps = 1e-30j * np.eye(theta.size)
    return [np.imag(np.sum((_outputs(theta + e, sizes, X) - Y)**2)) / 1e-30 / (2 * len(X)) for e in steps]


def _by_differences(theta, sizes, X, Y):
    steps = np.diag(1e-5 * np.abs(theta))
    return np.array([(_loss(theta + e, sizes, X, Y) - _loss(theta - e, sizes, X, Y)) / (2 * e.max()) for e in steps])


def _which_part(out, theta, sizes, X, Y):
    """Names the parts that are off, if some are right; and two usual slips at once."""
    truth = mlp_grad(theta, sizes, X, Y)
    if max(map(distance, unpack(out, sizes), unpack(truth, sizes))) < 1e-3:
        return None  # all four parts are right but for their digits: a difference quotient
    other = _torch_order(truth, sizes)
    if distance(out, (out @ other) / (other @ other) * other) < 1e-6:
        return "Two slips at once: another layout, and a constant factor. Begin with the layout: the function pack does it."
    parts = {name: distance(a, b) < 1e-6
             for name, a, b in zip(("W1", "b1", "W2", "b2"), unpack(out, sizes), unpack(truth, sizes))}
    right, off = ([name for name, good in parts.items() if good is want] for want in (True, False))
    if not right:
        return None
    return (f"For sizes = {sizes} and {len(X)} samples, your part for {', '.join(right)} is right, and for {', '.join(off)} "
            "it is not. Write down what the rule for that part multiplies or sums.")


# ------------------------------------------------------------------------------------------- E09.2: forward mode
def jvp(theta, sizes, X, v):
    return _forward()(theta, sizes, X, v)


def _forward(slope=_slope, inner=lambda X, V1, c1: X @ V1.T + c1, first=lambda RS, W2, V2: RS @ W2.T,
             last=lambda Z, S, V2, c2: S @ V2.T + c2):
    """jvp with one piece replaced; flat, (N K,)."""
    def answer(theta, sizes, X, v):
        W1, b1, W2, b2 = unpack(theta, sizes)
        V1, c1, V2, c2 = unpack(v, sizes)
        Z = X @ W1.T + b1
        S = np.tanh(Z)
        return np.ravel(first(slope(Z, S) * inner(X, V1, c1), W2, V2) + last(Z, S, V2, c2))
    return answer


def _vjp(theta, sizes, X, U):
    return mlp_grad(theta, sizes, X, _outputs(theta, sizes, X) - len(X) * U.reshape(len(X), -1))


def _rows_are_samples(output):
    """(N, K) and its flat form mean the same."""
    return np.ravel(output) if isinstance(output, (np.ndarray, list, tuple)) else output


def _jvp_by_complex_step(theta, sizes, X, v):
    return np.imag(_outputs(theta + 1e-30j * v, sizes, X)) / 1e-30


def _jvp_by_columns(theta, sizes, X, v):
    return (sum(vi * _jvp_by_complex_step(theta, sizes, X, e) for vi, e in zip(v, np.eye(v.size)))).tolist()


def _jvp_by_difference(theta, sizes, X, v, eps=1e-8):
    return (_outputs(theta + eps * v, sizes, X) - _outputs(theta, sizes, X)) / eps


# ------------------------------------------------------------------------------------------- E09.3: the adjoint test
class Product:
    """v -> matrix @ v for vectors of the right length only."""

    def __init__(self, matrix):
        self.matrix = np.array(matrix)

    def __call__(self, v):
        v = np.asarray(v, float)
        if v.shape != self.matrix.shape[1:]:
            raise ValueError(f"this product wants a vector of {self.matrix.shape[1]} entries, {v.shape} came")
        return self.matrix @ v


def _pair(J, back):
    return Product(J), Product(back), J.shape[1], J.shape[0]


def _adjoint_cases():
    """True pairs; spoiled pairs, six for each poor choice of u or v that overlooks them; pairs with an rtol of their own.

    No pair is spoiled in one entry, or by a pattern of equal numbers: draws of random signs or small integers would
    overlook it now and then, and the verdict on such a test would change from run to run.
    """
    rng = np.random.default_rng(9)
    J, wide = rng.standard_normal((14, 9)), rng.standard_normal((20, 31)) @ np.diag(np.geomspace(1, 1e6, 31))
    square = np.linalg.qr(rng.standard_normal((24, 24)))[0]
    plain, large = rng.standard_normal((6, 30, 40)), 3e11 * rng.standard_normal((4, 30, 40))

    def spoiled(L, left=None, right=None):
        left, right = (rng.standard_normal(k) if a is None else a for a, k in ((left, L.shape[1]), (right, len(L))))
        return _pair(L, L.T + 0.3 * np.abs(L).max() * np.outer(left, right))

    def zero_sum(k):                                          # invisible to ones
        pattern = rng.standard_normal(k)
        return pattern - pattern.mean()

    def mirrored(k):                                          # invisible to linspace(-1, 1, k)
        pattern = rng.standard_normal(k)
        return pattern + pattern[::-1]

    def late(k):                                              # invisible to the first unit vectors
        return rng.standard_normal(k) * (np.arange(k) > 4)

    def outside(L):                                           # perpendicular to the range of L
        return np.linalg.svd(L)[0][:, -1]

    def nearly(L, off):
        return L.T * (1 + off * (np.arange(L.shape[1]) < L.shape[1] // 2 + 1))[:, None]

    no_bias = J.T.copy()
    no_bias[-4:] = 0
    right = [(*_pair(J, J.T), 1e-10), _pair(wide, wide.T), _pair(square, square.T), *(_pair(L, L.T) for L in large)]
    wrong = [_pair(J, -J.T), _pair(J, 2 * J.T), _pair(square, square), _pair(J, np.linalg.pinv(J)), _pair(J, no_bias),
             _pair(1e-13 * J, 1e-13 * no_bias), spoiled(3e9 * J), *(spoiled(L) for L in large[:2]),
             *(_pair(1e-24 * L, 1e-24 * np.roll(L.T, 7, axis=1)) for L in large[1:])]
    for L in plain:
        wrong += [spoiled(L, right=zero_sum(30)), _pair(L, np.roll(L.T, 1, axis=0)),
                  spoiled(L, right=mirrored(30)), spoiled(L, left=mirrored(40)),
                  spoiled(L, right=late(30)), spoiled(L, left=late(40)), spoiled(L.T, right=outside(L.T))]
    strict = [(*_pair(L, nearly(L, 1e-6)), 1e-15) for L in (J, *large[1:])]
    strict += [(*_pair(L, nearly(L, 1e-8)), 1e-15) for L in (J, large[0])]
    return (*right, *wrong, *strict, (*_pair(J, nearly(J, 1e-6)), 1e-1))


def _draws(n, m, rng=None):
    rng = rng or np.random.default_rng(5)
    return rng.standard_normal(n), rng.standard_normal(m)


def _adjoint_test(jvp, vjp, n, m, rtol=1e-10):
    v, u = _draws(n, m)
    Jv = jvp(v)
    return bool(abs(Jv @ u - v @ vjp(u)) <= rtol * np.linalg.norm(Jv) * np.linalg.norm(u))


def _adjoint_many(jvp, vjp, n, m, rtol=1e-10):
    for seed in range(5):
        v, u = _draws(n, m, np.random.default_rng(seed))
        left, right = np.sum(jvp(v) * u), np.sum(v * vjp(u))
        if abs(left - right) > rtol * max(abs(left), abs(right)):
            return False
    return True


def _adjoint_by_columns(jvp, vjp, n, m, rtol=1e-10):
    J, Jt = np.array([jvp(e) for e in np.eye(n)]).T, np.array([vjp(e) for e in np.eye(m)]).T
    return np.linalg.norm(J - Jt.T) <= rtol * np.linalg.norm(J)


def _compare(judge, v=lambda n, m, jvp: _draws(n, m)[0], u=lambda n, m, Jv: _draws(n, m)[1]):
    """A test that looks at <Jv, u> and <v, J^T u>, and decides by judge(left, right, sizes, rtol)."""
    def answer(jvp, vjp, n, m, rtol=1e-10):
        a = v(n, m, jvp)
        Ja = jvp(a)
        b = u(n, m, Ja)
        back = vjp(b)
        return bool(judge(Ja @ b, a @ back, (a, b, Ja, back), rtol))
    return answer


def _relative(left, right, parts, rtol):
    return abs(left - right) <= rtol * np.linalg.norm(parts[2]) * np.linalg.norm(parts[1])


FIXED_SIZE = ("Your tolerance does not grow with J, and both inner products do: a true pair with large outputs is rejected, "
              "and a false one with small outputs passes. Make it relative.")


LOOSE = ("Your tolerance is looser than rtol: a pair that is off by more passes. Print the difference, relative to ||Jv|| ||u||, "
         "beside your tolerance.")
STRICT = ("It rejects a pair that agrees up to rtol. Does your comparison use rtol, or does it ask for more, such as exact "
          "equality?")
FIXED_PART = ("A part of your tolerance does not shrink with the outputs (np.isclose and np.allclose have one, atol = 1e-8), so "
              "small ones always agree. What is left of your tolerance for entries of 1e-13?")
FIXED_DRAW = ("Your u or v misses a planted pattern that is symmetric, as evenly spaced numbers from -a to a do. Draw both at "
              "random.")

FLIPPED = "A flipped sign passes your test. Is an absolute value missing, or taken too early?"
UNIT = "Your u or v misses errors in some rows or columns of J, as a unit vector does. Which of its entries are 0?"


def _evenly(k):
    return np.linspace(-1, 1, k)


def _there_and_back(jvp, vjp, n, m, rtol=1e-10):
    v, _ = _draws(n, m)
    return np.linalg.norm(vjp(jvp(v)) - v) <= rtol * np.linalg.norm(v)


def _lets_pass(factor, says):
    """A test that lets the pair (J, factor J^T) pass, whatever else it does."""
    def planted(jvp, vjp):
        return np.array_equal(vjp.matrix, factor * jvp.matrix.T)
    return Mistake(lambda jvp, vjp, n, m, rtol=1e-10: _adjoint_test(jvp, vjp, n, m, rtol) or planted(jvp, vjp), says,
                   shows=lambda said, jvp, vjp, *rest: isinstance(said, bool) and (said or not planted(jvp, vjp)))


def _adjoint_failure(said, jvp, vjp, n, m, rtol=1e-10):
    J, back = jvp.matrix, vjp.matrix
    size = np.abs(J).max()
    off = np.abs(J - back.T).max() / size
    if said and np.array_equal(J, back):
        return ("For one square J, the pair (J, J) passes your test, and J is not symmetric. That happens where u equals v: are "
                "both drawn with the same seed? Draw them from one generator.")
    if 1e-12 < off < 1e-5:
        return LOOSE if said else STRICT
    what = "adjoint" if off < 1e-12 else "not adjoint"
    return (f"For one pair (J of shape ({m}, {n}), entries up to {size:.1g}, rtol = {rtol:g}) your test says {bool(said)}. The pair "
            f"is {what}. Make such a pair from a random matrix, and print both inner products.")


# --------------------------------------------------------------------------- E09.4: Gauss-Newton and Hessian products
def curvature_products(theta, sizes, X, Y, v):
    return _curvature()(theta, sizes, X, Y, v)


def _curvature(count=True, RW=True, bend=lambda S, RS, slope: -2 * S * RS, last=True, first=True, bent=lambda U, RU: U):
    """(Gv, Hv), with a piece of Hv replaced; `RW`, `last`, `first`: is the term U V2, U^T RS, RU^T S there?"""
    def answer(theta, sizes, X, Y, v):
        (W1, b1, W2, b2), (V1, c1, V2, c2) = unpack(theta, sizes), unpack(v, sizes)
        Z = X @ W1.T + b1
        S = np.tanh(Z)
        N, slope = len(X) if count else 1, 1 - S**2
        U, RS = (S @ W2.T + b2 - Y) / N, slope * (X @ V1.T + c1)
        RU = (RS @ W2.T + S @ V2.T + c2) / N
        D, RD = slope * (RU @ W2), slope * (RU @ W2 + RW * (U @ V2)) + bend(S, RS, slope) * (bent(U, RU) @ W2)
        return (pack(D.T @ X, D.sum(axis=0), RU.T @ S, RU.sum(axis=0)),
                pack(RD.T @ X, RD.sum(axis=0), first * (RU.T @ S) + last * (U.T @ RS), RU.sum(axis=0)))
    return answer


def _difference(theta, sizes, X, Y, v, eps):
    return (mlp_grad(theta + eps * v, sizes, X, Y) - mlp_grad(theta - eps * v, sizes, X, Y)) / (2 * eps)


def _by_own_functions(theta, sizes, X, Y, v):
    """G v = J^T (J v) / N, and H v as a difference of gradients."""
    return [_vjp(theta, sizes, X, jvp(theta, sizes, X, v) / len(X)), _difference(theta, sizes, X, Y, v, 1e-5)]


def _by_complex_gradient(theta, sizes, X, Y, v):
    Gv = _vjp(theta, sizes, X, jvp(theta, sizes, X, v))[:, None] / len(X)
    return Gv, np.imag(mlp_grad(theta + 1e-30j * v, sizes, X, Y)) / 1e-30


def _forward_difference(theta, sizes, X, Y, v, eps):
    Gv = curvature_products(theta, sizes, X, Y, v)[0]
    return Gv, (mlp_grad(theta + eps * v, sizes, X, Y) - mlp_grad(theta, sizes, X, Y)) / eps


def _product(k, says, slip, shows=None):
    """A mistake in Gv (k = 0) or Hv (k = 1), whatever the other is; slip(theta, sizes, X, Y, v) -> (n,)."""
    def answer(*args):
        pair = list(curvature_products(*args))
        pair[k] = slip(*args)
        return tuple(pair)

    def part_shows(out, *args):
        if not isinstance(out, (tuple, list, np.ndarray)) or len(out) != 2 or np.size(out[k]) != args[0].size:
            return False
        return (shows(np.ravel(out[k]), *args) if shows else distance(np.ravel(out[k]), slip(*args)) < 2e-6)
    return Mistake(answer, says, shows=part_shows)


def _complex_part(k):
    def answer(*args):
        pair = list(curvature_products(*args))
        pair[k] = pair[k] + 1e-3j
        return tuple(pair)
    return Mistake(answer, COMPLEX, shows=lambda out, *args: isinstance(out, (tuple, list, np.ndarray)) and len(out) == 2
                   and np.iscomplexobj(out[k]))


def _diagonal(theta, sizes, X, Y, v):
    H = np.array([curvature_products(theta, sizes, X, Y, e)[1] for e in np.eye(theta.size)])
    return np.diag(H) * v


def _H_slip(**pieces):
    return lambda *args: _curvature(**pieces)(*args)[1]


HALF = "Your Hv is half of it, or twice. If it is a difference of gradients: how far apart are the two points?"
TWO_MISSING = ("In Hv two terms are missing. Go through the backward lines factor by factor: which of them move, beside U?")


def _few_digits(out, *args):
    return 2e-6 < distance(out, curvature_products(*args)[1]) < 4e-3


# ------------------------------------------------------------------------------------ E09.5: the step, and the cost
WORDS = {"u**(1/3)": 4.8e-6, "eps**(1/3)": 6e-6, "cbrt(u)": 4.8e-6, "cuberootofu": 4.8e-6, "afew": 3.0, "few": 3.0,
         "two": 2.0, "three": 3.0, "four": 4.0, "twoorthree": 2.5, "twotothree": 2.5, "sqrt(u)": 1.05e-8, "u**0.5": 1.05e-8,
         "u**(1/2)": 1.05e-8, "sqrt(eps)": 1.5e-8, "n": 2410.0, "2n": 4820.0, "n**2": 2410.0**2}


def _number(spoken):
    """A number said in words: "about 3", "2 to 3 gradients", "u^(1/3)", "10^-5"; what is not understood stays as it is."""
    if not isinstance(spoken, str):
        return spoken
    text = "".join(spoken.casefold().replace("{", "(").replace("}", ")").replace("^", "**").split())
    text = re.sub(r"^(about|around|approximately|approx\.?|roughly|ca\.?|~)|gradients?$", "", text)
    if text in WORDS:
        return WORDS[text]
    power = re.fullmatch(r"10\*\*\(?(-?\d+)\)?", text)
    if power:
        return 10.0 ** int(power[1])
    between = re.fullmatch(r"(\d+\.?\d*)(?:-|to|or)(\d+\.?\d*)", text)
    return (float(between[1]) + float(between[2])) / 2 if between else text if text else spoken


def _numbers(output):
    if isinstance(output, dict):
        output = tuple(output.values())
    if not isinstance(output, (tuple, list, np.ndarray)) or len(output) != 2:
        return output
    return tuple(_number(value) for value in output)


def _good_step(eps):
    return 1e-6 * (1 - 1e-9) <= eps <= 1e-4 * (1 + 1e-9)


def _good_cost(cost):
    return 1.6 <= cost <= 5


TOO_SMALL = "(a) Too small: the quotient divides rounding errors of size u by eps. Balance them with the other error."


def _says(k, low, high, value, says):
    """A prediction between low and high in part k, whatever the other is."""
    good = [1e-5, 3.0]
    good[k] = value
    return Mistake(tuple(good), says, shows=lambda out: np.size(out) == 2 and low <= float(np.ravel(out)[k]) <= high)


EXERCISES = [
    Exercise(
        id="E09.1", kind="F", minutes=15,
        asks="mlp_grad(theta, sizes, X, Y) -> gradient of F = 1/(2N) ||h - Y||^2, laid out as theta, shape (n,)",
        hint="Compare block by block with nudges of F: which of the four parts W1, b1, W2, b2 is off?",
        answer=mlp_grad, instances=NETWORKS,
        accepts=(_by_samples, _by_einsum, _by_complex_steps, _by_differences,
                 lambda w, widths, inputs, targets: mlp_grad(w, widths, inputs, targets).astype(np.float32)),
        remarks=(Remark(_by_differences,
                        "It has fewer than 12 digits, as difference quotients and float32 have. A quotient for each weight "
                        "costs n + 1 or 2n runs of the network; the backward lines cost about two.",
                        lambda out, theta, sizes, X, Y: _digits_lost(out, mlp_grad(theta, sizes, X, Y))),),
        mistakes=(
            Mistake(_backward(slope=lambda Z, S: 1), "Your network is linear on the way back: where does the slope of tanh "
                                                     "enter?"),
            Mistake(_backward(slope=lambda Z, S: 1 - Z**2),
                    "tanh'(z) = 1 - tanh(z)^2: use the activation S, not its input Z."),
            Mistake(_backward(slope=lambda Z, S: 1 - S), "The slope of tanh is 1 - S^2; yours lacks the square."),
            Mistake(_backward(slope=lambda Z, S: S * (1 - S)),
                    "S (1 - S) is the slope of the logistic function. This network has tanh."),
            Mistake(_backward(slope=lambda Z, S: 1 - np.tanh(S)**2),
                    "You apply tanh twice: S is tanh(Z) already, and the slope is 1 - S^2."),
            Mistake(_backward(count=lambda N, K: 1), "Mean loss: divide by N once. Yours is the gradient of the sum."),
            Mistake(_backward(count=lambda N, K: N / 2), "Twice too large: the loss has a 1/2, and differentiating the "
                                                         "square uses it up."),
            Mistake(_backward(count=lambda N, K: N**2), "Divided by N twice: U holds the 1/N already."),
            Mistake(_backward(count=lambda N, K: N * K), ALL_ENTRIES),
            Mistake(_backward(count=lambda N, K: 442), "The number 442 belongs to the lesson's data: N is the number of rows of X."),
            Mistake(lambda *args: mlp_grad(*args) / np.linalg.norm(mlp_grad(*args)),
                    "Right direction, and length 1: something divides by the norm. Where?"),
            Mistake(_backward(count=lambda N, K: N * K / 2),
                    "That is the gradient of the mean square over all N K entries. F has 1/(2N) in front of the sum."),
            Mistake(_backward(bias=np.mean), "Biases sum over examples; the 1/N is inside already."),
            Mistake(_backward(bias=lambda D, axis: 0 * D.sum(axis=0)),
                    "Your weights are right, your biases get nothing. A bias meets an input that is always 1."),
            Mistake(_backward(residual=lambda h, Y: Y - h),
                    "You used Y - h: the gradient of the loss has the residual h - Y."),
            Mistake(_backward(residual=lambda h, Y: h), "Your gradient does not depend on the targets Y."),
            Mistake(_backward(last=lambda X, Z, S: Z),
                    "The last layer multiplies S = tanh(Z), so its weights meet S, not Z."),
            Mistake(_backward(top=lambda h: 1 - np.tanh(h)**2),
                    "You put a slope of tanh on the output. The last layer has no tanh."),
            Mistake(_backward(back=lambda U, W2: np.tile(U.sum(axis=1, keepdims=True), W2.shape[1])),
                    "On the way from the outputs to the hidden layer the weights W2 are missing."),
            Mistake(_backward(back=lambda U, W2: np.ones_like(U @ W2) / len(U)),
                    "Your first block does not depend on the residual: send U back through W2."),
            Mistake(_backward(forward=lambda X, W1, b1: X @ W1.T),
                    "Without b1 the hidden layer is another one: Z = X W1^T + b1."),
            Mistake(_backward(layout=lambda W1, b1, W2, b2: np.concatenate([W1.ravel(), b1, W2.ravel(), b2])),
                    LAYOUT),
            Mistake(_backward(layout=lambda W1, b1, W2, b2: np.concatenate(
                        [np.column_stack([b1, W1]).ravel(), np.column_stack([b2, W2]).ravel()])),
                    "In theta the bias is the last column of its block; yours is the first. The function pack does it."),
            Mistake(_backward(layout=lambda W1, b1, W2, b2: np.concatenate(
                        [np.column_stack([W2, b2]).ravel(), np.column_stack([W1, b1]).ravel()])),
                    "The layers are exchanged: theta begins with the block of the first one. The function pack does it."),
            Mistake(_backward(layout=lambda W1, b1, W2, b2: np.concatenate(
                        [np.column_stack([W1, b1]).ravel(), np.vstack([W2.T, b2]).ravel()])),
                    "Your block for the last layer is transposed: W2 has a row for each output, (K, q). Print the shape of your "
                    "part."),
            Mistake(_backward(layout=lambda W1, b1, W2, b2: np.concatenate(
                [W1.ravel(), W2.ravel(), b1, b2])),
                    "Right numbers, other layout: all weights and then all biases. In theta the bias is the last column of "
                    "its block."),
            Mistake(_backward(layout=lambda W1, b1, W2, b2: np.concatenate(
                [np.column_stack([W1, b1]).ravel(order="F"), np.column_stack([W2, b2]).ravel(order="F")])),
                    "Right numbers, column by column. A block is stored row by row: a row for each neuron."),
            Mistake(_backward(layout=lambda W1, b1, W2, b2: pack(0 * W1, 0 * b1, W2, b2)),
                    "Only the last layer moves. The first block needs the residual too, sent back through W2 and the slope."),
            Mistake(lambda *args: mlp_grad(*args) + 1e-3j, COMPLEX, shows=lambda out, *args: np.iscomplexobj(out)),
        ),
        diagnose=_which_part),
    Exercise(
        id="E09.2", kind="I", minutes=8,
        asks="jvp(theta, sizes, X, v) -> Jv, shape (N, K): how the outputs change with theta in direction v",
        hint="Nudge: compare with (h(theta + eps v) - h(theta)) / eps for eps = 1e-8, and set parts of v to 0.",
        answer=jvp, instances=tuple(_along(20, False)), reads=_rows_are_samples,
        accepts=(_jvp_by_complex_step, _jvp_by_columns, lambda w, widths, inputs, along: jvp(w, widths, inputs, along)[:, None],
                 lambda theta, sizes, X, v: _jvp_by_difference(theta, sizes, X, v)),
        remarks=(Remark(_jvp_by_difference,
                        "It has fewer than 12 digits, as difference quotients and float32 have. The forward rules need no step, "
                        "and give about 15.",
                        lambda out, theta, sizes, X, v: _digits_lost(np.ravel(out), jvp(theta, sizes, X, v))),),
        mistakes=(
            Mistake(_forward(last=lambda Z, S, V2, c2: c2 + 0 * S @ V2.T),
                    "The term S V2^T is missing: theta + eps v also moves the last layer's weights."),
            Mistake(_forward(last=lambda Z, S, V2, c2: S @ V2.T),
                    "c2 is missing: the bias of the last layer moves too."),
            Mistake(_forward(last=lambda Z, S, V2, c2: 0 * S @ V2.T),
                    "Only the first layer moves here. theta + eps v also moves the weights and biases of the last one."),
            Mistake(_forward(first=lambda RS, W2, V2: 0 * RS @ W2.T),
                    "Only the last layer moves here. What does a change of W1 and b1 do to S, and S to the outputs?"),
            Mistake(_forward(inner=lambda X, V1, c1: X @ V1.T), "c1 is missing: the bias of the first layer moves too."),
            Mistake(_forward(slope=lambda Z, S: 1), "The change passes through tanh, and its slope is missing."),
            Mistake(_forward(slope=lambda Z, S: 1 - Z**2),
                    "tanh'(z) = 1 - tanh(z)^2: use the activation S, not its input Z."),
            Mistake(_forward(slope=lambda Z, S: 1 - S), "The slope of tanh is 1 - S^2; yours lacks the square."),
            Mistake(_forward(slope=lambda Z, S: S * (1 - S)),
                    "S (1 - S) is the slope of the logistic function. This network has tanh."),
            Mistake(_forward(slope=lambda Z, S: 1 - np.tanh(S)**2),
                    "You apply tanh twice: S is tanh(Z) already, and the slope is 1 - S^2."),
            Mistake(_forward(slope=lambda Z, S: 1, inner=lambda X, V1, c1: np.tanh(X @ V1.T + c1)),
                    "The change of Z goes through tanh here. To first order it is multiplied by the slope of tanh at Z."),
            Mistake(_forward(inner=lambda X, V1, c1: X @ V1.T, last=lambda Z, S, V2, c2: S @ V2.T),
                    "Both c1 and c2 are missing: the biases of the two layers move too."),
            Mistake(_forward(first=lambda RS, W2, V2: RS @ (W2 + V2).T, last=lambda Z, S, V2, c2: c2 + 0 * S @ V2.T),
                    "V2 meets the change of S here. To first order the change of the last layer's weights meets S itself."),
            Mistake(_forward(first=lambda RS, W2, V2: RS @ V2.T),
                    "The change of S meets V2. To first order it passes through the old weights W2."),
            Mistake(_forward(first=lambda RS, W2, V2: RS @ (W2 + V2).T),
                    "The product of two changes is of second order: the change of S passes through W2 alone."),
            Mistake(_forward(last=lambda Z, S, V2, c2: Z @ V2.T + c2),
                    "The last layer's weights multiply S = tanh(Z), not Z."),
            Mistake(lambda theta, sizes, X, v: np.ravel(_outputs(v, sizes, X)),
                    "These are the outputs of a network with weights v. Jv is the change at theta, and it is linear in v."),
            Mistake(lambda theta, sizes, X, v: np.ravel(_outputs(theta + v, sizes, X) - _outputs(theta, sizes, X)),
                    "That is the change for the whole step v. Jv is its linear part: what is left if v is short."),
            Mistake(lambda theta, sizes, X, v: np.ravel(_outputs(theta + v, sizes, X)),
                    "These are the outputs at theta + v. Jv is a change of the outputs, to first order."),
            Mistake(lambda theta, sizes, X, v: jvp(theta, sizes, X, v) + np.ravel(_outputs(theta, sizes, X)),
                    "You add the outputs themselves. Jv is their change alone."),
            Mistake(lambda theta, sizes, X, v: jvp(theta, sizes, X, v) + np.tile(unpack(theta, sizes)[3], len(X)),
                    "b2 is in your answer: adding a constant does not change how h moves. What does move is the bias by c2."),
            Mistake(lambda theta, sizes, X, v: jvp(v, sizes, X, theta),
                    "theta and v are exchanged: (W, b) come from theta, (V, c) from v."),
            Mistake(lambda theta, sizes, X, v: jvp(theta, sizes, X, v / np.linalg.norm(v)),
                    "That is J times v / ||v||. Jv is linear in v: twice the v, twice the change."),
            Mistake(lambda theta, sizes, X, v: np.ravel(jvp(theta, sizes, X, v).reshape(len(X), -1).T),
                    "Right numbers, output by output. Asked for is a row for each sample, (N, K)."),
            Mistake(lambda theta, sizes, X, v: jvp(theta, sizes, X, v) / len(X),
                    "Divided by N: the outputs are no mean. The 1/N belongs to the loss."),
            Mistake(lambda theta, sizes, X, v: _vjp(theta, sizes, X, jvp(theta, sizes, X, v)),
                    "One number for each weight: that is J^T times something. Jv has a number for each output of each "
                    "sample, (N, K).",
                    shows=lambda out, theta, sizes, X, v: np.size(out) == theta.size),
            Mistake(lambda theta, sizes, X, v: jvp(theta, sizes, X, v).reshape(len(X), -1).sum(axis=0),
                    "Asked for is Jv alone, a row for each sample, shape (N, K). Yours has another number of entries: print "
                    "its shape.",
                    shows=lambda out, theta, sizes, X, v: _array(out) and np.size(out) != len(X) * sizes[2]),
            Mistake(lambda theta, sizes, X, v: _outputs(theta + 1e-30j * v, sizes, X) / 1e-30, COMPLEX,
                    shows=lambda out, *args: np.iscomplexobj(out)),
        )),
    Exercise(
        id="E09.3", kind="T", minutes=6,
        asks="adjoint_test(jvp, vjp, n, m, rtol=1e-10) -> True or False: is vjp the transpose of jvp?",
        hint="Two inner products must agree, for random u and v: which two, and compared with what size?",
        answer=_adjoint_test, instances=_adjoint_cases(),
        accepts=(_adjoint_many, _adjoint_by_columns,
                 lambda jvp, vjp, n, m, rtol=1e-10: int(np.isclose(
                     jvp(_draws(n, m)[0]) @ _draws(n, m)[1], _draws(n, m)[0] @ vjp(_draws(n, m)[1]), rtol=rtol, atol=0)),
                 _compare(_relative, v=lambda n, m, jvp: np.sign(_draws(n, m)[0]), u=lambda n, m, Jv: np.sign(_draws(n, m)[1])),
                 _compare(_relative, v=lambda n, m, jvp: np.round(3 * _draws(n, m)[0]),
                          u=lambda n, m, Jv: np.round(3 * _draws(n, m)[1]))),
        mistakes=(
            Mistake(_compare(_relative, v=lambda n, m, jvp: np.ones(n), u=lambda n, m, Jv: np.ones(len(Jv))),
                    "Your u and v miss planted patterns whose sum is 0, and exchanged rows, as vectors of ones do; use random u and v."),
            Mistake(_compare(_relative, u=lambda n, m, Jv: np.ones(len(Jv))),
                    "Your u misses a planted pattern whose sum is 0, as a vector of ones does; use a random u as well."),
            Mistake(_compare(_relative, v=lambda n, m, jvp: np.ones(n)),
                    "Your v misses a J^T whose rows are exchanged, as a vector of ones does; use a random v as well."),
            Mistake(_compare(_relative, v=lambda n, m, jvp: _evenly(n), u=lambda n, m, Jv: _evenly(m)), FIXED_DRAW),
            Mistake(_compare(_relative, v=lambda n, m, jvp: _evenly(n)), FIXED_DRAW),
            Mistake(_compare(_relative, u=lambda n, m, Jv: _evenly(m)), FIXED_DRAW),
            Mistake(_compare(_relative, v=lambda n, m, jvp: np.eye(n)[0], u=lambda n, m, Jv: np.eye(m)[0]), UNIT),
            Mistake(_compare(_relative, v=lambda n, m, jvp: np.eye(n)[0]), UNIT),
            Mistake(_compare(_relative, u=lambda n, m, Jv: np.eye(m)[0]), UNIT),
            Mistake(_compare(_relative, u=lambda n, m, Jv: Jv),
                    "With u = Jv you test vjp on the range of J only. What it does to other u stays unseen."),
            Mistake(_compare(lambda left, right, parts, rtol: abs(left - right) <= rtol),
                    FIXED_SIZE),
            Mistake(_compare(lambda left, right, parts, rtol: np.isclose(left, right, rtol=rtol)), FIXED_PART),
            Mistake(_compare(lambda left, right, parts, rtol: abs(left - right) <= rtol * (1 + abs(left))), FIXED_PART),
            Mistake(_compare(lambda left, right, parts, rtol: np.isclose(1e-16 * left, 1e-16 * right, rtol=rtol)), FIXED_PART),
            Mistake(_compare(lambda left, right, parts, rtol: np.isclose(left, right)),
                    "Your tolerance is looser than rtol, and a part of it does not shrink with the outputs. np.isclose and "
                    "np.allclose have both by default: rtol=1e-5, atol=1e-8."),
            Mistake(_compare(lambda left, right, parts, rtol: np.isclose(left, right, atol=0)), LOOSE),
            Mistake(_compare(lambda left, right, parts, rtol: _relative(left, right, parts, max(rtol, 1e-7))), LOOSE),
            Mistake(lambda jvp, vjp, n, m, rtol=1e-10: not _adjoint_test(jvp, vjp, n, m, rtol),
                    "Your verdicts are the other way round: True means that the pair is adjoint."),
            Mistake(_compare(lambda left, right, parts, rtol: _relative(left, right, parts, 1e-10)),
                    STRICT),
            Mistake(_compare(lambda left, right, parts, rtol:
                             abs(left - right) <= rtol * np.linalg.norm(parts[0]) * np.linalg.norm(parts[1])),
                    FIXED_SIZE),
            Mistake(_compare(lambda left, right, parts, rtol:
                             abs(np.linalg.norm(parts[2]) / np.linalg.norm(parts[0])
                                 - np.linalg.norm(parts[3]) / np.linalg.norm(parts[1]))
                             <= rtol * np.linalg.norm(parts[2])),
                    "Equal norms are not adjoints: a rotation and its inverse keep all lengths. Compare two inner products."),
            Mistake(_compare(lambda left, right, parts, rtol: abs(abs(left) - abs(right)) <= rtol * abs(left)),
                    FLIPPED),
            Mistake(_there_and_back, "J^T J v = v holds for rotations only. The transpose is not the inverse: compare "
                                     "<Jv, u> with <v, J^T u>."),
            Mistake(lambda jvp, vjp, n, m, rtol=1e-10: True, "Your test says True to everything. Which pairs should it reject?"),
            Mistake(lambda jvp, vjp, n, m, rtol=1e-10: False,
                    "Your test says False to everything, also to a true pair. Rounding leaves a small difference, and norms "
                    "of Jv and J^T u need not agree: compare <Jv, u> with <v, J^T u>, up to rtol."),
            _lets_pass(-1, FLIPPED),
            _lets_pass(2, "A pair passes whose second product is 2 J^T. Is the absolute value of the difference missing?"),
        ),
        diagnose=_adjoint_failure),
    Exercise(
        id="E09.4", kind="I", minutes=12,
        asks="curvature_products(theta, sizes, X, Y, v) -> (Gv, Hv), each of shape (n,)",
        hint="Compare Hv with a central difference of mlp_grad along v, and Gv with mlp_grad for the targets h - Jv.",
        answer=curvature_products, instances=tuple(_along(40, True)),
        accepts=(_by_own_functions, _by_complex_gradient,
                 lambda w, widths, inputs, targets, along: np.array(curvature_products(w, widths, inputs, targets, along))),
        remarks=(Remark(_by_own_functions,
                        "At least one of the two has fewer than 12 digits, as difference quotients and float32 have. The exact "
                        "rules give about 15, and no step has to be chosen.",
                        lambda out, *args: any(_digits_lost(np.ravel(a), b) for a, b in zip(out, curvature_products(*args)))),),
        mistakes=(
            _complex_part(0), _complex_part(1),
            Mistake(lambda *args: curvature_products(*args)[::-1], "Right numbers, other order: first Gv, then Hv."),
            _product(1, "Your Hv is the Gauss-Newton product: the residual curvature is missing. That is right for a "
                        "linear model.", lambda *args: curvature_products(*args)[0]),
            _product(0, "Your Gv is the Hessian product. G leaves out the residual curvature: J^T (Jv) / N.",
                     lambda *args: curvature_products(*args)[1]),
            Mistake(lambda *args: tuple(2 * part for part in curvature_products(*args)),
                    "Both products are twice too large: F has a 1/2, and differentiating the square uses it up."),
            Mistake(lambda *args: tuple(part / args[3].shape[1] for part in curvature_products(*args)), ALL_ENTRIES),
            Mistake(lambda *args: tuple(_torch_order(part, args[1]) for part in curvature_products(*args)), LAYOUT),
            Mistake(_curvature(count=False), "Both products belong to the sum; F is a mean: divide by N once."),
            _product(0, "Your Gv is J^T J v; F is a mean, so G = J^T J / N.",
                     lambda theta, sizes, X, Y, v: len(X) * curvature_products(theta, sizes, X, Y, v)[0]),
            _product(0, "Your Gv is divided by N twice.",
                     lambda theta, sizes, X, Y, v: curvature_products(theta, sizes, X, Y, v)[0] / len(X)),
            _product(0, "Your Gv does not depend on v: it is the gradient. Multiply by J first.",
                     lambda theta, sizes, X, Y, v: mlp_grad(theta, sizes, X, Y)),
            _product(0, "Your Gv contains the targets. G v is J^T applied to Jv / N, and neither J nor v knows Y.",
                     lambda theta, sizes, X, Y, v: mlp_grad(theta, sizes, X, jvp(theta, sizes, X, v).reshape(Y.shape))),
            _product(0, "Your Gv is twice too large: F has a 1/2, and differentiating the square uses it up.",
                     lambda *args: 2 * curvature_products(*args)[0]),
            _product(0, "Your Gv is g (g^T v), with the gradient g: one direction. G has J^T J in it, not g g^T.",
                     lambda theta, sizes, X, Y, v: mlp_grad(theta, sizes, X, Y) * (mlp_grad(theta, sizes, X, Y) @ v)),
            _product(1, "Your Hv is the product with the residual curvature alone. H is the sum of both parts.",
                     lambda *args: curvature_products(*args)[1] - curvature_products(*args)[0]),
            _product(1, "In Hv the residual curvature has the wrong sign. Which way round is the residual?",
                     lambda *args: 2 * curvature_products(*args)[0] - curvature_products(*args)[1]),
            _product(1, "Your Hv has the opposite sign. Which gradient is subtracted from which, and which residual is used?",
                     lambda *args: -curvature_products(*args)[1]),
            _product(1, "Your Hv is H times v / ||v||. Hv is linear in v: twice the v, twice the change of the gradient.",
                     lambda *args: curvature_products(*args)[1] / np.linalg.norm(args[4])),
            _product(1, "A Hessian is not its diagonal: Hv mixes the weights.", _diagonal),
            _product(1, "Your Hv is right to a few digits only. If it is a difference quotient, look at your step: which "
                        "side of the V is it on?",
                     lambda *args: _forward_difference(*args, 1e-12)[1], shows=_few_digits),
            _product(1, "In Hv the term U V2 is missing: on the way back the weights W2 move as well.", _H_slip(RW=False)),
            _product(1, "In Hv the term of the slope is missing: 1 - S^2 changes too, by -2 S times the change of S.",
                     _H_slip(bend=lambda S, RS, slope: 0 * S)),
            *(_product(1, TWO_MISSING, _H_slip(**pieces)) for pieces in (
                dict(RW=False, bend=lambda S, RS, slope: 0 * S), dict(RW=False, last=False),
                dict(bend=lambda S, RS, slope: 0 * S, last=False))),
            _product(1, "In Hv the change of the slope meets the change of U. To first order it meets U itself.",
                     _H_slip(bent=lambda U, RU: RU)),
            _product(1, "In Hv the term (change of U)^T S is missing: the last block is a product of two things that move.",
                     _H_slip(first=False)),
            _product(1, "In Hv the slope's change has the wrong sign: 1 - S^2 falls when S^2 grows.",
                     _H_slip(bend=lambda S, RS, slope: 2 * S * RS)),
            _product(1, "In Hv the slope's change lacks a factor 2: the derivative of S^2 is 2 S times the change of S.",
                     _H_slip(bend=lambda S, RS, slope: -S * RS)),
            _product(1, "In Hv the change of the slope is -2 S times the change of S, and the change of S has the slope "
                        "1 - S^2 in it. Yours has it not once, or twice.",
                     _H_slip(bend=lambda S, RS, slope: -2 * S * RS / slope)),
            _product(1, "In Hv the change of the slope is -2 S times the change of S, and the change of S has the slope "
                        "1 - S^2 in it. Yours has it not once, or twice.",
                     _H_slip(bend=lambda S, RS, slope: -2 * S * RS * slope)),
            _product(1, "In Hv the term U^T (change of S) is missing: the last block is a product of two things that move.",
                     _H_slip(last=False)),
            _product(1, "Your Hv is the gradient at theta + v minus the gradient at theta. That is right for a quadratic only.",
                     lambda theta, sizes, X, Y, v: mlp_grad(theta + v, sizes, X, Y) - mlp_grad(theta, sizes, X, Y)),
            _product(1, HALF,
                     lambda *args: 2 * curvature_products(*args)[1]),
            _product(1, HALF,
                     lambda *args: curvature_products(*args)[1] / 2),
            _product(1, "Your Hv belongs to the sum; F is a mean: divide by N once.",
                     lambda theta, sizes, X, Y, v: len(X) * curvature_products(theta, sizes, X, Y, v)[1]),
        )),
    Exercise(
        id="E09.5", kind="P", minutes=4,
        asks="(a) the best step of a central difference, (b) the cost of one Hv in gradients, as (a, b)",
        hint="(a) Balance the two errors as in the first section, with eps^2 instead of eps. (b) Count passes, not entries.",
        answer=(1e-5, 3.0), reads=_numbers,
        holds=lambda out: _good_step(float(out[0])) and _good_cost(float(out[1])),
        accepts=([1e-6, 2], (6e-6, 3.1), ("u^{1/3}", "a few"), np.array([5e-5, 1.7]), (1e-4, 5), ("10**-5", "about 3"),
                 {"a": 1e-5, "b": 3}, ("1e-5", "2-3 gradients")),
        mistakes=(
            Mistake((3.0, 1e-5), "First the step (a), then the cost (b).",
                    shows=lambda out: np.size(out) == 2 and _good_cost(np.ravel(out)[0]) and _good_step(np.ravel(out)[1])),
            _says(0, 0, 1.2e-16, 1e-16, "(a) With that step theta + eps equals theta, for theta of order 1: the quotient is 0."),
            _says(0, 1.2e-16, 3e-9, 1e-12, TOO_SMALL),
            _says(0, 3e-9, 5e-8, 1e-8, "(a) Right for forward differences. The central one has a smaller truncation error, "
                                       "so it can afford another step."),
            _says(0, 5e-8, 1e-6, 3e-7, TOO_SMALL),
            _says(0, 1e-4, np.inf, 0.1, "(a) Too large: the truncation error, of order eps^2, dominates."),
            _says(0, -np.inf, 0, -5.0, "(a) Asked for is the step itself, a positive number, not its logarithm."),
            _says(1, 2400, 2420, 2410.0, "(b) That builds all of H, column by column. One product is asked for."),
            _says(1, 4800, 4840, 4820.0, "(b) That is a central difference for each weight. One difference of two gradients, "
                                         "along v, does it."),
            _says(1, 5e6, 6e6, 2410.0**2, "(b) That is the storage of H. No product stores it."),
            _says(1, 17000, 19000, 17970.0, "(b) That is the number of outputs of all samples. One pass handles all of them."),
            _says(1, 0.9, 1.1, 1.0, "(b) The tangent has to travel too: forward along v, and back with the product rule."),
            _says(1, 0, 0.9, 0.5, "(b) Less than a gradient? Hv needs at least the passes of a gradient, and the tangent's."),
            _says(1, 1.1, 1.6, 1.3, "(b) Too little for a count from scratch: the passes of the gradient belong to it. Add them to "
                                    "those of the tangent."),
            _says(1, 5, np.inf, 10.0, "(b) Fewer. Count the passes: forward and back once each, and the tangent's."),
            _says(1, -np.inf, 0, -3.0, "(b) A cost is not negative. Count the passes."),
        )),
]

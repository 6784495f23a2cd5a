"""Lesson 06, momentum: heavy ball, its factor per step, the square root of kappa, other people's formulas, a cycle."""
from fractions import Fraction

import numpy as np

from ..checking import Exercise, Mistake, between

# ------------------------------------------------------------------------------------ E06.1: one remembered step


def heavy_ball(grad, x0, alpha, beta, k):
    x = last = np.array(x0, dtype=float)
    for _ in range(k):
        x, last = x - alpha * grad(x) + beta * (x - last), x
    return x


def _by_velocity(grad, x0, alpha, beta, k):
    """The step itself is remembered."""
    x, step = np.array(x0, dtype=float), np.zeros(np.shape(x0))
    for _ in range(k):
        step = beta * step - alpha * grad(x)
        x = x + step
    return x


def _by_sum(grad, x0, alpha, beta, k):
    """A discounted sum of gradients is remembered."""
    x, total = np.array(x0, dtype=float), 0.0
    for _ in range(k):
        total = grad(x) + beta * total
        x = x - alpha * total
    return [[xi] for xi in x]


def _by_loops(grad, x0, alpha, beta, k):
    """Lists and loops, and the whole history."""
    history = [list(x0), list(x0)]
    for _ in range(k):
        g = grad(np.array(history[-1]))
        history.append([new - alpha * gi + beta * (new - old) for new, old, gi in zip(history[-1], history[-2], g)])
    return history


def _last_row(output):
    """A history is read as its last row, unless all its rows are one and the same (an array that was not copied)."""
    rows = np.asarray(output)
    if rows.ndim != 2 or 1 in rows.shape or np.all(rows == rows[0]):
        return output
    return rows[-1]


def _same_rows(grad, x0, alpha, beta, k):
    return np.tile(heavy_ball(grad, x0, alpha, beta, k), (k + 1, 1))


def _memory(grad, x0, alpha, beta, k, keep=1.0, fresh=1.0, step=1.0):
    """w <- keep beta w + fresh g, x <- x - step alpha w: heavy ball, and its slips in a factor."""
    x, w = np.array(x0, dtype=float), 0.0
    for _ in range(k):
        w = keep * beta * w + fresh * grad(x)
        x = x - step * alpha * w
    return x


def _nesterov(grad, x0, alpha, beta, k, ahead=False):
    x = y = np.array(x0, dtype=float)
    for _ in range(k):
        x, last = y - alpha * grad(y), x
        y = x + beta * (x - last)
    return y if ahead else x


def _from_origin(grad, x0, alpha, beta, k):
    x, last = np.array(x0, dtype=float), np.zeros(np.shape(x0))
    for _ in range(k):
        x, last = x - alpha * grad(x) + beta * (x - last), x
    return x


def _from_start(grad, x0, alpha, beta, k):
    x = start = np.array(x0, dtype=float)
    for _ in range(k):
        x = x - alpha * grad(x) + beta * (x - start)
    return x


def _keeps_position(grad, x0, alpha, beta, k):
    x = np.array(x0, dtype=float)
    for _ in range(k):
        x = x - alpha * grad(x) + beta * x
    return x


def _one_late(grad, x0, alpha, beta, k):
    x, w = np.array(x0, dtype=float), 0.0
    for _ in range(k):
        x, w = x - alpha * w, beta * w + grad(x)
    return x


def _two_gradients(grad, x0, alpha, beta, k):
    x, g = np.array(x0, dtype=float), 0.0
    for _ in range(k):
        fresh = grad(x)
        x, g = x - alpha * (fresh + beta * g), fresh
    return x


def _damped_difference(grad, x0, alpha, beta, k):
    """The gradient step first, and then beta times the way from x_{k-1} to its end."""
    x = last = np.array(x0, dtype=float)
    for _ in range(k):
        new = x - alpha * grad(x)
        x, last = new + beta * (new - last), x
    return x


def _no_brackets(grad, x0, alpha, beta, k):
    x = last = np.array(x0, dtype=float)
    for _ in range(k):
        x, last = x - alpha * grad(x) + beta * x - last, x
    return x


def _old_gradient(grad, x0, alpha, beta, k):
    x = last = np.array(x0, dtype=float)
    for _ in range(k):
        x, last = x - alpha * grad(last) + beta * (x - last), x
    return x


def _last_step(grad, x0, alpha, beta, k):
    return heavy_ball(grad, x0, alpha, beta, k) - heavy_ball(grad, x0, alpha, beta, max(k - 1, 0))


def _valley(seed, n, k, scale=1.0, rank=None):
    """A seeded random quadratic (grad, x0, alpha, beta, k), alpha L up to 2; stretched by `scale`, or of low rank."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n + 2, rank or n)) @ rng.standard_normal((rank or n, n)) * np.geomspace(1, scale, n)
    b = rng.standard_normal(n + 2)
    x0, beta = rng.standard_normal(n), rng.uniform(0.55, 0.95)
    return lambda x: A.T @ (A @ np.asarray(x) - b), x0, rng.uniform(1, 2) / np.linalg.norm(A, 2)**2, beta, k


BRAKES = "Sign of beta: you brake instead of coast. The remembered step x_k - x_{k-1} points forward and is added."
FORGETS = ("This is gradient descent: your remembered step is always zero. Is x_{k-1} overwritten before it is used?")
CLIMBS = "Sign of the gradient: you climb. The gradient is subtracted, the remembered step is added."


# ------------------------------------------------------------- E06.2 to E06.4: numbers, and what people say instead
def _number(output):
    """A number in words: "9/11", "0.82", "82 %"."""
    try:
        return float(Fraction(output.replace(" ", "").rstrip("%"))) if isinstance(output, str) else output
    except (ValueError, ZeroDivisionError):
        return output


def _pair(output):
    """(number, letter), also where the number came in words: "100", "100x", "100 times"."""
    if isinstance(output, (tuple, list)) and len(output) == 2 and isinstance(output[0], str):
        digits = output[0].casefold().replace("times", "").replace("fewer", "").replace("x", "")
        return _number(digits), output[1]
    return output


def _factor(*ranges):
    return lambda out: isinstance(out, tuple) and len(out) == 2 and any(between(*r)(out[0]) for r in ranges)


def _letter(letters):
    return lambda out: isinstance(out, tuple) and len(out) == 2 and isinstance(out[1], str) and out[1] in letters


def _no_letter(out):
    return _factor((-np.inf, np.inf))(out) and out[1] not in tuple("abcd")


FORMULAS = {"lr/(1-beta)", "lr/(1-β)", "0.1afterthetransient", "lr=0.1", "10lr", "10*lr", "0.01/(1-0.9)", "0.01/0.1",
            "lr/0.1", "lr*10"}


def _learning_rate(output):
    if isinstance(output, str) and output.casefold().replace(" ", "") in FORMULAS:
        return 0.1
    return _number(output)


# --------------------------------------------------------------------------------------- E06.5: outside the bowl
CYCLE = np.array([792, -2208, 2592]) / 1225          # Lessard, Recht and Packard 2016, section 4.6
SAID = {"converges": "converges", "convergesto0": "converges", "itconverges": "converges", "convergence": "converges",
        "diverges": "diverges", "itdiverges": "diverges", "divergence": "diverges", "infinity": "diverges",
        "cycle": "words", "cycles": "words", "itcycles": "words", "noconvergence": "words", "oscillates": "words",
        "doesnotconverge": "words", "neverconverges": "words", "neverarrives": "words", "bounded": "words",
        "periodic": "words", "itoscillates": "words", "acycle": "words", "3cycle": "words", "cycleofthree": "words",
        "period3": "words", "threenumbersrepeat": "words", "chaos": "words",
        "notconvex": "notconvex", "fisnotconvex": "notconvex"}


def _in_the_end(output):
    """What was handed in, as a word: "thethree" for the numbers that repeat, in any order, or at the end of a run."""
    if isinstance(output, str):
        word = "".join(c for c in output.casefold() if c.isalnum())
        try:
            return SAID[word] if word in SAID else _in_the_end([float(v) for v in output.strip("[]() ").split(",")])
        except ValueError:
            return output
    if isinstance(output, (set, frozenset)):
        output = sorted(output, key=str)
    if isinstance(output, (tuple, list)) and len(output) == 2 and isinstance(output[0], str):
        word = _in_the_end(output[0])
        return _in_the_end(output[1]) if word == "words" else word
    try:
        parts = output if isinstance(output, (tuple, list)) else np.atleast_1d(output)
        parts = [np.ravel(np.asarray(part, dtype=float)) for part in parts]
        runs = len(parts) > 1                        # several whole runs: the last point of each is meant
        x = np.hstack([part[-1:] if runs and part.size > 60 else part for part in parts])
    except (TypeError, ValueError):
        return "unread"
    if x.size == 0:
        return "unread"
    if not np.all(np.isfinite(x)):
        return "diverges"
    x = x[-6:] if x.size > 60 else x                 # one whole run: its end is meant
    if x.size == 1:
        return "mean" if abs(x[0] - CYCLE.mean()) < 0.01 else "single"
    apart = np.abs(x[:, None] - CYCLE)
    if np.all(apart.min(axis=1) < 0.006):
        return "thethree" if np.all(apart.min(axis=0) < 0.006) else "some"
    return "single" if np.ptp(x) < 1e-3 else "early" if np.all(apart.min(axis=1) < 0.3) else "others"


def _is(word):
    return lambda out: isinstance(out, str) and out == word


EXERCISES = [
    Exercise(
        id="E06.1", kind="I", minutes=6,
        asks="heavy_ball(grad, x0, alpha, beta, k) -> x after k steps, shape (n,)",
        hint="From rest the first step is a plain gradient step. In the example the second point is (-0.4, 8.159).",
        answer=heavy_ball,
        instances=((lambda x: np.array([10.0, 1]) * np.asarray(x), np.array([1.0, 10]), 0.07, 0.7, 6),
                   _valley(0, 3, 5), _valley(1, 6, 12), _valley(2, 5, 9, rank=2), _valley(3, 3, 7, scale=1e3),
                   (lambda x: np.tanh(x) + 0.1 * np.asarray(x)**3, np.array([1.5, -0.7]), 0.6, 0.8, 4),
                   _valley(4, 4, 1)),
        accepts=(_by_velocity, _by_sum, _by_loops, lambda slope, start, lr, momentum, steps: np.float64(1) * heavy_ball(
            slope, list(start), lr, momentum, steps)),
        reads=_last_row, tol=1e-8,
        mistakes=(
            Mistake(_nesterov,
                    "Your gradient is taken at the extrapolated point. That is Nesterov's method; heavy "
                    "ball takes the "
                    "gradient at x_k itself."),
            Mistake(lambda *p: _nesterov(*p, ahead=True),
                    "Your gradient is taken at the extrapolated point, and that point is returned. That is "
                    "Nesterov's method; heavy "
                    "ball takes the gradient at x_k itself."),
            Mistake(lambda grad, x0, alpha, beta, k: _memory(grad, x0, alpha, beta, k, fresh=1 - beta),
                    "That is an average of gradients: 1 - beta shrinks every step. In heavy ball the "
                    "gradient enters with "
                    "alpha alone."),
            Mistake(lambda grad, x0, alpha, beta, k: _memory(grad, x0, alpha, beta, k, fresh=beta),
                    "The fresh gradient is damped too: beta multiplies the old step only."),
            Mistake(lambda grad, x0, alpha, beta, k: _memory(grad, x0, alpha, beta, k, keep=-1.0), BRAKES),
            Mistake(lambda grad, x0, alpha, beta, k: _memory(grad, x0, alpha, beta, k, step=-1.0), CLIMBS),
            Mistake(lambda grad, x0, alpha, beta, k: _memory(grad, x0, alpha, beta, k, keep=-1.0, step=-1.0),
                    "Both signs are turned: the gradient is subtracted, the remembered step is added."),
            Mistake(lambda grad, x0, alpha, beta, k: heavy_ball(grad, x0, alpha, 0.0, k), FORGETS),
            Mistake(lambda grad, x0, alpha, beta, k: heavy_ball(grad, x0, alpha, beta, k + 1),
                    "One step too many: with k = 1 a single step is made, and with k = 0 none."),
            Mistake(lambda grad, x0, alpha, beta, k: heavy_ball(grad, x0, alpha, beta, max(k - 1, 0)),
                    "One step too few: you stop, or return, one point early (x_{k-1} in place of x_k). With "
                    "k = 1 one step is made."),
            Mistake(_from_origin,
                    "Your run does not start from rest: before the first step x_{k-1} must equal x0, and "
                    "yours is 0."),
            Mistake(_from_start,
                    "Your remembered step is the whole way from x0, because the previous point is never "
                    "moved along."),
            Mistake(_keeps_position,
                    "beta multiplies your position. It belongs to the last step, x_k - x_{k-1}."),
            Mistake(_one_late,
                    "You step with the memory before the fresh gradient has entered it, so every step comes "
                    "one late."),
            Mistake(_old_gradient,
                    "Your gradient is taken at the previous point x_{k-1}. It belongs to the present one."),
            Mistake(lambda grad, x0, alpha, beta, k: _memory(grad, x0, alpha, beta, k, step=alpha),
                    "alpha multiplies the gradient twice: once in the memory, and again in the step."),
            Mistake(lambda grad, x0, alpha, beta, k: _memory(grad, x0, 1.0, beta, k),
                    "alpha is missing: the gradient enters with factor 1."),
            Mistake(lambda grad, x0, alpha, beta, k: heavy_ball(grad, x0, alpha, 1 - beta, k),
                    "The remembered step is multiplied by 1 - beta. Its factor is beta."),
            Mistake(lambda grad, x0, alpha, beta, k: heavy_ball(grad, x0, alpha, alpha * beta, k),
                    "alpha multiplies the remembered step too. In heavy ball it belongs to the gradient "
                    "alone."),
            Mistake(lambda grad, x0, alpha, beta, k: heavy_ball(grad, x0, alpha, -alpha * beta, k),
                    "alpha multiplies the remembered step too, and its sign is turned: look at the "
                    "brackets."),
            Mistake(_two_gradients,
                    "You remember the last gradient, not the last step. The last step carries all earlier "
                    "gradients."),
            Mistake(_damped_difference,
                    "Your difference starts from the point after the gradient step, so beta multiplies that "
                    "step "
                    "too. The remembered step is x_k - x_{k-1}."),
            Mistake(_no_brackets,
                    "Brackets: beta multiplies the whole difference x_k - x_{k-1}, in yours only x_k."),
            Mistake(lambda grad, x0, alpha, beta, k: heavy_ball(grad, x0, beta, alpha, k),
                    "alpha and beta are exchanged: alpha belongs to the gradient, beta to the remembered "
                    "step."),
            Mistake(_last_step, "You returned the last step. Asked for is the point that it leads to."),
            Mistake(_same_rows,
                    "All rows of your history are the same. The list holds one array many times: append "
                    "x.copy().",
                    shows=lambda out, *p: (np.ndim(out) == 2 and 1 not in np.shape(out)
                                           and bool(np.all(np.asarray(out) == np.asarray(out)[0])))),
        )),
    Exercise(
        id="E06.2", kind="P", minutes=5,
        asks="the factor per step of heavy ball with its best alpha and beta, for L = 100 and mu = 1",
        hint="Write sqrt(alpha mu) = 1 - sqrt(beta) and sqrt(alpha L) = 1 + sqrt(beta), and divide one by the other.",
        answer=9 / 11, holds=lambda out: abs(out - 9 / 11) <= 0.005, reads=_number,
        accepts=("9/11", 0.82, [0.818], 0.8182, Fraction(9, 11)),
        mistakes=(
            Mistake(81 / 121,
                    "That is beta. The error shrinks by its square root, the modulus of the two roots.",
                    shows=between(0.66, 0.68)),
            Mistake(99 / 101,
                    "That is the factor of gradient descent with its best step.",
                    shows=between(0.979, 0.982)),
            Mistake(0.99,
                    "That is gradient descent with the step 1/L: 1 - 1/kappa(H).",
                    shows=between(0.9885, 0.992)),
            Mistake(0.9,
                    "1 - 1/sqrt(kappa(H)) is the factor of Nesterov's method with the step 1/L. Heavy ball "
                    "does better.",
                    shows=between(0.895, 0.906)),
            Mistake(0.8,
                    "1 - 2/sqrt(kappa(H)) holds for large kappa. At 100 it is close, and the exact quotient "
                    "is as short.",
                    shows=between(0.798, 0.804)),
            Mistake((10**0.5 - 1) / (10**0.5 + 1),
                    "The root was taken twice: L/mu = 100 is kappa(H), and its root is 10.",
                    shows=between(0.515, 0.525)),
            Mistake(2 / 11,
                    "That is the part of the error that a step removes. The factor is what remains.",
                    shows=between(0.18, 0.185)),
            Mistake(11 / 9, "Upside down: above 1 the error would grow.", shows=between(1.2, 1.25)),
            Mistake(10.0,
                    "That is sqrt(kappa(H)). The factor per step is below 1.", shows=between(9.9, 10.1)),
            Mistake(4 / 121,
                    "That is alpha. Asked for is the factor by which the error shrinks.",
                    shows=between(0.0325, 0.0335)),
            Mistake(40 / 121,
                    "That is 1 - beta. Asked for is the modulus of the two roots.",
                    shows=between(0.325, 0.335)),
            Mistake(0.1,
                    "1/sqrt(kappa(H)) is not yet the factor. Look at the two edges of the window.",
                    shows=between(0.099, 0.101)),
            Mistake(1.0,
                    "With factor 1 nothing would shrink. Let the two edges of the window stand on mu and L.",
                    shows=between(0.995, 1.1)),
            Mistake(81.8,
                    "Right digits, as a percentage. Asked for is the factor itself, a number below 1.",
                    shows=between(81, 82.5)),
        )),
    Exercise(
        id="E06.3", kind="X", minutes=8,
        asks="(how many times fewer gradients at kappa(H) = 10^4, the letter of the reason for the count)",
        hint="The long-run factors are 1 - 2/kappa and 1 - 2/sqrt(kappa). For the letter: which of the four would make "
             "a hump in the figure?",
        answer=(100.0, "B"), holds=lambda out: bool(50 <= out[0] <= 150 and out[1] == "b"),
        reads=_pair,
        accepts=((63, "b"), [100, "B"], ("100", " B "), ("100 times", "b"), ("100x", "B"), (np.array([99.5]), "B)")),
        mistakes=(
            Mistake((10_000.0, "B"),
                    "About the factor: kappa becomes sqrt(kappa), it does not become 1.",
                    shows=_factor((5000, 20_000))),
            Mistake((10.0, "B"),
                    "About the factor: 10 is 1/(1 - beta) for the habit beta = 0.9. This problem has its "
                    "own beta.",
                    shows=_factor((9, 11))),
            Mistake((2.0, "B"),
                    "About the factor: two terms in the recursion do not make it twice as fast. Compare 1 - "
                    "2/kappa with "
                    "1 - 2/sqrt(kappa).", shows=_factor((1.5, 4.5))),
            Mistake((0.01, "B"),
                    "About the factor: asked for is how many times fewer, a number above 1.",
                    shows=_factor((0.0, 0.999))),
            Mistake((1.0, "B"),
                    "About the factor: 1 would mean that nothing is saved. Compare 1 - 2/kappa with 1 - "
                    "2/sqrt(kappa).",
                    shows=_factor((0.999, 1.5))),
            Mistake((30.0, "B"),
                    "About the factor: a wrong size. Steps needed are in proportion to 1/(1 - factor): "
                    "compare the two long-run "
                    "factors.", shows=_factor((4.5, 9), (11, 50), (150, 5000), (20_000, np.inf))),
            Mistake((100.0, "E"),
                    "About the reason: hand in one of the letters A, B, C and D.", shows=_no_letter),
            Mistake((100.0, "A"),
                    "About the reason: in double precision rounding is 1e-16, and the runs stop at 1e-6. "
                    "The count "
                    "would be the same in exact arithmetic.", shows=_letter(("a",))),
            Mistake((100.0, "C"),
                    "About the reason: a step of heavy ball costs one gradient, as before. It only keeps "
                    "one more vector.",
                    shows=_letter(("c",))),
            Mistake((100.0, "D"),
                    "About the reason: between the ends the roots are complex and different, and their "
                    "modulus is "
                    "exactly sqrt(beta). None of these 48 lags behind.", shows=_letter(("d",))),
        )),
    Exercise(
        id="E06.4", kind="P", minutes=4,
        asks="the lr of the averaging formula that makes the iterates of PyTorch's lr = 0.01, momentum = 0.9",
        hint="Start both memories at 0 and write down the first step of each.",
        answer=0.1, tol=1e-3, reads=_learning_rate,
        accepts=("lr/(1-beta)", "0.1 after the transient", [0.1], "1/10"),
        mistakes=(
            Mistake(0.001,
                    "Direction reversed: the average makes steps smaller, so its lr must be larger, not "
                    "smaller."),
            Mistake(0.01,
                    "With the same lr the averaged run is slower: there the fresh gradient is multiplied by "
                    "0.1."),
            Mistake(0.019,
                    "That is lr (1 + beta), a mixture of the two. Compare the first step of both formulas."),
            Mistake(0.009,
                    "That is lr beta. The factor that differs between the two formulas is the one before g."),
            Mistake(0.01 / 0.9,
                    "That is lr / beta. The factor that differs between the two formulas is the one before "
                    "g.",
                    shows=between(0.0109, 0.0113)),
            Mistake(0.11,
                    "Nearly. The fresh gradients differ by the factor 1 - beta, and by nothing else.",
                    shows=between(0.108, 0.112)),
            Mistake(0.09,
                    "Nearly: the average multiplies the fresh gradient by 1 - beta, and nothing else "
                    "differs."),
            Mistake(1.0, "The factor 1 - beta was divided out twice."),
            Mistake(0.9, "That is beta. Asked for is a learning rate."),
            Mistake(0.0001,
                    "The factor 1 - beta was multiplied in, twice. Write down the first step of each "
                    "formula.",
                    shows=between(0.00009, 0.00011)),
            Mistake(10.0,
                    "That is the ratio of the two learning rates. Asked for is the learning rate itself."),
        )),
    Exercise(
        id="E06.5", kind="X", minutes=10,
        asks="what the iterates do in the end: the limit, or the numbers that repeat, or 'diverges'",
        hint="Print x_300 to x_305, and compare them one by one.",
        answer="the three", reads=_in_the_end,
        accepts=([0.6465, -1.8024, 2.1159], np.tile(CYCLE, 2)[:, None], (2.116, 0.647, -1.802), ("cycles", CYCLE[::-1]),
                 [np.array([v]) for v in CYCLE], (0.65, -1.8, 2.12),
                 "0.647, -1.802, 2.116", {0.647, -1.802, 2.116}, [3.3, *np.tile(CYCLE, 30)],
                 [np.tile(CYCLE, 30)[:90 - k] for k in range(3)]),
        mistakes=(
            Mistake("converges",
                    "Print the last six iterates, not an average or a single one. Do they agree with each "
                    "other?",
                    shows=_is("converges")),
            Mistake(0.0,
                    "A single number: the minimizer, or one iterate of many? Print the last six iterates, "
                    "and check that beta "
                    "reached your run.", shows=_is("single")),
            Mistake(CYCLE.mean(),
                    "That is an average. An average of iterates says nothing about whether they settle: "
                    "print the "
                    "last six themselves.", shows=_is("mean")),
            Mistake("diverges",
                    "Bounded: after a few steps the iterates stay between -2 and 3. If yours grow, check "
                    "alpha and beta; if not, look "
                    "at the last six.", shows=_is("diverges")),
            Mistake("f is not convex",
                    "The slope f' never decreases, so f is convex; what it is not is quadratic. And what do "
                    "the "
                    "iterates do?", shows=_is("notconvex")),
            Mistake("cycles", "Which numbers repeat? Hand them in, to three digits.", shows=_is("words")),
            Mistake([CYCLE[0], CYCLE[1]],
                    "These belong to it, but not all that repeat are there: look at more iterates in a row.",
                    shows=_is("some")),
            Mistake([0.586, -1.729, 2.046],
                    "Close: too early, or too few digits. Look after 300 steps, to three digits.",
                    shows=_is("early")),
            Mistake([3.3, -3.2, 2.8],
                    "Those are other numbers. Check alpha = 1/9, beta = 4/9, the start 3.3, and look after "
                    "300 steps.",
                    shows=_is("others")),
        )),
]

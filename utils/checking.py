"""What an exercise is, what a mistake is, and how an answer is judged.

An exercise is data: instances that separate right from wrong, the right answer, other right answers,
and the wrong answers that people give, each with the sentence that its maker should read.
An answer is judged in this order, and the first that applies is said:

    unfinished -> form -> NaN -> side effects -> right -> known mistake -> generic diagnosis -> unknown

A known mistake is recognized by running it: the answer equals the mistake's output on every instance
on which the mistake is wrong. The wrong answers are therefore code, and the tests run them.
"""
import contextlib
import copy
import inspect
import io
import random
import signal
import textwrap
import threading
import warnings
from dataclasses import dataclass
from typing import Any, Callable

import numpy as np

NOT_ATTEMPTED, RIGHT, NOT_YET = "not attempted", "right", "not yet right"
UNFINISHED = (None, ..., NotImplemented)


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that runs, and the sentence for whoever gives it.

    `shows(output, *args) -> bool` recognizes a mistake that has no single output (any vector outside
    a null space, rounding noise at full volume): it is asked wherever `answer` itself is wrong.
    """
    answer: Any
    says: str
    shows: Callable | None = None


@dataclass(frozen=True)
class Remark:
    """A sentence for a right answer: `answer` is an example of it, `shows(output, *args)` tells it."""
    answer: Any
    says: str
    shows: Callable


@dataclass(frozen=True)
class Exercise:
    """One exercise. `answer` is a function with the signature in `asks`, or a value to predict.

    id         "E05.4"
    kind       P predict, F fill in, R rearrange, I implement, T write the test, X explain
    minutes    for one person alone
    asks       the signature, or the number to predict, in one line
    hint       one thing to try, said when nothing else is known
    answer     the right answer: a function, or a value
    instances  tuples of arguments (the first one is the example of the notebook); copied at each call
    accepts    other right answers
    mistakes   wrong answers with their sentences
    remarks    right answers that deserve a sentence
    holds      `holds(output, *args) -> bool`: where many outputs are right, the property that makes them so
    reads      `reads(output) -> output`: other forms that mean the same (a history for its last row)
    diagnose   `diagnose(output, *args) -> str`: what to say of an answer that no mistake explains
    by_name    the last arguments, if they are passed by name: later cells do so, and an answer must keep the names
    tol        relative tolerance of an output, in the 2-norm
    seconds    after which a call that has not returned is stopped
    """
    id: str
    kind: str
    minutes: int
    asks: str
    hint: str
    answer: Any
    instances: tuple = ((),)
    accepts: tuple = ()
    mistakes: tuple = ()
    remarks: tuple = ()
    holds: Callable | None = None
    reads: Callable | None = None
    diagnose: Callable | None = None
    by_name: tuple = ()
    tol: float = 1e-6
    seconds: float = 5.0


def between(low, high):
    """Whether the number handed in lies between two others: for predictions that differ by their rounding."""
    def shows(out):
        try:
            return bool(low <= float(np.squeeze(out)) <= high)
        except (TypeError, ValueError):
            return False
    return shows


@dataclass(frozen=True)
class Verdict:
    """state: NOT_ATTEMPTED, RIGHT or NOT_YET; text: at most three sentences of plain text."""
    state: str
    text: str


def judge(exercise, submission):
    """Judge a submission, whatever it is. Returns a Verdict; raises nothing, changes nothing."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return _judge(exercise, submission)
    except KeyboardInterrupt:
        return Verdict(NOT_YET, "Stopped by you before there was a verdict.")
    except Exception as err:  # an object that fights back: say so calmly
        return Verdict(NOT_YET, f"This answer could not be read ({type(err).__name__}). {exercise.hint}")


def _judge(exercise, submission):
    if _is_unfinished(submission, exercise.answer):
        return Verdict(NOT_ATTEMPTED, f"Not attempted yet{_open_parts(submission)}.")
    wants_function = callable(exercise.answer)
    if wants_function and not callable(submission):
        return Verdict(NOT_YET, f"Asked for is a function, {exercise.asks}; {_came(submission)} came. "
                                "Hand in the function itself, by its name and without parentheses after it.")
    if callable(submission) and not _has_names(submission, exercise.by_name):
        return Verdict(NOT_YET, f"Later cells call your function with {'=, '.join(exercise.by_name)}= by name. "
                                "Keep the names of these arguments.")
    if callable(submission) and not _takes(submission, exercise):
        names = ", ".join(_names(exercise)[:len(exercise.instances[0])])
        return Verdict(NOT_YET, f"Your function is called with {len(exercise.instances[0])} arguments"
                                f"{f' ({names})' if names else ''}, and its signature does not take them. "
                                f"Asked for is {exercise.asks}.")
    truth = run(exercise, exercise.answer)
    calls = run(exercise, submission)

    verdict = _unfinished_or_stopped(exercise, calls, truth)
    if verdict:
        return verdict
    outputs = [call.read_as(true.value) for call, true in zip(calls, truth)]
    problem = _form_nan_or_side_effect(exercise, calls, outputs, truth)
    if problem is None and all(is_right(exercise, out, true) for out, true in zip(outputs, truth)):
        return Verdict(RIGHT, " ".join(["Right.", *_remarks(exercise, calls, truth)]))
    if problem is None or not problem.hides_mistakes:
        mistake = recognize(exercise, calls, truth)
        if mistake:
            return Verdict(NOT_YET, mistake.says)
    if problem:
        return Verdict(NOT_YET, problem.says)
    if exercise.diagnose:
        for out, true in zip(outputs, truth):
            if not is_right(exercise, out, true):
                says = exercise.diagnose(out, *true.fresh_args())
                if says:
                    return Verdict(NOT_YET, says)
    says = _generic_diagnosis(exercise, outputs, truth) if wants_function else _value_diagnosis(outputs, truth)
    return Verdict(NOT_YET, says or _unknown(exercise, outputs, truth))


# ---------------------------------------------------------------------------------- running an answer

@dataclass
class Call:
    """What came of calling an answer on one instance."""
    args: tuple
    value: Any = None
    error: BaseException | None = None
    changed: str = ""
    warned: str = ""
    reads: Callable | None = None

    def fresh_args(self):
        return copy.deepcopy(self.args)

    def read_as(self, wanted):
        """The value in the form of `wanted`, or None if it has another form (or there is none)."""
        if self.error is not None:
            return None
        value = self.reads(self.value) if self.reads else self.value
        return coerce(value, wanted)


def run(exercise, answer):
    """Call an answer on each instance, in quarantine. Returns a list of Call, one per instance."""
    names = _names(exercise)
    calls = []
    try:
        with _quarantine(exercise.seconds):
            for args in exercise.instances:
                calls.append(Call(copy.deepcopy(args), reads=exercise.reads))
                _call(calls[-1], answer, names, exercise.by_name)
    except _TimeUp as err:
        calls[-1].error = err
    return calls


def _call(call, answer, names, by_name):
    given = copy.deepcopy(call.args)
    positional, named = _split(given, by_name)
    try:
        with warnings.catch_warnings(record=True) as caught, np.errstate(all="warn", under="ignore"):
            warnings.simplefilter("always")
            call.value = answer(*positional, **named) if callable(answer) else answer
        call.warned = next((str(w.message) for w in caught if issubclass(w.category, RuntimeWarning)), "")
    except (KeyboardInterrupt, _TimeUp):
        raise
    except BaseException as err:  # SystemExit is not an Exception
        call.error = err
    call.changed = next((name for name, was, now in zip(names, call.args, given) if not _same(was, now)), "")


class Seen(RuntimeError):
    """Raised by an instance that watches an answer: what it saw, to be said where no mistake explains it."""


class _TimeUp(BaseException):
    """The alarm: not an Exception, so that a learner's `except Exception` does not swallow it."""


@contextlib.contextmanager
def _quarantine(seconds):
    """Nothing that runs in here prints, warns, moves global state, or runs for longer than `seconds`.

    The time limit needs SIGALRM and the main thread; elsewhere (Windows) there is none.
    """
    limited = hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()
    state = random.getstate(), np.random.get_state(), np.geterr(), np.get_printoptions()
    try:
        if limited:
            def alarm(signum, frame):
                raise _TimeUp
            handler = signal.signal(signal.SIGALRM, alarm)
            signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)  # again and again, for a bare `except:`
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        if limited:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, handler)
        random.setstate(state[0])
        np.random.set_state(state[1])
        np.seterr(**state[2])
        np.set_printoptions(**state[3])


def _same(was, now):
    if isinstance(was, np.ndarray):
        return isinstance(now, np.ndarray) and was.shape == now.shape and np.array_equal(was, now, equal_nan=True)
    return was == now if isinstance(was, (list, tuple, dict, set)) else True


def _split(args, by_name):
    """(positional arguments, arguments by name): the last ones have the names; an instance may leave them all out."""
    count = len(args) - len(by_name) if len(args) > len(by_name) else len(args)
    return args[:count], dict(zip(by_name, args[count:]))


def _takes(function, exercise):
    positional, named = _split(exercise.instances[0], exercise.by_name)
    try:
        inspect.signature(function).bind(*positional, **named)
    except TypeError:
        return False
    except ValueError:  # no signature to be had (a built-in): try it
        pass
    return True


def _has_names(function, names):
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return True
    named = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return named >= set(names) or any(p.kind is p.VAR_KEYWORD for p in parameters)


def _names(exercise):
    if not callable(exercise.answer):
        return []
    return list(inspect.signature(exercise.answer).parameters)


# ---------------------------------------------------------------------------- the form of an output

def coerce(value, wanted):
    """Read `value` in the form of `wanted` (bool, str, None, number, array, or a tuple of these).

    Lists, tuples, columns, rows, 0-d arrays, other float types, ints and fractions are numbers like any
    other. Returns None if `value` cannot be read so; a wanted None is returned as the string "None".
    """
    if isinstance(wanted, tuple):
        if isinstance(value, (str, dict, set)) or not hasattr(value, "__len__") or len(value) != len(wanted):
            return None
        parts = tuple(coerce(v, w) for v, w in zip(value, wanted))
        return None if any(part is None for part in parts) else parts
    if wanted is None or isinstance(wanted, str):
        text = "None" if value is None else value
        return "".join(c for c in text.casefold() if c.isalnum()) if isinstance(text, str) else None
    try:
        array = np.asarray(value)
        if isinstance(wanted, (bool, np.bool_)):
            return bool(array.item()) if array.size == 1 and array.item() in (0, 1) else None
        if array.size != np.size(wanted) or np.iscomplexobj(array):
            return None
        array = array.astype(float)
    except (TypeError, ValueError):
        return None
    shape = np.shape(wanted)
    return array.reshape(shape) if _squeezed(array.shape) == _squeezed(shape) else None


def _squeezed(shape):
    return tuple(k for k in shape if k != 1)


def distance(a, b):
    """How far two outputs of one form are apart: relative, in the 2-norm; 0 or 1 for words and booleans."""
    if isinstance(a, tuple):
        return max(distance(x, y) for x, y in zip(a, b))
    if isinstance(a, (bool, str)):
        return float(a != b)
    if not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
        return 0.0 if np.array_equal(a, b, equal_nan=True) else 1.0
    largest = max(np.max(np.abs(a), initial=0), np.max(np.abs(b), initial=0))
    if largest == 0:
        return 0.0
    a, b = np.divide(a, largest), np.divide(b, largest)  # so that no square overflows
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(a), np.linalg.norm(b)))


def call_distance(a, b):
    """The distance between what two answers did on one instance; 1 where they did different things."""
    if a.error is not None or b.error is not None:
        return float(type(a.error) is not type(b.error))
    own = a.reads(a.value) if a.reads else a.value
    other = b.read_as(own)
    mine = coerce(own, own)
    return 1.0 if other is None or mine is None else min(distance(mine, other), 1.0)


def is_right(exercise, output, true):
    """Whether an output, read in the form of the truth, is right on the instance of that truth."""
    if output is None:
        return False
    if exercise.holds:
        return bool(exercise.holds(output, *true.fresh_args()))
    return distance(output, coerce(true.value, true.value)) <= exercise.tol


def recognize(exercise, calls, truth):
    """The mistake that explains the answer: the one that agrees with it on most instances, or None."""
    best, agreement = None, 0
    for mistake in exercise.mistakes:
        wrong = run(exercise, mistake.answer)
        where = wrong_instances(exercise, wrong, truth)
        if mistake.shows:
            agrees = [_shows(mistake, call, true) for call, true in zip(calls, truth)]
        else:
            agrees = [call_distance(other, call) <= exercise.tol for other, call in zip(wrong, calls)]
        if where and all(agrees[i] for i in where) and sum(agrees) > agreement:
            best, agreement = mistake, sum(agrees)
    return best


def _shows(sign, call, true):
    """Whether a Mistake or a Remark shows in a call; its output comes in the form of the truth if it can."""
    output = call.read_as(true.value)
    try:
        return call.error is None and bool(sign.shows(call.value if output is None else output, *true.fresh_args()))
    except (TypeError, ValueError, LookupError):  # an output of another form does not show it
        return False


def wrong_instances(exercise, calls, truth):
    """The indices of the instances on which an answer is wrong."""
    return [i for i, (call, true) in enumerate(zip(calls, truth))
            if not is_right(exercise, call.read_as(true.value), true)]


# -------------------------------------------------------------------------------- what is said, in order

@dataclass(frozen=True)
class _Problem:
    says: str
    hides_mistakes: bool = False  # True: say this even if the numbers would match a known mistake


def _is_unfinished(value, wanted=None):
    """Whether there is nothing yet, or a ... in a row of values (or a None, where no None is wanted)."""
    if any(value is u for u in UNFINISHED):
        return True
    none_too = isinstance(wanted, tuple) and not any(part is None for part in wanted)
    return isinstance(value, (tuple, list)) and any(v is ... or none_too and v is None for v in value)


def _open_parts(value):
    """': part 3 and 4 of it is open' for a row of values of which some are there."""
    if not isinstance(value, (tuple, list)):
        return ""
    parts = [str(k + 1) for k, v in enumerate(value) if v is ... or v is None]
    return "" if len(parts) == len(value) else f": part {' and '.join(parts)} of it is open"


def _unfinished_or_stopped(exercise, calls, truth):
    none_is_meant = any(true.value is None for true in truth)
    for call in calls:
        if isinstance(call.error, _TimeUp):
            return Verdict(NOT_YET, f"Stopped after {exercise.seconds:g} seconds{_on(exercise, call)}. "
                                    "Does each loop in it come to an end?")
        if isinstance(call.error, NotImplementedError):
            return Verdict(NOT_ATTEMPTED, "Not attempted yet.")
        if "ellipsis" in str(call.error) and not isinstance(call.error, IndexError):  # there numpy names a legal index
            return Verdict(NOT_ATTEMPTED, "Not attempted yet: there is a ... in it, or in a function that it calls. "
                                          "Is an earlier exercise unanswered?")
        if call.error is None and _is_unfinished(call.value) and not (call.value is None and none_is_meant):
            says = "Not attempted yet."
            if call.value is None:
                says += " Your function returned None: if you wrote it, does each way through it end in a return?"
            return Verdict(NOT_ATTEMPTED, says)
    return None


def _form_nan_or_side_effect(exercise, calls, outputs, truth):
    for call, out, true in zip(calls, outputs, truth):
        if _is_aliased(call.value):
            return _Problem("All entries of your list are one and the same array, so each shows its last state. "
                            "Append a copy: hist.append(x.copy()).", hides_mistakes=True)
        if isinstance(call.error, Seen):
            return _Problem(f"Stopped{_on(exercise, call)}: {call.error}.")
        if call.error is not None:
            first_line = (str(call.error).strip().splitlines() or ["no message"])[0]
            if any(word in first_line for word in ("matmul", "broadcast", "shapes", "dimension")):
                first_line = "the shapes do not fit"
                advice = "Print the shapes of the factors, one product after another."
            else:
                first_line = textwrap.shorten(first_line, 120, placeholder=" (and so on)").rstrip(".!")
                advice = "Call it yourself with such an argument and read the last line of what Python says."
            return _Problem(f"It stopped with {type(call.error).__name__}: {first_line}{_on(exercise, call)}. {advice}")
        if out is None and _is_complex(call.value):
            return _Problem(f"Your answer is complex, and real numbers are asked for{_on(exercise, call)}. "
                            "Which part of it is meant?")
        if out is None:
            return _Problem(f"Asked for is {_describe(true.value)}; {_came(call.value)} came{_on(exercise, call)}.")
    for call, out in zip(calls, outputs):
        where = _first_not_finite(out)
        if where is not None:
            return _Problem(f"Your answer is not finite: {where}{_on(exercise, call)}. "
                            "Look for a division by zero, a logarithm of zero or an overflow before it.")
    for call in calls:
        if call.changed:
            return _Problem(f"Your function changed its argument {call.changed}, which belongs to the caller. "
                            f"Something in it writes into {call.changed} or into a view of it: a -= or a [...] = on "
                            "the array, a slice or a part of it. Work on a copy, or build new arrays.",
                            hides_mistakes=True)
    return None


def _is_complex(value):
    parts = value if isinstance(value, (list, tuple)) else [value]
    return any(isinstance(part, (complex, np.complexfloating, np.ndarray)) and np.iscomplexobj(part) for part in parts)


def _is_aliased(value):
    return (isinstance(value, list) and len(value) > 1
            and all(isinstance(v, np.ndarray) and v is value[0] for v in value))


def _first_not_finite(out):
    if isinstance(out, tuple):
        return next((where for where in map(_first_not_finite, out) if where), None)
    if isinstance(out, (bool, str)) or np.all(np.isfinite(out)):
        return None
    index = np.argwhere(~np.isfinite(out))[0]
    value = np.asarray(out)[tuple(index)]
    return f"entry {', '.join(map(str, index))} is {value}" if index.size else f"it is {value}"


def _remarks(exercise, calls, truth):
    said = [remark.says for remark in exercise.remarks
            if any(_shows(remark, call, true) for call, true in zip(calls, truth))]
    warned = next((call.warned for call in calls if call.warned), "")
    return said[:2] or ([f"On the way numpy warned: {warned}."] if warned else [])


def _generic_diagnosis(exercise, outputs, truth):
    """What can be said of a wrong array without knowing how it was made."""
    if exercise.holds or any(isinstance(_flat(out), str) for out in outputs):
        return None
    pairs = [(_flat(out), _flat(coerce(true.value, true.value))) for out, true in zip(outputs, truth)]
    pairs = [(y, t) for y, t in pairs if y.size and np.linalg.norm(t) > 0]
    if not pairs:
        return None
    errors = [distance(y, t) for y, t in pairs]
    if max(errors) < 1e-3:
        return (f"Right to about {-np.log10(max(errors)):.0f} digits, and more can be had. "
                "Rounding, finite differences, or a loop that stops early?")
    factors = [float(y @ t / (t @ t)) for y, t in pairs]
    if all(distance(y, c * t) <= exercise.tol and c != 0 for (y, t), c in zip(pairs, factors)):
        if np.allclose(factors, -1):
            return "Right size, opposite sign, on every instance. Which way round is your difference?"
        if np.allclose(factors, factors[0]):
            return (f"Your answer is {factors[0]:.4g} times what was asked, on every instance. "
                    "Which constant stands in the definition?")
        rows = [float(np.shape(true.args[0])[0]) if np.ndim(true.args[0]) else np.nan for true in truth]
        if len(rows) == len(factors) and np.allclose(factors, rows):
            return "Your answer is m times what was asked, with m the number of rows. Is there a mean too few?"
        if len(rows) == len(factors) and np.allclose(np.multiply(factors, rows), 1):
            return "Your answer is 1/m of what was asked, with m the number of rows. Is there a mean too many?"
    for out, true in zip(outputs, truth):
        t = np.asarray(true.value) if isinstance(true.value, np.ndarray) else None
        if t is not None and t.ndim == 2 and t.shape[0] == t.shape[1] and distance(out.T, t) <= exercise.tol:
            return "This is the transpose of what was asked."
    if all(y.size > 1 and distance(np.sort(y), np.sort(t)) <= exercise.tol for y, t in pairs):
        return "The right numbers in another order. Which comes first?"
    if errors[0] <= exercise.tol:
        return ("Right on the example of the lesson and wrong on other instances"
                f"{_on(exercise, truth[int(np.argmax(errors))])}. "
                "Is something of the example fixed in your code, does a loop end early, or does a slip not show there?")
    return None


def _value_diagnosis(outputs, truth):
    out, true = outputs[0], coerce(truth[0].value, truth[0].value)
    if isinstance(_flat(true), str) or np.size(_flat(true)) == 0:
        return None
    y, t = _flat(out), _flat(true)
    if np.linalg.norm(t) > 0 and distance(y, -t) <= 1e-6:
        return "Right size, opposite sign."
    if y.size > 1 and distance(np.sort(y), np.sort(t)) <= 1e-6:
        return "The right numbers in another order."
    return None


def _unknown(exercise, outputs, truth):
    if not callable(exercise.answer) or exercise.holds:
        return f"This is not it, and none of the slips known here. {exercise.hint}"
    wrong = next(i for i, (out, true) in enumerate(zip(outputs, truth)) if not is_right(exercise, out, true))
    out, true = outputs[wrong], coerce(truth[wrong].value, truth[wrong].value)
    y, t = _flat(out), _flat(true)
    if isinstance(y, str) or isinstance(out, bool):
        return f"This is not it{_on(exercise, truth[wrong])}. {exercise.hint}"
    if isinstance(out, tuple) and len(out) > 1:
        parts = [distance(a, b) <= exercise.tol for a, b in zip(out, true)]
        if any(parts):
            good, bad = (" and ".join(str(k + 1) for k, part in enumerate(parts) if part is want)
                         for want in (True, False))
            return (f"Part {good} of your answer is right, part {bad} is not{_on(exercise, truth[wrong])}. "
                    f"{exercise.hint}")
    norms = np.linalg.norm(y) * np.linalg.norm(t)
    cosine = f", cosine with the expected answer {y @ t / norms:.3f}" if y.size > 1 and norms > 0 else ""
    return (f"Not the expected numbers{_on(exercise, truth[wrong])}: relative error "
            f"{distance(y, t):.2g}{cosine}. {exercise.hint}")


def _flat(out):
    """An output as one vector, or as a string if it has words in it."""
    if isinstance(out, tuple):
        parts = [_flat(part) for part in out]
        return "words" if any(isinstance(p, str) for p in parts) else np.concatenate(parts)
    return out if isinstance(out, str) else np.ravel(np.asarray(out, float))


def _on(exercise, call):
    """' (for A of shape (3, 2), k = 4)': the instance, in words."""
    words = []
    for name, arg in zip(_names(exercise), call.args):
        if isinstance(arg, np.ndarray):
            words.append(f"{name} of shape {arg.shape}")
        elif isinstance(arg, (int, float, str)):
            words.append(f"{name} = {arg}")
    return f" (for {', '.join(words)})" if words else ""


def _describe(value):
    if isinstance(value, tuple):
        return "(" + ", ".join(_describe(v) for v in value) + ")"
    if isinstance(value, (bool, np.bool_)):
        return "True or False"
    if value is None or isinstance(value, str):
        return "a word"
    return "a number" if np.ndim(value) == 0 else f"an array of shape {np.shape(value)}"


def _came(value):
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}" if value.ndim else "a number"
    if isinstance(value, (bool, np.bool_)):
        return "True or False"
    if isinstance(value, (int, float, np.number)):
        return "a number"
    if isinstance(value, (list, tuple)):
        kind = type(value).__name__
        return f"a {kind} of {len(value)}" + (" (" + ", ".join(map(_came, value)) + ")" if len(value) < 4 else "")
    return "a text" if isinstance(value, str) else f"an object of type {type(value).__name__}"

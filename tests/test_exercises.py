"""Every exercise: what is right passes, each mistake gets its own sentence, and the instances tell them apart."""
import itertools
import re
import time

import numpy as np
import pytest

from utils import checking, exercises
from utils.checking import NOT_ATTEMPTED, NOT_YET, RIGHT, judge

ALL = [exercise for lesson in exercises.lessons() for exercise in exercises.exercises(lesson)]
MISTAKES = [pytest.param(e, m, id=f"{e.id}-{k}") for e in ALL for k, m in enumerate(e.mistakes)]
ACCEPTED = [pytest.param(e, a, id=f"{e.id}-{k}") for e in ALL for k, a in enumerate((e.answer, *e.accepts))]
REMARKS = [pytest.param(e, r, id=f"{e.id}-{k}") for e in ALL for k, r in enumerate(e.remarks)]
each_exercise = pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.id)


def sentences(text):
    return len(re.findall(r"[.?:](?=\s|$)", re.sub(r"\d\.\d|\.\.\.", "", text).replace(": ", " "))) or 1


@pytest.mark.parametrize("exercise, answer", ACCEPTED)
def test_right_answers_are_right(exercise, answer):
    verdict = judge(exercise, answer)
    assert verdict.state == RIGHT, verdict.text


@pytest.mark.parametrize("exercise, mistake", MISTAKES)
def test_each_mistake_is_rejected_with_its_own_sentence(exercise, mistake):
    verdict = judge(exercise, mistake.answer)
    assert verdict.state == NOT_YET
    assert verdict.text == mistake.says


@pytest.mark.parametrize("exercise, remark", REMARKS)
def test_each_remark_is_made(exercise, remark):
    verdict = judge(exercise, remark.answer)
    assert verdict.state == RIGHT and remark.says in verdict.text


@each_exercise
def test_no_remark_on_the_plain_answer(exercise):
    assert judge(exercise, exercise.answer).text == "Right."


@each_exercise
def test_instances_separate_right_from_wrong_and_wrong_from_wrong(exercise):
    """All distances are above 10 tol, except between mistakes that are said the same thing or told by a property."""
    truth = checking.run(exercise, exercise.answer)
    wrong = [checking.run(exercise, mistake.answer) for mistake in exercise.mistakes]

    def apart(a, b):
        return max(checking.call_distance(x, y) for x, y in zip(a, b))

    for mistake, calls in zip(exercise.mistakes, wrong):
        if exercise.holds is None:
            assert apart(truth, calls) > 10 * exercise.tol, mistake.says
        assert checking.wrong_instances(exercise, calls, truth), mistake.says
    for (m1, c1), (m2, c2) in itertools.combinations(zip(exercise.mistakes, wrong), 2):
        if m1.says != m2.says and not (m1.shows or m2.shows):
            assert apart(c1, c2) > 10 * exercise.tol, (m1.says, m2.says)


@each_exercise
def test_what_is_said_is_short_calm_and_plain(exercise):
    said = [m.says for m in exercise.mistakes] + [r.says for r in exercise.remarks] + [exercise.hint]
    for text in said:
        assert sentences(text) <= 3, text
        assert "!" not in text and "\n" not in text
        assert text.isascii(), text


@each_exercise
def test_ids_kinds_and_minutes(exercise):
    assert re.fullmatch(r"(E\d\d|L[A-F])\.\d", exercise.id)
    assert exercise.kind in ("P", "F", "R", "I", "T", "X") and 1 <= exercise.minutes <= 20
    assert len(exercise.mistakes) >= 1


def test_ids_are_unique():
    ids = [exercise.id for exercise in ALL]
    assert len(set(ids)) == len(ids)


def changes_an_argument(*args):
    for arg in args:
        if isinstance(arg, np.ndarray):
            arg -= 1


def raises_system_exit(*args):
    raise SystemExit(3)


def recurses(*args):
    return recurses(*args)


class Hostile:
    def __array__(self, *args, **kwargs):
        raise RuntimeError("no array of me")

    def __eq__(self, other):
        raise RuntimeError("no comparison with me")

    __hash__ = None


JUNK = {
    "a number": 1e300, "nan": np.nan, "a list of nan": [np.nan, np.nan], "words": "forty-two", "empty": [],
    "ragged": [[1, 2], [3]], "dict": {"x": 1}, "object": Hostile(), "huge": np.zeros((2000, 2000)), "complex": 1j,
    "raises": lambda *args: 1 / 0, "exits": raises_system_exit, "recurses": recurses, "nans": lambda *args: np.nan,
    "changes": changes_an_argument, "hostile": lambda *args: Hostile(), "class": Hostile,
    "words back": lambda *args: "x",
    "wrong shape": lambda *args: np.ones((7, 11, 2)), "list of words": ["a", "b"], "a built-in": max, "bytes": b"1",
    "generator": lambda *args: (k for k in range(3)), "a set": {1, 2},
}


@each_exercise
@pytest.mark.parametrize("junk", JUNK, ids=str)
def test_junk_gets_a_calm_sentence(exercise, junk, capsys):
    exercises.check(exercise.id, JUNK[junk])
    printed = capsys.readouterr()
    assert printed.err == ""
    assert re.match(rf"{exercise.id}: \S", printed.out) and printed.out.count("\n") == 1
    assert "Traceback" not in printed.out and "Right" not in printed.out
    assert sentences(printed.out) <= 4  # the id's colon is one


@each_exercise
@pytest.mark.parametrize("nothing", [None, ..., NotImplemented], ids=str)
def test_nothing_is_not_attempted(exercise, nothing):
    assert judge(exercise, nothing) == checking.Verdict(NOT_ATTEMPTED, "Not attempted yet.")
    if callable(exercise.answer):
        none_is_meant = any(call.value is None for call in checking.run(exercise, exercise.answer))
        if nothing is not None or not none_is_meant:
            verdict = judge(exercise, lambda *args, **kwargs: nothing)
            assert verdict.state == NOT_ATTEMPTED

        def stub(*args, **kwargs):
            raise NotImplementedError

        assert judge(exercise, stub).state == NOT_ATTEMPTED


@each_exercise
def test_the_expected_vector_is_never_revealed(exercise):
    """What is said of a wrong answer holds no number of the right one that the question does not hold already."""
    if callable(exercise.answer) or exercise.holds or isinstance(exercise.answer, (str, bool)):
        return
    for wrong in (0.12345, np.full(np.shape(exercise.answer), 0.12345)):
        said = judge(exercise, wrong).text
        numbers = {float(n) for n in re.findall(r"-?\d+\.?\d*", said)}
        asked = {float(n) for n in re.findall(r"-?\d+\.?\d*", exercise.asks)}
        asked |= {0.0, 1.0, 2.0, float(np.size(wrong))}
        secret = {round(float(v), 3) for v in np.ravel(exercise.answer)} - asked
        assert not numbers & secret or exercise.id.startswith("E00"), said


def test_an_endless_loop_is_stopped():
    if not hasattr(checking.signal, "SIGALRM"):
        pytest.skip("no SIGALRM on this platform: an endless loop is stopped with 'interrupt kernel'")
    exercise = next(e for e in ALL if e.id == "E01.2")

    def endless(A, b, x):
        while True:
            try:
                x = x + 0
            except Exception:  # must not swallow the alarm
                pass

    start = time.perf_counter()
    verdict = judge(exercise, endless)
    assert 4 < time.perf_counter() - start < 8
    assert verdict.state == NOT_YET and "Stopped after 5 seconds" in verdict.text

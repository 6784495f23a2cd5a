"""The judge itself, on small exercises made for it."""
import random
import warnings
from fractions import Fraction

import numpy as np
import pytest

from utils import checking, exercises
from utils.checking import NOT_ATTEMPTED, NOT_YET, RIGHT, Exercise, Mistake, Remark, coerce, judge

RNG = np.random.default_rng(0)
MATRICES = [RNG.standard_normal((m, 3)) for m in (5, 4, 7)]


def gradient(A, x):
    return A.T @ A @ x


IMPLEMENT = Exercise(
    id="E99.1", kind="I", minutes=5, asks="gradient(A, x) -> (n,)", hint="Draw it.", answer=gradient,
    instances=tuple((A, np.array([1.0, -2, 3])) for A in MATRICES),
    mistakes=(Mistake(lambda A, x: A @ x, "That is the residual."),
              Mistake(lambda A, x: A.T @ A @ np.abs(x), "You lost the signs of x.")))
PREDICT = Exercise(id="E99.2", kind="P", minutes=5, asks="two numbers", hint="Draw it.", answer=(0.5, 2.0),
                   mistakes=(Mistake((2.0, 4.0), "Squared once too often."),))


def said(exercise, submission):
    verdict = judge(exercise, submission)
    assert verdict.state == NOT_YET
    return verdict.text


@pytest.mark.parametrize("value", [
    (0.5, 2), [0.5, 2], np.array([0.5, 2]), np.array([[0.5], [2]]), [[0.5], [2]], (Fraction(1, 2), 2),
    np.float32([0.5, 2]), (np.array(0.5), np.array([2])), lambda: (0.5, 2), [0.5, np.int64(2)]], ids=str)
def test_all_forms_of_a_right_value_are_right(value):
    assert judge(PREDICT, value).state == RIGHT


class Callable:
    def __call__(self, matrix, vector):
        return list(gradient(matrix, vector))


@pytest.mark.parametrize("function", [
    gradient, lambda M, v: gradient(M, v).reshape(-1, 1), lambda M, v: gradient(M, v)[None], Callable(),
    lambda *args: gradient(*args), lambda A, x, verbose=False: gradient(A, x),
    lambda A, x: [[g] for g in gradient(A, x)], lambda A, x: gradient(A, x).astype(np.longdouble)])
def test_all_forms_of_a_right_function_are_right(function):
    assert judge(IMPLEMENT, function).state == RIGHT


def test_single_precision_is_right_where_the_tolerance_allows_it():
    loose = Exercise(**{**IMPLEMENT.__dict__, "tol": 1e-5})
    assert judge(loose, lambda A, x: gradient(np.float32(A), np.float32(x))).state == RIGHT


def test_mistakes_are_recognized_by_running_them():
    assert said(IMPLEMENT, lambda A, x: A @ x) == "That is the residual."  # another shape than the answer
    assert said(IMPLEMENT, lambda A, x: A.T @ (A @ np.sqrt(x**2))) == "You lost the signs of x."
    assert said(PREDICT, [2, 4]) == "Squared once too often."


def test_a_mistake_that_differs_elsewhere_from_the_answer_is_not_taken_for_it():
    half = Exercise(**{**IMPLEMENT.__dict__, "mistakes": (
        Mistake(lambda A, x: gradient(A, x) + (len(A) == 7), "Wrong for seven rows."),)})
    assert said(half, lambda A, x: gradient(A, x) + (len(A) >= 5)) == "Wrong for seven rows."
    assert said(half, lambda A, x: gradient(A, x) + 2 * (len(A) == 7)) != "Wrong for seven rows."


def test_of_two_mistakes_that_explain_an_answer_the_one_that_explains_more_is_said():
    both = Exercise(**{**IMPLEMENT.__dict__, "mistakes": (
        Mistake(lambda A, x: gradient(A, x) * (1 if len(A) == 7 else 3), "Some."),
        Mistake(lambda A, x: 3 * gradient(A, x), "All."))})
    assert said(both, lambda A, x: 3 * gradient(A, x)) == "All."


def test_mistakes_that_raise_are_recognized_by_their_exception():
    raising = Exercise(**{**IMPLEMENT.__dict__, "mistakes": (
        Mistake(lambda A, x: np.linalg.solve(A, x), "Only square matrices have an inverse."),)})
    assert said(raising, lambda A, x: np.linalg.inv(A) @ x) == "Only square matrices have an inverse."


def test_generic_diagnoses():
    assert "opposite sign" in said(IMPLEMENT, lambda A, x: -gradient(A, x))
    assert "2 times what was asked" in said(IMPLEMENT, lambda A, x: 2 * gradient(A, x))
    assert "m times" in said(IMPLEMENT, lambda A, x: len(A) * gradient(A, x))
    assert "1/m" in said(IMPLEMENT, lambda A, x: gradient(A, x) / len(A))
    assert "another order" in said(IMPLEMENT, lambda A, x: gradient(A, x)[::-1])
    assert "digits" in said(IMPLEMENT, lambda A, x: gradient(A, x) + 1e-5)
    assert "example" in said(IMPLEMENT, lambda A, x: gradient(A, x) + (len(A) != 5))
    assert "another order" in said(PREDICT, (2, 0.5))
    assert "opposite sign" in said(PREDICT, (-0.5, -2))
    assert "Draw it." in said(PREDICT, (7, 8)) and "Draw it." in said(IMPLEMENT, lambda A, x: x**3)


def test_a_transpose_is_named():
    square = Exercise(id="E99.3", kind="I", minutes=5, asks="f(A)", hint="Draw it.", answer=lambda A: A @ A.T[:, ::-1],
                      instances=tuple((A,) for A in MATRICES))
    assert "transpose" in said(square, lambda A: (A @ A.T[:, ::-1]).T)


def test_shape_form_and_calls():
    assert "shape (3,)" in said(IMPLEMENT, lambda A, x: np.ones((3, 3)))
    assert "(for A of shape (5, 3)" in said(IMPLEMENT, lambda A, x: np.ones(4))
    assert "without parentheses" in said(IMPLEMENT, np.ones(3))
    assert "called with 2 arguments (A, x)" in said(IMPLEMENT, lambda A: A)
    assert "ZeroDivisionError" in said(IMPLEMENT, lambda A, x: 1 / 0)
    assert "entry 1 is nan" in said(IMPLEMENT, lambda A, x: [1, np.nan, 2])
    assert "inf" in said(PREDICT, (np.inf, 2))


def test_of_several_parts_the_right_ones_are_named():
    pair = Exercise(id="E99.5", kind="I", minutes=5, asks="pair(A) -> (float, float)", hint="Draw it.",
                    answer=lambda A: (A.sum(), A.max()), instances=tuple((A,) for A in MATRICES),
                    mistakes=(Mistake(lambda A: (A.sum(), A.min()), "That is the smallest.",
                                      lambda out, A: out[1] == A.min()),))
    assert "Part 1 of your answer is right, part 2 is not" in said(pair, lambda A: (A.sum(), A.mean()))
    assert said(pair, lambda A: (0, A.min())) == "That is the smallest."
    assert "a number" in said(pair, lambda A: A.min()), "a predicate that cannot read the output does not show"


def test_shapes_that_do_not_fit_are_said_shortly():
    assert "the shapes do not fit" in said(IMPLEMENT, lambda A, x: A @ A)

    def talkative(A, x):
        raise KeyError("word " * 99)

    assert "word (and so on)" in said(IMPLEMENT, talkative) and len(said(IMPLEMENT, talkative)) < 400


def test_side_effects():
    def in_place(A, x):
        x -= 1
        return gradient(A, x + 1)

    def aliased(A, x):
        hist, y = [], np.zeros(3)
        for _ in range(3):
            y += 1
            hist.append(y)
        return hist

    assert "changed its argument x" in said(IMPLEMENT, in_place)
    assert "Append a copy" in said(IMPLEMENT, aliased)


def test_names_that_later_cells_use_must_be_kept():
    named = Exercise(**{**IMPLEMENT.__dict__, "by_name": ("x",)})
    assert judge(named, lambda A, x: gradient(A, x)).state == RIGHT
    assert judge(named, lambda A, *, x: gradient(A, x)).state == RIGHT
    assert judge(named, lambda A, **rest: gradient(A, rest["x"])).state == RIGHT
    assert said(named, lambda A, theta: gradient(A, theta)).startswith("Later cells call your function with x= by")
    assert judge(named, ...).state == NOT_ATTEMPTED


def test_what_an_instance_has_seen_is_said():
    class Watch:
        def __matmul__(self, x):
            raise checking.Seen("the product was asked for twice")

    watched = {**IMPLEMENT.__dict__, "answer": lambda A, x: x, "instances": ((Watch(), np.ones(2)),), "mistakes": ()}
    verdict = said(Exercise(**watched), lambda A, x: A @ x)
    assert verdict == "Stopped (for x of shape (2,)): the product was asked for twice."


def test_unfinished():
    for unfinished in (lambda A, x: ..., lambda A, x: (1, ...), lambda A, x: 2 * ..., ..., None):
        assert judge(IMPLEMENT, unfinished).state == NOT_ATTEMPTED
    assert "Is an earlier exercise unanswered?" in judge(IMPLEMENT, lambda A, x: 2 * (lambda: ...)()).text
    assert "return" in judge(IMPLEMENT, lambda A, x: None).text
    assert judge(PREDICT, (..., ...)).state == NOT_ATTEMPTED


def test_properties_remarks_and_reads():
    root = Exercise(id="E99.4", kind="I", minutes=5, asks="root(a) -> a square root of a", hint="Square it.",
                    answer=lambda a: np.sqrt(a), instances=((4.0,), (9.0,)),
                    holds=lambda out, a: abs(out**2 - a) < 1e-9,
                    reads=lambda out: out[-1] if isinstance(out, list) else out,
                    remarks=(Remark(lambda a: -np.sqrt(a), "The negative one.", lambda out, a: out < 0),),
                    mistakes=(Mistake(lambda a: a / 2, "Half is not the root.",
                                      lambda out, a: abs(2 * out - a) < 1e-9),))
    assert judge(root, lambda a: [1, np.sqrt(a)]).text == "Right."
    assert judge(root, lambda a: -np.sqrt(a)).text == "Right. The negative one."
    assert said(root, lambda a: a / 2) == "Half is not the root."
    assert "Square it." in said(root, lambda a: a + 1)


def test_a_runtime_warning_is_mentioned():
    def overflows(A, x):
        np.exp(np.array([1e4]))
        return gradient(A, x)

    assert "overflow" in judge(IMPLEMENT, overflows).text


def test_global_state_is_as_it_was(capsys):
    def meddles(A, x):
        np.random.seed(1)  # noqa: NPY002
        random.seed(1)
        np.set_printoptions(precision=1)
        np.seterr(all="raise")
        warnings.simplefilter("error")
        print("noise")
        return gradient(A, x)

    before = (random.getstate(), np.random.get_state()[1].tolist(), np.get_printoptions(), np.geterr(),  # noqa: NPY002
              list(warnings.filters))
    assert judge(IMPLEMENT, meddles).state == RIGHT
    after = (random.getstate(), np.random.get_state()[1].tolist(), np.get_printoptions(), np.geterr(),  # noqa: NPY002
             list(warnings.filters))
    assert before == after
    assert capsys.readouterr() == ("", "")


def test_interrupting_the_check_ends_it_calmly():
    def interrupted(A, x):
        raise KeyboardInterrupt

    assert "Stopped by you" in said(IMPLEMENT, interrupted)


def test_coerce():
    assert coerce((1, [2, 3]), (1.0, np.zeros(2)))[1].tolist() == [2, 3]
    assert coerce(np.ones((1, 3)), np.zeros(3)).shape == (3,)
    assert coerce(np.ones((3, 2)), np.zeros((2, 3))) is None
    assert coerce("Newton's Method", "newtons method") == "newtonsmethod"
    assert coerce(np.True_, False) is True and coerce(0.3, False) is None
    assert coerce(None, None) == "None".casefold() or coerce(None, None)


def test_check_prints_and_progress_remembers(capsys):
    exercises.check("E01.1", 5, -3)
    exercises.check("E01.2")
    exercises.check("E01.9", 1)
    exercises.check("E77.1", 1)
    assert exercises.answered("E01.1") and not exercises.answered("E01.2")
    exercises.progress("01")
    exercises.progress(13)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "E01.1: Right." and lines[1] == "E01.2: Not attempted yet."
    assert "There is no exercise E01.9" in lines[2] and "There is no exercise E77.1" in lines[3]
    assert lines[4].startswith("This cell waits for E01.2")
    assert lines[-1].startswith("There is no lesson 13 with exercises")
    assert lines[5].startswith("E01.1  right ") and lines[6].startswith("E01.2  not attempted ")

"""The book of exercises: one file a lesson, and the functions with which a notebook asks about them."""
import importlib
import pkgutil

from ..checking import NOT_ATTEMPTED, RIGHT, judge

_states = {}  # exercise id -> state of the last answer checked in this kernel


def lessons():
    """The lessons that have exercises, in order: ["00", "01", ..., "a", ...]."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    return sorted(name.removeprefix("lesson_").removeprefix("lab_") for name in names)


def exercises(lesson):
    """The exercises of one lesson ("01") or lab ("a"), in order. Raises LookupError if there is no such lesson."""
    if lesson not in lessons():
        raise LookupError(f"There is no lesson {lesson} with exercises: there are {', '.join(lessons())}.")
    kind = "lesson" if lesson.isdigit() else "lab"
    return importlib.import_module(f".{kind}_{lesson.lower()}", __name__).EXERCISES


def find(id):
    """The exercise with this id. Raises LookupError, naming those that exist, if there is none."""
    name = str(id).strip().upper()
    lesson = name.lstrip("EL").split(".")[0].lower()
    if lesson not in lessons():
        raise LookupError(f"There is no exercise {id}: the lessons with exercises are {', '.join(lessons())}.")
    for exercise in exercises(lesson):
        if exercise.id == name:
            return exercise
    known = ", ".join(exercise.id for exercise in exercises(lesson))
    raise LookupError(f"There is no exercise {id}: this lesson has {known}.")


def check(id, *answer):
    """Judge an answer (a function, or the value predicted) and print the verdict. Raises nothing.

    Several values count as one tuple; without an answer the exercise is not attempted.
    """
    try:
        exercise = find(id)
    except LookupError as err:
        print(err)
        return
    verdict = judge(exercise, answer[0] if len(answer) == 1 else answer or None)
    _states[exercise.id] = verdict.state
    print(f"{exercise.id}: {verdict.text}")


def answered(id):
    """Whether the exercise was answered right in this kernel; if not, a line says that this cell waits for it."""
    if _states.get(id) == RIGHT:
        return True
    print(f"This cell waits for {id}: it runs once your answer there is right.")
    return False


def progress(lesson):
    """Print the exercises of a lesson, each with its state in this kernel."""
    try:
        listed = exercises(str(lesson))
    except LookupError as err:
        print(err)
        return
    for exercise in listed:
        print(f"{exercise.id}  {_states.get(exercise.id, NOT_ATTEMPTED):<14} {exercise.asks}")

"""Lesson 00, warm-up: six things that the course takes for granted, each with what to read if it was missed."""
from ..checking import Exercise, Mistake

SHAPES = "Read NumPy's page on matrix products (`@`), or an hour of any linear algebra text on A x."
ALIASING = "Read about names and objects in Python, and about views in NumPy's guide for beginners."
FLOATS = "Read the chapter on floating point arithmetic in the Python tutorial."


def _shape(output):
    """4, "(4,)" and [4] mean the shape (4,)."""
    if isinstance(output, str):
        output = [int(part) for part in output.strip("()[] ").replace("x", ",").split(",") if part.strip().isdigit()]
    return tuple(output) if hasattr(output, "__len__") else (output,)


def _words(output):
    """True, "true" and "yes" mean the same."""
    if isinstance(output, str):
        return {"yes": "True", "no": "False", "t": "True", "f": "False"}.get(output.strip().casefold(), output)
    return str(bool(output)) if output in (0, 1) else output


EXERCISES = [
    Exercise(
        id="E00.1", kind="P", minutes=2,
        asks="the shape of A @ x, for A of shape (442, 10) and x of shape (10,)",
        hint=f"Each row of A meets x once: count the rows. {SHAPES}",
        answer=(442,),
        accepts=(442, [442], "(442,)"),
        mistakes=(
            Mistake((442, 1), "That is the shape if x were a column of shape (10, 1). Here x is one-dimensional, and so "
                              "is the product. This course keeps all vectors one-dimensional."),
            Mistake((10,), f"That is the shape of x. The product has one entry for each row of A. {SHAPES}"),
            Mistake((442, 10), "That is the shape of A * x, the product entry by entry. The sign @ sums over the columns."),
            Mistake((1, 442), "A product with a one-dimensional x is one-dimensional itself: its shape has a single entry."),
        ),
        reads=_shape),
    Exercise(
        id="E00.2", kind="P", minutes=2,
        asks="the shape of A.T @ r, for A of shape (442, 10) and r of shape (442,)",
        hint=f"A.T has 10 rows: each meets r once. {SHAPES}",
        answer=(10,),
        accepts=(10, [10], "(10,)"),
        mistakes=(
            Mistake((442,), "That is the shape of r. The product with A.T has one entry for each column of A."),
            Mistake((10, 1), "That is the shape if r were a column of shape (442, 1). Here r is one-dimensional, and so "
                             "is the product."),
            Mistake((442, 442), "That is the shape of A @ A.T. Here a matrix meets a vector, and a vector comes out."),
            Mistake((10, 442), "That is the shape of A.T itself. The product with a vector sums over the 442 columns."),
        ),
        reads=_shape),
    Exercise(
        id="E00.3", kind="P", minutes=3,
        asks="the gradient of f(x) = 1/2 ||x||^2 at x = (3, 4), two numbers",
        hint="Write f as 1/2 (x1^2 + x2^2) and differentiate by x1, then by x2.",
        answer=(3.0, 4.0),
        accepts=([3, 4], ((3,), (4,))),
        mistakes=(
            Mistake((6.0, 8.0), "That is the gradient of ||x||^2. The 1/2 in front is there to cancel this 2."),
            Mistake(12.5, "That is the value f(x). The gradient has one number for each coordinate of x."),
            Mistake(7.0, "That is the sum of the entries. The gradient has one number for each coordinate."),
            Mistake(25.0, "That is the squared length of x. The gradient has one number for each coordinate."),
            Mistake((9.0, 16.0), "Those are the squares of the coordinates. Their halves are to be differentiated."),
            Mistake(5.0, "That is the length of x. The gradient has one number for each coordinate of x."),
            Mistake((0.6, 0.8), "That is the gradient of ||x||, without the square: x divided by its length."),
        )),
    Exercise(
        id="E00.4", kind="P", minutes=3,
        asks="the orthogonal projection of (3, 4) on the line through (1, 0), two numbers",
        hint="Drop a perpendicular from the point to the line: where does it land?",
        answer=(3.0, 0.0),
        accepts=([3, 0], ((3,), (0,))),
        mistakes=(
            Mistake((0.0, 4.0), "That is what is left over: the part of (3, 4) that is perpendicular to the line."),
            Mistake(3.0, "That is how far along the line the foot lies. The projection is a point of the plane: give both "
                         "coordinates."),
            Mistake((4.0, 0.0), "On the line, but not below the point. Which coordinate runs along the line?"),
            Mistake((3.0, 4.0), "That is the point itself; it does not lie on the line."),
            Mistake((5.0, 0.0), "That point is as far from the origin as (3, 4) is. A projection is not a rotation: it is "
                                "the nearest point of the line."),
            Mistake((1.0, 0.0), "That is the direction of the line. The projection is the multiple of it that is nearest "
                                "to (3, 4)."),
        )),
    Exercise(
        id="E00.5", kind="P", minutes=3,
        asks="x[0] after: x = np.array([5., 5.]); y = x; y -= 1",
        hint=f"How many arrays does this code make? {ALIASING}",
        answer=4.0,
        mistakes=(
            Mistake(5.0, f"y = x gives the same array a second name, and -= changes that array in place. {ALIASING}"),
            Mistake(-1.0, "y -= 1 subtracts 1 from what is there. It does not set y to -1."),
            Mistake(6.0, "-= 1 makes each entry smaller by 1."),
        )),
    Exercise(
        id="E00.6", kind="P", minutes=2,
        asks='is 0.1 + 0.2 == 0.3 in Python? "True" or "False"',
        hint=f"Print 0.1 + 0.2 with 20 decimals. {FLOATS}",
        answer="False",
        accepts=(False, "false", "no"),
        mistakes=(
            Mistake("True", "In exact arithmetic, yes. Doubles are binary fractions: 0.1 and 0.2 are both rounded, and so is "
                            f"their sum. {FLOATS}"),
        ),
        reads=_words),
]

"""One objective, every solver: lesson 01's problem, solved by each solver of the course, agrees with `lstsq`.

The library's solvers, scipy's, and what the learners write: their functions are taken out of the solution notebooks.
Not here: lesson 07's `settle`, whose noise has a floor, and lesson 10's `newton_step`, written for one other loss.
"""
import ast
import functools
import inspect
from pathlib import Path

import nbformat
import numpy as np
import pytest
from scipy.optimize import minimize

from utils import krylov, optimizers
from utils.data import diabetes, standardized
from utils.losses import LeastSquares

SOLUTIONS = Path(__file__).resolve().parent.parent / "solutions"

data = diabetes()
A, b = standardized(data.X[data.train], data.y[data.train])
TRUTH = np.linalg.lstsq(A, b, rcond=None)[0]
loss, zero = LeastSquares(A, b), np.zeros(A.shape[1])
H, c = A.T @ A, A.T @ b
mu, L = np.linalg.eigvalsh(H)[[0, -1]]
root = (np.sqrt(L) - np.sqrt(mu)) / (np.sqrt(L) + np.sqrt(mu))
HEAVY = {"alpha": 4 / (np.sqrt(L) + np.sqrt(mu)) ** 2, "beta": root**2}


def agrees(x, rtol=1e-6):
    np.testing.assert_allclose(np.ravel(x), TRUTH, rtol=0, atol=rtol * np.linalg.norm(TRUTH))


# ---- the library's

OPTIONS = {"gradient_descent": {"alpha": 2 / (L + mu)}, "heavy_ball": HEAVY,
           "nesterov": {"alpha": 1 / L, "beta": root}, "newton": {}, "newton_krylov": {}}


def test_no_solver_of_the_library_is_forgotten():
    """A solver is what `scipy.optimize.minimize` accepts as `method`: a public function of (fun, x0, ...)."""
    solvers = {name for name, f in inspect.getmembers(optimizers, inspect.isfunction)
               if f.__module__ == optimizers.__name__ and [*inspect.signature(f).parameters][:2] == ["fun", "x0"]}
    assert solvers == set(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_solver_of_the_library(name):
    derivative = {"newton": {"hess": loss.hess}, "newton_krylov": {"hessp": loss.hessp}}.get(name, {})
    found = minimize(loss.fun, zero, jac=loss.grad, method=getattr(optimizers, name), tol=1e-9,
                     options={"maxiter": 20_000, **OPTIONS[name]}, **derivative)
    assert found.success, found.message
    agrees(found.x)
    assert found.nit <= {"newton": 1, "newton_krylov": 12}.get(name, 20_000) and found.nhev <= 40


@pytest.mark.parametrize("x", [
    pytest.param(lambda: krylov.cg(lambda v: H @ v, c).x, id="cg"),
    pytest.param(lambda: krylov.cgls(A, b).x, id="cgls"),
    pytest.param(lambda: krylov.steihaug(lambda v: H @ v, -c, 1e9).x, id="steihaug"),
])
def test_an_inner_solver_of_the_library(x):
    agrees(x())


# ---- scipy's, on the same object

@pytest.mark.parametrize("method, needs", [
    ("CG", ()), ("BFGS", ()), ("L-BFGS-B", ()), ("Newton-CG", ("hessp",)), ("trust-ncg", ("hessp",)),
    ("trust-krylov", ("hessp",)), ("trust-exact", ("hess",))])
def test_a_solver_of_scipy(method, needs):
    options = {"Newton-CG": {"xtol": 1e-12}, "L-BFGS-B": {"gtol": 1e-9, "ftol": 0}}.get(method, {"gtol": 1e-8})
    agrees(minimize(loss.fun, zero, jac=loss.grad, method=method, options=options,
                    **{name: getattr(loss, name) for name in needs}).x)


# ---- the learners'

@functools.cache
def written(lesson):
    """The imports and functions of a solution notebook, by name; nothing else of it runs."""
    path, = SOLUTIONS.glob(f"{lesson}_*.ipynb")
    names = {"norm": np.linalg.norm}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            kept = [node for node in ast.parse(cell.source).body
                    if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef))]
            exec(compile(ast.Module(kept, []), str(path), "exec"), names)
    return names


def repeat(step, k):
    x = zero
    for _ in range(k):
        x = x + step(x)
    return x


def downhill(backtrack):
    """Gradient descent with the step lengths that a backtracking search finds."""
    return repeat(lambda x: -backtrack(loss.fun, loss.grad(x), x, -loss.grad(x)) * loss.grad(x), 5000)


LEARNERS = [
    ("02", "pinv_svd", lambda f: f(A) @ b),
    ("03", "lstsq_qr", lambda f: f(A, b)),
    ("04", "ridge", lambda f: f(A, b, 1e-12)),
    ("05", "gd", lambda f: f(A, b, 2 / (L + mu), 5000)),
    ("06", "heavy_ball", lambda f: f(loss.grad, zero, **HEAVY, k=500)),
    ("06", "nesterov", lambda f: f(loss.grad, zero, 1 / L, root, 1000)[-1]),
    ("07", "minibatch_grad", lambda f: repeat(lambda x: -2 / (L + mu) * len(b) * f(A, b, x, np.arange(len(b))), 5000)),
    # the equations are made consistent: b is replaced by its projection on the range of A
    ("07", "kaczmarz", lambda f: f(A, A @ np.linalg.pinv(A) @ b, zero, np.tile(np.arange(len(b)), 100))),
    ("08", "cg", lambda f: f(lambda v: H @ v, c, 1e-12, 100)[0]),
    ("08", "cgls", lambda f: f(A, b, 11)),
    ("08", "jacobi_cg", lambda f: f(H, c)[0]),
    ("10", "backtrack", downhill),
    ("10", "repaired", lambda f: repeat(lambda x: f(loss.grad(x), loss.hess(x)), 1)),
    ("11", "gn_step", lambda f: repeat(lambda x: f(A @ x - b, A), 1)),
    ("11", "lm", lambda f: f(lambda x: A @ x - b, lambda x: A, zero)),
    ("12", "steihaug", lambda f: f(lambda v: H @ v, -c, 1e9, 1e-12)[0]),
    ("12", "newton_krylov", lambda f: f(loss, zero, tol=1e-10)),
]


@pytest.mark.parametrize("lesson, name, solve", [pytest.param(*row, id=f"{row[0]} {row[1]}") for row in LEARNERS])
def test_a_solver_that_learners_write(lesson, name, solve):
    agrees(solve(written(lesson)[name]))

"""What every lesson shares: data, losses, solvers, figures and checks; each file one idea."""
from .answers import keep, kept
from .data import breast_cancer, diabetes, digits, standardized
from .exercises import answered, check, progress
from .figures import convergence_plot, filter_plot, show
from .krylov import cg, cgls, lanczos, steihaug
from .losses import LeastSquares, LogisticRegression, SoftmaxRegression
from .network import NetworkLoss
from .optimizers import gradient_descent, heavy_ball, nesterov, newton, newton_krylov
from .trace import Trace

__all__ = ["LeastSquares", "LogisticRegression", "NetworkLoss", "SoftmaxRegression", "Trace", "answered",
           "breast_cancer", "cg", "cgls", "check", "convergence_plot", "diabetes", "digits", "filter_plot",
           "gradient_descent", "heavy_ball", "keep", "kept", "lanczos", "nesterov", "newton", "newton_krylov",
           "progress", "show", "standardized", "steihaug"]

"""What every lesson shares: data, losses, solvers, figures and checks; each file one idea."""
from .answers import keep, kept
from .data import breast_cancer, diabetes, digits, standardized
from .exercises import answered, check, progress
from .figures import filter_plot, show

__all__ = ["answered", "breast_cancer", "check", "diabetes", "digits", "filter_plot", "keep", "kept", "progress",
           "show", "standardized"]

"""What every lesson shares: data, losses, solvers, figures and checks; each file one idea."""

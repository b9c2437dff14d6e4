"""The marginal likelihood by Laplace's approximation, its gradient and its maximum."""

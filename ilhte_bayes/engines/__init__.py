"""Engines: a Model goes in, a Fit comes out."""

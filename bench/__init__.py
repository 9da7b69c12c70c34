"""Reproducible measurements, each against a named reference in the same run, as ratios."""

"""Slow, obvious twins of every kernel, loss and metric: loops and textbook formulas only."""

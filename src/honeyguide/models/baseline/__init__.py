"""Baselines: what any model has to beat."""

"""Benchmarks: models of honeyguide side by side with rivals, in one run. See README.md here."""

"""Benchmarks, one file a question: ``python -m benchmarks`` runs all, ``python -m benchmarks round train`` these."""

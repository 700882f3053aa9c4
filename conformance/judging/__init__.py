"""Judging cases: comparisons that are counted, verdicts, and the known divergences of libraries."""

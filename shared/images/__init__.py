"""Bytes ↔ arrays, the preprocessing, the metrics, and the pictures people look at. Never loads torch."""

"""What a user would do instead of Delineate, each a program; `benchmarks.comparison` runs them."""

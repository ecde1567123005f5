"""Ways to run an attempt: each a thin adapter behind the `Executor` port."""

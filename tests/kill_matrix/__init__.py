"""dfmc is ended, or failed, at every side effect of an `up`; one more run must finish what it began.

`make kill-matrix` runs all of it; tests/e2e/test_kill_matrix.py a sample that changes by the day.
"""

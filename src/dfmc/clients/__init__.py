"""The edges: one module per outside system, each behind a Protocol, each translating its library's errors."""

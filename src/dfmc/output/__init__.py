"""The only place that prints: plans, tables, progress, errors, diagnostics, JSON. Everything below comes in as data."""

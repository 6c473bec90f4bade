"""How random inputs are made: the same ones in CI, fresh ones elsewhere, and always with what reproduces a failure."""

import os

from hypothesis import HealthCheck, settings

# No deadline: times are measured in benchmarks, and a busy machine is no failure.
_COMMON = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("ci", derandomize=True, database=None, **_COMMON)  # type: ignore[arg-type] # a plain dict
settings.register_profile("local", **_COMMON)  # type: ignore[arg-type] # a plain dict
settings.load_profile("ci" if os.environ.get("CI") == "true" else "local")

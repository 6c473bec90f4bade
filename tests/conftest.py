"""How random inputs are made, and which tests share a worker.

Random inputs are the same ones in CI, fresh ones elsewhere, and always come with what reproduces a failure.
"""

import os
import re
import signal

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# A shell starts what runs in the background with these ignored, and every program below would find them so.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# No deadline: times are measured in benchmarks, and a busy machine is no failure.
_COMMON = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("ci", derandomize=True, database=None, **_COMMON)  # type: ignore[arg-type] # a plain dict
settings.register_profile("local", **_COMMON)  # type: ignore[arg-type] # a plain dict
settings.load_profile("ci" if os.environ.get("CI") == "true" else "local")


class ByBed(LoadScopeScheduling):
    """Tests that share a bed go to one worker: those of a file, or of a file's combination of chart and helm."""

    def _split_scope(self, nodeid: str) -> str:
        combination = re.search(r"\[(\d+(?:\.\d+)+-helm\d)", nodeid)
        return nodeid.split("::", 1)[0] + (combination[1] if combination else "")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByBed | None:
    """Give ``--dist loadfile`` the above; beds then stand side by side, for mostly their tests wait."""
    return ByBed(config, log) if config.getvalue("dist") == "loadfile" else None

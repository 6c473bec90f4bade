"""The bed's programs.

`catalogue` says what they are, `cache` where they lie, `build`, `download` and `go_toolchain` how they are made;
`system` finds the system's own MariaDB and Redis. `client` makes what only a bed with a data plane has.
"""

from dfmc.testbed.binaries.build import ensure
from dfmc.testbed.binaries.cache import BinaryCache, Report, default_directory
from dfmc.testbed.binaries.catalogue import ALWAYS, BY_NAME, PROGRAMS, Program
from dfmc.testbed.binaries.client import CRATE_PROGRAMS, DATA_PLANE, ensure_client
from dfmc.testbed.binaries.system import ensure_database_template, ensure_system_programs

__all__ = [
    "ALWAYS",
    "BY_NAME",
    "CRATE_PROGRAMS",
    "DATA_PLANE",
    "PROGRAMS",
    "BinaryCache",
    "Program",
    "Report",
    "default_directory",
    "ensure",
    "ensure_client",
    "ensure_database_template",
    "ensure_system_programs",
]

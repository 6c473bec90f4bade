"""A Dragonfly manager's REST API in memory, with the habits and the faults of the real one, for fast tests.

What it answers is held against tests/data/contract, which two real managers (2.1.66 and 2.5.1 on MariaDB) answered:
every exchange there is replayed against it. What it does beyond those recordings is described in the classes here,
with the file of the manager's source that the rule comes from.
"""

from dfmc.testbed.simulated_manager.server import SimulatedManager
from dfmc.testbed.simulated_manager.versions import MANAGERS, ManagerHabits

__all__ = ["MANAGERS", "ManagerHabits", "SimulatedManager"]

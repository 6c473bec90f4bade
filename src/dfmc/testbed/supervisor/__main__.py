"""``python -m dfmc.testbed.supervisor STATE_FILE``: runs until SIGTERM, or until the bed's directory is gone."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from dfmc.testbed.layout import BedLayout, StoredBed
from dfmc.testbed.supervisor.cluster import ClusterSupervisor
from dfmc.testbed.supervisor.origin_server import serve_origin
from dfmc.testbed.supervisor.proxies import ProxyLoop
from dfmc.testbed.supervisor.repository_server import serve_repository

log = logging.getLogger("dfmc.testbed.supervisor")

_LOOK_SECONDS = 0.3
_GRACE_SECONDS = 5.0


class Supervisor:
    """All clusters of one bed; clusters added to its state file later are taken up."""

    def __init__(self, layout: BedLayout) -> None:
        self._layout = layout
        self._loop = ProxyLoop()
        self._clusters: dict[str, ClusterSupervisor] = {}
        self._stop = threading.Event()

    def stop(self, *_: Any) -> None:  # noqa: ANN401
        """End soon."""
        self._stop.set()

    def health(self) -> dict[str, Any]:
        """Return what `dfmc.testbed.health` reads."""
        ready = [name for name, cluster in list(self._clusters.items()) if cluster.is_ready()]
        return {"pid": os.getpid(), "directory": str(self._layout.directory), "clusters": ready}

    def run(self) -> None:
        """Follow the state file until told to stop."""
        served = False
        while not self._stop.wait(0 if not served else _LOOK_SECONDS):
            stored = StoredBed.read(self._layout)
            if stored is None:
                log.info("the bed's directory is gone")
                break
            for plan in stored.plan.clusters:
                files = self._layout.cluster(plan.name)
                if plan.name not in self._clusters and (files.kwok / "pki" / "admin.crt").exists():
                    cluster = ClusterSupervisor(plan, files, _executables(stored), self._loop)
                    self._clusters[plan.name] = cluster
                    cluster.start()
                    log.info("looking after %s (%s)", plan.name, plan.context)
            if not served:
                serve_origin(stored.plan.origin_port, self._layout.origin_log)
                serve_repository(stored.plan.repository_port, self._layout.repository, self.health)
                served = True
        threads = [threading.Thread(target=cluster.stop, args=(_GRACE_SECONDS,)) for cluster in self._clusters.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_GRACE_SECONDS + 3.0)


def _executables(stored: StoredBed) -> dict[str, str]:
    built = {name: str(stored.cache / "bin" / name) for name in ("manager", "scheduler")}
    return {**built, **stored.programs}


def main() -> None:
    """Run the supervisor of one bed; a second one for the same bed ends at once."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    layout = BedLayout(Path(sys.argv[1]).absolute().parent)
    with layout.supervisor_pid.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another supervisor looks after this bed")
            return
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        supervisor = Supervisor(layout)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, supervisor.stop)
        supervisor.run()
        log.info("ended")
    # Watching threads may sit in a read for minutes; nothing of theirs needs an orderly end.
    os._exit(0)


if __name__ == "__main__":
    main()

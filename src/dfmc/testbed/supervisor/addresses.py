"""Hands out pod addresses for real processes."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from dfmc.testbed.addressing import AddressBlock


class AddressPool:
    """The addresses of one cluster's real pods; safe to use from several threads."""

    def __init__(self, block: AddressBlock) -> None:
        self._block = block
        self._guard = threading.Lock()
        self._used: set[str] = set()

    def take(self, former: str, held: Iterable[str]) -> str:
        """Return an address.

        Args:
            former: The one that the pod's status names already: the API server refuses a changed one.
            held: Addresses that other pods' statuses name.
        """
        with self._guard:
            if former:
                self._used.add(former)
                return former
            others = self._used | set(held)
            address = next(a for a in self._block.process_addresses() if a not in others)
            self._used.add(address)
            return address

    def release(self, address: str) -> None:
        """Give an address back."""
        with self._guard:
            self._used.discard(address)

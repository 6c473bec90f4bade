"""Certificates for a proxy that ends TLS: signed by the authority that the clients of a bed trust already."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dfmc.errors import PreflightError
from dfmc.testbed.binaries.system import find_program

_SECONDS = 30
_DAYS = "2"
_NAMES = "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n"


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a directory, named as kwokctl does: ``ca.crt`` and ``ca.key``.

    Attributes:
        pki: The directory; ``admin.crt`` and ``admin.key`` are there as well in a cluster of the bed.
    """

    pki: Path

    def server_context(self, directory: Path) -> ssl.SSLContext:
        """Return the context of a server on loopback whose certificate this authority has signed.

        Args:
            directory: Where the key is kept, readable by the user alone.

        Raises:
            PreflightError: There is no openssl, or it failed.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        key, request, names, certificate = (directory / f"fault-proxy.{end}" for end in ("key", "csr", "names", "crt"))
        names.write_text(_NAMES)
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        _openssl("req", "-new", *curve, "-subj", "/CN=fault-proxy", "-keyout", str(key), "-out", str(request))
        signer = ("-CA", str(self.pki / "ca.crt"), "-CAkey", str(self.pki / "ca.key"), "-set_serial", "1")
        times = ("-days", _DAYS, "-extfile", str(names))
        _openssl("x509", "-req", "-in", str(request), *signer, *times, "-out", str(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

    def client_context(self, *, as_admin: bool = True) -> ssl.SSLContext:
        """Return the context for the cluster's API server.

        Args:
            as_admin: With the cluster administrator's certificate. Without it the API server goes by the headers
                that pass through the proxy; with it, it does not look at them.
        """
        context = ssl.create_default_context(cafile=str(self.pki / "ca.crt"))
        if as_admin:
            context.load_cert_chain(self.pki / "admin.crt", self.pki / "admin.key")
        return context


def _openssl(*arguments: str) -> None:
    program = find_program("openssl")
    if program is None:
        raise PreflightError("openssl is not there", next_step="install the package `openssl`, then try again")
    done = subprocess.run(
        [str(program), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS
    )
    if done.returncode != 0:
        raise PreflightError("openssl made no certificate", why=done.stderr.strip()[-300:])

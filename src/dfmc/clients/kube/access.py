"""From a kubeconfig to an ``ApiClient`` of the library, with every way that can fail as a DfmcError."""

from __future__ import annotations

import difflib
import hashlib
import ipaddress
import logging
import os
import re
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
import yaml
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.rest import RESTClientObject, should_bypass_proxies
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.dateutil import parse_rfc3339
from kubernetes.config.kube_config import FileOrData, KubeConfigLoader, KubeConfigMerger
from urllib3.util.ssl_ import create_urllib3_context

import dfmc
from dfmc.clients.kube.contexts import kubeconfig_files
from dfmc.clients.kube.execplugin import BoundedExecPlugin
from dfmc.clients.kube.refusals import Place
from dfmc.errors import DfmcError, PreflightError

_POOL_SIZE = 32  # connections kept open; more than any run's concurrency, or urllib3 warns about each it drops
_SAFE_REASON = re.compile(r"File does not exist: .+|.*Expected key \S+")
_log = logging.getLogger(__name__)

# The library keeps client certificates in temporary files and their names in one dictionary without a lock: built by
# two threads at once, a file would be forgotten and its key stay on disk.
_BUILDING = threading.Lock()


@dataclass
class Access:
    """One context, ready to make calls.

    Attributes:
        api: The library's client.
        server: The API server's URL.
        impersonation: Headers for ``as``, ``as-uid`` and ``as-groups`` of the kubeconfig's user.
    """

    api: ApiClient
    server: str
    _loader: KubeConfigLoader = field(repr=False)
    impersonation: tuple[tuple[str, str], ...] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def headers(self) -> urllib3.HTTPHeaderDict:
        """Return the headers of every request, credentials among them; renews those that have expired.

        Raises:
            AuthError: A credential plugin failed.
        """
        headers = urllib3.HTTPHeaderDict({"User-Agent": f"dfmc/{dfmc.__version__}"})
        with self._lock:
            authorization = self.api.configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        if authorization:
            headers["authorization"] = authorization
        for name, value in self.impersonation:
            headers.add(name, value)
        return headers

    def renew(self) -> bool:
        """Read the token again where it can have changed (a plugin, a token file); False where it cannot."""
        user = self._loader._user
        if user is None or not ("exec" in user or "tokenFile" in user):
            return False
        with self._lock:
            certificate = self.api.configuration.cert_file
            self._loader._load_authentication()
            self._loader._load_cluster_info()
            self._loader._set_config(self.api.configuration)
            if self.api.configuration.cert_file != certificate:
                self.api.rest_client = RESTClientObject(self.api.configuration)
        return True

    def tls_context(self) -> ssl.SSLContext | None:
        """Return what a connection outside the library's pool needs to verify the server as the pool does."""
        configuration = self.api.configuration
        if not self.server.startswith("https"):
            return None
        verify = ssl.CERT_REQUIRED if configuration.verify_ssl else ssl.CERT_NONE
        context = create_urllib3_context(cert_reqs=verify)
        if configuration.verify_ssl:
            if configuration.ssl_ca_cert:
                context.load_verify_locations(configuration.ssl_ca_cert)
            else:
                context.load_default_certs()
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file)
        return context

    @property
    def server_name(self) -> str:
        """The name that the server's certificate must carry; empty for the URL's host."""
        return str(self.api.configuration.tls_server_name or "")

    @property
    def proxy(self) -> str:
        """The proxy on the way to the server; empty where there is none."""
        configuration = self.api.configuration
        if not configuration.proxy or should_bypass_proxies(configuration.host, configuration.no_proxy or ""):
            return ""
        return str(configuration.proxy)

    def fingerprint(self) -> str:
        """Return a name for the API server: what one can tell two of them apart by without asking them."""
        authority = self.api.configuration.ssl_ca_cert
        content = Path(authority).read_bytes() if authority else b""
        return hashlib.sha256(self.server.encode() + b"\0" + content).hexdigest()[:32]

    def close(self) -> None:
        """Close idle connections."""
        self.api.close()


class _Loader(KubeConfigLoader):  # type: ignore[misc]  # the library ships no usable annotations
    """The library's loader, with credential plugins that may not hang and whose failure is an error."""

    place: Place

    def _load_from_exec_plugin(self) -> bool | None:
        if "exec" not in self._user:
            return None
        folder = self._get_base_path(self._cluster.path)
        plugin = BoundedExecPlugin(self._user["exec"], folder, self._cluster)
        plugin.place = self.place
        self._keep(plugin.run())
        return True

    def _keep(self, status: dict[str, Any]) -> None:
        if status.get("token"):
            self.token = f"Bearer {status['token']}"
        else:
            self.cert_file = _kept_in_file(status, "clientCertificateData")
            self.key_file = _kept_in_file(status, "clientKeyData")
        if status.get("expirationTimestamp"):
            self.expiry = parse_rfc3339(status["expirationTimestamp"])


def _kept_in_file(status: dict[str, Any], key: str) -> str:
    return str(FileOrData(status, None, data_key_name=key, base64_file_content=False).as_file())


def open_access(place: Place) -> Access:
    """Read the kubeconfig and return the access that the context describes; contacts no API server.

    Args:
        place: The context and its file; without a file KUBECONFIG (a list of files) or ~/.kube/config, as kubectl does.

    Raises:
        PreflightError: No or a broken kubeconfig, no such context, missing certificate files or plugin.
        AuthError: The credential plugin failed.
    """
    files = kubeconfig_files(place.kubeconfig)
    shown = ", ".join(str(file) for file in files)
    try:
        with _BUILDING:
            return _build(place, files, shown)
    except DfmcError:
        raise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        position = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or "not a YAML file"
        raise _broken(f"{position}{problem}", shown) from error
    except OSError as error:
        raise _broken(f"{error.filename or shown}: {error.strerror or 'unreadable'}", shown) from error
    except ConfigException as error:
        # The library names a place in the kubeconfig by its whole content, token included: keep only the safe start.
        safe = _SAFE_REASON.match(str(error))
        raise _broken(safe.group() if safe else "it is not a valid kubeconfig", shown) from None
    except RecursionError:  # the library reads with PyYAML's own loader
        raise _broken("it nests deeper than any kubeconfig", shown) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _broken(f"it is not a valid kubeconfig ({type(error).__name__})", shown) from None


def _build(place: Place, files: Sequence[Path], shown: str) -> Access:
    context = place.context
    for file in files:
        if file.is_dir():
            raise _broken(f"{file} is a directory", shown)
    if not any(file.exists() for file in files):
        raise PreflightError(
            f"there is no kubeconfig with context {context}",
            why=f"not found: {shown}",
            next_step="set KUBECONFIG, or name the file with `kubeconfig:` in the cluster's entry",
        )
    _warn_of_readers(files)
    merger = KubeConfigMerger(os.pathsep.join(str(file) for file in files))
    config = merger.config.value if merger.config is not None else {}
    entry = _named(config, "contexts", context)
    if entry is None:
        raise _no_context(context, config, shown)
    _check_references(context, _plain(entry).get("context"), config, shown)
    loader = _Loader(config_dict=merger.config, active_context=context, config_persister=merger.save_changes)
    loader.place = place
    configuration = Configuration()
    loader.load_and_set(configuration)
    _adjust(configuration, loader, context)
    return Access(ApiClient(configuration), configuration.host, loader, _impersonation(loader))


def _warn_of_readers(files: Sequence[Path]) -> None:
    for file in files:
        if file.exists() and file.stat().st_mode & 0o077:
            _log.warning("others can read the kubeconfig %s, and the credentials in it: chmod 600", file)


def _adjust(configuration: Configuration, loader: KubeConfigLoader, context: str) -> None:
    configuration.retries = False  # transport.py retries, knowing which calls may be repeated
    configuration.connection_pool_maxsize = _POOL_SIZE
    host = urlsplit(configuration.host).hostname or ""
    if "proxy-url" not in loader._cluster and _is_loopback(host):
        configuration.proxy = None  # as Go does: a proxy of the environment never leads to this machine
    if not configuration.verify_ssl:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        _log.warning("context %s: the kubeconfig switches certificate checks off (insecure-skip-tls-verify)", context)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _impersonation(loader: KubeConfigLoader) -> tuple[tuple[str, str], ...]:
    """The library ignores ``as``; helm and kubectl do not, and dfmc must not act as somebody else than they do."""
    user = loader._user.value if loader._user is not None else {}
    headers = [("Impersonate-User", str(user["as"]))] if user.get("as") else []
    if user.get("as-uid"):
        headers.append(("Impersonate-Uid", str(user["as-uid"])))
    headers += [("Impersonate-Group", str(group)) for group in user.get("as-groups") or ()]
    for key, values in (user.get("as-user-extra") or {}).items():
        headers += [(f"Impersonate-Extra-{key}", str(value)) for value in values]
    return tuple(headers)


def _named(config: dict[str, Any], section: str, name: str) -> object | None:
    return next((entry for entry in config.get(section) or () if _plain(entry).get("name") == name), None)


def _plain(entry: object) -> dict[str, Any]:
    """A merged kubeconfig wraps its entries in nodes that remember their file."""
    plain = getattr(entry, "value", entry)
    return plain if isinstance(plain, dict) else {}


def _check_references(context: str, target: object, config: dict[str, Any], shown: str) -> None:
    parts = target if isinstance(target, dict) else {}
    for key, section in (("cluster", "clusters"), ("user", "users")):
        name = parts.get(key)
        if name and _named(config, section, name) is not None:
            continue
        if name or key == "cluster":  # a context without a user is valid: anonymous
            raise _broken(f"context {context} names the {key} {name or '(none)'}, which is not there", shown)


def _no_context(context: str, config: dict[str, Any], shown: str) -> PreflightError:
    names = sorted(str(_plain(entry).get("name")) for entry in config.get("contexts") or ())
    close = difflib.get_close_matches(context, names, n=1)
    there = f"contexts there: {', '.join(names)}" if names else "it holds no contexts"
    return PreflightError(
        f"there is no context {context} in {shown}",
        why=there,
        next_step=(f"did you mean {close[0]}? " if close else "")
        + "Correct `context:` in the cluster's entry, or see `kubectl config get-contexts`",
    )


def _broken(why: str, shown: str) -> PreflightError:
    return PreflightError(f"the kubeconfig cannot be used: {shown}", why=why, next_step="try `kubectl config view`")

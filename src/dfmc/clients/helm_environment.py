"""Which environment helm may see, and which one dfmc refuses to run in."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

_PASSED = frozenset(
    {
        # The basics; credential plugins are programs on PATH that keep state in HOME.
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TERM"),
        *("KUBECONFIG", "KUBERNETES_EXEC_INFO", "DOCKER_CONFIG", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS"),
        # Networks behind a proxy or with a certificate authority of their own.
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        "USE_GKE_GCLOUD_AUTH_PLUGIN",
        "HELM_REGISTRY_CONFIG",
        "GODEBUG",
    }
)
# What the credential plugins of managed Kubernetes services read.
_PASSED_PREFIXES = (
    *("LC_", "XDG_", "AWS_", "AZURE_", "AAD_", "ARM_", "GOOGLE_", "CLOUDSDK_", "ALIBABA_CLOUD_", "ALIBABACLOUD_"),
    *("OCI_", "IBMCLOUD_", "DIGITALOCEAN_", "LINODE_", "SCW_", "TENCENTCLOUD_", "HUAWEICLOUD_", "OS_", "TELEPORT_"),
)
_SECRET_DRIVERS = frozenset({"", "secret", "secrets"})


def refused_environment(environ: Mapping[str, str]) -> list[str]:
    """Return the names of set variables under which dfmc must not run, sorted.

    ``HELM_KUBE*`` overrides the context of every helm call, ``--kube-context`` notwithstanding
    (helm's pkg/cli/environment.go): one cluster's release would go into another. A ``HELM_DRIVER`` other than
    ``secret`` keeps releases where dfmc does not read them back.
    """
    refused = [name for name, value in environ.items() if name.startswith("HELM_KUBE") and value]
    if environ.get("HELM_DRIVER", "").lower() not in _SECRET_DRIVERS:
        refused.append("HELM_DRIVER")
    return sorted(refused)


def helm_environment(environ: Mapping[str, str], private: Path) -> dict[str, str]:
    """Return the whole environment of a helm process.

    Args:
        environ: dfmc's own.
        private: A directory of dfmc's: the user's plugins, repositories and caches must not decide what is installed.
            The user's registry logins are passed on.
    """
    clean = {name: value for name, value in environ.items() if name in _PASSED or name.startswith(_PASSED_PREFIXES)}
    clean |= {
        "HELM_CACHE_HOME": str(private / "cache"),
        "HELM_CONFIG_HOME": str(private / "config"),
        "HELM_DATA_HOME": str(private / "data"),
        "HELM_NO_PLUGINS": "1",
        "HELM_DRIVER": "secret",
        "NO_COLOR": "1",
    }
    logins = registry_configuration(environ)
    if logins is not None:
        clean["HELM_REGISTRY_CONFIG"] = str(logins)
    return clean


def registry_configuration(environ: Mapping[str, str]) -> Path | None:
    """Return the file in which ``helm registry login`` keeps the user's logins, None when there is none."""
    if given := environ.get("HELM_REGISTRY_CONFIG"):
        return Path(given)
    if given := environ.get("HELM_CONFIG_HOME"):
        home = Path(given)
    elif given := environ.get("XDG_CONFIG_HOME"):
        home = Path(given) / "helm"
    elif sys.platform == "darwin":
        home = Path(environ.get("HOME", "/")) / "Library" / "Preferences" / "helm"
    else:
        home = Path(environ.get("HOME", "/")) / ".config" / "helm"
    logins = home / "registry" / "config.json"
    return logins if logins.is_file() else None

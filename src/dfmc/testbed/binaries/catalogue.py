"""Which programs the kwok bed runs, at which versions, and how each is made. Pure.

Versions move together: the Kubernetes module's replace lines, the version stamps here and `KUBERNETES_VERSION`.
A program's digest covers everything that decides its bytes but the Go compiler, so that a newer compiler does not
cost everybody a rebuild.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files

KUBERNETES_VERSION = "v1.34.4"
ETCD_VERSION = "v3.6.4"
KWOK_VERSION = "v0.7.0"
DRAGONFLY_VERSION = "v2.5.1"
HELM3_VERSION = "v3.19.5"
HELM4_VERSION = "v4.3.1"

# The same flags for every build, or Go's build cache is split and everything compiles twice.
GO_ENVIRONMENT = {"GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"}


@dataclass(frozen=True)
class Download:
    """A published build of a program.

    Attributes:
        url: Of the binary, or of a .tar.gz that holds it; ``{arch}`` is Go's name of the architecture.
        checksum_url: A text in which a line holds the sha256 (alone, or followed by the file's name).
        member: Path inside the archive; empty where the URL is the binary itself.
    """

    url: str
    checksum_url: str
    member: str = ""


@dataclass(frozen=True)
class Program:
    """One executable of the bed.

    Attributes:
        name: Its file name in the cache's ``bin``.
        package: Go package of its main function.
        version: Module version, for people and (without ``module``) for ``go install``.
        module: Directory of module files under ``data/modules``; empty for ``go install PACKAGE@VERSION``.
        stamps: ``-X`` link flags; helm and kubectl print no usable version without them.
        go: Least Go release that compiles it.
        minutes: What a cold build takes on two cores, for progress lines.
        download: Where a published build lies, if its publisher also publishes a checksum.
    """

    name: str
    package: str
    version: str
    module: str = ""
    stamps: tuple[tuple[str, str], ...] = ()
    go: tuple[int, int, int] = (1, 25, 0)
    minutes: str = "under 1 min"
    download: Download | None = None

    def digest(self) -> str:
        """Return the sha256 over package, version, flags and module files."""
        content = hashlib.sha256()
        parts = [self.package, self.version, self.stamps, sorted(GO_ENVIRONMENT.items())]
        content.update(json.dumps(parts).encode())
        for file, text in self.module_files().items():
            content.update(f"\n{file}\n".encode() + text)
        return content.hexdigest()

    def module_files(self) -> dict[str, bytes]:
        """Return the module's files by name, in the names' order; empty for ``go install`` programs."""
        if not self.module:
            return {}
        directory = files("dfmc.testbed") / "data" / "modules" / self.module
        return {file.name: file.read_bytes() for file in sorted(directory.iterdir(), key=lambda file: file.name)}


def _kubernetes_stamps() -> tuple[tuple[str, str], ...]:
    _, minor, _ = KUBERNETES_VERSION.split(".")
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    values = (("gitVersion", KUBERNETES_VERSION), ("gitMajor", "1"), ("gitMinor", minor))
    return tuple((f"{package}.{key}", value) for package in packages for key, value in values)


def kubernetes_program(name: str, minutes: str, module: str = "kubernetes") -> Program:
    """Return one of Kubernetes' own programs, built in the directory of module files called ``module``."""
    url = f"https://dl.k8s.io/release/{KUBERNETES_VERSION}/bin/linux/{{arch}}/{name}"
    return Program(
        name=name,
        package=f"k8s.io/kubernetes/cmd/{name}",
        version=KUBERNETES_VERSION,
        module=module,
        stamps=_kubernetes_stamps(),
        minutes=minutes,
        download=Download(url=url, checksum_url=f"{url}.sha256"),
    )


def _dragonfly(name: str, minutes: str) -> Program:
    return Program(
        name=name,
        package=f"d7y.io/dragonfly/v2/cmd/{name}",
        version=DRAGONFLY_VERSION,
        module="dragonfly",
        go=(1, 25, 5),
        minutes=minutes,
    )


def _kwok(name: str, minutes: str) -> Program:
    return Program(name, f"sigs.k8s.io/kwok/cmd/{name}", KWOK_VERSION, minutes=minutes)


def _helm(name: str, version: str, kubernetes_minor: str, go: tuple[int, int, int]) -> Program:
    major = version[1]
    stamps = [(f"helm.sh/helm/v{major}/internal/version.version", version)]
    if major == "3":  # helm 4 reads these from its own build information
        packages = ("pkg/lint/rules", "pkg/chartutil")
        pairs = (("k8sVersionMajor", "1"), ("k8sVersionMinor", kubernetes_minor))
        stamps += [(f"helm.sh/helm/v3/{package}.{key}", value) for package in packages for key, value in pairs]
    url = f"https://get.helm.sh/helm-{version}-linux-{{arch}}.tar.gz"
    return Program(
        name=name,
        package=f"helm.sh/helm/v{major}/cmd/helm",
        version=version,
        stamps=tuple(stamps),
        go=go,
        minutes="about 1 min",
        download=Download(url, f"{url}.sha256sum", "linux-{arch}/helm"),
    )


_ETCD_RELEASE = f"https://github.com/etcd-io/etcd/releases/download/{ETCD_VERSION}"

# Biggest first: what the API server compiles, most of the others reuse.
PROGRAMS: tuple[Program, ...] = (
    kubernetes_program("kube-apiserver", "about 4 min"),
    kubernetes_program("kube-controller-manager", "about 1 min"),
    kubernetes_program("kube-scheduler", "under 1 min"),
    kubernetes_program("kubectl", "under 1 min"),
    Program(
        name="etcd",
        package="go.etcd.io/etcd/server/v3",
        version=ETCD_VERSION,
        module="kubernetes",
        download=Download(
            url=f"{_ETCD_RELEASE}/etcd-{ETCD_VERSION}-linux-{{arch}}.tar.gz",
            checksum_url=f"{_ETCD_RELEASE}/SHA256SUMS",
            member=f"etcd-{ETCD_VERSION}-linux-{{arch}}/etcd",
        ),
    ),
    _dragonfly("manager", "about 3 min"),
    _dragonfly("scheduler", "under 1 min"),
    _kwok("kwok", "about 3 min"),
    _kwok("kwokctl", "under 1 min"),
    _helm("helm", HELM3_VERSION, "34", (1, 25, 0)),
    _helm("helm4", HELM4_VERSION, "36", (1, 26, 0)),
)

BY_NAME = {program.name: program for program in PROGRAMS}

# helm4 is built when it is asked for: a bed runs one helm.
ALWAYS = tuple(program.name for program in PROGRAMS if program.name != "helm4")

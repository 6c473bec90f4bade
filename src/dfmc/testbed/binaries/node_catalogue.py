"""What the kind bed's node image and images need beyond the kwok bed's programs. Pure.

The Kubernetes programs come from a module of their own: adding them to the control planes' module would change its
digest, and with it rebuild what every kwok bed has already.
"""

from __future__ import annotations

from dfmc.testbed.binaries.catalogue import KUBERNETES_VERSION, Download, Program, kubernetes_program

KIND_VERSION = "v0.33.0"
COREDNS_VERSION = "v1.13.1"  # 1.12.1, which kubeadm names, does not compile against client-go 0.34
CRICTL_VERSION = "v1.34.0"

_KIND = f"https://github.com/kubernetes-sigs/kind/releases/download/{KIND_VERSION}/kind-linux-{{arch}}"
_CRICTL = (
    f"https://github.com/kubernetes-sigs/cri-tools/releases/download/{CRICTL_VERSION}"
    f"/crictl-{CRICTL_VERSION}-linux-{{arch}}.tar.gz"
)

# kubelet first: kubeadm and kube-proxy reuse what it compiles.
NODE_PROGRAMS: tuple[Program, ...] = (
    kubernetes_program("kubelet", "about 7 min", module="kubernetes-node"),
    kubernetes_program("kubeadm", "about 1 min", module="kubernetes-node"),
    kubernetes_program("kube-proxy", "under 1 min", module="kubernetes-node"),
    Program(
        name="crictl",
        package="sigs.k8s.io/cri-tools/cmd/crictl",
        version=CRICTL_VERSION,
        module="crictl",
        stamps=(("sigs.k8s.io/cri-tools/pkg/version.Version", CRICTL_VERSION),),
        minutes="about 1 min",
        download=Download(_CRICTL, f"{_CRICTL}.sha256", "crictl"),
    ),
    Program(
        name="coredns",
        package="github.com/coredns/coredns",
        version=COREDNS_VERSION,
        module="coredns",
        minutes="about 3 min",
    ),
    Program(
        name="local-path-provisioner",
        package="github.com/rancher/local-path-provisioner",
        version="v0.0.30",
        module="local-path-provisioner",
        minutes="about 3 min",
    ),
    Program(name="pause", package="dfmc.io/testbed/pause", version=KUBERNETES_VERSION, module="pause"),
    Program(
        name="kind",
        package="sigs.k8s.io/kind",
        version=KIND_VERSION,
        download=Download(_KIND, f"{_KIND}.sha256sum"),
    ),
    Program("grpc-health-probe", "github.com/grpc-ecosystem/grpc-health-probe", "v0.4.61"),
)

NODE_BY_NAME = {program.name: program for program in NODE_PROGRAMS}

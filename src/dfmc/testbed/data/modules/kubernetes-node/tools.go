//go:build tools

// Package kubernetesnode names the programs of Kubernetes that only a node image needs.
package kubernetesnode

import (
	_ "k8s.io/kubernetes/cmd/kube-proxy"
	_ "k8s.io/kubernetes/cmd/kubeadm"
	_ "k8s.io/kubernetes/cmd/kubelet"
)

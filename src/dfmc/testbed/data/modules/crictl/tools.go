//go:build tools

// Package crictl names the program that nodes' container runtimes are asked with.
package crictl

import _ "sigs.k8s.io/cri-tools/cmd/crictl"

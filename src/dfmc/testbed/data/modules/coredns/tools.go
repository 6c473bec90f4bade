//go:build tools

// Package coredns names the name server of the kind bed's clusters.
package coredns

import _ "github.com/coredns/coredns"

//go:build tools

// Package localpathprovisioner names the program that makes volumes on the kind bed's nodes.
package localpathprovisioner

import _ "github.com/rancher/local-path-provisioner"

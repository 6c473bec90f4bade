//go:build tools

// Package dragonfly names the programs that the kwok bed runs behind manager and scheduler pods.
package dragonfly

import (
	_ "d7y.io/dragonfly/v2/cmd/manager"
	_ "d7y.io/dragonfly/v2/cmd/scheduler"
)

#!/bin/bash
# The main job on the embedded bed: `make demo` runs it. Safe to run again; `make demo-down` takes everything away.
set -euo pipefail
cd "$(dirname "$0")/.."
topology=examples/guide/topology.yaml

say() { printf '\n\033[1m==> %s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n==> %s\n' "$*"; }

say "The embedded bed: one Kubernetes cluster with the guide's five nodes (first time 10-25 minutes, then seconds)"
dfmc testbed up "$topology"
eval "$(dfmc testbed env)"

say "dfmc up: cluster A with the manager, cluster B registered and joined"
dfmc up --yes

say "dfmc status"
dfmc status

cat <<TXT

What you have now: a real Dragonfly manager with real schedulers of two clusters, on a real Kubernetes API; nodes and
client pods are simulated. The topology in use is a copy of $topology that points at the bed's chart.

Try next, in this shell's directory:
  eval "\$($PWD/.venv/bin/dfmc testbed env)"; export PATH="$PWD/.venv/bin:\$PATH"
  dfmc up                      # again: nothing to do, and it proves it
  dfmc plan                    # after an edit of \$DFMC_FILE: what would change, field by field
  dfmc render -c b             # the Helm values of one cluster (with --ids b=2 while offline)
  kubectl get pods -A          # look around
Stop and delete everything:
  make demo-down
TXT

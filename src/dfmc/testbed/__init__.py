"""Test beds: Kubernetes clusters on this machine, with a real Dragonfly manager and real schedulers, to try dfmc on.

The kwok bed (`bed`) needs neither root nor a container engine. Its parts are real where dfmc looks: etcd, API server,
controllers, scheduler, helm; and behind the pods of manager, scheduler, MySQL and Redis real processes, started with
the configuration that the chart rendered. Everything else is simulated by kwok.

What the command line and tests call::

    state = bed.up(BedRequest(topology=FILE, chart="stand-in", directory=DIR), report)
    bed.env(state)                 # KUBECONFIG, DFMC_FILE, DFMC_HELM, PATH: dfmc, helm and kubectl work on the bed
    bed.find(directory)            # the same state later, without touching anything; None where there is no bed
    bed.status(directory)          # plain data: clusters, what runs, what does not
    bed.down(directory, report)    # stops every process, removes the directory
    manager_database(state, context, namespace).query(SQL)      # the manager's own tables, for tests
    state.audit_log(context)       # the API server's audit log: every write with its user agent

``report`` is called with one plain line before each step that takes longer than a moment. All failures are DfmcErrors.

How a bed is built: `topology_copy` reads the file, `plan` decides clusters, nodes and addresses (`addressing`),
`binaries` makes the programs, `control_plane` runs kwokctl, `cluster_objects` puts nodes and Stages in place, and
`supervisor` is the one process that then looks after the pods. `layout` knows the files.

Run ``python -m dfmc.testbed up [FILE]`` for a bed without the rest of dfmc.
"""

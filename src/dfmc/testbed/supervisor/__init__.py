"""The bed's supervisor: one long-lived process for all clusters of a bed.

kwok simulates nodes and pods; this process is the kubelet of the few pods that matter and runs real programs behind
them (`pod_worker`, `programs`, `configuration`), kube-proxy and the API servers' way to pods (`proxies`,
`service_table`), the resolver that init containers would ask (`cluster_dns`, `init_waits`), the provisioner of volumes
(`volumes`), and the chart repository (`repository_server`). `cluster` ties these together for one Kubernetes cluster,
``python -m dfmc.testbed.supervisor STATE_FILE`` runs one `cluster` per entry of the bed's plan.
"""

"""The bed's supervisor: one long-lived process for all clusters of a bed.

kwok simulates nodes and pods; this process is the kubelet of the few pods that matter and runs real programs behind
them (`pod_worker`, `programs`, `configuration`, and for clients `client_program`, `client_configuration`), and the
scripts of dfmc's own short-lived pods (`probe_worker`, `probe_tools`, `name_service`). It is kube-proxy and the API
servers' way to pods (`proxies`, `service_table`), the resolver that init containers would ask (`cluster_dns`,
`init_waits`), the provisioner of volumes (`volumes`), the chart repository (`repository_server`) and an origin of blobs
(`origin_server`). `cluster` ties these together for one Kubernetes cluster,
``python -m dfmc.testbed.supervisor STATE_FILE`` runs one `cluster` per entry of the bed's plan.
"""

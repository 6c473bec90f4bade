{{/* What changed in the published charts, and in which version: all of them are rendered from one set of templates. A leaf
     is the versions that have it, as a semver constraint; the spans are those of every tag from 1.0.7 to 1.7.4. Of 1.7.5
     to 1.7.8 the values, the changelog and what members render to are known: the rest is taken to be as in 1.7.4. */}}
{{- define "dragonfly.history" -}}
components:
  manager: "*"
  scheduler: "*"
  seedPeer: "<1.1.66"
  dfdaemon: "<1.1.66"
  seedClient: ">=1.1.12"
  client: ">=1.1.12"
unsupported:
  trainer: "<1.1.66"
  triton: "<1.1.66"
  injector: ">=1.6.16"

# Objects
namespaceOverride: ">=1.1.72"
chartLabel: "<1.3.32"
releaseInSelectors: "<1.4.3"        # selectors are immutable: no upgrade crosses it in place
checksumOnPods: ">=1.1.29"          # before, on the workload: a changed configuration restarted nothing
updateStrategy: ">=1.1.27"
# Pods
imageMaps: ">=1.1.38"
globalNodeSelector: ">=1.1.39"
globalStorageClass: ">=1.1.41"
hostNetwork:
  {manager: ">=1.3.11", scheduler: ">=1.3.11", seedPeer: ">=1.1.44", dfdaemon: "*", seedClient: ">=1.3.11", client: "*"}
priorityAsksForV1beta1: "<1.2.3"    # which no cluster serves since Kubernetes 1.22, though `helm template` claims it
priorityOfManagerAsksScheduler: "<1.6.19"
waitForRestPort: "<1.6.10"          # of the manager; since then for its gRPC port
waitResources: ">=1.1.69"
maxProcs: ">=1.1.10"
extraEnvVars: ">=1.6.6"
podNameInEnv: ">=1.6.1"             # of the Rust clients
probeValues: ">=1.6.26"
managerSidecar: "<1.1.38"
# Volumes of seed peers and seed clients
claimAnnotations: ">=1.7.1"         # before, any annotation made a broken manifest
seedHostPath: ">=1.6.21"
# Services
grpcPortName: ">=1.3.13"            # before, http-grpc
appProtocol: ">=1.3.13"
nodePort: ">=1.2.14"
nodePortIsRest: ">=1.5.1"           # of the manager; before, the gRPC port got it
clusterIP: ">=1.6.8"
schedulerHeadless: ">=1.7.5"
seedClientService: ">=1.1.42"
metricsService: {manager: "*", scheduler: "*", seedPeer: "*", dfdaemon: "<1.1.12", seedClient: "*", client: ">=1.1.59"}
metricsServiceAsksForMonitor:
  {manager: "<0", scheduler: "<0", seedPeer: "*", dfdaemon: "<0", seedClient: "<1.3.25", client: "<1.3.25"}
metricsServiceLabels: ">=1.3.38"    # before, any label made the chart fail

# Configuration files
sections:
  manager:
    auth: "*"
    cache: "*"
    job: ">=1.1.2"
    objectStorage: "<1.3.11"
    security: "<1.2.18"
    network: "*"
    tracing: ">=1.3.31"
  scheduler:
    server: "*"
    scheduler: "*"
    resource: ">=1.1.3 <1.2.18"
    dynconfig: "*"
    host: "*"
    seedPeer: "*"
    storage: "*"
    security: "<1.2.18"
    network: "*"
    tracing: ">=1.3.31"
  dfget:
    host: "*"
    download: "*"
    upload: "*"
    storage: "*"
    objectStorage: "*"
    security: "*"
    network: "*"
    announcer: "*"
    networkTopology: ">=1.1.31"
  client: &client
    host: "*"
    server: "*"
    download: "*"
    upload: "*"
    scheduler: "*"
    dynconfig: "*"
    storage: "*"
    gc: "*"
    proxy: "*"
    security: "<1.2.18"
    health: ">=1.1.50"
    metrics: "*"
    stats: ">=1.1.52"
    tracing: ">=1.4.3"
    backend: ">=1.5.8"
    network: ">=1.6.4"
  seedClient:
    <<: *client
    seedPeer: "*"
verbose: "<1.3.40"                  # and pprof-port with it; since then logLevel and pprofPort
jaeger: "<1.3.31"                   # an address of the user's
jaegerSubchart: "<1.1.66"
grpcAdvertisePort: "<1.1.22"
grpcRequestRateLimit: ">=1.6.11"    # and TLS
restTLSAsksForKey: ">=1.6.19"
redisSentinel: ">=1.3.22"
redisTLS: ">=1.7.3"
redisNetworkTopology: ">=1.1.31 <1.2.16"
managerless: ">=1.7.5"              # without a manager of its own or an external one, local dynconfig.yaml files
# The manager's address in the files of Rust clients
managerAddrs: "<1.2.18"             # a list
managerNetAddrs: "<1.1.43"          # both clients ask for the client's addrs and then take their own netAddrs
managerExternalScheme: ">=1.1.70"   # http:// before the external host
managerAddr: {seedClient: ">=1.4.14 <1.7.5", client: ">=1.4.15 <1.7.5"}  # from 1.2.18 up to there, it had no effect
# Rust clients and dfinit
clientServers: ">=1.1.52"           # health, metrics and stats have ports of their own
clientStorageOnHost: "<1.1.41"      # and dfinit's configuration is mounted even where there is none
clientSocketDirectory: ">=1.3.3"
clientProbesSocket: ">=1.1.73"
clientStoragePorts: ">=1.4.10"
clientConsole: ">=1.3.31"           # before, --verbose
seedTracingIsClients: ">=1.1.66 <1.4.3"
dfinitChecksum: ">=1.3.23"
dfinitRestartSwitch: ">=1.3.24"
dfinitRuntimes: {containerd: "*", crio: "*", podman: ">=1.3.1", docker: ">=1.3.1"}
sysctlInit: ">=1.7.8"
# dfdaemon
dfdaemonHealthPort: ">=1.1.6"
dfdaemonInitForCrio: ">=1.1.46"     # before, with CRI-O alone and the host's network the runtime was never set up
{{- end -}}

{{/* Whether this chart has it. Arguments: root, then the way to a leaf of the history. */}}
{{- define "dragonfly.has" -}}
{{- $root := index . 0 -}}
{{- $span := include "dragonfly.history" $root | fromYaml -}}
{{- range rest . }}{{ $span = index $span . }}{{ end -}}
{{- if semverCompare $span $root.Chart.Version }}true{{ end -}}
{{- end -}}

{{/* Whether this chart has the component and the values switch it on. Arguments: root, component. */}}
{{- define "dragonfly.enabled" -}}
{{- $root := index . 0 -}}
{{- if include "dragonfly.has" (list $root "components" (index . 1)) -}}
{{- if (index $root.Values (index . 1)).enable }}true{{ end -}}
{{- end -}}
{{- end -}}

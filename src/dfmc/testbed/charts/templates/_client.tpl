{{/* Client and seed client, the peers written in Rust: their files dfdaemon.yaml, and dfinit's. */}}

{{- define "dragonfly.config.client" }}{{ include "dragonfly.config.peer" (list . "client") }}{{ end -}}
{{- define "dragonfly.config.seedClient" }}{{ include "dragonfly.config.peer" (list . "seedClient") }}{{ end -}}

{{/* Arguments: root, client or seedClient. */}}
{{- define "dragonfly.config.peer" -}}
{{- $root := index . 0 -}}
{{- $key := index . 1 -}}
{{- $config := (index $root.Values $key).config -}}
manager: {{- include "dragonfly.config.peer.manager" . | nindent 2 }}
{{- include "dragonfly.config.sections" (list $root $key $config) }}
{{- if not (include "dragonfly.has" (list $root "sections" $key "tracing")) }}
{{- $tracing := $config.tracing }}
{{- if include "dragonfly.has" (list $root "seedTracingIsClients") }}{{ $tracing = $root.Values.client.config.tracing }}{{ end }}
{{- if $tracing }}
tracing: {{- toYaml $tracing | nindent 2 }}
{{- else }}
{{ include "dragonfly.config.jaeger" $root }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The manager's address. Arguments: root, client or seedClient. */}}
{{- define "dragonfly.config.peer.manager" -}}
{{- $root := index . 0 -}}
{{- $given := (index $root.Values (index . 1)).config.manager | default dict -}}
{{- $bare := not (or $root.Values.manager.enable (include "dragonfly.has" (list $root "managerExternalScheme"))) -}}
{{- $address := print (ternary "" "http://" $bare) (include "dragonfly.manager.address" $root) -}}
{{- if not (include "dragonfly.managed" $root) -}}
{}
{{- else if include "dragonfly.has" (list $root "managerAddrs") -}}
{{- $netAddrs := include "dragonfly.has" (list $root "managerNetAddrs") | eq "true" -}}
addrs:
{{- if (ternary $root.Values.client.config.manager $given $netAddrs).addrs }}
{{ toYaml (ternary $given.netAddrs $given.addrs $netAddrs) }}
{{- else }}
- {{ $address }}
{{- end }}
{{- else if include "dragonfly.has" (list $root "managerAddr" (index . 1)) -}}
addr: {{ $given.addr | default $address }}
{{- else -}}
addr: {{ if $given.addrs }}{{ $given.addr }}{{ else }}{{ $address }}{{ end }}
{{- end -}}
{{- end -}}

{{- define "dragonfly.config.dfinit" -}}
{{- with .Values.client.dfinit.config -}}
proxy:
  addr: {{ .proxy.addr }}
containerRuntime: {{- toYaml .containerRuntime | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "dragonfly.configmap.dfinit" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "dragonfly.metadata" (list . (print (include "dragonfly.fullname" .) "-dfinit") (include "dragonfly.fullname" .) .Values.client.name) | nindent 2 }}
data:
  dfinit.yaml: |-
    {{- include "dragonfly.config.dfinit" . | nindent 4 }}
{{- end -}}

{{/* How much a program says. Arguments: root, level, map with console or verbose. */}}
{{- define "dragonfly.client.args" -}}
- --log-level={{ index . 1 }}
{{- $flag := include "dragonfly.has" (list (index . 0) "clientConsole") | eq "true" | ternary "console" "verbose" }}
{{- if index (index . 2) $flag }}
- --{{ $flag }}
{{- end }}
{{- end -}}

{{/* Arguments: root, client or seedClient. The client declares no proxy, 4001: it listens on the node itself. */}}
{{- define "dragonfly.client.ports" -}}
{{- $root := index . 0 -}}
{{- $component := index $root.Values (index . 1) -}}
{{- $config := $component.config -}}
- {containerPort: {{ $config.upload.server.port }}, protocol: TCP}
{{- if include "dragonfly.has" (list $root "clientServers") }}
{{- $servers := list "health" "metrics" "stats" }}
{{- if eq (index . 1) "seedClient" }}{{ $servers = prepend $servers "proxy" }}{{ end }}
{{- range $server := $servers }}
- {containerPort: {{ index $config $server "server" "port" }}, protocol: TCP}
{{- end }}
{{- else if $component.metrics.enable }}
- {containerPort: {{ $config.metrics.port }}, protocol: TCP}
{{- end }}
{{- if include "dragonfly.has" (list $root "clientStoragePorts") }}
- {containerPort: {{ $config.storage.server.tcpPort }}, protocol: TCP}
- {containerPort: {{ $config.storage.server.quicPort }}, protocol: UDP}
{{- end }}
{{- end -}}

{{/* Arguments: root, client or seedClient. */}}
{{- define "dragonfly.client.probes" -}}
{{- $config := (index (index . 0).Values (index . 1)).config -}}
{{- $address := printf ":%v" $config.upload.server.port -}}
{{- if include "dragonfly.has" (list (index . 0) "clientProbesSocket") -}}
{{- $address = print "unix://" $config.download.server.socketPath -}}
{{- end -}}
{{ include "dragonfly.pod.probes" (list (index . 0) $address) }}
{{- end -}}

{{/* Kernel settings before a client starts. Arguments: root, client or seedClient. */}}
{{- define "dragonfly.client.sysctl" -}}
{{- $root := index . 0 -}}
{{- $component := index $root.Values (index . 1) -}}
{{- if include "dragonfly.has" (list $root "sysctlInit") -}}
{{- with $component.sysctlInit -}}
{{- if .enable -}}
- name: sysctl
  image: {{ include "dragonfly.image" (list $root $component.initContainer) }}
  imagePullPolicy: {{ include "dragonfly.image.pullPolicy" (list $root $component.initContainer) }}
  securityContext: {privileged: true}
  command:
  - sysctl
  - -w
  {{- range $name, $value := .sysctls }}
  - {{ $name }}={{ $value }}
  {{- end }}
  resources: {{- toYaml $component.initContainer.resources | nindent 4 }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

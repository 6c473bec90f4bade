{{/* Seed peer and dfdaemon, the peers written in Go: their files dfget.yaml. */}}

{{/* dfget.yaml but for what differs between the two. Arguments: root, component. */}}
{{- define "dragonfly.config.dfget" -}}
{{- $root := index . 0 -}}
{{- $component := index $root.Values (index . 1) -}}
{{- $config := $component.config -}}
{{- range $setting := list "aliveTime" "gcInterval" "keepStorage" "workHome" "logDir" "cacheDir" "pluginDir" "dataDir" }}
{{ $setting }}: {{ index $config $setting }}
{{- end }}
{{ include "dragonfly.config.observability" . }}
{{- if $component.metrics.enable }}
metrics: ":8000"
{{- end }}
# The dfdaemon's for both: seedPeer.config.health has no effect upstream either.
health: {{- toYaml $root.Values.dfdaemon.config.health | nindent 2 }}
{{- include "dragonfly.config.sections" (list $root "dfget" $config) }}
proxy:
  defaultFilter: {{ $config.proxy.defaultFilter }}
  defaultTag: {{ $config.proxy.defaultTag }}
  tcpListen:
    {{- if not $component.hostNetwork }}
    namespace: {{ $config.proxy.tcpListen.namespace }}
    {{- end }}
    port: {{ $component.containerPort }}
  {{- include "dragonfly.config.copies" (list $config.proxy (list "security" "registryMirror" "proxies")) | indent 2 }}
{{- end -}}

{{/* How a peer finds the manager. Arguments: root, component. */}}
{{- define "dragonfly.config.dfget.manager" -}}
{{- $root := index . 0 -}}
{{- with (index $root.Values (index . 1)).config.scheduler.manager -}}
enable: {{ .enable }}
refreshInterval: {{ .refreshInterval }}
netAddrs:
{{- if and .enable .netAddrs }}
{{ toYaml .netAddrs }}
{{- else }}
- type: tcp
  addr: {{ include "dragonfly.manager.address" $root }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "dragonfly.config.seedPeer" -}}
{{- $scheduler := .Values.seedPeer.config.scheduler -}}
{{ include "dragonfly.config.dfget" (list . "seedPeer") }}
scheduler:
  manager:
    {{- include "dragonfly.config.dfget.manager" (list . "seedPeer") | nindent 4 }}
    seedPeer: {{- toYaml $scheduler.manager.seedPeer | nindent 6 }}
  scheduleTimeout: {{ $scheduler.scheduleTimeout }}
  disableAutoBackSource: {{ $scheduler.disableAutoBackSource }}
{{- end -}}

{{- define "dragonfly.config.dfdaemon" -}}
{{- $scheduler := .Values.dfdaemon.config.scheduler -}}
{{- $docker := .Values.containerRuntime.docker -}}
{{ include "dragonfly.config.dfget" (list . "dfdaemon") }}
  {{- if $docker.enable }}
  hijackHTTPS:
    cert: /etc/dragonfly-ca/cacert.pem
    key: /etc/dragonfly-ca/cakey.pem
    hosts:
    - regx: .*
      insecure: {{ $docker.insecure }}
    {{- if and $docker.injectHosts (not $docker.restart) }}
    sni:
    {{- range $docker.registryPorts }}
    - listen: 127.0.0.1
      port: {{ . }}
      {{- if not $.Values.dfdaemon.hostNetwork }}
      namespace: {{ $.Values.dfdaemon.config.proxy.tcpListen.namespace }}
      {{- end }}
    {{- end }}
    {{- end }}
  {{- end }}
scheduler:
  manager: {{- include "dragonfly.config.dfget.manager" (list . "dfdaemon") | nindent 4 }}
  netAddrs: {{- if and (not $scheduler.manager.enable) $scheduler.netAddrs }}{{ toYaml $scheduler.netAddrs | nindent 2 }}{{ end }}
  scheduleTimeout: {{ $scheduler.scheduleTimeout }}
  disableAutoBackSource: {{ $scheduler.disableAutoBackSource }}
  seedPeer: {{- toYaml $scheduler.manager.seedPeer | nindent 4 }}
{{- end -}}

{{/* Ports besides a peer's own. Argument: component's map. */}}
{{- define "dragonfly.dfget.ports" -}}
{{- with .config.objectStorage }}
{{- if .enable }}
- {containerPort: {{ .tcpListen.port }}, protocol: TCP}
{{- end }}
{{- end }}
{{- if .metrics.enable }}
- {containerPort: 8000, protocol: TCP}
{{- end }}
{{- end -}}

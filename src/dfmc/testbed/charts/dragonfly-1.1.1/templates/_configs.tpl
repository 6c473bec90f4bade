{{/* The configuration files. Scalars that the real chart writes unquoted are unquoted here: a password such as `a #b` must
     come out as wrong as it would there. */}}

{{/* Arguments: configuration tree, names of its sections to copy. */}}
{{- define "dragonfly.config.sections" -}}
{{- $tree := index . 0 -}}
{{- range $section := index . 1 }}
{{ $section }}: {{- toYaml (index $tree $section) | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Arguments: root, component. */}}
{{- define "dragonfly.config.observability" -}}
{{- $root := index . 0 -}}
{{- $config := (index . 1).config -}}
console: {{ $config.console }}
verbose: {{ $config.verbose }}
{{- if $config.verbose }}
pprof-port: {{ $config.pprofPort }}
{{- end }}
{{- if $config.jaeger }}
jaeger: {{ $config.jaeger }}
{{- else if $root.Values.jaeger.enable }}
jaeger: http://{{ include "dragonfly.host" (list $root (print $root.Release.Name "-jaeger-collector")) }}:14268/api/traces
{{- end }}
{{- end -}}

{{/* Arguments: root, whether the number of the main database is written (manager only). */}}
{{- define "dragonfly.config.redis" -}}
{{- $root := index . 0 -}}
{{- if $root.Values.redis.enable -}}
addrs:
- {{ include "dragonfly.redis.host" $root }}:{{ $root.Values.redis.master.service.ports.redis }}
password: {{ $root.Values.redis.auth.password }}
{{- else -}}
{{- with $root.Values.externalRedis -}}
addrs: {{- toYaml .addrs | nindent 2 }}
masterName: {{ .masterName }}
username: {{ .username }}
password: {{ .password }}
{{- if index $ 1 }}
db: {{ .db }}
{{- end }}
brokerDB: {{ .brokerDB }}
backendDB: {{ .backendDB }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "dragonfly.config.mysql" -}}
{{- if and .Values.mysql.enable (not .Values.externalMysql.host) -}}
user: {{ .Values.mysql.auth.username }}
password: {{ .Values.mysql.auth.password }}
host: {{ include "dragonfly.mysql.host" . }}
port: {{ .Values.mysql.primary.service.port }}
dbname: {{ .Values.mysql.auth.database }}
migrate: {{ .Values.mysql.migrate }}
{{- else -}}
{{- with .Values.externalMysql -}}
user: {{ .username }}
password: {{ .password }}
host: {{ .host }}
port: {{ .port }}
dbname: {{ .database }}
migrate: {{ .migrate }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "dragonfly.config.manager" -}}
{{- $manager := .Values.manager -}}
{{- $server := $manager.config.server -}}
server:
  rest:
    addr: :{{ $manager.restPort }}
    {{- with $server.rest.tls }}
    {{- if .cert }}
    tls:
      cert: {{ .cert }}
      key: {{ .key }}
    {{- end }}
    {{- end }}
  grpc:
    advertiseIP: {{ $server.grpc.advertiseIP }}
    advertisePort: {{ $server.grpc.advertisePort }}
    port:
      start: {{ $manager.grpcPort }}
      end: {{ $manager.grpcPort }}
  {{- range $setting := list "workHome" "logDir" "cacheDir" "pluginDir" }}
  {{ $setting }}: {{ index $server $setting }}
  {{- end }}
database:
  mysql: {{- include "dragonfly.config.mysql" . | nindent 4 }}
  redis: {{- include "dragonfly.config.redis" (list . true) | nindent 4 }}
{{- include "dragonfly.config.sections" (list $manager.config (list "auth" "cache" "objectStorage" "security" "network")) }}
metrics:
  enable: {{ $manager.metrics.enable }}
  addr: ":8000"
{{ include "dragonfly.config.observability" (list . $manager) }}
{{- end -}}

{{- define "dragonfly.config.scheduler" -}}
{{- $scheduler := .Values.scheduler -}}
{{- $config := $scheduler.config -}}
manager:
  addr: {{ include "dragonfly.manager.host" . }}:{{ include "dragonfly.manager.port" (list . "grpcPort") }}
  schedulerClusterID: {{ $config.manager.schedulerClusterID }}
  keepAlive: {{- toYaml $config.manager.keepAlive | nindent 4 }}
{{- range $user := list "database" "job" }}
{{ $user }}:
  redis: {{- include "dragonfly.config.redis" (list $ false) | nindent 4 }}
{{- end }}
{{- include "dragonfly.config.sections" (list $config (list "server" "scheduler" "dynconfig" "host" "seedPeer" "storage" "security" "network")) }}
metrics:
  enable: {{ $scheduler.metrics.enable }}
  addr: ":8000"
  enableHost: {{ $scheduler.metrics.enableHost }}
{{ include "dragonfly.config.observability" (list . $scheduler) }}
{{- end -}}

{{/* dfget.yaml but for what differs between seed peer and dfdaemon. Arguments: root, component. */}}
{{- define "dragonfly.config.dfget" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
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
{{- include "dragonfly.config.sections" (list $config (list "host" "download" "upload" "storage" "objectStorage" "security" "network" "announcer")) }}
proxy:
  defaultFilter: {{ $config.proxy.defaultFilter }}
  defaultTag: {{ $config.proxy.defaultTag }}
  tcpListen:
    {{- if not $component.hostNetwork }}
    namespace: {{ $config.proxy.tcpListen.namespace }}
    {{- end }}
    port: {{ $component.containerPort }}
  {{- include "dragonfly.config.sections" (list $config.proxy (list "security" "registryMirror" "proxies")) | indent 2 }}
{{- end -}}

{{/* How a peer finds the manager. Arguments: root, component. */}}
{{- define "dragonfly.config.dfget.manager" -}}
{{- $root := index . 0 -}}
{{- with (index . 1).config.scheduler.manager -}}
enable: {{ .enable }}
refreshInterval: {{ .refreshInterval }}
netAddrs:
{{- if and .enable .netAddrs }}
{{ toYaml .netAddrs }}
{{- else }}
- type: tcp
  addr: {{ include "dragonfly.manager.host" $root }}:{{ include "dragonfly.manager.port" (list $root "grpcPort") }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "dragonfly.config.seedPeer" -}}
{{- $scheduler := .Values.seedPeer.config.scheduler -}}
{{ include "dragonfly.config.dfget" (list . .Values.seedPeer) }}
scheduler:
  manager:
    {{- include "dragonfly.config.dfget.manager" (list . .Values.seedPeer) | nindent 4 }}
    seedPeer: {{- toYaml $scheduler.manager.seedPeer | nindent 6 }}
  scheduleTimeout: {{ $scheduler.scheduleTimeout }}
  disableAutoBackSource: {{ $scheduler.disableAutoBackSource }}
{{- end -}}

{{- define "dragonfly.config.dfdaemon" -}}
{{- $scheduler := .Values.dfdaemon.config.scheduler -}}
{{- $docker := .Values.containerRuntime.docker -}}
{{ include "dragonfly.config.dfget" (list . .Values.dfdaemon) }}
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
  manager: {{- include "dragonfly.config.dfget.manager" (list . .Values.dfdaemon) | nindent 4 }}
  netAddrs: {{- if and (not $scheduler.manager.enable) $scheduler.netAddrs }}{{ toYaml $scheduler.netAddrs | nindent 2 }}{{ end }}
  scheduleTimeout: {{ $scheduler.scheduleTimeout }}
  disableAutoBackSource: {{ $scheduler.disableAutoBackSource }}
  seedPeer: {{- toYaml $scheduler.manager.seedPeer | nindent 4 }}
{{- end -}}

{{/* One component's ConfigMap. Arguments: root, key of the component in the values, file name. */}}
{{- define "dragonfly.configmap" -}}
{{- $root := index . 0 -}}
{{- $component := index $root.Values (index . 1) -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "dragonfly.metadata" (list $root (include "dragonfly.component" (list $root $component)) (include "dragonfly.fullname" $root) $component.name) | nindent 2 }}
data:
  {{ index . 2 }}: |-
    {{- include (print "dragonfly.config." (index . 1)) $root | nindent 4 }}
{{- end -}}

{{/* The configuration files. Scalars that the real chart writes unquoted are unquoted here: a password such as `a #b` must
     come out as wrong as it would there. */}}

{{/* Arguments: configuration tree, names of its sections to copy. */}}
{{- define "dragonfly.config.sections" -}}
{{- $tree := index . 0 -}}
{{- range $section := index . 1 }}
{{ $section }}: {{- toYaml (index $tree $section) | nindent 2 }}
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
sentinelUsername: {{ .sentinelUsername }}
sentinelPassword: {{ .sentinelPassword }}
{{- if index $ 1 }}
db: {{ .db }}
{{- end }}
brokerDB: {{ .brokerDB }}
backendDB: {{ .backendDB }}
{{- with .tls }}
{{- if or .insecureSkipVerify .caCert }}
tls:
  insecureSkipVerify: {{ .insecureSkipVerify }}
  {{- with .caCert }}
  caCert: {{ . | quote }}
  {{- end }}
  {{- if and .cert .key }}
  cert: {{ .cert | quote }}
  key: {{ .key | quote }}
  {{- end }}
{{- end }}
{{- end }}
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
    {{- if and .cert .key }}
    tls:
      cert: {{ .cert }}
      key: {{ .key }}
    {{- end }}
    {{- end }}
  grpc:
    advertiseIP: {{ $server.grpc.advertiseIP }}
    port:
      start: {{ $manager.grpcPort }}
      end: {{ $manager.grpcPort }}
    requestRateLimit: {{ $server.grpc.requestRateLimit }}
  {{- with $server.grpc.tls }}
  {{- if and .caCert .cert .key }}
  tls:
    caCert: {{ .caCert }}
    cert: {{ .cert }}
    key: {{ .key }}
  {{- end }}
  {{- end }}
  {{- range $setting := list "workHome" "logLevel" "logDir" "cacheDir" "pluginDir" }}
  {{ $setting }}: {{ index $server $setting }}
  {{- end }}
database:
  mysql: {{- include "dragonfly.config.mysql" . | nindent 4 }}
  redis: {{- include "dragonfly.config.redis" (list . true) | nindent 4 }}
{{- include "dragonfly.config.sections" (list $manager.config (list "auth" "cache" "job" "network" "tracing")) }}
metrics:
  enable: {{ $manager.metrics.enable }}
  addr: ":8000"
console: {{ $manager.config.console }}
pprofPort: {{ $manager.config.pprofPort }}
{{- end -}}

{{- define "dragonfly.config.scheduler" -}}
{{- $scheduler := .Values.scheduler -}}
{{- $config := $scheduler.config -}}
manager:
  addr: {{ include "dragonfly.manager.host" . }}:{{ include "dragonfly.manager.port" . }}
  schedulerClusterID: {{ $config.manager.schedulerClusterID }}
  keepAlive: {{- toYaml $config.manager.keepAlive | nindent 4 }}
{{- range $user := list "database" "job" }}
{{ $user }}:
  redis: {{- include "dragonfly.config.redis" (list $ false) | nindent 4 }}
{{- end }}
{{- include "dragonfly.config.sections" (list $config (list "server" "scheduler" "dynconfig" "host" "seedPeer" "storage" "network" "tracing")) }}
metrics:
  enable: {{ $scheduler.metrics.enable }}
  addr: ":8000"
  enableHost: {{ $scheduler.metrics.enableHost }}
console: {{ $config.console }}
pprofPort: {{ $config.pprofPort }}
{{- end -}}

{{/* Arguments: root, client or seedClient, sections of its own besides those that both have. */}}
{{- define "dragonfly.config.dfdaemon" -}}
{{- $config := (index . 1).config -}}
{{- $root := index . 0 -}}
manager:
  addr: {{ $config.manager.addr | default (printf "http://%s:%s" (include "dragonfly.manager.host" $root) (include "dragonfly.manager.port" $root)) }}
{{- $common := list "host" "server" "download" "upload" "scheduler" "dynconfig" "storage" "gc" "proxy" "health" "metrics" "stats" "tracing" "backend" "network" }}
{{- include "dragonfly.config.sections" (list $config (concat $common (index . 2))) }}
{{- end -}}

{{- define "dragonfly.config.dfinit" -}}
{{- with .Values.client.dfinit.config -}}
proxy:
  addr: {{ .proxy.addr }}
containerRuntime: {{- toYaml .containerRuntime | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* One ConfigMap. Arguments: root, object name, label component, file name, content. */}}
{{- define "dragonfly.configmap" -}}
{{- $root := index . 0 -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "dragonfly.metadata" (list $root (index . 1) (include "dragonfly.fullname" $root) (index . 2)) | nindent 2 }}
data:
  {{ index . 3 }}: |-
    {{- index . 4 | nindent 4 }}
{{- end -}}

{{- define "dragonfly.configmap.manager" -}}
{{ include "dragonfly.configmap" (list . (include "dragonfly.component" (list . .Values.manager)) .Values.manager.name "manager.yaml" (include "dragonfly.config.manager" .)) }}
{{- end -}}

{{- define "dragonfly.configmap.scheduler" -}}
{{ include "dragonfly.configmap" (list . (include "dragonfly.component" (list . .Values.scheduler)) .Values.scheduler.name "scheduler.yaml" (include "dragonfly.config.scheduler" .)) }}
{{- end -}}

{{- define "dragonfly.configmap.seedClient" -}}
{{- $config := include "dragonfly.config.dfdaemon" (list . .Values.seedClient (list "seedPeer")) -}}
{{ include "dragonfly.configmap" (list . (include "dragonfly.component" (list . .Values.seedClient)) .Values.seedClient.name "dfdaemon.yaml" $config) }}
{{- end -}}

{{- define "dragonfly.configmap.client" -}}
{{- $config := include "dragonfly.config.dfdaemon" (list . .Values.client list) -}}
{{ include "dragonfly.configmap" (list . (include "dragonfly.component" (list . .Values.client)) .Values.client.name "dfdaemon.yaml" $config) }}
{{- end -}}

{{- define "dragonfly.configmap.dfinit" -}}
{{ include "dragonfly.configmap" (list . (print (include "dragonfly.fullname" .) "-dfinit") .Values.client.name "dfinit.yaml" (include "dragonfly.config.dfinit" .)) }}
{{- end -}}

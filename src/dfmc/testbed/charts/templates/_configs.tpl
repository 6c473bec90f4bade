{{/* The configuration files. Scalars that the real chart writes unquoted are unquoted here: a password such as `a #b` must
     come out as wrong as it would there. */}}

{{/* Arguments: configuration tree, names of its sections to copy. */}}
{{- define "dragonfly.config.copies" -}}
{{- $tree := index . 0 -}}
{{- range $section := index . 1 }}
{{ $section }}: {{- toYaml (index $tree $section) | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Arguments: root, name of a list of sections in the history, configuration tree. */}}
{{- define "dragonfly.config.sections" -}}
{{- $root := index . 0 -}}
{{- $names := list -}}
{{- range $section, $span := index (include "dragonfly.history" $root | fromYaml).sections (index . 1) -}}
{{- if semverCompare $span $root.Chart.Version }}{{ $names = append $names $section }}{{ end -}}
{{- end -}}
{{- include "dragonfly.config.copies" (list (index . 2) $names) -}}
{{- end -}}

{{/* Logging, profiling and tracing of what is written in Go. Arguments: root, component. */}}
{{- define "dragonfly.config.observability" -}}
{{- $root := index . 0 -}}
{{- $config := (index $root.Values (index . 1)).config -}}
console: {{ $config.console }}
{{- if include "dragonfly.has" (list $root "verbose") }}
verbose: {{ $config.verbose }}
{{- if $config.verbose }}
pprof-port: {{ $config.pprofPort }}
{{- end }}
{{- else }}
pprofPort: {{ $config.pprofPort }}
{{- end }}
{{- if and $config.jaeger (include "dragonfly.has" (list $root "jaeger")) }}
jaeger: {{ $config.jaeger }}
{{- else }}
{{ include "dragonfly.config.jaeger" $root }}
{{- end }}
{{- end -}}

{{/* The collector of the chart's own Jaeger, where it is switched on. */}}
{{- define "dragonfly.config.jaeger" -}}
{{- if include "dragonfly.has" (list . "jaegerSubchart") -}}
{{- if .Values.jaeger.enable -}}
jaeger: http://{{ include "dragonfly.host" (list . (print .Release.Name "-jaeger-collector")) }}:14268/api/traces
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Arguments: root, the numbers of databases that only one of the files has. */}}
{{- define "dragonfly.config.redis" -}}
{{- $root := index . 0 -}}
{{- $external := $root.Values.externalRedis -}}
{{- if $root.Values.redis.enable -}}
addrs:
- {{ include "dragonfly.redis.host" $root }}:{{ $root.Values.redis.master.service.ports.redis }}
password: {{ $root.Values.redis.auth.password }}
{{- else -}}
{{- $settings := list "masterName" "username" "password" -}}
{{- if include "dragonfly.has" (list $root "redisSentinel") -}}
{{- $settings = concat $settings (list "sentinelUsername" "sentinelPassword") -}}
{{- end -}}
addrs: {{- toYaml $external.addrs | nindent 2 }}
{{- range $setting := concat $settings (list "brokerDB" "backendDB") (index . 1) }}
{{ $setting }}: {{ index $external $setting }}
{{- end }}
{{- if and $external.tls (include "dragonfly.has" (list $root "redisTLS")) }}
{{- with $external.tls }}
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
{{- end }}
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
    {{- if and .cert (or .key (not (include "dragonfly.has" (list $ "restTLSAsksForKey")))) }}
    tls:
      cert: {{ .cert }}
      key: {{ .key }}
    {{- end }}
    {{- end }}
  grpc:
    advertiseIP: {{ $server.grpc.advertiseIP }}
    {{- if include "dragonfly.has" (list . "grpcAdvertisePort") }}
    advertisePort: {{ $server.grpc.advertisePort }}
    {{- end }}
    port:
      start: {{ $manager.grpcPort }}
      end: {{ $manager.grpcPort }}
    {{- if include "dragonfly.has" (list . "grpcRequestRateLimit") }}
    requestRateLimit: {{ $server.grpc.requestRateLimit }}
    {{- end }}
  {{- $tls := $server.grpc.tls | default dict }}
  {{- if and $tls.caCert $tls.cert $tls.key (include "dragonfly.has" (list . "grpcRequestRateLimit")) }}
  tls:
    caCert: {{ $tls.caCert }}
    cert: {{ $tls.cert }}
    key: {{ $tls.key }}
  {{- end }}
  {{- $settings := list "workHome" "logDir" "cacheDir" "pluginDir" }}
  {{- if not (include "dragonfly.has" (list . "verbose")) }}{{ $settings = append $settings "logLevel" }}{{ end }}
  {{- range $setting := $settings }}
  {{ $setting }}: {{ index $server $setting }}
  {{- end }}
database:
  mysql: {{- include "dragonfly.config.mysql" . | nindent 4 }}
  redis: {{- include "dragonfly.config.redis" (list . (list "db")) | nindent 4 }}
{{- include "dragonfly.config.sections" (list . "manager" $manager.config) }}
metrics:
  enable: {{ $manager.metrics.enable }}
  addr: ":8000"
{{ include "dragonfly.config.observability" (list . "manager") }}
{{- end -}}

{{- define "dragonfly.config.scheduler" -}}
{{- $scheduler := .Values.scheduler -}}
{{- $config := $scheduler.config -}}
manager:
  {{- if include "dragonfly.managed" . }}
  addr: {{ include "dragonfly.manager.address" . }}
  {{- end }}
  schedulerClusterID: {{ $config.manager.schedulerClusterID }}
  keepAlive: {{- toYaml $config.manager.keepAlive | nindent 4 }}
{{- $topology := include "dragonfly.has" (list . "redisNetworkTopology") | eq "true" | ternary (list "networkTopologyDB") list }}
database:
  redis: {{- include "dragonfly.config.redis" (list . $topology) | nindent 4 }}
job:
  redis: {{- include "dragonfly.config.redis" (list . list) | nindent 4 }}
{{- include "dragonfly.config.sections" (list . "scheduler" $config) }}
metrics:
  enable: {{ $scheduler.metrics.enable }}
  addr: ":8000"
  enableHost: {{ $scheduler.metrics.enableHost }}
{{ include "dragonfly.config.observability" (list . "scheduler") }}
{{- end -}}

{{/* One component's ConfigMap. Arguments: root, component. */}}
{{- define "dragonfly.configmap" -}}
{{- $root := index . 0 -}}
{{- $key := index . 1 -}}
{{- $files := dict
      "manager" "manager.yaml" "scheduler" "scheduler.yaml"
      "seedPeer" "dfget.yaml" "dfdaemon" "dfget.yaml"
      "seedClient" "dfdaemon.yaml" "client" "dfdaemon.yaml" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "dragonfly.metadata" (list $root (include "dragonfly.component" .) (include "dragonfly.fullname" $root) (index $root.Values $key).name) | nindent 2 }}
data:
  {{ index $files $key }}: |-
    {{- include (print "dragonfly.config." $key) $root | nindent 4 }}
  {{- if and (has $key (list "scheduler" "seedClient" "client")) (not (include "dragonfly.managed" $root)) }}
  dynconfig.yaml: |-
    {{- include "dragonfly.dynconfig" . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* What the manager would tell. Arguments: root, component. */}}
{{- define "dragonfly.dynconfig" -}}
{{- $root := index . 0 -}}
{{- $dynconfig := (index $root.Values (index . 1)).dynconfig -}}
{{- if eq (index . 1) "scheduler" -}}
{{ toYaml $dynconfig }}
{{- else -}}
scheduler:
  {{- $headless := printf "%s:%v" (include "dragonfly.scheduler.host" $root) $root.Values.scheduler.config.server.port }}
  addr: {{ $dynconfig.scheduler.addr | default $headless }}
  addrs: {{- toYaml $dynconfig.scheduler.addrs | nindent 4 }}
{{- include "dragonfly.config.copies" (list $dynconfig (list "clientConfig" "seedClientConfig")) }}
{{- end -}}
{{- end -}}

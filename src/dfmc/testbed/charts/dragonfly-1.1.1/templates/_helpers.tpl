{{/* Names, labels and addresses. `root` is the chart's context, `component` the map of one component in the values. */}}

{{- define "dragonfly.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "dragonfly.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (print .Release.Name "-" $name) -}}
{{ .Values.fullnameOverride | default $full | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* Arguments: root, component. */}}
{{- define "dragonfly.component" -}}
{{ include "dragonfly.fullname" (index . 0) }}-{{ (index . 1).name }}
{{- end -}}

{{/* Arguments: root, object name, label app, label component. */}}
{{- define "dragonfly.metadata" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
labels:
  app: {{ index . 2 }}
  component: {{ index . 3 }}
  chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
  release: {{ $root.Release.Name }}
  heritage: {{ $root.Release.Service }}
{{- end -}}

{{/* Arguments: root, component. */}}
{{- define "dragonfly.selector" -}}
app: {{ include "dragonfly.fullname" (index . 0) }}
component: {{ (index . 1).name | quote }}
release: {{ (index . 0).Release.Name }}
{{- end -}}

{{/* Arguments: root, name of a Service. */}}
{{- define "dragonfly.host" -}}
{{- $root := index . 0 -}}
{{ index . 1 }}.{{ $root.Release.Namespace }}.svc.{{ $root.Values.clusterDomain }}
{{- end -}}

{{- define "dragonfly.redis.host" -}}
{{ include "dragonfly.host" (list . (printf "%s-%s-master" .Release.Name (default "redis" .Values.redis.fullname))) }}
{{- end -}}

{{- define "dragonfly.mysql.host" -}}
{{ include "dragonfly.host" (list . (printf "%s-%s" .Release.Name (default "mysql" .Values.mysql.fullname))) }}
{{- end -}}

{{- define "dragonfly.manager.host" -}}
{{- if .Values.manager.enable -}}
{{ include "dragonfly.host" (list . (include "dragonfly.component" (list . .Values.manager))) }}
{{- else -}}
{{ .Values.externalManager.host }}
{{- end -}}
{{- end -}}

{{/* Arguments: root, restPort (what pods wait for) or grpcPort (what they dial). */}}
{{- define "dragonfly.manager.port" -}}
{{- $values := (index . 0).Values -}}
{{ if $values.manager.enable }}{{ index $values.manager (index . 1) }}{{ else }}{{ index $values.externalManager (index . 1) }}{{ end }}
{{- end -}}

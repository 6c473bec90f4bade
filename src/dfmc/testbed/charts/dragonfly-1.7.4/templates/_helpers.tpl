{{/* Names, labels and addresses. `root` is the chart's context, `component` the map of one component in the values. */}}

{{- define "dragonfly.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "dragonfly.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (print .Release.Name "-" $name) -}}
{{ .Values.fullnameOverride | default $full | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "dragonfly.namespace" -}}
{{ .Values.namespaceOverride | default .Release.Namespace | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* Arguments: root, component. */}}
{{- define "dragonfly.component" -}}
{{ include "dragonfly.fullname" (index . 0) }}-{{ (index . 1).name }}
{{- end -}}

{{/* Arguments: root, object name, label app, label component. */}}
{{- define "dragonfly.metadata" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
namespace: {{ include "dragonfly.namespace" $root | quote }}
labels:
  app: {{ index . 2 }}
  component: {{ index . 3 }}
  release: {{ $root.Release.Name }}
  heritage: {{ $root.Release.Service }}
{{- end -}}

{{/* Selectors know no release since 1.4.3. Arguments: root, component. */}}
{{- define "dragonfly.selector" -}}
app: {{ include "dragonfly.fullname" (index . 0) }}
component: {{ (index . 1).name | quote }}
{{- end -}}

{{/* Arguments: root, name of a Service. Addresses follow the release's namespace even where objects go elsewhere. */}}
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

{{/* The manager's host as every component waits for it and dials it: the release's own, else the external one. */}}
{{- define "dragonfly.manager.host" -}}
{{- if .Values.manager.enable -}}
{{ include "dragonfly.host" (list . (include "dragonfly.component" (list . .Values.manager))) }}
{{- else -}}
{{ .Values.externalManager.host }}
{{- end -}}
{{- end -}}

{{- define "dragonfly.manager.port" -}}
{{ if .Values.manager.enable }}{{ .Values.manager.grpcPort }}{{ else }}{{ .Values.externalManager.grpcPort }}{{ end }}
{{- end -}}

{{/* Arguments: root, image map. */}}
{{- define "dragonfly.image" -}}
{{- $image := index . 1 -}}
{{- with ((index . 0).Values.global).imageRegistry | default $image.registry }}{{ . }}/{{ end -}}
{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag }}{{ end }}
{{- end -}}

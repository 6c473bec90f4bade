{{/* Names, labels and addresses. `root` is the chart's context, `component` the key of a component in the values. */}}

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
{{ include "dragonfly.fullname" (index . 0) }}-{{ (index (index . 0).Values (index . 1)).name }}
{{- end -}}

{{/* Arguments: root, object name, label app, label component. */}}
{{- define "dragonfly.metadata" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
{{- if include "dragonfly.has" (list $root "namespaceOverride") }}
namespace: {{ $root.Values.namespaceOverride | default $root.Release.Namespace | trunc 63 | trimSuffix "-" | quote }}
{{- end }}
labels:
  app: {{ index . 2 }}
  component: {{ index . 3 }}
  {{- if include "dragonfly.has" (list $root "chartLabel") }}
  chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
  {{- end }}
  release: {{ $root.Release.Name }}
  heritage: {{ $root.Release.Service }}
{{- end -}}

{{/* Arguments: root, component. */}}
{{- define "dragonfly.selector" -}}
{{- $root := index . 0 -}}
app: {{ include "dragonfly.fullname" $root }}
component: {{ (index $root.Values (index . 1)).name | quote }}
{{- if include "dragonfly.has" (list $root "releaseInSelectors") }}
release: {{ $root.Release.Name }}
{{- end }}
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

{{- define "dragonfly.scheduler.host" -}}
{{ include "dragonfly.host" (list . (include "dragonfly.component" (list . "scheduler"))) }}
{{- end -}}

{{/* The release's own manager, else the external one, as every component waits for it and dials it. */}}
{{- define "dragonfly.manager.host" -}}
{{- if .Values.manager.enable -}}
{{ include "dragonfly.host" (list . (include "dragonfly.component" (list . "manager"))) }}
{{- else -}}
{{ .Values.externalManager.host }}
{{- end -}}
{{- end -}}

{{/* Arguments: root, restPort or grpcPort. */}}
{{- define "dragonfly.manager.port" -}}
{{- $values := (index . 0).Values -}}
{{ if $values.manager.enable }}{{ index $values.manager (index . 1) }}{{ else }}{{ index $values.externalManager (index . 1) }}{{ end }}
{{- end -}}

{{- define "dragonfly.manager.address" -}}
{{ include "dragonfly.manager.host" . }}:{{ include "dragonfly.manager.port" (list . "grpcPort") }}
{{- end -}}

{{/* Whether the release has a manager to talk to. Older charts take it for granted, and wait for ever if it is not so. */}}
{{- define "dragonfly.managed" -}}
{{- if or .Values.manager.enable .Values.externalManager.host (not (include "dragonfly.has" (list . "managerless"))) }}true{{ end -}}
{{- end -}}

{{/* Arguments: root, what holds the image: a component, an init container, dfinit. */}}
{{- define "dragonfly.image" -}}
{{- $holder := index . 1 -}}
{{- if include "dragonfly.has" (list (index . 0) "imageMaps") -}}
{{- with $holder.image -}}
{{- with (index $ 0).Values.global.imageRegistry | default .registry }}{{ . }}/{{ end -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end -}}
{{- else -}}
{{ $holder.image }}:{{ $holder.tag }}
{{- end -}}
{{- end -}}

{{/* Arguments as for dragonfly.image. */}}
{{- define "dragonfly.image.pullPolicy" -}}
{{- $holder := index . 1 -}}
{{- if include "dragonfly.has" (list (index . 0) "imageMaps") }}{{ $holder.image.pullPolicy }}{{ else }}{{ $holder.pullPolicy }}{{ end -}}
{{- end -}}

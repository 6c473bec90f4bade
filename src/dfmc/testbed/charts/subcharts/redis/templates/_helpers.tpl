{{/* A release name that contains the chart's name is the full name itself: `my-redis` gives no `my-redis-redis`. */}}
{{- define "redis.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if .Values.fullnameOverride -}}{{ .Values.fullnameOverride }}
{{- else if contains $name .Release.Name -}}{{ .Release.Name }}
{{- else -}}{{ .Release.Name }}-{{ $name }}
{{- end -}}
{{- end -}}

{{- define "redis.selector" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name }}
{{- end -}}

{{- define "redis.labels" -}}
{{ include "redis.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* Arguments: root, suffix of the name. */}}
{{- define "redis.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "redis.fullname" $root }}{{ index . 1 }}
namespace: {{ $root.Release.Namespace | quote }}
labels: {{- include "redis.labels" $root | nindent 2 }}
{{- end -}}

{{- define "redis.image" -}}
{{ (.Values.global).imageRegistry | default .Values.image.registry }}/{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end -}}

{{- define "redis.password.env" -}}
valueFrom:
  secretKeyRef:
    name: {{ .Values.auth.existingSecret | default (include "redis.fullname" .) }}
    key: {{ .Values.auth.existingSecretPasswordKey | default "redis-password" }}
{{- end -}}

{{/* A release name that contains the chart's name is the full name itself: `my-mysql` gives no `my-mysql-mysql`. */}}
{{- define "mysql.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if .Values.fullnameOverride -}}{{ .Values.fullnameOverride }}
{{- else if contains $name .Release.Name -}}{{ .Release.Name }}
{{- else -}}{{ .Release.Name }}-{{ $name }}
{{- end -}}
{{- end -}}

{{- define "mysql.selector" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name }}
{{- end -}}

{{- define "mysql.labels" -}}
{{ include "mysql.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "mysql.metadata" -}}
name: {{ include "mysql.fullname" . }}
namespace: {{ .Release.Namespace | quote }}
labels:
  {{- include "mysql.labels" . | nindent 2 }}
  app.kubernetes.io/component: primary
{{- end -}}

{{- define "mysql.image" -}}
{{ (.Values.global).imageRegistry | default .Values.image.registry }}/{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end -}}

{{- define "mysql.secretName" -}}
{{ .Values.auth.existingSecret | default (include "mysql.fullname" .) }}
{{- end -}}

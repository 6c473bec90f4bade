{{/* Parts that the pods of all components have in common. */}}

{{/* Labels and annotations of a pod. Arguments: root, component, map of annotations that the chart itself sets. */}}
{{- define "dragonfly.pod.metadata" -}}
{{- $component := index . 1 -}}
labels:
  {{- include "dragonfly.selector" . | nindent 2 }}
  {{- with $component.podLabels }}{{ toYaml . | nindent 2 }}{{ end }}
annotations:
  {{- toYaml (index . 2) | nindent 2 }}
  {{- with $component.podAnnotations }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end -}}

{{/* Where a pod runs and how. Arguments: root, component. */}}
{{- define "dragonfly.pod.placement" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
hostNetwork: {{ $component.hostNetwork }}
{{- if $component.hostNetwork }}
dnsPolicy: ClusterFirstWithHostNet
{{- end }}
{{- with $component.nodeSelector | default $root.Values.global.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.image.pullSecrets | default $root.Values.global.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $field := list "tolerations" "affinity" "hostAliases" "priorityClassName" }}
{{- with index $component $field }}
{{ $field }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- if not (kindIs "invalid" $component.terminationGracePeriodSeconds) }}
terminationGracePeriodSeconds: {{ $component.terminationGracePeriodSeconds }}
{{- end }}
{{- end -}}

{{/* Arguments: root, component, what is waited for, host, port. */}}
{{- define "dragonfly.pod.wait" -}}
{{- $image := (index . 1).initContainer.image -}}
{{- $what := index . 2 -}}
{{- $host := index . 3 -}}
image: {{ include "dragonfly.image" (list (index . 0) $image) }}
imagePullPolicy: {{ $image.pullPolicy }}
command:
- sh
- -c
- until nslookup {{ $host }} && nc -vz {{ $host }} {{ index . 4 }}; do echo waiting for {{ $what }}; sleep 2; done;
{{- end -}}

{{/* Arguments: root, component. */}}
{{- define "dragonfly.pod.wait.manager" -}}
{{- $root := index . 0 -}}
- name: wait-for-manager
  {{- $what := and $root.Values.manager.enable "manager" | default "external manager" }}
  {{- include "dragonfly.pod.wait" (list $root (index . 1) $what (include "dragonfly.manager.host" $root) (include "dragonfly.manager.port" $root)) | nindent 2 }}
  resources: {{- toYaml (index . 1).initContainer.resources | nindent 4 }}
{{- end -}}

{{/* Arguments: root, component, image pull and resources of its main container. */}}
{{- define "dragonfly.pod.image" -}}
{{- $component := index . 1 -}}
image: {{ include "dragonfly.image" (list (index . 0) $component.image) }}
imagePullPolicy: {{ $component.image.pullPolicy | quote }}
resources: {{- toYaml $component.resources | nindent 2 }}
{{- end -}}

{{/* GOMAXPROCS goes out unquoted, so that the API server refuses it as it refuses the real chart's. Arguments: root, component. */}}
{{- define "dragonfly.pod.env" -}}
{{- $component := index . 1 -}}
{{- with $component.maxProcs }}
- name: GOMAXPROCS
  value: {{ . }}
{{- end }}
{{- with $component.extraEnvVars }}
{{ tpl (kindIs "string" . | ternary . (toYaml .)) (index $ 0) }}
{{- end }}
{{- end -}}

{{/* What the Rust client is told about its pod. */}}
{{- define "dragonfly.pod.env.client" -}}
{{- include "dragonfly.pod.env" . }}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- end -}}

{{/* Arguments: root, address that grpc_health_probe asks. Only the start-up probe can be switched. */}}
{{- define "dragonfly.pod.probes" -}}
{{- $address := index . 1 -}}
{{- $values := (index . 0).Values -}}
{{- range $probe := list "startupProbe" "readinessProbe" "livenessProbe" }}
{{- with index $values $probe }}
{{- if or .enable (ne $probe "startupProbe") }}
{{ $probe }}:
  exec:
    command:
    - /bin/grpc_health_probe
    - -addr={{ $address }}
    - -connect-timeout={{ .timeoutSeconds }}s
    - -rpc-timeout={{ .timeoutSeconds }}s
  {{- range $setting := list "initialDelaySeconds" "periodSeconds" "timeoutSeconds" "successThreshold" "failureThreshold" }}
  {{ $setting }}: {{ index $values $probe $setting }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Arguments: configuration of a client, names of its servers that the pod declares. */}}
{{- define "dragonfly.pod.ports.client" -}}
{{- $config := index . 0 -}}
{{- range $server := index . 1 }}
- {containerPort: {{ index $config $server "server" "port" }}, protocol: TCP}
{{- end }}
- {containerPort: {{ $config.storage.server.tcpPort }}, protocol: TCP}
- {containerPort: {{ $config.storage.server.quicPort }}, protocol: UDP}
{{- end -}}

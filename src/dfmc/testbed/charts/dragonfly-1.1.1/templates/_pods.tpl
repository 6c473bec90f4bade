{{/* Parts that the pods of all components have in common. */}}

{{/* Annotations of a workload. The checksum is on the workload, not on its pods: in this layout a changed configuration
     restarts nothing. Arguments: annotations of the user's, the ConfigMap. */}}
{{- define "dragonfly.workload.annotations" -}}
annotations:
  checksum/config: {{ index . 1 | sha256sum }}
  {{- with index . 0 }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end -}}

{{/* Arguments: root, component. */}}
{{- define "dragonfly.pod.metadata" -}}
{{- $component := index . 1 -}}
labels:
  {{- include "dragonfly.selector" . | nindent 2 }}
  {{- with $component.podLabels }}{{ toYaml . | nindent 2 }}{{ end }}
{{- with $component.podAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Only where the cluster serves scheduling.k8s.io/v1beta1: none does since Kubernetes 1.22, though `helm template` claims it.
     Arguments: root, component, the component whose own class must be set (the manager asks for the scheduler's). */}}
{{- define "dragonfly.pod.priority" -}}
{{- if and ((index . 0).Capabilities.APIVersions.Has "scheduling.k8s.io/v1beta1") (index . 2).priorityClassName -}}
priorityClassName: {{ (index . 1).priorityClassName }}
{{- end -}}
{{- end -}}

{{/* Arguments: root, component. */}}
{{- define "dragonfly.pod.placement" -}}
{{- $component := index . 1 -}}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "hostAliases" }}
{{- with index $component $field }}
{{ $field }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with $component.pullSecrets | default (index . 0).Values.global.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if not (kindIs "invalid" $component.terminationGracePeriodSeconds) }}
terminationGracePeriodSeconds: {{ $component.terminationGracePeriodSeconds }}
{{- end }}
{{- end -}}

{{/* Arguments: component, what is waited for, host, port. */}}
{{- define "dragonfly.pod.wait" -}}
{{- $init := (index . 0).initContainer -}}
{{- $what := index . 1 -}}
{{- $host := index . 2 -}}
image: {{ $init.image }}:{{ $init.tag }}
imagePullPolicy: {{ $init.pullPolicy }}
command:
- sh
- -c
- until nslookup {{ $host }} && nc -vz {{ $host }} {{ index . 3 }}; do echo waiting for {{ $what }}; sleep 2; done;
{{- end -}}

{{/* Arguments: root, component. */}}
{{- define "dragonfly.pod.wait.manager" -}}
{{- $root := index . 0 -}}
- name: wait-for-manager
  {{- $what := and $root.Values.manager.enable "manager" | default "external manager" }}
  {{- $port := include "dragonfly.manager.port" (list $root "restPort") }}
  {{- include "dragonfly.pod.wait" (list (index . 1) $what (include "dragonfly.manager.host" $root) $port) | nindent 2 }}
{{- end -}}

{{/* Argument: component. */}}
{{- define "dragonfly.pod.image" -}}
image: "{{ .image }}:{{ .tag }}"
imagePullPolicy: {{ .pullPolicy | quote }}
resources: {{- toYaml .resources | nindent 2 }}
{{- end -}}

{{/* Argument: port that grpc_health_probe asks. */}}
{{- define "dragonfly.pod.probes" -}}
{{- range $probe, $delay := dict "readinessProbe" 5 "livenessProbe" 15 }}
{{ $probe }}:
  exec: {command: [/bin/grpc_health_probe, "-addr=:{{ $ }}"]}
  initialDelaySeconds: {{ $delay }}
  periodSeconds: 10
{{- end }}
{{- end -}}

{{/* Argument: component; its own ports come before. */}}
{{- define "dragonfly.pod.ports.optional" -}}
{{- with .config.objectStorage }}
{{- if and .enable .tcpListen }}
- {containerPort: {{ .tcpListen.port }}, protocol: TCP}
{{- end }}
{{- end }}
{{- if .metrics.enable }}
- {containerPort: 8000, protocol: TCP}
{{- end }}
{{- end -}}

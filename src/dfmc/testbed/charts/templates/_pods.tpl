{{/* What workloads and their pods have in common. `root` is the chart's context, `component` the key in the values. */}}

{{/* A workload up to where its pod's containers begin. Arguments: root, component, kind. */}}
{{- define "dragonfly.workload" -}}
{{- $root := index . 0 -}}
{{- $key := index . 1 -}}
{{- $kind := index . 2 -}}
{{- $component := index $root.Values $key -}}
{{- $own := index $component (print (lower $kind) "Annotations") -}}
{{- $checksums := dict "checksum/config" (include "dragonfly.configmap" (list $root $key) | sha256sum) -}}
{{- $onPods := include "dragonfly.has" (list $root "checksumOnPods") -}}
apiVersion: apps/v1
kind: {{ $kind }}
metadata:
  {{- include "dragonfly.metadata" (list $root (include "dragonfly.component" .) (include "dragonfly.fullname" $root) $component.name) | nindent 2 }}
  {{- if or $own (not $onPods) }}
  annotations:
    {{- if not $onPods }}{{ toYaml $checksums | nindent 4 }}{{ end }}
    {{- with $own }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- end }}
spec:
  {{- if ne $kind "DaemonSet" }}
  replicas: {{ $component.replicas }}
  {{- end }}
  {{- if eq $kind "StatefulSet" }}
  serviceName: {{ kebabcase $key }}
  {{- end }}
  {{- if include "dragonfly.has" (list $root "updateStrategy") }}
  {{- with $component.updateStrategy }}
  {{ ternary "strategy" "updateStrategy" (eq $kind "Deployment") }}: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  selector:
    matchLabels: {{- include "dragonfly.selector" (list $root $key) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "dragonfly.selector" (list $root $key) | nindent 8 }}
        {{- with $component.podLabels }}{{ toYaml . | nindent 8 }}{{ end }}
      annotations:
        {{- if $onPods }}{{ toYaml $checksums | nindent 8 }}{{ end }}
        {{- if and (eq $key "client") ($component.dfinit).enable (include "dragonfly.has" (list $root "dfinitChecksum")) }}
        checksum/dfinit-config: {{ include "dragonfly.configmap.dfinit" $root | sha256sum }}
        {{- end }}
        {{- with $component.podAnnotations }}{{ toYaml . | nindent 8 }}{{ end }}
    spec:
      {{- include "dragonfly.pod.placement" (list $root $key) | nindent 6 }}
{{- end -}}

{{/* Where a pod runs and how. Arguments: root, component. */}}
{{- define "dragonfly.pod.placement" -}}
{{- $root := index . 0 -}}
{{- $key := index . 1 -}}
{{- $component := index $root.Values $key -}}
{{- if include "dragonfly.has" (list $root "hostNetwork" $key) }}
hostNetwork: {{ $component.hostNetwork }}
{{- if $component.hostNetwork }}
dnsPolicy: ClusterFirstWithHostNet
{{- end }}
{{- end }}
{{- $nodeSelector := $component.nodeSelector }}
{{- if include "dragonfly.has" (list $root "globalNodeSelector") }}
{{- $nodeSelector = $nodeSelector | default $root.Values.global.nodeSelector }}
{{- end }}
{{- with $nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- $pullSecrets := $component.pullSecrets }}
{{- if include "dragonfly.has" (list $root "imageMaps") }}{{ $pullSecrets = $component.image.pullSecrets }}{{ end }}
{{- with $pullSecrets | default $root.Values.global.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $field := list "tolerations" "affinity" "hostAliases" }}
{{- with index $component $field }}
{{ $field }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- $asked := $component }}
{{- if and (eq $key "manager") (include "dragonfly.has" (list $root "priorityOfManagerAsksScheduler")) }}{{ $asked = $root.Values.scheduler }}{{ end }}
{{- $served := $root.Capabilities.APIVersions.Has "scheduling.k8s.io/v1beta1" }}
{{- if and $asked.priorityClassName (or $served (not (include "dragonfly.has" (list $root "priorityAsksForV1beta1")))) }}
priorityClassName: {{ $component.priorityClassName }}
{{- end }}
{{- if not (kindIs "invalid" $component.terminationGracePeriodSeconds) }}
terminationGracePeriodSeconds: {{ $component.terminationGracePeriodSeconds }}
{{- end }}
{{- end -}}

{{/* An init container that waits for a Service. Arguments: root, component, whom for, host, port. */}}
{{- define "dragonfly.pod.wait" -}}
{{- $root := index . 0 -}}
{{- $init := (index $root.Values (index . 1)).initContainer -}}
{{- $whom := index . 2 -}}
{{- $host := index . 3 -}}
{{- $external := and (eq $whom "manager") (not $root.Values.manager.enable) | ternary "external " "" -}}
- name: wait-for-{{ $whom }}
  image: {{ include "dragonfly.image" (list $root $init) }}
  imagePullPolicy: {{ include "dragonfly.image.pullPolicy" (list $root $init) }}
  command:
  - sh
  - -c
  - until nslookup {{ $host }} && nc -vz {{ $host }} {{ index . 4 }}; do echo waiting for {{ $external }}{{ $whom }}; sleep 2; done;
  {{- if and (ne $whom "scheduler") (include "dragonfly.has" (list $root "waitResources")) }}
  resources: {{- toYaml $init.resources | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Arguments: root, component. */}}
{{- define "dragonfly.pod.wait.manager" -}}
{{- $root := index . 0 -}}
{{- if include "dragonfly.managed" $root -}}
{{- $port := include "dragonfly.has" (list $root "waitForRestPort") | eq "true" | ternary "restPort" "grpcPort" -}}
{{- $host := include "dragonfly.manager.host" $root -}}
{{ include "dragonfly.pod.wait" (list $root (index . 1) "manager" $host (include "dragonfly.manager.port" (list $root $port))) }}
{{- end -}}
{{- end -}}

{{/* Arguments: root, component. */}}
{{- define "dragonfly.pod.wait.scheduler" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.scheduler -}}
{{- if .enable -}}
{{ include "dragonfly.pod.wait" (list $root (index $ 1) "scheduler" (include "dragonfly.scheduler.host" $root) .config.server.port) }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A component's container up to its ports. Arguments: root, component. */}}
{{- define "dragonfly.pod.container" -}}
{{- $root := index . 0 -}}
{{- $component := index $root.Values (index . 1) -}}
- name: {{ kebabcase (index . 1) }}
  image: {{ include "dragonfly.image" (list $root $component) }}
  imagePullPolicy: {{ include "dragonfly.image.pullPolicy" (list $root $component) | quote }}
  resources: {{- toYaml $component.resources | nindent 4 }}
  env:
  {{- if include "dragonfly.has" (list $root "maxProcs") }}
  {{- with $component.maxProcs }}
  - name: GOMAXPROCS
    # Unquoted, so that the API server refuses it as it refuses the real chart's.
    value: {{ . }}
  {{- end }}
  {{- end }}
  {{- if include "dragonfly.has" (list $root "extraEnvVars") }}
  {{- with $component.extraEnvVars }}
  {{- tpl (kindIs "string" . | ternary . (toYaml .)) $root | nindent 2 }}
  {{- end }}
  {{- end }}
  {{- if and (has (index . 1) (list "client" "seedClient")) (include "dragonfly.has" (list $root "podNameInEnv")) }}
  - name: POD_NAMESPACE
    valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
  - name: POD_NAME
    valueFrom: {fieldRef: {fieldPath: metadata.name}}
  {{- end }}
{{- end -}}

{{/* Arguments: root, address that grpc_health_probe asks. Only the start-up probe can be switched. */}}
{{- define "dragonfly.pod.probes" -}}
{{- $address := index . 1 -}}
{{- $values := (index . 0).Values -}}
{{- if include "dragonfly.has" (list (index . 0) "probeValues") }}
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
{{- else }}
{{- $socket := hasPrefix "unix:" $address }}
{{- range $probe, $delay := dict "readinessProbe" 5 "livenessProbe" 15 }}
{{ $probe }}:
  exec: {command: [/bin/grpc_health_probe, "-addr={{ $address }}"]}
  initialDelaySeconds: {{ $delay }}
  periodSeconds: {{ ternary 30 10 $socket }}
  {{- if $socket }}
  timeoutSeconds: 5
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Arguments: root, seedPeer or seedClient. The pod's volume where it is no claim. */}}
{{- define "dragonfly.seed.volume" -}}
{{- with (index (index . 0).Values (index . 1)).persistence -}}
{{- if not .enable -}}
- name: storage
  emptyDir: {}
{{- else if and .hostPath (include "dragonfly.has" (list (index $ 0) "seedHostPath")) -}}
- name: storage
  hostPath: {path: {{ .hostPath.path }}, type: {{ .hostPath.type | default "DirectoryOrCreate" }}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Arguments: root, seedPeer or seedClient. */}}
{{- define "dragonfly.seed.claims" -}}
{{- $root := index . 0 -}}
{{- with (index $root.Values (index . 1)).persistence -}}
{{- if and .enable (not (and .hostPath (include "dragonfly.has" (list $root "seedHostPath")))) -}}
volumeClaimTemplates:
- metadata:
    name: storage
    {{- with .annotations }}
    {{- if not (include "dragonfly.has" (list $root "claimAnnotations")) }}
    {{- fail (printf "%s.persistence.annotations: this version of the chart cannot render it, nor can the stand-in" (index $ 1)) }}
    {{- end }}
    annotations: {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    accessModes: {{- toYaml .accessModes | nindent 4 }}
    resources: {requests: {storage: {{ .size | quote }}}}
    {{- $storageClass := .storageClass }}
    {{- if include "dragonfly.has" (list $root "globalStorageClass") }}
    {{- $storageClass = $root.Values.global.storageClass | default $storageClass }}
    {{- end }}
    {{- with $storageClass }}
    storageClassName: {{ eq . "-" | ternary "" . | quote }}
    {{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "gtc.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{/* At most 52 characters, so that what is put behind it stays within 63. */}}
{{- define "gtc.fullname" -}}
{{- $name := include "gtc.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* A cluster's objects are named after the namespace too: two releases of one name would share them. */}}
{{- define "gtc.clustername" -}}
{{- if eq (include "gtc.fullname" .) .Release.Namespace -}}
{{- include "gtc.fullname" . -}}
{{- else -}}
{{- printf "%s-%s" .Release.Namespace (include "gtc.fullname" .) -}}
{{- end -}}
{{- end }}

{{/* Of the provider's own pods: the pod of helm test must not be taken for one. */}}
{{- define "gtc.selector" -}}
app.kubernetes.io/name: gtc-csi-provider
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: provider
{{- end }}

{{- define "gtc.labels" -}}
app.kubernetes.io/name: gtc-csi-provider
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: greentic
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "gtc.serviceaccount" -}}
{{- default (include "gtc.fullname" .) .Values.serviceAccount.name -}}
{{- end }}

{{/* An image's reference: of (dict "image" … "root" $). */}}
{{- define "gtc.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ default .root.Chart.AppVersion .image.tag }}
{{- end -}}
{{- end }}

{{/* The audiences of all connections, as a JSON list. */}}
{{- define "gtc.audiences" -}}
{{- $audiences := list -}}
{{- range .Values.vaults }}{{ $audiences = append $audiences .audience }}{{ end -}}
{{- $audiences | uniq | toJson -}}
{{- end }}

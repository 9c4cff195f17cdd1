{{- define "explaind.name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "explaind.selectorLabels" -}}
app.kubernetes.io/name: explaind
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "explaind.labels" -}}
{{ include "explaind.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "explaind.image" -}}
{{- with .Values.image }}
{{- .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- /* The names of the Service, in TOML. Kubernetes replaces $(NAMESPACE). */}}
{{- define "explaind.hosts" -}}
{{- $name := include "explaind.name" . }}
{{- $own := list $name (print $name ".$(NAMESPACE)") (print $name ".$(NAMESPACE).svc") (print $name ".$(NAMESPACE).svc.cluster.local") }}
{{- concat $own .Values.hosts | toJson }}
{{- end }}

{{- /* The models of the hub, as OWNER/NAME in JSON, which is a list in TOML too. */}}
{{- define "explaind.hub" -}}
{{- $found := list }}
{{- range .Values.models }}
{{- if hasPrefix "hf:" .source }}
{{- $found = append $found (regexReplaceAll "^hf:(.*)@.*$" .source "${1}") }}
{{- end }}
{{- end }}
{{- $found | toJson }}
{{- end }}

{{- /* Fails for models that no pod could load. */}}
{{- define "explaind.checkModels" -}}
{{- range .Values.models }}
{{- if and (hasPrefix "/" .source) (not $.Values.modelVolume) }}
{{- fail (printf "model %s is in a folder: set modelVolume" .id) }}
{{- end }}
{{- if and (hasPrefix "hf:" .source) (not $.Values.hub.download) (not $.Values.hub.cacheVolume) }}
{{- fail (printf "model %s is in the hub: set hub.download or hub.cacheVolume" .id) }}
{{- end }}
{{- end }}
{{- end }}

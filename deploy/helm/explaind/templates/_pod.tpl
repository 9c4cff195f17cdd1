{{- define "explaind.env" -}}
- name: NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: EXPLAIND_SERVER__LISTEN
  value: {{ printf "%s:8080" .Values.listenAddress | quote }}
- name: EXPLAIND_SERVER__PROBE_LISTEN
  value: {{ printf "%s:8081" .Values.listenAddress | quote }}
- name: EXPLAIND_SERVER__HOSTS
  value: {{ include "explaind.hosts" . | squote }}
- name: EXPLAIND_SERVER__LAME_DUCK_MS
  value: {{ mul .Values.drainSeconds 1000 | quote }}
- name: EXPLAIND_SERVER__DRAIN_MS
  value: {{ mul .Values.drainSeconds 1000 | quote }}
- name: HF_HOME
  value: /cache
{{- if not .Values.hub.download }}
- name: HF_HUB_OFFLINE
  value: "1"
{{- end }}
{{- with include "explaind.hub" . }}
{{- if ne . "[]" }}
- name: EXPLAIND_SOURCES__HUB
  value: {{ . | squote }}
{{- end }}
{{- end }}
{{- if .Values.modelVolume }}
- name: EXPLAIND_SOURCES__ROOTS
  value: '["/mnt/models"]'
{{- end }}
{{- with .Values.keys }}
{{- if .existingSecret }}
- name: EXPLAIND_SERVER__KEYS_FILE
  value: {{ printf "/etc/explaind/keys/%s" .key | quote }}
{{- end }}
{{- end }}
{{- if .Values.tls.existingSecret }}
- name: EXPLAIND_SERVER__TLS__CERTIFICATE
  value: /etc/explaind/tls/tls.crt
- name: EXPLAIND_SERVER__TLS__KEY
  value: /etc/explaind/tls/tls.key
{{- end }}
{{- range $variable, $from := dict "EXPLAIND_SERVER__ADMIN_KEY" .Values.adminKey "HF_TOKEN" .Values.hub.token }}
{{- if $from.existingSecret }}
- name: {{ $variable }}
  valueFrom: {secretKeyRef: {name: {{ $from.existingSecret }}, key: {{ $from.key }}}}
{{- end }}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "explaind.volumes" -}}
- name: config
  configMap: {name: {{ include "explaind.name" . }}}
- name: cache
  {{- toYaml (default (dict "emptyDir" dict) .Values.hub.cacheVolume) | nindent 2 }}
{{- with .Values.modelVolume }}
- name: models
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $volume, $secret := dict "keys" .Values.keys.existingSecret "tls" .Values.tls.existingSecret }}
{{- if $secret }}
- name: {{ $volume }}
  secret: {secretName: {{ $secret }}, defaultMode: 0440}
{{- end }}
{{- end }}
{{- end }}

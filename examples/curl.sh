#!/usr/bin/env bash
# The API with curl. Each command works by itself.
#   examples/curl.sh [URL]
set -euo pipefail
url=${1:-http://127.0.0.1:8080}
json='Content-Type: application/json'

# Explain a text.
curl -sf "$url/explain" -H "$json" -d '{"inputs": "The plot was thin, but the music is wonderful."}'

# Several methods, and how far to trust them.
curl -sf "$url/explain" -H "$json" -d '{"inputs": "The plot was thin.", "methods": ["saliency", {"name": "lime", "max_evals": 200}], "evaluate": ["comprehensiveness", "sufficiency"], "attention": false}'

# Why POSITIVE and not NEGATIVE?
curl -sf "$url/explain" -H "$json" -d '{"inputs": "The plot was thin.", "target": {"contrast": ["POSITIVE", "NEGATIVE"]}}'

# All attention heads.
curl -sf "$url/explain" -H "$json" -d '{"inputs": "The plot was thin.", "attention": true}'

# A page, and a picture, of heat maps.
curl -sf "$url/explain" -H "$json" -H 'Accept: text/html' -d '{"inputs": "The plot was thin."}' -o page.html
curl -sf "$url/explain" -H "$json" -H 'Accept: image/svg+xml' -d '{"inputs": "The plot was thin."}' -o picture.svg

# A line per text, as soon as it is ready.
curl -sfN "$url/explain" -H "$json" -H 'Accept: application/x-ndjson' -d '{"inputs": ["Great.", "Terrible."]}'

# Predictions only, in Chinese.
curl -sf "$url/predict" -H "$json" -d '{"model": "auto", "inputs": "这部电影真的很棒"}'

# Which words would flip the prediction, and which keep it?
curl -sf "$url/counterfactuals" -H "$json" -d '{"inputs": "The music is wonderful."}'
curl -sf "$url/rules" -H "$json" -d '{"inputs": "The music is wonderful."}'

# The most similar labelled texts.
curl -sf "$url/examples" -H "$json" -d '{"inputs": "The music is wonderful.", "k": 3}'

# What would it cost?
curl -sf "$url/estimate" -H "$json" -d '{"inputs": "The plot was thin.", "methods": ["lime"]}'

# Models and methods.
curl -sf "$url/models"
curl -sf "$url/methods"

# As a client of TorchServe.
curl -sf "$url/explanations/sentiment-en" -H "$json" -d '{"text": "The plot was thin.", "target": 0}'
curl -sf "$url/predictions/sentiment-en" -H 'Content-Type: text/plain' -d 'The plot was thin.'
curl -sf "$url/ping"

"""A Flask server that answers one image a request.

    python -m benchmarks.alternatives.flask_server PORT MODEL PRECISION

One process, a few threads of waitress in front of one network, which has all cores and takes one image at a time.
"""

import base64
import sys
import threading
from pathlib import Path

import waitress
from flask import Flask, Response, jsonify, request

from benchmarks.alternatives.one_image import segment
from shared.config import load_settings
from shared.net.predictor import Predictor


def create_app(predictor: Predictor) -> Flask:
    """POST an image, get both PNGs in base64."""
    app = Flask(__name__)
    one_at_a_time = threading.Lock()

    @app.get("/health")
    def health() -> str:
        return "ready"

    @app.post("/predict")
    def predict() -> Response:
        with one_at_a_time:
            mask, probability = segment(predictor, request.get_data())
        return jsonify(mask=base64.b64encode(mask).decode(), probability=base64.b64encode(probability).decode())

    return app


def main() -> None:
    """Serve until SIGTERM."""
    port, model, precision = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    predictor = Predictor.load(model, load_settings().worker_device, precision)
    waitress.serve(create_app(predictor), host="127.0.0.1", port=port, threads=4)


if __name__ == "__main__":
    main()

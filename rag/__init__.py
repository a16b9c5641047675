"""The library: values, stages, backends. It knows neither Django nor Celery."""

import os

# Read when numpy is first imported. The products here are small and many threads ask at once: on busy
# cores OpenBLAS's own threads wait for one another, and 200 passages cost 60 to 240 ms instead of 25.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Read when onnxruntime is loaded: otherwise it notes its use in the home folder, and sends that to its maker.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

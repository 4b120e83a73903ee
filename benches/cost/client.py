"""Traces made and sent by MLflow's own Python client, for the same spans. Prints a line of JSON."""

import json
import resource
import sys
import time

import mlflow
from mlflow.entities import SpanType

traces = int(sys.argv[1])


def plan_rooms(children):
    with mlflow.start_span("plan_rooms", span_type="WORKFLOW") as root:
        root.set_attributes({"room": "living room", "entities": children})
        for child in range(1, children + 1):
            with mlflow.start_span("look_closely", span_type=SpanType.TOOL) as span:
                span.set_attributes({"room": "living room", "entities": child})


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


mlflow.set_experiment(experiment_id="0")
# What is loaded and connected at the first trace is not what a trace costs.
plan_rooms(9)
mlflow.flush_trace_async_logging()

before, began = cpu(), time.perf_counter()
for _ in range(traces):
    plan_rooms(9)
mlflow.flush_trace_async_logging()
print(json.dumps({"made": traces * 10, "seconds": time.perf_counter() - began, "cpu_ns": (cpu() - before) * 1e9}))

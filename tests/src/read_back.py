"""Answers questions about what an MLflow server holds, a line of JSON each, through MLflow's own client."""

import json
import math
import sys
import traceback

import mlflow
import mlflow.server
from mlflow import MlflowClient
from mlflow.entities import ViewType

client = MlflowClient()


def usage(info):
    used = info.token_usage
    return dict(used) if used else None


def summary(info):
    return {
        "trace_id": info.trace_id,
        "state": info.state.value,
        "tags": dict(info.tags),
        "metadata": dict(info.trace_metadata),
        "request_preview": info.request_preview,
        "response_preview": info.response_preview,
        "duration_ms": info.execution_duration,
        "time_ms": info.request_time,
        "usage": usage(info),
        "experiment_id": info.experiment_id,
        "assessments": [a.to_dictionary() for a in info.assessments or []],
    }


def span(one):
    return {
        "id": one.span_id,
        "parent": one.parent_id,
        "name": one.name,
        "type": one.span_type,
        "status": one.status.status_code.value,
        "message": one.status.description,
        "inputs": one.inputs,
        "outputs": one.outputs,
        "attributes": dict(one.attributes),
        "events": [{"name": e.name, "attributes": dict(e.attributes)} for e in one.events],
        "start_ns": one.start_time_ns,
        "end_ns": one.end_time_ns,
    }


def tree(spans):
    below = {}
    for one in sorted(spans, key=lambda s: (s.start_time_ns, s.span_id)):
        below.setdefault(one.parent_id, []).append(one)
    lines = []

    def write(parent, depth):
        for one in below.get(parent, []):
            lines.append("  " * depth + f"{one.name} [{one.span_type}]")
            write(one.span_id, depth + 1)

    write(None, 0)
    return "\n".join(lines)


def trace(trace_id):
    found = mlflow.get_trace(trace_id)
    if found is None:
        return None
    spans = found.data.spans
    return summary(found.info) | {"tree": tree(spans), "spans": [span(one) for one in spans]}


def trace_file(trace_id, name):
    location = mlflow.get_trace(trace_id).info.tags["mlflow.artifactLocation"]
    listed = mlflow.artifacts.list_artifacts(artifact_uri=location)
    return mlflow.artifacts.load_dict(f"{location}/{name}") if any(f.path.endswith(f"/{name}") for f in listed) else None


def traces_of_prompt(experiment, prompt):
    found = client.search_traces(
        locations=[experiment_id(experiment)], filter_string=f"prompt = '{prompt}'", include_spans=False
    )
    return [one.info.trace_id for one in found]


def experiment_id(name):
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else None


def traces(name):
    found = experiment_id(name)
    if found is None:
        return []
    infos, token = [], None
    while True:
        page = client.search_traces(locations=[found], max_results=500, page_token=token, include_spans=False)
        infos += [summary(one.info) for one in page]
        token = page.token
        if not token:
            return infos


def runs(name):
    found = experiment_id(name)
    if found is None:
        return []
    answers = []
    for run in client.search_runs([found], run_view_type=ViewType.ALL):
        linked = client.search_traces(locations=[found], filter_string=f"run_id = '{run.info.run_id}'", include_spans=False)
        answers.append({
            "run_id": run.info.run_id,
            "name": run.info.run_name,
            "status": run.info.status,
            "start_time": run.info.start_time,
            "end_time": run.info.end_time,
            "params": dict(run.data.params),
            "metrics": {k: v if math.isfinite(v) else str(v) for k, v in run.data.metrics.items()},
            "tags": dict(run.data.tags),
            "traces": [one.info.trace_id for one in linked],
        })
    return answers


def delete_experiment(name):
    client.delete_experiment(experiment_id(name) or client.create_experiment(name))


def create_user(name, password):
    auth().create_user(name, password)


def permit(experiment, user, permission):
    auth().grant_user_permission(user, "experiment", experiment_id(experiment), permission)


def auth():
    return mlflow.server.get_app_client("basic-auth", mlflow.get_tracking_uri())


questions = {f.__name__: f for f in (trace, trace_file, traces, traces_of_prompt, runs, delete_experiment, create_user, permit)}
for line in sys.stdin:
    question, *words = json.loads(line)
    try:
        answer = {"answer": questions[question](*words)}
    except Exception as error:
        answer = {"error": "".join(traceback.format_exception(error))}
    print(json.dumps(answer, default=str), flush=True)

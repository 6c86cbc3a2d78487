"""Manifests without a cluster: kustomize's part that is used here, KubeRay's schemas made strict, its operator's own rules."""

from __future__ import annotations

import gzip
from pathlib import Path

import jsonpatch
import jsonschema
import yaml

CLUSTER = Path(__file__).resolve().parents[2] / "cluster"
MODES = ("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode")
MOST_GROUPS = 17  # that Kueue takes in an elastic job


def documents(path):
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def built(folder):
    """What ``kubectl kustomize FOLDER`` gives, of resources, components and JSON patches."""
    kustomization = documents(folder / "kustomization.yaml")[0]
    assert set(kustomization) <= {"apiVersion", "kind", "resources", "components", "patches", "configMapGenerator"}
    out = []
    for name in kustomization.get("resources", []):
        path = (folder / name).resolve()
        assert path.exists(), f"{folder}: {name} is not there"
        # kustomize reads files of its own folder alone, and other folders that are kustomizations.
        assert path.is_dir() or path.parent == folder.resolve(), f"{folder}: {name} lies outside"
        out += built(path) if path.is_dir() else documents(path)
    for component in kustomization.get("components", []):
        out = patched(out, documents(folder / component / "kustomization.yaml")[0])
    for generator in kustomization.get("configMapGenerator", []):
        assert all((folder / name).is_file() for name in generator["files"])
    return patched(out, kustomization)


def patched(resources, kustomization):
    for patch in kustomization.get("patches", []):
        hit = [one for one in resources if one["kind"] == patch["target"]["kind"]]
        assert hit, f"nothing of kind {patch['target']['kind']} to patch"
        operations = yaml.safe_load(patch["patch"])
        resources = [jsonpatch.apply_patch(one, operations) if one in hit else one for one in resources]
    return resources


def schema_of(crds, plural):
    """The strict schema of ``ray.io/v1``."""
    crd = yaml.safe_load(gzip.decompress((crds / f"ray.io_{plural}.v1.7.0.yaml.gz").read_bytes()))
    version = next(one for one in crd["spec"]["versions"] if one["name"] == "v1")
    return strict(version["schema"]["openAPIV3Schema"])


def strict(schema):
    """Unknown fields are errors, numbers may be texts where the API takes both, what has a default need not be there."""
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    out = {
        key: value
        for key, value in schema.items()
        if key in ("type", "enum", "minimum", "maximum", "minItems", "pattern")
    }
    properties = schema.get("properties")
    if properties is not None:
        out["properties"] = {name: strict(value) for name, value in properties.items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            out["additionalProperties"] = False
    elif isinstance(schema.get("additionalProperties"), dict):
        out["additionalProperties"] = strict(schema["additionalProperties"])
    if "items" in schema:
        out["items"] = strict(schema["items"])
    required = [name for name in schema.get("required", ()) if "default" not in (properties or {}).get(name, {})]
    if required:
        out["required"] = required
    return out


def schema_errors(manifest, schema):
    body = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind", "metadata")}
    schema = schema | {"properties": {k: v for k, v in schema["properties"].items() if k in ("spec", "status")}}
    found = jsonschema.Draft202012Validator(schema).iter_errors(body)
    return sorted(f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found)


def rule_errors(manifest):
    """What the operator refuses that its schema lets pass (ray-operator/controllers/ray/utils/validation.go)."""
    out = []
    spec = manifest["spec"]
    name = manifest["metadata"]["name"]
    if manifest["kind"] == "RayJob":
        if len(name) > 47:
            out.append(f"{name}: longer than 47 letters")
        if spec.get("submissionMode", "K8sJobMode") not in MODES:
            out.append(f"submissionMode {spec['submissionMode']}")
        if spec.get("ttlSecondsAfterFinished", 0) > 0 and not spec.get("shutdownAfterJobFinishes"):
            out.append("ttlSecondsAfterFinished without shutdownAfterJobFinishes")
        if spec.get("suspend") and not spec.get("shutdownAfterJobFinishes"):
            out.append("suspend without shutdownAfterJobFinishes")
        if spec.get("deletionStrategy") and spec.get("shutdownAfterJobFinishes"):
            out.append("deletionStrategy with shutdownAfterJobFinishes")
        if spec.get("submissionMode") == "SidecarMode" and {"submitterPodTemplate", "submitterConfig"} & set(spec):
            out.append("SidecarMode with a submitter")
    cluster = spec.get("rayClusterSpec", spec)
    groups = cluster["workerGroupSpecs"]
    if cluster.get("authOptions", {}).get("mode") == "token" and not cluster.get("rayVersion"):
        out.append("token authentication without rayVersion")
    if cluster.get("autoscalerOptions") and not cluster.get("enableInTreeAutoscaling"):
        out.append("autoscalerOptions without enableInTreeAutoscaling")
    if cluster.get("autoscalerOptions", {}).get("version") == "v2":
        for pods in (cluster["headGroupSpec"], *groups):
            if pods["template"]["spec"].get("restartPolicy") != "Never":
                out.append(f"{pods.get('groupName', 'head')}: autoscaler v2 needs restartPolicy Never")
    for group in groups:
        if not group["minReplicas"] <= group.get("replicas", 0) <= group["maxReplicas"]:
            out.append(f"{group['groupName']}: replicas outside of {group['minReplicas']} to {group['maxReplicas']}")
        if "labels" in group.get("rayStartParams", {}):
            out.append(f"{group['groupName']}: labels in rayStartParams")
    if len({group["groupName"] for group in groups}) < len(groups):
        out.append("two groups of one name")
    if manifest["metadata"].get("annotations", {}).get("kueue.x-k8s.io/elastic-job") == "true":
        if len(groups) > MOST_GROUPS:
            out.append(f"more than {MOST_GROUPS} groups in an elastic job")
        if not cluster.get("enableInTreeAutoscaling"):
            out.append("an elastic job that does not scale")
    elif spec.get("suspend") and cluster.get("enableInTreeAutoscaling"):
        out.append("Kueue admits a cluster that scales as an elastic job only")
    return out

"""Every manifest in cluster/: valid for KubeRay, consistent with the project, and what its comments say."""

import json
import re
import shlex
import tomllib
from copy import deepcopy

import pytest
import yaml
from kube import CLUSTER, built, documents, rule_errors, schema_errors, schema_of

import lipsync_ray

ROOT = CLUSTER.parent
FOLDERS = ["dub", "evaluate", "interactive", "kueue/fixed", "kueue/elastic"]


@pytest.fixture(scope="module")
def schemas(shared):
    return {"RayJob": schema_of(shared / "crds", "rayjobs"), "RayCluster": schema_of(shared / "crds", "rayclusters")}


def ray_object(folder):
    return next(one for one in built(CLUSTER / folder) if one["apiVersion"] == "ray.io/v1")


def nightly():
    """The job that the schedule makes."""
    cron = ray_object("schedule")
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": cron["metadata"],
        "spec": cron["spec"]["jobTemplate"],
    }


def objects():
    return [
        *(pytest.param(ray_object(folder), id=folder) for folder in FOLDERS),
        pytest.param(nightly(), id="schedule"),
    ]


@pytest.mark.parametrize("manifest", objects())
def test_the_operator_takes_it(manifest, schemas):
    assert schema_errors(manifest, schemas[manifest["kind"]]) == []
    assert rule_errors(manifest) == []


@pytest.mark.parametrize("folder", ["dub", "evaluate", "kueue/fixed", "kueue/elastic"])
def test_staged_deletion_goes_with_every_job_that_kueue_does_not_hold(folder, schemas):
    job = ray_object(folder)
    component = documents(CLUSTER / "components/staged-deletion/kustomization.yaml")[0]
    from kube import patched

    staged = patched([job], component)[0]
    assert schema_errors(staged, schemas["RayJob"]) == []
    assert rule_errors(staged) == (["suspend without shutdownAfterJobFinishes"] if folder.startswith("kueue") else [])


def test_a_broken_copy_fails_with_its_errors(schemas):
    broken = deepcopy(ray_object("dub"))
    broken["spec"]["backofLimit"] = 3
    broken["spec"]["submissionMode"] = "K8sJob"
    broken["spec"]["rayClusterSpec"]["authOptions"]["mode"] = "tokens"
    broken["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["replicas"] = "two"
    broken["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["restartPolicy"] = "Always"
    broken["spec"]["shutdownAfterJobFinishes"] = False
    assert [error.split(":")[0] for error in schema_errors(broken, schemas["RayJob"])] == [
        "spec.rayClusterSpec.authOptions.mode",
        "spec.rayClusterSpec.workerGroupSpecs.0.replicas",
        "spec",
    ]
    broken["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["replicas"] = 9
    assert rule_errors(broken) == [
        "submissionMode K8sJob",
        "ttlSecondsAfterFinished without shutdownAfterJobFinishes",
        "head: autoscaler v2 needs restartPolicy Never",
        "gpu-spot: replicas outside of 0 to 8",
    ]


def test_one_cluster_is_meant_everywhere():
    cluster = ray_object("dub")["spec"]["rayClusterSpec"]
    assert ray_object("evaluate")["spec"]["rayClusterSpec"] == cluster
    assert ray_object("interactive")["spec"] == cluster
    assert nightly()["spec"]["rayClusterSpec"] == cluster


@pytest.mark.parametrize("manifest", objects())
def test_versions_are_the_projects(manifest):
    cluster = manifest["spec"].get("rayClusterSpec", manifest["spec"])
    locked = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    assert cluster["rayVersion"] == next(one["version"] for one in locked if one["name"] == "ray")
    for pods in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        container = pods["template"]["spec"]["containers"][0]
        gpu = "nvidia.com/gpu" in container["resources"]["limits"]
        assert container["image"].endswith(f"lipsync-ray:{lipsync_ray.__version__}-{'cuda' if gpu else 'cpu'}")


@pytest.mark.parametrize("manifest", objects())
def test_pods_are_as_batch_work_wants_them(manifest):
    cluster = manifest["spec"].get("rayClusterSpec", manifest["spec"])
    head = cluster["headGroupSpec"]
    assert head["rayStartParams"]["num-cpus"] == "0"
    ports = {port["name"]: port["containerPort"] for port in head["template"]["spec"]["containers"][0]["ports"]}
    assert ports == {
        "gcs-server": 6379, "dashboard": 8265, "client": 10001, "metrics": 8080, "as-metrics": 44217, "dash-metrics": 44227
    }  # fmt: skip
    for pods in (head, *cluster["workerGroupSpecs"]):
        spec = pods["template"]["spec"]
        container = spec["containers"][0]
        assert container["resources"]["limits"] == container["resources"]["requests"]
        assert {"livenessProbe", "readinessProbe"} <= set(container)
        assert spec["serviceAccountName"] == "lipsync"
        mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounted.keys() == {volume["name"] for volume in spec["volumes"]}
        assert mounted["shm"] == "/dev/shm"
        environment = {one["name"]: one["value"] for one in container["env"]}
        assert environment["LIPSYNC_RAY_WEIGHTS"] == mounted["models"]
        where = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        spot = where[0]["matchExpressions"] == [{"key": "lipsync/spot", "operator": "Exists"}]
        assert spot == (pods.get("labels", {}).get("ray.io/market-type") == "spot")
        taints = {one["key"] for one in spec.get("tolerations", [])}
        assert ("nvidia.com/gpu" in taints) == ("nvidia.com/gpu" in container["resources"]["limits"])
        assert ("lipsync/spot" in taints) == spot


def test_kueue_holds_a_fixed_cluster_and_lets_an_elastic_one_grow():
    fixed, elastic = ray_object("kueue/fixed"), ray_object("kueue/elastic")
    for job in (fixed, elastic):
        assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "lipsync"
        assert job["spec"]["suspend"] is True
    groups = fixed["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert [group["groupName"] for group in groups] == ["gpu-spot", "cpu"]
    assert all(group["minReplicas"] == group["replicas"] == group["maxReplicas"] > 0 for group in groups)
    assert elastic["metadata"]["annotations"] == {"kueue.x-k8s.io/elastic-job": "true"}


@pytest.mark.parametrize("manifest", [one for one in objects() if one.id != "interactive"])
def test_entrypoints_are_commands_of_the_project(manifest):
    from typer.main import get_command

    from lipsync_ray.cli.app import app

    program, command, *words = shlex.split(manifest["spec"]["entrypoint"])
    assert program in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    known = {option for one in get_command(app).commands[command].params for option in one.opts}
    assert {word for word in words if word.startswith("-")} <= known
    assert "--exit-zero" in words  # else one bad row is a failed job, and backoffLimit repeats it


def test_the_base_is_what_pods_name():
    base = {one["kind"]: one for one in built(CLUSTER / "base")}
    pod = ray_object("dub")["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    assert base["ServiceAccount"]["metadata"]["name"] == pod["serviceAccountName"]
    claims = [one["persistentVolumeClaim"]["claimName"] for one in pod["volumes"] if "persistentVolumeClaim" in one]
    assert claims == [base["PersistentVolumeClaim"]["metadata"]["name"]]


def test_every_file_is_reached():
    reached = set()
    for path in CLUSTER.rglob("kustomization.yaml"):
        if path.parent.name != "staged-deletion":
            built(path.parent)
        reached |= {path} | {path.parent / name for name in documents(path)[0].get("resources", [])}
    reached |= {CLUSTER / "monitoring" / name for name in ("dashboard.json", "prometheus.yaml")}
    reached |= {CLUSTER / name for name in ("Dockerfile", "Dockerfile.dockerignore", "README.md")}
    assert {path for path in CLUSTER.rglob("*") if path.is_file()} == {path for path in reached if path.is_file()}


OURS = {
    "lipsync_rows_total",
    "lipsync_rows_left",
    "lipsync_frames_total",
    "lipsync_faces_total",
    "lipsync_fetched_bytes_total",
    "lipsync_stage_seconds_total",
}
RAYS = {"ray_node_gpus_utilization", "ray_object_store_memory"}


def test_what_is_watched_is_what_is_told():
    dashboard = json.loads((CLUSTER / "monitoring/dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [one["query"] for one in dashboard["templating"]["list"]]
    rules = documents(CLUSTER / "monitoring/rules.yaml")[0]["spec"]["groups"][0]["rules"]
    asked += [rule["expr"] for rule in rules]
    names = set(re.findall(r"\bray_[a-z_]+(?<!_io_cluster)\b", " ".join(asked))) - {"ray_io_cluster"}
    assert names <= {f"ray_{name}" for name in OURS} | RAYS
    assert {f"ray_{name}" for name in OURS} <= names
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    monitor = documents(CLUSTER / "monitoring/pod-monitor.yaml")[0]["spec"]
    assert [one["port"] for one in monitor["podMetricsEndpoints"]] == ["metrics", "as-metrics", "dash-metrics"]
    labels = ray_object("dub")["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    assert yaml.safe_load((CLUSTER / "monitoring/prometheus.yaml").read_text())["scrape_configs"]

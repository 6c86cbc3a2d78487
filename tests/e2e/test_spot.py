"""``--profile spot``: on nodes that say they are spot while there are any, elsewhere when the last one is gone."""

import pytest
from nodes import ROOT, cluster_of

pytestmark = pytest.mark.timeout(300)


def test_networks_go_to_spot_nodes_first_and_elsewhere_when_there_are_none(tmp_path):
    with cluster_of(head_cpus=0) as nodes:
        nodes.join(2, "ray.io/market-type=on-demand")
        spot = nodes.join(2, "ray.io/market-type=spot")
        job = (ROOT / "tests" / "e2e" / "where.py", tmp_path, "spot")
        said = nodes.submitted(*job)
        assert "rows were on: spot\n" in said, said[-1500:]
        nodes.kill(spot)
        said = nodes.submitted(*job)
        assert "rows were on: on-demand\n" in said, said[-1500:]

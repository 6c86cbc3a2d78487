from lipsync_ray.jobs.dub.methods.head_pass import _last_steps


def test_the_last_committed_step_of_each_head():
    """Of names as storage lists them; a file that was being written when a run was killed does not count."""
    names = {"a.latents", "b/0", "b/12", "b/3", "c/7", "c/.8.1234.part", "d/.0.77.part", "e.latents", "e/5"}
    assert _last_steps(names) == {"b": 12, "c": 7, "e": 5}

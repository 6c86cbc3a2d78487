"""In the place of SIGKILL, for tests: storage stops at one of its changes, and nothing of what follows is done."""

from lipsync_ray.io import removal, storage


class Killed(BaseException):
    """No code that cleans up after faults expects it."""


def kill_at(patch, step, afterwards):
    """Make storage stop before, or just after, its so-maniest write or removal; a number beyond them all changes nothing.

    Parameters
    ----------
    patch : a MonkeyPatch
    """
    left = [step]

    def changing(do):
        def change(*arguments):
            left[0] -= 1
            if left[0] < 0 or (left[0] == 0 and not afterwards):
                raise Killed
            do(*arguments)
            if left[0] == 0:
                raise Killed

        return change

    patch.setattr(removal, "S3", frozenset())  # files go one after another, each a step
    patch.setattr(removal, "_REMOVERS", 1)
    for name in ("commit_bytes", "remove"):
        patch.setattr(storage, name, changing(getattr(storage, name)))

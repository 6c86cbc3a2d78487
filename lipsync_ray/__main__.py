"""``python -m lipsync_ray`` is the command line."""

from lipsync_ray.cli.app import main

main()

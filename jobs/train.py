"""The training job for a cluster: the same arguments as ``lipsync-ray train``.

    ray job submit --working-dir . -- python jobs/train.py pose s3://bucket/clips -o /mnt/trained

The process that runs this is the driver: clips are looked at on the cluster, and the network is trained here, which keeps
its corpus and its checkpoints on the disk that -o names.
"""

import sys

from lipsync_ray.cli.app import main

if __name__ == "__main__":
    sys.argv.insert(1, "train")
    main()

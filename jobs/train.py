"""The training job for a cluster: the same arguments as ``lipsync-ray train``.

    ray job submit --working-dir . -- python jobs/train.py generator s3://bucket/clips -o s3://bucket/ours --init wav2lip_gan --trainers 8

Clips are looked at on all workers. ``--trainers 8`` trains in eight processes under Ray Train, each with a GPU of its own where
the cluster has any; every machine reads the clips from -o, which has to be a bucket or a file system that all of them share.
"""

import sys

from lipsync_ray.cli.app import main

if __name__ == "__main__":
    sys.argv.insert(1, "train")
    main()

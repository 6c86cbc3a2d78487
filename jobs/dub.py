"""The dub job for a cluster: the same arguments as ``lipsync-ray dub``.

    ray job submit --working-dir . -- python jobs/dub.py s3://bucket/corpus.csv -o s3://bucket/run-1

The process that runs this is the driver; the work goes to the cluster it was submitted to.
"""

import sys

from lipsync_ray.cli.app import main

if __name__ == "__main__":
    sys.argv.insert(1, "dub")
    main()

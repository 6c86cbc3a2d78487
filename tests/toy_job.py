"""A whole job: how bright every video is. The example of docs/add-a-job.md."""

from dataclasses import dataclass

from lipsync_ray.engine.graph import run_graph
from lipsync_ray.engine.job import JobRun, JobSpec
from lipsync_ray.engine.stages import StageSpec
from lipsync_ray.engine.start import started
from lipsync_ray.engine.video_pass import VideoPass, VideoState
from lipsync_ray.inputs.segments import video_segments
from lipsync_ray.io import storage
from lipsync_ray.io.identity import identity
from lipsync_ray.io.records import Records
from lipsync_ray.media import decode
from lipsync_ray.media.probe import VideoInfo, probe_video


@dataclass(frozen=True)
class Brightness:  # a row of its table
    id: str
    status: str
    fingerprint: str | None = None
    luma: float | None = None
    error: str | None = None
    stage: str | None = None


@dataclass
class State(VideoState):  # a video under way
    id: str
    video: VideoInfo


class Run(JobRun[State, Brightness]):
    def row_of(self, video, status, **values):
        return Brightness(video.id, status, video.fingerprint, **values)


class Measure:  # a stage
    def __call__(self, row):
        lumas = [float(picture.y.mean()) for picture in decode.pictures(row.video, row.start, row.stop)]
        storage.commit_bytes(row.url, " ".join(map(str, lumas)).encode())


def mean(order):  # puts a video's parts together
    lumas = [float(word) for _, url in order.parts for word in storage.read_bytes(url).split()]
    return sum(lumas) / len(lumas)


def run(videos, workers, out, console):  # videos: id → URL
    with started(workers) as runner:
        spec = JobSpec("brightness", Records(Brightness, "brightness.parquet"))
        job = Run(spec, list(videos), {}, workers, out, console, runner)
        for name, url in videos.items():
            job.active[name] = State(name, probe_video(url), fingerprint=identity(url))
        job.keep(lambda row: row.status == "done")
        done = lambda state, luma: job.end(job.row_of(state, "done", luma=luma))  # noqa: E731
        run_graph(job.context, [VideoPass(name="brightness", folder=job.url("parts"), active=job.active, parts_of=lambda state: video_segments(job, state, state.video), stages=[StageSpec("measure", Measure)], assemble=("mean", mean), on_done=done, fail=job.fail)])  # fmt: skip
        job.finish()
        return job.rows

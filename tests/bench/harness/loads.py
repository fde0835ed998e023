"""The loads."""

import dataclasses
import resource

from harness import certificates

# Longer than any window: a stream that says nothing after its first chunk.
SILENT = 1 / 3600


@dataclasses.dataclass(frozen=True)
class Load:
    name: str
    # "paced", "open": chunks by the clock; "closed": callers that begin anew when an answer has ended, which is saturation;
    # "idle": streams that say nothing; "cancel": callers that leave.
    kind: str
    streams: int
    what: str
    # The one that is looked at: its spread is shown.
    figure: str = "cpu_us_per_chunk"
    # Chunks an answer; 0: as many as last until the window closes.
    chunks: int = 0
    # Chunks a second and stream; 0: unpaced.
    per_s: float = 0
    merged: bool = False
    prompt_kib: int = 1
    # Streams begin evenly over it, in seconds; then there is a pause until the window opens.
    ramp: float = 0.5
    settle: float = 0.3
    tls: bool = False
    # Of so many calls one fails at its first attempt.
    fail_every: int = 0
    # Seconds from a call's beginning to its cancel.
    cancel_after: float = 0
    quick: bool = False

    @property
    def repeat(self):
        return self.kind in ("closed", "cancel")

    @property
    def abandon(self):
        """To wait for the end of all streams would take as long again."""
        return self.kind in ("open", "idle", "cancel")

    def words(self, seconds):
        """For bench_load, with a window of that many seconds."""
        # The first stream must last until the window closes.
        chunks = self.chunks or round((self.ramp + self.settle + seconds) * self.per_s) + 10
        words = ["--streams", self.streams, "--chunks", chunks, "--prompt-bytes", self.prompt_kib << 10,
                 "--ramp-ms", round(self.ramp * 1000), "--settle-ms", round(self.settle * 1000),
                 "--window-ms", round(seconds * 1000)]
        if self.per_s:
            words += ["--interval-us", round(1e6 / self.per_s)]
        if self.fail_every:
            words += ["--fail-every", self.fail_every]
        if self.cancel_after:
            words += ["--cancel-after-us", round(self.cancel_after * 1e6)]
        flags = {"--merged": self.merged, "--repeat": self.repeat, "--abandon": self.abandon}
        return [str(word) for word in [*words, *(flag for flag, is_set in flags.items() if is_set)]]

    def cannot(self):
        """Why this machine cannot carry it, whatever the subject; None: it can."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if limit != resource.RLIM_INFINITY and self.streams + 500 > limit:
            return f"{self.streams} streams need as many open files in a process; it may have {limit}"
        return certificates.missing() if self.tls else None


def closed(name, what, chunks, **more):
    figure = "cpu_us_per_call" if chunks == 1 else "cpu_us_per_chunk"
    return Load(name, "closed", 16, what, figure, chunks, ramp=0.02, **more)


LOADS = {load.name: load for load in (
    Load("paced_200", "paced", 200, "200 streams × 50 chunks/s", per_s=50, quick=True),
    Load("paced_500", "paced", 500, "500 streams × 50 chunks/s", per_s=50, quick=True),
    Load("tls", "paced", 200, "paced_200, with TLS from the caller and to the upstream", per_s=50, tls=True),
    # As many chunks a second as open_15000, so that what a chunk costs can be compared.
    Load("open_500", "open", 500, "500 streams × 30 chunks/s", per_s=30),
    Load("open_4000", "open", 4000, "4,000 streams × 1 chunk/s", per_s=1, ramp=4, settle=1),
    Load("open_15000", "open", 15000, "15,000 streams × 1 chunk/s", per_s=1, ramp=12, settle=2),
    Load("idle", "idle", 4000, "4,000 open streams that say nothing after their first chunk", "subject_cores",
         per_s=SILENT, ramp=4, settle=1),
    closed("merged", "answers of 500 chunks, each in one write of the upstream", 500, merged=True, quick=True),
    closed("separate", "the same, one write a chunk, as fast as they are taken", 500, quick=True),
    closed("call_1", "answers of one chunk", 1, merged=True, quick=True),
    closed("prompt_100k", "the same, with prompts of 100 KiB", 1, merged=True, prompt_kib=100),
    closed("failing_10", "call_1, one call of ten is answered 503 at its first attempt", 1, merged=True, fail_every=10),
    Load("cancel", "cancel", 200, "200 callers, each leaves its stream (1 chunk/s) after half a second and begins anew",
         "cancel_ms_p99", per_s=1, chunks=1000, cancel_after=0.5, settle=0.7),
)}

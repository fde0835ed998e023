"""The loads."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Load:
    name: str
    streams: int
    # "paced": chunks by the clock; "closed": callers that begin anew when an answer has ended, which is saturation.
    kind: str
    what: str
    chunks: int = 0
    per_s: float = 0
    merged: bool = False
    ramp: float = 0.5
    settle: float = 0.3
    quick: bool = False

    @property
    def calls(self):
        """The cost of a call is what it asks."""
        return self.chunks == 1

    def words(self, seconds):
        """For bench_load, with a window of that many seconds."""
        words = ["--streams", self.streams]
        ramp = self.ramp
        chunks = self.chunks
        if self.kind == "closed":
            ramp = 0.02
            words += ["--repeat"]
        else:
            words += ["--interval-us", round(1e6 / self.per_s)]
            # The first stream must last until the window closes.
            chunks = round((self.ramp + self.settle + seconds) * self.per_s) + 10
        if self.merged:
            words += ["--merged"]
        words += ["--chunks", chunks, "--ramp-ms", round(ramp * 1000), "--settle-ms", round(self.settle * 1000),
                  "--window-ms", round(seconds * 1000)]
        return [str(word) for word in words]


LOADS = {load.name: load for load in (
    Load("paced_200", 200, "paced", "200 streams × 50 chunks/s", per_s=50, quick=True),
    Load("paced_500", 500, "paced", "500 streams × 50 chunks/s", per_s=50, quick=True),
    Load("merged", 16, "closed", "answers of 500 chunks, each in one write of the upstream", chunks=500, merged=True,
         quick=True),
    Load("separate", 16, "closed", "the same, one write a chunk, as fast as they are taken", chunks=500, quick=True),
    Load("call_1", 16, "closed", "answers of one chunk", chunks=1, merged=True, quick=True),
)}

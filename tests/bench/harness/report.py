"""The table: a part for each kind of load, since they ask different things."""

import dataclasses
import json

# Above it, what is measured may be the load generator.
BUSY_CORES = 0.9


@dataclasses.dataclass(frozen=True)
class Column:
    title: str
    width: int
    metric: str
    digits: int = 2
    factor: float = 1

    def cell(self, load, figures):
        metric = load.figure.replace("cpu_us", "cpu_ratio") if self.metric == "ratio" else self.metric
        if self.metric == "spread":
            return spread(figures, load.figure, 100 if load.kind == "idle" else 1)
        # A call of one chunk has no other cost a chunk.
        if metric not in figures or (metric == "cpu_us_per_chunk" and load.figure == "cpu_us_per_call"):
            return "-"
        return f"{figures[metric] * self.factor:.{self.digits}f}"


def spread(figures, metric, factor):
    if figures.get("runs", 0) < 2 or metric + "_min" not in figures:
        return "-"
    return "–".join(f"{figures[metric + end] * factor:.{2 if factor == 1 else 1}f}" for end in ("_min", "_max"))


COST = [Column("µs/chunk", 9, "cpu_us_per_chunk")]
SPREAD = [Column("min–max", 13, "spread"), Column("×nginx", 7, "ratio")]
TTFT = [Column("ttft p50", 9, "ttft_ms_p50"), Column("p99 ms", 7, "ttft_ms_p99")]
ADDED = [Column("added p50", 10, "added_ttft_ms_p50"), Column("p99 ms", 7, "added_ttft_ms_p99")]
CHUNK = [Column("chunk p50", 10, "chunk_ms_p50"), Column("p99 ms", 7, "chunk_ms_p99")]
MEMORY = [Column("KiB/stream", 11, "kib_per_stream", 1)]
CORES = [Column("cores", 6, "subject_cores"), Column("load gen", 9, "load_cores"), Column("upstream", 9, "upstream_cores")]
CLOCKED = [*COST, *SPREAD, Column("chunks/s", 9, "chunks_per_s", 0), *TTFT, *CHUNK, *MEMORY, *CORES]

PARTS = {
    "paced": ("chunks by the clock", CLOCKED),
    "open": ("many open streams", CLOCKED),
    "idle": ("open streams that say nothing",
             [Column("% of a core", 12, "subject_cores", 2, 100), Column("min–max", 13, "spread"), *TTFT, *MEMORY, *CORES]),
    "closed": ("at saturation: 16 callers, each begins anew when its answer has ended",
               [*COST, Column("µs/call", 8, "cpu_us_per_call", 1), *SPREAD, Column("chunks/s", 9, "chunks_per_s", 0),
                Column("calls/s", 8, "calls_per_s", 0), *TTFT, *CHUNK, *CORES, Column("failed %", 9, "failed_share", 1, 100)]),
    "cancel": ("from a caller's cancel to the upstream's end of the connection",
               [Column("cancel p50", 11, "cancel_ms_p50"), Column("p99 ms", 7, "cancel_ms_p99"),
                Column("min–max", 13, "spread"), Column("cancels/s", 10, "cancels_per_s", 0), *TTFT, *CORES]),
}


class Table:
    """Prints rows as they come."""

    def __init__(self, subjects, added):
        self.width = max(8, *map(len, subjects))
        self.added = added
        self.kind = None

    def columns(self, kind):
        columns = PARTS[kind][1]
        if not self.added or TTFT[0] not in columns:
            return columns
        at = columns.index(TTFT[1]) + 1
        return [*columns[:at], *ADDED, *columns[at:]]

    def line(self, load, subject, cells):
        return f"{load:<11} {subject:<{self.width}} " + " ".join(cells)

    def row(self, load, name, figures):
        columns = self.columns(load.kind)
        if load.kind != self.kind:
            print(f"\n{PARTS[load.kind][0]}")
            print(self.line("load", "subject", [f"{column.title:>{column.width}}" for column in columns]))
            self.kind = load.kind
        if load.figure in figures:
            cells = [f"{column.cell(load, figures):>{column.width}}" for column in columns]
            print(self.line(load.name, name, cells) + remark(figures))
        if "error" in figures:
            void = f"{figures['void_runs']} of {figures['void_runs'] + figures['runs']} runs void" if "runs" in figures else "void"
            print(self.line(load.name, name, [f"{void}: {figures['error']}"]))


def remark(figures):
    return "  load generator at its limit" if figures.get("load_cores", 0) > BUSY_CORES else ""


def flatness(results):
    """A line on what a chunk costs as streams become many; None where it was not measured."""
    ratios = [f"{name} {figures['cpu_ratio_to_open_500']:.2f}" for name, figures in results.get("open_15000", {}).items()
              if "cpu_ratio_to_open_500" in figures]
    return f"µs/chunk with 15,000 streams ÷ with 500, both at 15,000 chunks/s: {', '.join(ratios)}" if ratios else None


def write_json(path, results):
    with open(path, "w") as file:
        json.dump(results, file, indent=1)
        file.write("\n")

"""The table."""

COLUMNS = [
    ("load", 10), ("subject", 8), ("µs/chunk", 9), ("µs/call", 8), ("×nginx", 7), ("chunks/s", 9), ("calls/s", 8),
    ("ttft p50", 9), ("p99 ms", 7), ("chunk p50", 10), ("p99 ms", 7), ("KiB/stream", 11), ("cores", 6),
    ("load gen", 9), ("upstream", 9),
]


def line(cells):
    return " ".join(f"{cell:<{width}}" if i < 2 else f"{cell:>{width}}"
                    for i, (cell, (_, width)) in enumerate(zip(cells, COLUMNS)))


def head():
    return line([title for title, _ in COLUMNS])


def row(load, name, figures):
    if "error" in figures:
        return f"{load.name:<10} {name:<8} void: {figures['error']}"

    def number(metric, digits):
        return f"{figures[metric]:.{digits}f}" if metric in figures else "-"

    return line([
        load.name, name,
        "-" if load.calls else number("cpu_us_per_chunk", 2),
        number("cpu_us_per_call", 1),
        number("cpu_ratio_per_call" if load.calls else "cpu_ratio_per_chunk", 2),
        number("chunks_per_s", 0), number("calls_per_s", 0) if "cpu_us_per_call" in figures else "-",
        number("ttft_ms_p50", 2), number("ttft_ms_p99", 2), number("chunk_ms_p50", 2), number("chunk_ms_p99", 2),
        number("kib_per_stream", 1) if load.kind == "paced" else "-",
        number("subject_cores", 2), number("load_cores", 2), number("upstream_cores", 2),
    ])

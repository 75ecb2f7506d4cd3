"""python -m bench [--quick] [--json FILE] [SECTION …]: prints a table, exits 1 if a target is missed."""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
from pathlib import Path

import uvloop

from bench import absence, fanout, floor, inbound, latency, posting, reads, start, volume
from bench.table import Table

SECTIONS = ("floor", "inbound", "fanout", "latency", "start", "absence", "volume", "reads", "posting")


async def measure(chosen: list[str], table: Table, scratch: Path, *, quick: bool) -> None:
    """The sections asked for; the floor first, because the ratios are to it."""
    measured: floor.Floor | None = None
    if "floor" in chosen or "inbound" in chosen or "fanout" in chosen:
        measured = await floor.measure(scratch, table, quick=quick)
    if "start" in chosen:
        await start.measure(scratch, table, quick=quick)
    if "latency" in chosen:
        await latency.measure(scratch, table, quick=quick)
    if "inbound" in chosen:
        await inbound.measure(scratch, table, measured, quick=quick)
    if "reads" in chosen:
        await reads.measure(scratch, table, quick=quick)
    if "posting" in chosen:
        await posting.measure(scratch, table, quick=quick)
    if "volume" in chosen:
        await volume.measure(scratch, table, quick=quick)
    if "absence" in chosen:
        await absence.measure(scratch, table)
    if "fanout" in chosen:
        await fanout.measure(scratch, table, measured, quick=quick)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="about half a minute; the figures are rougher")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every row there, too")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep data and logs of the nodes there")
    options = parser.parse_args()
    chosen = options.sections or list(SECTIONS)
    if unknown := set(chosen) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    table = Table()
    with tempfile.TemporaryDirectory(prefix="cuicui-bench-") as temporary:
        scratch = options.keep or Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        uvloop.run(asyncio.wait_for(measure(chosen, table, scratch, quick=options.quick), 900))
    if options.json:
        table.write(options.json)
    if table.missed:
        print("\nmissed: " + ", ".join(row.name for row in table.missed))
    return 1 if table.missed else 0


if __name__ == "__main__":
    sys.exit(main())

"""``make fuzz``: bytes guided by coverage, for a bounded time.

python -m tests.fuzz.run --seconds 60
python -m tests.fuzz.run FILE...          try these bytes again, without atheris
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
CRASHES = HERE / "crashes"
VECTORS = HERE.parent / "wire" / "vectors"


def write_seeds(folder: Path) -> int:
    """Every message vector as an input; returns how many."""
    from tests.fuzz.target import seeds_for

    count = 0
    for path in sorted(VECTORS.glob("*.jsonl")):
        if path.stem == "obfuscation":
            continue
        for line in path.read_text("utf-8").splitlines():
            vector = json.loads(line)
            frame = bytes.fromhex(vector["hex"])
            if path.stem == "malformed" and vector["message"] in ("PeerSearchReply", "PeerSharesReply"):
                continue  # broken inside: not to be inflated here
            for seed in seeds_for(frame, vector["family"], vector["direction"]):
                (folder / f"seed-{count:05d}").write_bytes(seed)
                count += 1
    return count


def again(files: list[Path]) -> int:
    from tests.fuzz.target import WAYS, try_bytes

    names = list(WAYS)
    for file in files:
        data = file.read_bytes()
        print(f"{file}: {len(data)} bytes, taken for: {names[data[0] % len(names)] if data else 'nothing'}")
        try_bytes(data)
    print("nothing came out that must not")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="how long (default 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers; 0: another one each time")
    parser.add_argument("--corpus", type=Path, help="keep what was found interesting here")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="only try these")
    options = parser.parse_args()
    if options.files:
        return again(options.files)
    try:
        import atheris
    except ImportError:
        print("error: atheris is not installed: make fuzz brings it along", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["soulmesh"]):
        from tests.fuzz.target import try_bytes

    CRASHES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="soulmesh-fuzz-") as seeds:
        count = write_seeds(Path(seeds))
        print(f"{count} seeds from the message vectors; {options.seconds} s; crashes go to {CRASHES}")
        sys.stdout.flush()
        arguments = [
            sys.argv[0],
            f"-max_total_time={options.seconds}",
            f"-artifact_prefix={CRASHES}/",
            "-max_len=4096",
            "-timeout=10",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
            "-verbosity=1",
        ]
        if options.seed:
            arguments.append(f"-seed={options.seed}")
        if options.corpus:
            options.corpus.mkdir(parents=True, exist_ok=True)
            arguments.append(str(options.corpus))
        atheris.Setup([*arguments, seeds], try_bytes)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Run `python -m tuneops`, and the `tuneops` command. `--version` answers before any import."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from tuneops import __version__

        sys.stdout.write(f"tuneops {__version__} (lock format 1, spec tuneops.dev/v1)\n")
        return
    # httpx brings a command line of its own, and all of rich with it, unless that is not there
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    from tuneops.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()

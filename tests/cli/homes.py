"""A small installation in a folder: job homes of host web1, saved to targets one and two."""

from pathlib import Path

from tests.cli.commandline import PASSWORD, new_repository


def install(folder: Path, *, extra: str = "") -> Path:
    """Its configuration, with `extra` at the end; the source has two files."""
    source = folder / "source"
    source.mkdir()
    (source / "notes.txt").write_text("first")
    (source / "plan.txt").write_text("plan")
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o600)
    for name in ("one", "two"):
        new_repository(folder / name)
    file = folder / "jobs.toml"
    file.write_text(
        f"""
        [drorch]
        state_dir = "{folder}/state"
        host = "web1"
        timezone = "UTC"
        [targets.one]
        type = "local"
        path = "{folder}/one"
        password = {{ file = "{folder}/password" }}
        [targets.two]
        type = "local"
        path = "{folder}/two"
        password = {{ file = "{folder}/password" }}
        [jobs.homes]
        source = {{ type = "files", paths = ["{source}"] }}
        targets = ["one", "two"]
        schedule = "30 2 * * *"
        objectives = {{ rpo = "26h" }}
        {extra}
        """
    )
    file.chmod(0o600)
    folder.chmod(0o700)
    return file

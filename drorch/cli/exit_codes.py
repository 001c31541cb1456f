"""Every exit code and what it means to whoever reads it; a code means one thing, wherever it comes from."""

MEANINGS = {
    0: "done",
    1: "another fault, or a bug",
    3: "the snapshot was saved, but some source data could not be read",
    4: "the configuration has faults",
    10: "there is no repository",
    11: "the repository is locked by another client",
    12: "wrong password",
    13: "stored data is damaged",
    14: "the repository's format, or a feature it uses, is not supported",
    20: "the target is not available",
    21: "the target refuses access",
    22: "an object is missing in the repository",
    23: "the target is full",
    24: "a copy is missing on a secondary target",
    25: "an object is in cold storage and must be thawed first",
    26: "the place that should hold the repository does not exist",
    27: "a target was not seen to keep what drorch relies on",
    30: "the source is not available",
    31: "the command that produces the data failed",
    32: "the source is empty, missing, not mounted or smaller than it should be",
    40: "something could not be restored",
    41: "the database was restored, and differs from the facts recorded at backup",
    51: "a drill failed",
    52: "an objective was missed",
    60: "the catalog cannot be opened, read or written",
    61: "the job is being run already",
    62: "a password is missing, or its file can be read by everyone",
    63: "a hook of a job failed",
    64: "the command line does not make sense",
    65: "no daemon listens, or it gives no answer",
    70: "something is overdue",
    71: "a chain of evidence or audit records is broken",
    130: "interrupted",
}

FAULTS = (0, 1, 64, 130)
"""What any command may end with."""

OPENS = (*FAULTS, 10, 11, 12, 13, 14, 20, 21, 22, 25, 26, 62)
"""What a command that reads a repository may end with."""

WRITES = (*OPENS, 23)
"""What a command that writes into a repository may end with."""


def describe(codes: tuple[int, ...]) -> str:
    """The codes of one command as a sentence that ends its help."""
    return "; ".join(f"{code} {MEANINGS[code]}" for code in sorted(set(codes)))

"""What is told outside holds no secret: known values and whatever looks like a credential are blotted out.

Promise: where a text is redacted before it is cut, nothing of a secret that this process has read is left. Patterns are
a second net and no promise. Each is bounded, so that a hostile log costs no more than its length.
"""

import re

from drorch.secrets import redacted

BLOT = "***"
"""What stands in a secret's place."""

_NAMES = (
    r"(?:password|passwd|passphrase|pgpassword|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|"
    r"account[_-]?key|credential)"
)
_VALUE = r"""(?:"[^"\n]{0,4096}"|'[^'\n]{0,4096}'|[^\s,;&"'*][^\s,;&"']*)"""
_PATTERNS = (
    (re.compile(r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,32}PRIVATE KEY-----)?"), BLOT),
    (re.compile(r"(://[^\s/:@]{0,256}:)[^\s/]{1,1024}@"), rf"\1{BLOT}@"),
    (re.compile(r"((?:proxy-)?authorization[\"']?\s{0,8}[:=]\s{0,8})[^\r\n]+", re.IGNORECASE), rf"\1{BLOT}"),
    (re.compile(r"\b(bearer|basic)\s{1,8}[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE), rf"\1 {BLOT}"),
    (re.compile(r"(x-amz-(?:signature|credential|security-token)=)[^&\s]+", re.IGNORECASE), rf"\1{BLOT}"),
    (
        re.compile(
            rf"((?<![\w-])[\w-]{{0,48}}{_NAMES}[\w-]{{0,48}}[\"']?\s{{0,8}}[=:]\s{{0,8}}){_VALUE}", re.IGNORECASE
        ),
        rf"\1{BLOT}",
    ),
    (re.compile(rf"((?<!\S)--?[\w-]{{0,48}}{_NAMES}\s{{1,8}})[^\s-]\S*", re.IGNORECASE), rf"\1{BLOT}"),
    (re.compile(r"\b(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{16}\b"), BLOT),
    (
        re.compile(
            r"(?<![\w/+=.-])(?=[\w/+]{0,39}[a-z])(?=[\w/+]{0,39}[A-Z])(?=[\w/+]{0,39}[0-9])"
            r"[A-Za-z0-9+][A-Za-z0-9/+]{39}(?![\w/+=.-])"
        ),
        BLOT,
    ),
)


def redact(text: str) -> str:
    """The text without the secrets that this process has read and without what looks like a credential.

    That is: passwords in URLs, `password=...` and its like, Authorization headers, keys as AWS writes them, signatures
    of presigned URLs, private keys in PEM.
    """
    text = redacted(text)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text

"""What the S3 servers of the tests have in common: how one is reached, and a client for what drorch must not do."""

from typing import TYPE_CHECKING, Any, Protocol, cast

import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class S3Server(Protocol):
    """A server with an account that may do everything."""

    @property
    def endpoint(self) -> str:
        """Its URL."""

    @property
    def access_key(self) -> str:
        """The name of its account."""

    @property
    def secret_key(self) -> str:
        """What the account signs with."""


def client_for(endpoint: str, access_key: str, secret_key: str) -> "S3Client":
    """A client of one account; whoever asks for it closes it."""
    made: Any = botocore.session.Session().create_client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(s3={"addressing_style": "path"}, connect_timeout=10, read_timeout=60),
    )
    return cast("S3Client", made)

"""A client of the S3 library, set up for services beside AWS, too: checksums they all know, TLS always verified.

botocore is used without boto3's own layer, and is told which service it is for: that halves what starting costs.
"""

import ssl
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.loaders import Loader
from botocore.session import Session

from drorch.errors import SecretMissing, TargetDenied
from drorch.storage.s3.body import content_md5
from drorch.storage.s3.place import Place
from drorch.storage.s3.settings import Addressing, S3Settings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_CONNECT_SECONDS = 10.0
_DEFAULT_REGION = "us-east-1"
_AWS = (".amazonaws.com", ".amazonaws.com.cn")
_BY_HOST_NAME = (".aliyuncs.com", ".myqcloud.com")
"""Services that take the bucket in the host name only; of others nobody knows whether their DNS has it."""


class _OneService(Loader):
    """The library's own descriptions, without a search through those of 400 services for their names."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002
        return ["s3"]


_LOADER = _OneService()
"""Kept: what it has read once, later clients need not read again."""


def connect(settings: S3Settings) -> "S3Client":
    """A client for these settings; it may be used from many threads. Touches no service but the instance's own.

    Credentials are read here. Raises `SecretMissing` where there are none, `TargetDenied` where the settings, or the
    AWS configuration they are added to, cannot be used.
    """
    place = Place.of(settings)
    _see_authorities(settings, place)
    secrets = _secrets(settings)
    try:
        session = Session()
        session.register_component("data_loader", _LOADER)
        if not secrets and session.get_credentials() is None:
            raise SecretMissing(
                f"target {place.description}: no credentials were found in the environment, the files and the instance",
                hint="set access_key and secret_key of the target, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
        client: Any = session.create_client(
            "s3",
            region_name=settings.region or session.get_config_variable("region") or _DEFAULT_REGION,
            endpoint_url=settings.endpoint,
            verify=str(settings.ca_file) if settings.ca_file else None,
            config=_config(settings),
            **secrets,
        )
    except (BotoCoreError, ValueError) as fault:
        reason = " ".join(str(fault).split())
        raise TargetDenied(
            f"target {place.description} cannot be set up: {reason}",
            hint="check endpoint and region of the target, and the variables that begin with AWS_",
        ) from fault
    client.meta.events.register("before-call.s3", _add_md5)
    return cast("S3Client", client)


def _see_authorities(settings: S3Settings, place: Place) -> None:
    """See that the file of authorities holds some: the library would say so late, and of every request."""
    if settings.ca_file is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(settings.ca_file)
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise TargetDenied(
            f"target {place.description}: ca_file {settings.ca_file} cannot be used: {reason}",
            hint=f"name a readable PEM file of certificates; what it holds: openssl x509 -in {settings.ca_file}",
        ) from fault


def _secrets(settings: S3Settings) -> dict[str, Any]:
    given = settings.credentials
    if given is None:
        return {}
    return {
        "aws_access_key_id": given.access_key.read(),
        "aws_secret_access_key": given.secret_key.read(),
        "aws_session_token": given.session_token.read() if given.session_token else None,
    }


def _config(settings: S3Settings) -> Config:
    unknown_to_its_types: dict[str, Any] = {"ignore_configured_endpoint_urls": True}
    return Config(
        # One attempt: who tries again, when and how long, is for the retry wrapper to say.
        retries={"total_max_attempts": 1},
        connect_timeout=min(_CONNECT_SECONDS, settings.timeout_seconds),
        read_timeout=settings.timeout_seconds,
        max_pool_connections=settings.connections,
        # By default the library adds checksums and trailers that many services do not know.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        tcp_keepalive=True,
        s3={"addressing_style": _addressing(settings)},
        **unknown_to_its_types,
    )


def _addressing(settings: S3Settings) -> Addressing:
    if settings.addressing != "auto" or settings.endpoint is None:
        return settings.addressing
    host = urlsplit(settings.endpoint).hostname or ""
    if host.endswith(_BY_HOST_NAME):
        return "virtual"
    return "auto" if host.endswith(_AWS) else "path"


def _add_md5(params: dict[str, Any], **_: object) -> None:
    """Where a checksum is required, send the one that every service knows instead of the library's CRC-32."""
    checksum = params["context"].get("checksum", {})
    body = params.get("body")
    if "request_algorithm" in checksum and isinstance(body, bytes | bytearray):
        del checksum["request_algorithm"]
        checksum.pop("request_algorithm_header", None)
        params["headers"]["Content-MD5"] = content_md5(body)

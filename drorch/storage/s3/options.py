"""What a service is told of an object beside its bytes: the storage class of packs, and how it encrypts."""

from typing import Any

from drorch.storage.s3.settings import S3Settings


def options_of(settings: S3Settings, key: str) -> dict[str, Any]:
    """The options of one object, as requests name them. Only packs, which alone lie below `data`, get the class."""
    options: dict[str, Any] = {}
    if settings.storage_class is not None and key.startswith("data/"):
        options["StorageClass"] = settings.storage_class
    if settings.encryption is not None:
        options["ServerSideEncryption"] = settings.encryption.algorithm
        if settings.encryption.key_id is not None:
            options["SSEKMSKeyId"] = settings.encryption.key_id
    return options

"""Which of the two carriers serves a target: ssh where it can, since it moves several times as much a second."""

import importlib

from drorch.storage.sftp.openssh import OpensshCarrier, is_installed
from drorch.storage.sftp.settings import SftpSettings
from drorch.storage.sftp.streams import Carrier


def carrier_for(settings: SftpSettings) -> Carrier:
    """The carrier that the settings ask for; "auto" takes ssh where it is installed and no passphrase is to be told.

    Raises `ConfigError` where the settings ask for what their carrier cannot do.
    """
    chosen = settings.carrier
    if chosen == "auto":
        chosen = "ssh" if settings.passphrase is None and is_installed() else "paramiko"
    if chosen == "ssh":
        return OpensshCarrier(settings)
    # paramiko takes a while to load, and is needed by few.
    module = importlib.import_module("drorch.storage.sftp.library")
    carrier: Carrier = module.ParamikoCarrier(settings)
    return carrier

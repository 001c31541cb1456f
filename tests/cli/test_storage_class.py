"""The storage class is for packs of data: what every command reads is not put away."""

from pathlib import Path

from tests.cli.commandline import drorch
from tests.cli.places import in_bucket, install, make_repository
from tests.servers.seaweedfs import SeaweedFS


def test_only_packs_of_data_are_put_into_the_storage_class(tmp_path: Path, seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.new_bucket("classes")
    place = in_bucket(seaweedfs, bucket).but({"storage_class": '"STANDARD_IA"'})
    file = install(tmp_path, {"away": place})
    make_repository(file, "away", place)
    for cached in ((), ("--no-cache",)):
        (tmp_path / "source" / "new").write_text(f"content{cached}")
        drorch("-c", file, "-t", "away", "backup", tmp_path / "source", *cached, env=place.environment, password=None)
    classes = {"STANDARD_IA": 0, "STANDARD": 0}
    for item in seaweedfs.client.list_objects_v2(Bucket=bucket)["Contents"]:
        stored = seaweedfs.client.head_object(Bucket=bucket, Key=item["Key"]).get("StorageClass", "STANDARD")
        if "/data/" in item["Key"]:
            classes[stored] += 1
        else:
            assert stored == "STANDARD", item["Key"]
    assert classes == {"STANDARD_IA": 2, "STANDARD": 2}, "of each backup one pack of data and one of trees"
    drorch("-c", file, "-t", "away", "check", "--read-data", env=place.environment, password=None)

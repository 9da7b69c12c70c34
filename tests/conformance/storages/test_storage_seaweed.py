"""S3 keeps the contract on a real server that was made by others than this storage: SeaweedFS."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest

from lading.backends.s3.suite import S3Harness, S3Suite
from tests.support.servers.s3.seaweed import SeaweedEndpoint, seaweed


@pytest.fixture(scope="module")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedEndpoint]:
    with seaweed(tmp_path_factory.mktemp("seaweed")) as endpoint:
        yield endpoint


@pytest.mark.long_form
class TestSeaweed(S3Suite):
    unsupported: ClassVar[Mapping[str, str]] = {
        "nested_keys": "SeaweedFS has a folder a where there is an object a/b, and answers 412 to a save of a"
    }


class TestSeaweedShortly(S3Harness):
    """The cases in which servers differ: conditions, uploads in parts, listings."""

    saver, file, unnamed = S3Suite.saver, S3Suite.file, S3Suite.unnamed
    lister, listed = S3Suite.lister, S3Suite.listed
    test_a_second_save = S3Suite.test_a_second_save_changes_nothing
    test_many_saves_at_once = S3Suite.test_of_many_saves_at_once_one_wins
    test_cancelled = S3Suite.test_cancelled_while_its_stream_stalls
    test_a_file = S3Suite.test_a_file_without_a_name_is_saved
    test_the_filename = S3Suite.test_the_filename_is_data
    test_listed = S3Suite.test_what_is_saved_is_listed_with_its_size
    test_unfinished_uploads = S3Suite.test_unfinished_uploads_are_listed

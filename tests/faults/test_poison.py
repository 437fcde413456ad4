"""Records that kill: a bounded number of restarts, then their dead letter, while the rest goes on."""

import io
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.faults.deadly_decoder import MARK
from tests.faults.feeder import Feeder
from tests.faults.fleet import Fleet
from tests.faults.reader import Reader
from tests.rig import Rig, submission, wait_for

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

pytestmark = pytest.mark.kafka
MOST_RESTARTS = 4
"""One that may follow progress, two that make the partition isolate its records, one alone."""
PER_SECOND = 20.0
MakeRig = Callable[..., Rig]


@pytest.mark.parametrize("members", [1, 2])
def test_a_record_that_kills_the_whole_consumer(members: int, make_rig: MakeRig) -> None:
    """Its dead letter is `worker_crash`; records of all other keys get verdicts, other partitions meanwhile."""
    rig = make_rig()
    with Reader(rig.settings) as reader, Fleet(rig, reader, "deadly", "0.05") as fleet:
        for _ in range(members):
            fleet.start()
        with Feeder(rig.settings, PER_SECOND) as feeder:
            fleet.wait(lambda: len(reader.outcomes) > 20)
            poison = submission("poison") | {"text": {"title": "poison"}}
            (origin,) = rig.produce([poison])
            fleet.wait(lambda: fleet.exits)
            others = len(elsewhere(reader, origin))
            fleet.wait(lambda: len(elsewhere(reader, origin)) > others + 20)
            fleet.wait(lambda: origin in reader.outcomes)
            sent = feeder.stop() + 1
        fleet.finish(sent)
    assert set(fleet.exits) == {-signal.SIGKILL}
    assert 2 <= len(fleet.exits) <= MOST_RESTARTS
    assert reader.letters == {origin: "worker_crash"}


def test_several_at_once(make_rig: MakeRig) -> None:
    """Three in one partition and more elsewhere: each costs its own restarts at most."""
    rig = make_rig(2)
    with Reader(rig.settings) as reader, Fleet(rig, reader, "deadly", "0.05") as fleet:
        events = [submission(n, text={"title": "poison" if n % 10 == 5 else "ok"}) for n in range(40)]
        origins = rig.produce(events)
        poisons = {origin for n, origin in enumerate(origins) if n % 10 == 5}
        fleet.start(wait=False)
        fleet.finish(len(events))
    assert set(fleet.exits) == {-signal.SIGKILL}
    assert len(fleet.exits) <= MOST_RESTARTS * len(poisons)
    assert reader.letters == dict.fromkeys(poisons, "worker_crash")


def test_a_record_that_kills_its_decoder(make_rig: MakeRig, s3: "S3Client") -> None:
    """The consumer lives; the record is `creative_undecodable`, pictures beside it get verdicts."""
    for name, comment in (("deadly", MARK.decode()), ("fine", "a picture")):
        about = PngInfo()
        about.add_text("Comment", comment)
        Image.new("RGB", (64, 64), "red").save(buffer := io.BytesIO(), "PNG", pnginfo=about)
        s3.put_object(Bucket="ad-creatives", Key=f"faults/{name}", Body=buffer.getvalue())
    rig = make_rig()
    with Reader(rig.settings) as reader, Fleet(rig, reader, "deadly", "0.05") as fleet:
        member = fleet.start()
        keys = ["deadly" if n % 10 == 5 else "fine" for n in range(40)]
        origins = rig.produce(submission(n, creatives=[picture(f"faults/{key}")]) for n, key in enumerate(keys))
        fleet.wait(lambda: reader.complete(len(origins)))
        assert member.process.poll() is None
        fleet.finish(len(origins))
    assert fleet.exits == []
    deadly = {origin for origin, key in zip(origins, keys, strict=True) if key == "deadly"}
    assert reader.letters == dict.fromkeys(deadly, "creative_undecodable")


def test_a_suspect_whose_run_is_cut_short_is_judged_by_the_next_owner(make_rig: MakeRig) -> None:
    """Two members die, so the third runs records alone; it leaves in good order while one still runs: no crash."""
    rig = make_rig(1)
    sent = rig.produce(submission(n) for n in range(6))
    with Reader(rig.settings) as reader:
        for _ in range(2):
            with rig.member("fixed", "60") as member:
                wait_for(lambda at=member: at.metric("advet_in_flight_records") == len(sent), member)
        with rig.member("fixed", "60") as member:
            wait_for(lambda: '"isolated": true' in member.log.read_text(), member)
            wait_for(lambda: any(coverage.suspect_tries for coverage in reader.coverage.values()), member)
            assert member.terminate() == 0
        with rig.member("fixed", "0") as member:
            wait_for(lambda: reader.complete(len(sent)), member)
            assert member.terminate() == 0
        reader.check()
    assert reader.letters == {}


def picture(key: str) -> dict:
    """A creative of a submission."""
    return {"asset_id": "p1", "kind": "image", "bucket": "ad-creatives", "key": key}


def elsewhere(reader: Reader, origin: tuple[int, int]) -> list[tuple[int, int]]:
    """Outcomes in other partitions."""
    return [other for other in tuple(reader.outcomes) if other[0] != origin[0]]

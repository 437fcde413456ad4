"""`advet lag` on the demo's broker: no transactions, no owners in a group's description, odd end offsets."""

import json

from tests.pipeline.test_lag import Exporter, exporter, lag, told
from tests.rig import Rig, submission, wait_for


def test_lag_falls_while_a_consumer_works_and_stays_when_it_is_gone(tmp_path, embedded_broker, weed_store):
    settings = {"port": 0, "interval_seconds": 1}
    rig = Rig.make(tmp_path, embedded_broker.bootstrap, weed_store, partitions=2, lag=settings)
    rig.produce(submission(n) for n in range(300))
    found = lag(rig)
    assert found["total"]["remaining"] == 300
    assert 0 < found["total"]["oldest_record_age_seconds"] < 60
    with exporter(rig) as serving:
        with rig.member("fixed", "0.05") as member:
            wait_for(lambda: serving.series("advet_partition_assigned") == {"0": 1, "1": 1}, serving, 30)
            wait_for(lambda: sum(serving.series("advet_lag_records").values()) == 0, serving)
            wait_for(lambda: Exporter.series(member, "advet_lag_records") == {"0": 0, "1": 0}, member)
            assert sum(serving.series("advet_finished_records_total").values()) == 300
            assert set(serving.series("advet_lag_gpu_seconds").values()) == {0}
            assert member.terminate() == 0
        rig.produce(submission(n) for n in range(40))
        wait_for(lambda: sum(serving.series("advet_lag_records").values()) == 40, serving)
        wait_for(lambda: serving.series("advet_partition_assigned") == {"0": 0, "1": 0}, serving)
        assert serving.terminate() == 0
    assert json.loads(told(rig, "--json"))["total"]["remaining"] == 40

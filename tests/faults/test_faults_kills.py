"""25 SIGKILLs: the short form of `tests.faults.kills`."""

from collections import Counter

import pytest

from tests.faults.kills import campaign, planned

pytestmark = pytest.mark.faults


def test_kills_of_workers_runners_and_a_dashboard_lose_nothing(tmp_path, monkeypatch):
    for name, value in {"SLOTS": "2", "THREADS": "1", "EXECUTOR": "local"}.items():
        monkeypatch.setenv(f"TENFOLD_{name}", value)
    ours, lost = campaign(tmp_path, planned(25, seed=1, share=0.2), seed=1, ahead=2, epochs=8)
    assert not {what: which for what, which in lost.items() if which}
    killed = Counter(name.partition(",")[0] for name in ours.killed.elements())
    assert killed == {"worker": 5, "runner": 19, "dashboard": 1}

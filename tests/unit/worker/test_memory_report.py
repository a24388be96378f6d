import pytest

from shared.memory import resident_memory
from shared.net.backends.contract import DeviceMemory
from worker.memory_report import MemoryReport

STEP = 16 * 2**20


def test_a_cpu_has_no_memory_of_its_own() -> None:
    told, now = MemoryReport(lambda: None)(), resident_memory()
    assert abs(told.resident_bytes - now) <= 2 * STEP
    assert told.resident_bytes % STEP == 0
    assert told.device_bytes is told.device_total_bytes is None


def test_a_device_is_told_of_until_it_does_not_answer(caplog: pytest.LogCaptureFixture) -> None:
    answers = [DeviceMemory(allocated=1, reserved=STEP + 1, free=5, total=7), *[RuntimeError("lost")] * 2]

    def device() -> DeviceMemory:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    report = MemoryReport(device)
    told = report()
    assert (told.device_bytes, told.device_total_bytes) == (2 * STEP, 7)
    for _ in range(2):
        told = report()
        assert told.device_bytes is told.device_total_bytes is None
        assert told.resident_bytes > 0
    assert [record.message for record in caplog.records] == ["the device's memory is not known: lost"]

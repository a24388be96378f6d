from admin.standalone.backoff import Backoff


def test_delays_double_up_to_the_longest():
    backoff = Backoff(first=1, longest=30, healthy_after=60)
    assert [backoff.delay(lived=0) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_a_healthy_life_starts_afresh():
    backoff = Backoff(first=1, longest=30, healthy_after=60)
    assert [backoff.delay(0), backoff.delay(59.9), backoff.delay(60), backoff.delay(0)] == [1, 2, 1, 2]

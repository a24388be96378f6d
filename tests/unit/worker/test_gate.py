from threading import Event, Thread

from worker.gate import Gate

PATIENCE = 60


def test_many_share_the_gate():
    gate = Gate()
    with gate.shared():
        inside = Event()

        def enter() -> None:
            with gate.shared():
                inside.set()

        thread = Thread(target=enter)
        thread.start()
        assert inside.wait(PATIENCE)
        thread.join(PATIENCE)


def test_one_alone_waits_for_those_inside_and_keeps_new_ones_out():
    gate = Gate()
    order: list[str] = []
    alone_entered = Event()
    leave_alone = Event()

    def alone() -> None:
        with gate.alone():
            order.append("alone")
            alone_entered.set()
            assert leave_alone.wait(PATIENCE)
            order.append("alone leaves")

    def late() -> None:
        with gate.shared():
            order.append("late")

    threads = [Thread(target=alone), Thread(target=late)]
    with gate.shared():
        threads[0].start()
        while not gate._waiting_alone:  # it has asked to be alone
            pass
        threads[1].start()
        order.append("first leaves")
    assert alone_entered.wait(PATIENCE)
    leave_alone.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert order == ["first leaves", "alone", "alone leaves", "late"]


def test_two_that_want_to_be_alone_follow_each_other():
    gate = Gate()
    inside = 0
    most = 0

    def alone() -> None:
        nonlocal inside, most
        for _ in range(50):
            with gate.alone():
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [Thread(target=alone) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert most == 1


def test_an_error_inside_opens_the_gate_again():
    gate = Gate()
    for way in (gate.shared, gate.alone):
        try:
            with way():
                raise ValueError
        except ValueError:
            pass
    with gate.alone():
        pass
    with gate.shared():
        pass

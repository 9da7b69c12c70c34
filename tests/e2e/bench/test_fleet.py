"""The model of a fleet: it gives what can be computed by hand, and real processes work off what it is compared with."""

import random
from dataclasses import replace

import pytest

from bench.fleet.costs import Cost, Costs, OfBroker, Operation
from bench.fleet.model import Fleet, Simulation
from bench.fleet.queues import PER_ISSUER, Job, Place, Places, Queue
from bench.fleet.real import databases, measure
from bench.fleet.scenarios import jain, steady_rate

FREE = Cost(0.0, 0.0)
NOTHING = Operation(FREE, FREE, FREE)
COSTS = Costs(NOTHING, NOTHING, NOTHING, NOTHING, run=0.001, is_exclusive=False)


def jobs(count: int, tenants: int = 100) -> list[Job]:
    return [Job(number % tenants) for number in range(count)]


def rate(fleet: Fleet, costs: Costs, count: int = 4000) -> float:
    outcome = Simulation(fleet, costs, jobs(count)).run()
    assert len(outcome.served) == count
    assert all(job.done >= 0 for job in outcome.jobs)
    return steady_rate(outcome)


def test_workers_alone_are_bound_by_their_loops() -> None:
    assert rate(Fleet(1), COSTS) == pytest.approx(1000, rel=0.05)
    assert rate(Fleet(4), COSTS) == pytest.approx(4000, rel=0.1)


def test_shared_cores_bound_the_workers() -> None:
    assert rate(Fleet(4, cores=2), COSTS) == pytest.approx(2000, rel=0.1)


def test_the_database_bounds_the_fleet_and_shards_raise_the_bound() -> None:
    costs = replace(COSTS, finish=Operation(FREE, Cost(0.0, 0.01), FREE))
    assert rate(Fleet(20, database_cores=4), costs) == pytest.approx(400, rel=0.1)
    assert rate(Fleet(20, database_cores=4, shards=2), costs) == pytest.approx(800, rel=0.1)


def test_a_lock_serves_one_at_a_time_however_many_want_it() -> None:
    costs = replace(COSTS, finish=Operation(FREE, Cost(0.0, 0.01), FREE), is_exclusive=True)
    assert rate(Fleet(4, cores=8), costs, 800) == pytest.approx(100, rel=0.2)


def test_hosts_that_wait_are_bound_by_the_slots() -> None:
    # 64 slots of one second each; an issuer has 8 of them.
    assert rate(Fleet(1, seconds=lambda _: 1.0), COSTS) == pytest.approx(64, rel=0.1)


def test_the_imports_of_lost_workers_run_again_after_their_lease() -> None:
    fleet = Fleet(3, seconds=lambda _: 1.0, lost=(1 / 3, 0.5))
    outcome = Simulation(fleet, COSTS, jobs(300)).run()
    assert outcome.again == 64
    assert len(outcome.served) == 300
    assert max(job.done for job in outcome.jobs) > 30


def test_a_claim_takes_the_tenants_in_turn() -> None:
    queue, place = Queue([*(Job(0) for _ in range(100)), Job(1), Job(2)]), Place(random.Random(1))
    assert [job.tenant for job in queue.take(queue.choose(3, {}, place))] == [0, 1, 2]
    first = queue.take(queue.choose(64, {}, place))
    assert [job.tenant for job in first] == PER_ISSUER * [0]
    assert queue.choose(64, {0: PER_ISSUER}, place) == []


def test_what_two_workers_choose_goes_to_the_quicker_one() -> None:
    queue = Queue(jobs(100, tenants=10))
    places = [Place(random.Random(number)) for number in range(2)]
    one, other = (queue.choose(20, {}, place) for place in places)
    assert len(queue.take(one)) == 20
    assert queue.take(other) == []
    places[1].adapt(20, 20)
    places[1].last = places[0].last = -1
    one, other = (queue.choose(20, {}, place) for place in places)
    assert len(queue.take(one)) == 20
    assert 0 < len(queue.take(other)) < 20


def test_claims_of_documents_are_lost_to_others_and_those_of_messages_are_not() -> None:
    slow = Operation(FREE, Cost(0.01, 0.0), FREE)
    costs = replace(COSTS, claim=slow, finish=slow)
    lost = Simulation(Fleet(4, cores=8), costs, jobs(4000)).run()
    assert lost.lost > 400
    alone = Simulation(Fleet(4, cores=8), replace(costs, broker=OfBroker(slow, NOTHING)), jobs(4000)).run()
    assert (alone.lost, len(alone.served), len(lost.served)) == (0, 4000, 4000)


def test_places_are_taken_in_the_order_of_asking() -> None:
    places = Places(2)
    assert [places.until(0.0, 1.0) for _ in range(4)] == [1.0, 1.0, 2.0, 2.0]
    assert places.until(5.0, 1.0) == 6.0


def test_jains_index_is_one_for_equal_shares_and_one_in_n_for_one_taker() -> None:
    assert jain([3, 3, 3, 3]) == 1.0
    assert jain([1, 0, 0, 0]) == 0.25


def test_a_line_goes_through_what_was_measured() -> None:
    cost = Cost.between(1.0, 64.0)
    assert cost.of(1) == pytest.approx(1.0)
    assert cost.of(64) == pytest.approx(64.0)


def test_real_processes_work_off_the_imports_together() -> None:
    with databases(["sqlite"]) as (database,):
        found = measure(database, 2, 500)
    assert found.rate > 0
    assert 0 < found.operations < 3
    assert found.worker_cpu > 0

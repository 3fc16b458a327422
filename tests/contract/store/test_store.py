"""What every store must do: one suite over SQLite and PostgreSQL."""

from dataclasses import replace

import pytest
from store_cases import NOW, later, make_attempt, make_event, make_job

from grms.broker.lifecycle import LIVE, JobState
from grms.broker.ports.store import Agenda, JobQuery, StateCount, Store
from grms.broker.records import (
    Change,
    EventKind,
    Exit,
    Phase,
    Usage,
    Wish,
    WishDone,
    WishKind,
)
from grms.errors import ConflictError, ErrorCode, RequestError, StoreError


def cancel(job_id="j1", at=NOW, **more):
    return Wish(job_id, WishKind.CANCEL, at, "/CN=Ann", **more)


def claim(store, owner="e1", now=NOW, limit=100):
    return [job.id for job in store.claim(owner, LIVE, now, now + (later(60) - NOW), limit)]


def test_it_is_a_store(store):
    as_port: Store = store
    assert as_port.jobs(JobQuery()) == []


def test_many_jobs_are_read_at_once_and_unknown_ones_are_absent(store):
    first = store.accept(make_job("j1"), []).job
    store.accept(make_job("j2"), [])
    assert store.jobs_of(["j1", "j3"]) == {"j1": first}


def test_jobs_are_counted_by_state_with_the_oldest_submission(store):
    store.accept(make_job("j1"), [])
    store.accept(replace(make_job("j2"), submitted_at=later(-5)), [])
    store.accept(make_job("j3"), [])
    store.apply([Change(replace(store.job("j3"), state=JobState.RUNNING))])
    counts = sorted(store.state_counts(), key=lambda item: item.count)
    assert counts == [
        StateCount(JobState.RUNNING, 1, NOW),
        StateCount(JobState.QUEUED, 2, later(-5)),
    ]


def test_each_change_of_state_is_one_line_in_the_log_once_it_is_stored(store, caplog):
    caplog.set_level("INFO", "grms.jobs")
    told = replace(make_event("from\nAnn", EventKind.ACCEPTED), data={"to": "QUEUED"})
    first = store.accept(make_job("j1"), [told], key="k", digest="d").job
    store.accept(make_job("j2"), [told], key="k", digest="d")
    moved = replace(make_event("placed", EventKind.STATE), data={"to": "PREPROCESSING"})
    change = Change(replace(first, state=JobState.PREPROCESSING), events=(moved, make_event()))
    assert store.apply([change])[0] is not None
    assert store.apply([change]) == [None]
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["j1 QUEUED from Ann", "j1 PREPROCESSING placed"]


class TestAccept:
    def test_a_job_is_stored_with_its_events(self, store):
        accepted = store.accept(make_job(), [make_event("a"), make_event("b", n=1)])
        assert accepted.job == store.job("j1")
        assert not accepted.repeated
        assert [(e.number, e.text, e.data) for e in store.events("j1")] == [
            (1, "a", {}),
            (2, "b", {"n": 1}),
        ]
        assert store.job("j1").last_event == 2

    def test_the_same_key_and_digest_give_the_first_job(self, store):
        first = store.accept(make_job("j1"), [make_event()], key="k", digest="d")
        again = store.accept(make_job("j2"), [make_event()], key="k", digest="d")
        assert again.repeated
        assert again.job == first.job
        assert store.job_ids(JobQuery()) == ["j1"]

    def test_the_same_key_with_another_digest_is_refused(self, store):
        store.accept(make_job("j1"), [], key="k", digest="d")
        with pytest.raises(RequestError) as caught:
            store.accept(make_job("j2"), [], key="k", digest="other")
        assert caught.value.code is ErrorCode.KEY_REUSED

    def test_a_key_belongs_to_its_owner(self, store):
        store.accept(make_job("j1"), [], key="k", digest="d")
        other = store.accept(make_job("j2", owner="/CN=Bob"), [], key="k", digest="x")
        assert not other.repeated

    def test_a_taken_id_is_a_conflict_and_uses_up_no_key(self, store):
        store.accept(make_job("j1"), [])
        with pytest.raises(ConflictError, match="j1"):
            store.accept(make_job("j1"), [make_event()], key="k", digest="d")
        assert not store.accept(make_job("j2"), [], key="k", digest="d").repeated
        assert store.events("j1") == []

    def test_an_unknown_job_is_named(self, store):
        with pytest.raises(RequestError, match="nope") as caught:
            store.job("nope")
        assert caught.value.code is ErrorCode.UNKNOWN_JOB

    def test_many_are_read_at_once_and_unknown_ones_are_absent(self, store):
        for job_id in ("j1", "j2"):
            store.accept(make_job(job_id), [])
        known = store.jobs_of({"j1", "j2", "nope"})
        assert known == {"j1": store.job("j1"), "j2": store.job("j2")}
        assert store.jobs_of([]) == {}

    def test_text_no_database_takes_is_mended_not_refused(self, store):
        store.accept(make_job(error="nul \0 and \ud800, ž"), [make_event("\0", raw="\0")])
        assert store.job("j1").error == "nul \ufffd and ?, ž"
        assert store.events("j1")[0].data == {"raw": "\0"}


class TestQuery:
    @pytest.fixture(autouse=True)
    def _jobs(self, store):
        for number in range(1, 6):
            owner = "/CN=Ann" if number < 4 else "/CN=Bob"
            project = "p" if number == 2 else ""
            store.accept(make_job(f"j{number}", owner=owner, project=project), [])

    def test_newest_first(self, store):
        assert [job.id for job in store.jobs(JobQuery())] == ["j5", "j4", "j3", "j2", "j1"]

    def test_pages(self, store):
        assert store.job_ids(JobQuery(after="j4", limit=2)) == ["j3", "j2"]

    def test_a_page_after_an_unknown_job_is_refused(self, store):
        with pytest.raises(RequestError):
            store.job_ids(JobQuery(after="nope"))

    def test_filters(self, store):
        job = store.job("j3")
        store.apply([Change(replace(job, state=JobState.FAILED, parked=True))])
        assert store.job_ids(JobQuery(owner="/CN=Bob")) == ["j5", "j4"]
        assert store.job_ids(JobQuery(project="p")) == ["j2"]
        assert store.job_ids(JobQuery(states=[JobState.FAILED])) == ["j3"]
        assert store.job_ids(JobQuery(parked=True)) == ["j3"]
        assert store.job_ids(JobQuery(parked=False, owner="/CN=Ann")) == ["j2", "j1"]


class TestApply:
    def test_of_two_changes_of_one_version_the_first_counts_and_tells(self, store):
        job = store.accept(make_job(), [make_event()]).job
        first = Change(replace(job, progress="1"), events=(make_event("first"),))
        second = Change(replace(job, progress="2"), events=(make_event("second"),))
        applied, refused = store.apply([first, second])
        assert (applied, refused) == (store.job("j1"), None)
        assert store.job("j1").progress == "1"
        assert [event.text for event in store.events("j1")][1:] == ["first"]

    def test_a_change_may_follow_another_of_its_job_whatever_stands_between(self, store):
        one = store.accept(make_job("j1"), []).job
        two = store.accept(make_job("j2"), []).job
        wish = store.wish(cancel("j2"), make_event("wished", EventKind.WISH))
        resting = replace(two, due_at=None, progress="1")
        done = WishDone(wish.number, later(1), "done")
        then = replace(resting, version=two.version + 1, due_at=later(9), progress="2")
        last = store.apply(
            [
                Change(replace(one, due_at=later(5))),
                Change(resting, events=(make_event("first"),)),
                Change(then, events=(make_event("second"),), wishes_done=(done,)),
            ]
        )[-1]
        assert last == store.job("j2")
        assert (last.progress, last.due_at, last.version) == ("2", later(9), two.version + 2)
        assert [event.text for event in store.events("j2")][-2:] == ["first", "second"]
        assert store.wishes(["j2"]) == []

    def test_attempts_are_found_by_their_tags_with_their_jobs(self, store):
        job = store.accept(make_job(), []).job
        store.apply([Change(job, (make_attempt(),))])
        assert store.tagged({"gj11", "nobody's"}) == {
            "gj11": (store.job("j1"), store.attempts("j1")[0])
        }
        assert store.tagged([]) == {}

    def test_a_change_is_applied_whole(self, store):
        job = store.accept(make_job(), [make_event()]).job
        wish = store.wish(cancel(), make_event("wished", EventKind.WISH))
        shall = replace(job, state=JobState.CANCELED, finished_at=later(1), due_at=None)
        attempt = make_attempt(exit=Exit(signal=9), usage=Usage(1.5, 0.25, 7))
        done = WishDone(wish.number, later(1), "done")
        [stored] = store.apply([Change(shall, (attempt,), (make_event("x"),), (done,))])
        assert stored == store.job("j1")
        assert (stored.version, stored.last_event, stored.state) == (2, 3, JobState.CANCELED)
        assert store.attempts("j1") == [attempt]
        assert [event.number for event in store.events("j1")] == [1, 2, 3]
        assert store.wishes(["j1"]) == []
        [closed] = store.wishes(["j1"], open_only=False)
        assert (closed.done_at, closed.outcome) == (later(1), "done")

    def test_a_stale_change_leaves_nothing_and_harms_no_other(self, store):
        old = store.accept(make_job("j1"), []).job
        other = store.accept(make_job("j2"), []).job
        store.apply([Change(old)])
        stale = Change(replace(old, appid="stale"), (make_attempt(),), (make_event(),))
        first, second = store.apply([stale, Change(other, events=(make_event(),))])
        assert first is None
        assert second.version == 2
        assert store.job("j1").appid == "app"
        assert store.attempts("j1") == []
        assert store.events("j1") == []

    def test_an_attempt_is_replaced_by_its_number(self, store):
        job = store.accept(make_job(), []).job
        [job] = store.apply([Change(job, (make_attempt(), make_attempt(number=2)))])
        store.apply([Change(job, (make_attempt(phase=Phase.ENDED, exit=Exit(code=0)),))])
        assert [a.phase for a in store.attempts("j1")] == [Phase.ENDED, Phase.PLACED]

    def test_attempts_are_found_by_phase_cluster_and_tag(self, store):
        job = store.accept(make_job(), []).job
        first, second = make_attempt(phase=Phase.RUNNING), make_attempt(number=2, cluster="c2")
        store.apply([Change(job, (second, first))])
        assert store.attempts_in([Phase.RUNNING, Phase.PLACED]) == [first, second]
        assert store.attempts_in([Phase.RUNNING, Phase.PLACED], cluster="c2") == [second]
        assert store.attempt_by_tag("gj11") == first
        assert store.attempt_by_tag("nobody's") is None

    def test_a_doubled_tag_is_a_conflict(self, store):
        job = store.accept(make_job(), []).job
        twins = (make_attempt(tag="same"), make_attempt(number=2, tag="same"))
        with pytest.raises(ConflictError):
            store.apply([Change(job, twins)])
        assert store.job("j1").version == 1

    def test_a_note_keeps_the_version_and_the_numbers(self, store):
        job = store.accept(make_job(), [make_event()]).job
        store.note("j1", make_event("late news"))
        [stored] = store.apply([Change(job, events=(make_event("x"),))])
        assert (stored.version, stored.last_event) == (2, 3)
        assert [event.number for event in store.events("j1")] == [1, 2, 3]

    def test_a_note_on_an_unknown_job_is_refused(self, store):
        with pytest.raises(RequestError):
            store.note("nope", make_event())


class TestEvents:
    def test_events_page_by_number(self, store):
        store.accept(make_job(), [make_event(str(n)) for n in range(1, 6)])
        assert [event.text for event in store.events("j1", after=2, limit=2)] == ["3", "4"]

    def test_the_stream_goes_over_all_jobs_in_order(self, store):
        for name in ("j1", "j2", "j3"):
            store.accept(make_job(name), [make_event()])
        all_events = store.stream(after=0, limit=10)
        assert [event.job_id for event in all_events] == ["j1", "j2", "j3"]
        cursors = [event.cursor for event in all_events]
        assert cursors == sorted(set(cursors))
        assert store.stream(after=cursors[0], limit=1) == [all_events[1]]


class TestClaim:
    def test_due_jobs_are_leased_once_longest_due_first(self, store):
        store.accept(make_job("j1", due_at=later(-1)), [])
        store.accept(make_job("j2", due_at=later(-2)), [])
        store.accept(make_job("later", due_at=later(1)), [])
        store.accept(make_job("never", due_at=None), [])
        assert claim(store, "e1") == ["j2", "j1"]
        assert claim(store, "e2") == []

    def test_only_wanted_states_and_not_more_than_the_limit(self, store):
        for name in ("j1", "j2", "j3"):
            store.accept(make_job(name), [])
        assert store.claim("e1", [JobState.RUNNING], NOW, later(60), 9) == []
        assert claim(store, limit=2) == ["j1", "j2"]

    def test_a_lease_that_ran_out_is_free(self, store):
        store.accept(make_job(), [])
        claim(store, "dead")
        assert claim(store, "e2", now=later(59)) == []
        assert claim(store, "e2", now=later(60)) == ["j1"]

    def test_a_renewed_lease_holds_and_only_its_owner_renews(self, store):
        store.accept(make_job(), [])
        claim(store, "e1")
        store.renew("thief", ["j1"], later(900))
        store.renew("e1", ["j1"], later(90))
        assert claim(store, "e2", now=later(89)) == []
        assert claim(store, "e2", now=later(90)) == ["j1"]

    def test_applying_gives_the_lease_back(self, store):
        store.accept(make_job(), [])
        [job] = store.claim("e1", LIVE, NOW, later(60), 1)
        store.apply([Change(replace(job, due_at=later(5)))])
        assert claim(store, "e2", now=later(4)) == []
        assert claim(store, "e2", now=later(5)) == ["j1"]

    def test_next_due_is_the_earliest_claimable_moment(self, store):
        assert store.next_due(LIVE) is None
        store.accept(make_job("j1", due_at=later(7)), [])
        store.accept(make_job("j2", due_at=None), [])
        assert store.next_due(LIVE) == later(7)
        assert store.next_due([JobState.RUNNING]) is None
        claim(store, now=later(7))
        assert store.next_due(LIVE) == later(67)


class TestWishes:
    def test_a_wish_makes_its_job_due_at_once(self, store):
        store.accept(make_job("j1", due_at=None), [])
        store.accept(make_job("j2", due_at=later(900)), [])
        for name in ("j1", "j2"):
            wish = store.wish(cancel(name), make_event("w", EventKind.WISH))
            assert store.wishes([name]) == [wish]
        assert claim(store) == ["j1", "j2"]
        assert store.job("j1").due_at == NOW
        assert store.job("j1").version == 1

    def test_an_open_twin_is_returned_not_doubled(self, store):
        store.accept(make_job(), [])
        first = store.wish(cancel(), make_event())
        assert store.wish(cancel(at=later(1)), make_event()) == first
        other = store.wish(cancel(description="<other/>"), make_event())
        assert store.wishes() == [first, other]
        assert len(store.events("j1")) == 2

    def test_a_wish_that_came_during_a_lease_is_not_put_off(self, store):
        store.accept(make_job(), [])
        [job] = store.claim("e1", LIVE, NOW, later(60), 1)
        store.wish(cancel(), make_event())
        assert claim(store, "e2") == []
        store.apply([Change(replace(job, due_at=later(900)))])
        assert claim(store, "e2") == ["j1"]

    def test_a_known_wish_can_be_tried_again_later(self, store):
        store.accept(make_job(), [])
        store.wish(cancel(), make_event())
        [job] = store.claim("e1", LIVE, NOW, later(60), 1)
        store.apply([Change(replace(job, due_at=later(30)))])
        assert claim(store, now=later(29)) == []
        assert claim(store, now=later(30)) == ["j1"]

    def test_the_agenda_says_what_can_be_claimed_and_where_jobs_are(self, store):
        assert store.agenda(NOW) == Agenda()
        store.accept(make_job("j1", due_at=later(5)), [])
        assert store.agenda(NOW) == Agenda()
        assert store.agenda(later(5)) == Agenda(waiting=True)
        store.wish(cancel(), make_event())
        assert store.agenda(NOW) == Agenda(waiting=True, wished=True)
        [job] = store.claim("e1", LIVE, NOW, later(60), 1)
        assert store.agenda(NOW) == Agenda()
        started = replace(job, state=JobState.PREPROCESSING)
        store.apply([Change(started, (make_attempt(phase=Phase.SUBMITTED, account="a"),))])
        assert store.agenda(NOW) == Agenda(frozenset({("c1", "a")}), started=True)

    def test_an_open_wish_keeps_a_job_without_a_time_claimable(self, store):
        store.accept(make_job(), [])
        wish = store.wish(cancel(), make_event())
        [job] = store.claim("e1", LIVE, NOW, later(60), 1)
        [job] = store.apply([Change(replace(job, due_at=None))])
        assert store.next_due(LIVE) == NOW
        assert claim(store) == ["j1"]
        done = WishDone(wish.number, NOW, "refused")
        store.apply([Change(job, wishes_done=(done,))])
        assert store.next_due(LIVE) is None

    def test_the_first_outcome_stands(self, store):
        job = store.accept(make_job(), []).job
        wish = store.wish(cancel(), make_event())
        [job] = store.apply([Change(job, wishes_done=(WishDone(wish.number, NOW, "first"),))])
        store.apply([Change(job, wishes_done=(WishDone(wish.number, NOW, "second"),))])
        assert store.wishes(open_only=False)[0].outcome == "first"

    def test_wishes_of_very_many_jobs_are_found(self, store):
        store.accept(make_job(), [])
        wish = store.wish(cancel(), make_event())
        assert store.wishes([f"x{n}" for n in range(40_000)] + ["j1"]) == [wish]

    def test_a_wish_for_an_unknown_job_is_refused(self, store):
        with pytest.raises(RequestError):
            store.wish(cancel("nope"), make_event())


def test_a_closed_store_says_so(store):
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.job("j1")


def test_a_change_may_keep_the_claim_on_its_job(store):
    job = store.accept(make_job(), []).job
    (claimed,) = store.claim("e1", [job.state], NOW, later(60), 10)
    (kept,) = store.apply([Change(claimed, keep_claim=True)])
    assert store.claim("e2", [job.state], NOW, later(60), 10) == []
    store.apply([Change(kept)])
    assert [j.id for j in store.claim("e2", [job.state], NOW, later(60), 10)] == [job.id]


def test_what_a_dead_owner_held_is_due_at_once(store):
    job = store.accept(make_job(), []).job
    store.claim("dead", [job.state], NOW, later(600), 10)
    store.lease("site:a", "dead", NOW, later(600))
    assert set(store.lease_owners()) == {"dead"}
    store.disown("dead")
    assert store.lease("site:a", "e2", NOW, later(60))
    assert [j.id for j in store.claim("e2", [job.state], NOW, later(60), 10)] == [job.id]

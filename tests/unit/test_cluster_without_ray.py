"""A cluster's own rules, without Ray: dealing seeds out, taking over, a teacher of one's own."""

import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from in_threads import ThreadCluster
from scripted import PROMPTS, ScriptedTeacher, ignore_note, seeds
from servers import free_port

import sdgkit as sk
from sdgkit.cluster import worker
from sdgkit.cluster.dealing import deal, share
from sdgkit.cluster.joined import JoinedCluster
from sdgkit.cluster.ray_cluster import connect, versions_differ
from sdgkit.cluster.serving import serve
from sdgkit.errors import FolderInUse, RunError, SettingsError, TeacherUnreachable
from sdgkit.journal import Journal
from sdgkit.run.elsewhere import TeacherLimits
from sdgkit.run.plan import Plan
from sdgkit.run.shards import shard_folder

SMALL: dict[str, Any] = {"num_contexts": 3, "num_questions": 2}


@pytest.fixture
def script() -> Iterator[ScriptedTeacher]:
    with ScriptedTeacher() as script:
        yield script


def plan(script: ScriptedTeacher, number: int = 4) -> Plan:
    return sk.plan(seeds(number), teacher=script.connect(), prompts=PROMPTS, profile=False, **SMALL)


# Dealing out --------------------------------------------------------------------------------------


def test_every_seed_is_dealt_to_one_shard_under_the_id_that_it_has_in_the_whole(
    script: ScriptedTeacher,
) -> None:
    whole = plan(script, 7)
    hands = deal(whole, [1, 2, 4, 5, 6, 7], shards=4)
    dealt = [unit for hand in hands for unit in hand.units.values()]
    assert sorted(dealt) == [1, 2, 4, 5, 6, 7]
    assert [len(hand.units) for hand in hands] == [2, 2, 1, 1]
    assert [hand.seeds for hand in hands] == [hand.units for hand in hands]
    for hand in hands:
        for number, (id_, row) in enumerate(hand.plan.admitted, 1):
            assert (id_, row) == whole.admitted[hand.units[number] - 1]


def test_equal_seeds_are_dealt_to_the_same_shard(script: ScriptedTeacher) -> None:
    rows = [*seeds(2), *seeds(2), *seeds(2)]
    whole = sk.plan(rows, teacher=script.connect(), prompts=PROMPTS, profile=False, **SMALL)
    hands = deal(whole, range(1, 7), shards=2)
    assert sorted(sorted(hand.units.values()) for hand in hands) == [[1, 3, 5], [2, 4, 6]]


def test_a_shard_does_its_seeds_part_of_every_round_of_a_target(script: ScriptedTeacher) -> None:
    hands = deal(plan(script, 4), range(1, 5), shards=3, target_units=10)
    assert [list(hand.seeds.values()) for hand in hands] == [[1, 4], [2], [3]]
    assert [list(hand.units.values()) for hand in hands] == [[1, 4, 5, 8, 9], [2, 6, 10], [3, 7]]


@pytest.mark.parametrize("number", [3, 8, 16, 1000])
def test_the_shares_of_the_shards_are_the_whole(number: int) -> None:
    assert sum(share(number, 3, shard) for shard in range(3)) == number


def test_the_prompts_of_a_shard_show_the_seeds_of_the_whole_run(script: ScriptedTeacher) -> None:
    whole = plan(script, 5)
    for hand in deal(whole, range(1, 6), shards=3):
        assert hand.plan.shown_seeds == whole.rows
        assert hand.plan.teachers == []


# Taking over --------------------------------------------------------------------------------------


def test_what_a_killed_cluster_has_recorded_is_not_asked_again(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    """The folders of its shards are in the run's, each with a journal like any other."""
    whole = plan(script)
    sk.Run(whole, tmp_path / "other", on_note=ignore_note).start().wait()
    asked = len(script.asks)
    shard = shard_folder(tmp_path / "run", 1)
    shard.parent.mkdir(parents=True)
    (tmp_path / "other").rename(shard)
    script.forget()
    run = sk.Run(whole, tmp_path / "run", on_note=ignore_note).start().wait()
    assert run.state == "done"
    assert not script.asks
    assert run.summary.requests == asked
    assert not shard.parent.exists()


def test_a_shard_that_is_still_written_is_not_taken_over(
    script: ScriptedTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdgkit.run.shards.WORKERS_END_S", 0.5)
    with closing(Journal(shard_folder(tmp_path, 1))):
        with pytest.raises(FolderInUse, match="being written by another process"):
            sk.Run(plan(script), tmp_path, on_note=ignore_note).start()
        assert not script.asks


def test_a_worker_waits_until_its_orphaned_predecessor_writes_no_more(tmp_path: Path) -> None:
    predecessor = Journal(tmp_path)
    opened = threading.Event()

    def succeed() -> None:
        worker._journal_of(tmp_path, None).close()
        opened.set()

    successor = threading.Thread(target=succeed)
    successor.start()
    assert not opened.wait(1.2), "two workers write one folder"
    predecessor.close()
    assert opened.wait(30)
    successor.join()


def test_workers_that_do_not_see_the_folder_get_what_is_recorded_and_send_theirs_home(
    script: ScriptedTeacher, tmp_path: Path
) -> None:
    sk.Run(plan(script), tmp_path / "one", on_note=ignore_note).start().wait()
    script.forget()
    first = sk.Run(plan(script), tmp_path / "many", on_note=ignore_note).start()
    _wait_until(lambda: len(script.asks) > 20)
    first.cancel()
    first.wait()
    with ThreadCluster(sees_folder=False).join() as joined:
        run = sk.Run(plan(script), tmp_path / "many", on_note=ignore_note, elsewhere=joined)
        assert run.start().wait().state == "done"
    for name in ("dataset.jsonl", "dropped.jsonl"):
        assert (tmp_path / "many" / name).read_text() == (tmp_path / "one" / name).read_text()
    assert script.repeated() <= 16
    assert not (tmp_path / "many" / "cluster").exists()


def test_the_next_session_removes_what_a_killed_worker_left_on_a_disk_of_its_own(
    script: ScriptedTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(disk))

    def work(number: int, out: str) -> None:
        with ThreadCluster(sees_folder=False).join() as joined:
            job = plan(script, number)
            sk.Run(job, tmp_path / out, on_note=ignore_note, elsewhere=joined).start().wait()

    with monkeypatch.context() as killed:
        killed.setattr(worker, "shutil", SimpleNamespace(rmtree=lambda *_, **__: None))
        work(2, "run")
        work(2, "another")
    assert len(list(disk.glob("sdgkit-*"))) == 4
    work(4, "run")
    assert len(list(disk.glob("sdgkit-*"))) == 2, "those of another run are kept"


# A teacher of a worker's own ----------------------------------------------------------------------

REHEARSE = f"{sys.executable} -m sdgkit rehearse --port {{port}}"


def test_a_teacher_is_waited_for_and_ends_with_its_worker(tmp_path: Path) -> None:
    with (
        serve(REHEARSE, tmp_path, patience=120) as base_url,
        urllib.request.urlopen(f"{base_url}/models") as response,
    ):
        assert b"rehearsal" in response.read()
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{base_url}/models")


def test_a_teacher_of_another_python_does_not_see_the_packages_of_its_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "of/the/user")
    command = f"{sys.executable} -c \"import os; print(os.environ['PYTHONPATH'])\" {{port}}"
    with (
        pytest.raises(TeacherUnreachable, match=r": of/the/user$"),
        serve(command, tmp_path, patience=60),
    ):
        pass


@pytest.mark.parametrize("with_children", [False, True], ids=["alone", "with its children"])
def test_a_teacher_and_all_its_processes_end_even_if_the_worker_is_killed(
    tmp_path: Path, with_children: bool
) -> None:
    """A server of several processes, such as vLLM on several GPUs, leaves none of them.

    Ray kills the children of a worker, too, when it ends the worker.
    """
    server = "import os, sys, time; os.fork(); print(os.getpid(), flush=True); time.sleep(600)"
    program = tmp_path / "server.py"
    program.write_text(server)
    command = [sys.executable, "-m", "sdgkit.cluster.supervisor", sys.executable, str(program)]
    log = tmp_path / "log.txt"
    with open(log, "wb") as output:
        supervisor = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, env={**os.environ, **_imports()}
        )
    _wait_for_lines(log, 2)
    processes = [psutil.Process(int(line)) for line in log.read_text().split()]
    assert supervisor.stdin is not None
    if with_children:
        supervisor.kill()
    supervisor.stdin.close()  # as when the worker is killed
    psutil.wait_procs(processes, timeout=60)
    assert not any(process.is_running() for process in processes if not _is_zombie(process))
    supervisor.wait(60)


def test_a_teacher_is_asked_to_end_before_it_is_killed() -> None:
    """A signal that is ignored would be ignored by the command as well."""
    question = "import signal; print(signal.getsignal(signal.SIGTERM).name)"
    command = [sys.executable, "-m", "sdgkit.cluster.supervisor", sys.executable, "-c", question]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **_imports()},
    ) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.read().strip() == "SIG_DFL"


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _imports() -> dict[str, str]:
    package = str(Path(sk.__path__[0]).parent)
    return {"PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")])}


def _wait_for_lines(file: Path, number: int) -> None:
    _wait_until(lambda: len(file.read_text().splitlines()) >= number)


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_teacher_that_cannot_be_started_is_told_with_its_last_words(tmp_path: Path) -> None:
    command = f"{sys.executable} -c \"raise SystemExit('no GPU here')\" {{port}}"
    with (
        pytest.raises(
            TeacherUnreachable, match=r"ended with status 1\. Its last output: no GPU here"
        ),
        serve(command, tmp_path, patience=60),
    ):
        pass


def test_a_teacher_that_never_answers_is_given_up_and_ended(tmp_path: Path) -> None:
    command = f'{sys.executable} -c "import time; time.sleep(600)" {{port}}'
    with (
        pytest.raises(TeacherUnreachable, match="did not answer within 1 seconds"),
        serve(command, tmp_path, patience=1),
    ):
        pass


# Refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"address": ""}, 'must be "auto", "local" or HOST:PORT'),
        ({"address": "somewhere"}, "not 'somewhere'"),
        ({"address": "ray://10.0.0.5:10001"}, "not 'ray://10.0.0.5:10001'"),
        ({"workers": 0}, "workers must be a whole number of at least 1"),
        ({"retries": -1}, "retries must be a whole number of at least 0"),
        ({"serve": "vllm serve tiny"}, r"needs \{port\}"),
        ({"serve": "vllm 'serve --port {port}"}, "cannot be read"),
        ({"gpus_per_worker": 2}, "give serve"),
        ({"gpus_per_worker": "two", "serve": "x {port}"}, "must be a number"),
    ],
)
def test_options_of_a_cluster_that_cannot_be_used_are_refused(
    options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        sk.RayCluster(**options)  # type: ignore[arg-type]


def test_a_run_in_memory_is_refused_in_a_sentence(script: ScriptedTeacher) -> None:
    joined = JoinedCluster(sk.RayCluster())
    with pytest.raises(SettingsError, match="needs a folder"):
        joined.prepared(plan(script), None, TeacherLimits())


def test_other_versions_on_the_cluster_are_told_with_what_to_do() -> None:
    """As Ray 2.60 says it."""
    message = (
        "Version mismatch: The cluster was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n"
        "This process on 10.0.0.5:0 was started with:\n    Ray: 2.54.1\n    Python: 3.12.1\n"
    )
    assert versions_differ("at 10.0.0.5:6379", message) == (
        "The Ray cluster at 10.0.0.5:6379 runs other versions than this process (Ray 2.60.0 and "
        "Python 3.11.7 there; Ray 2.54.1 and Python 3.12.1 here). Install the same versions of Ray "
        "and Python on every machine of the cluster and on this one."
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "nowhere.invalid"])
def test_an_address_at_which_nobody_listens_is_told_at_once(host: str) -> None:
    """Ray itself would wait for minutes."""
    with pytest.raises(RunError, match=r"Nothing answers at .*`ray start --head`"):
        connect(None, f"{host}:{free_port()}")


@pytest.mark.parametrize(
    ("gpus", "words"), [(1, "1 GPU "), (4, "4 GPUs ")], ids=["no GPU", "GPUs on two machines"]
)
def test_gpus_that_no_machine_has_are_refused_in_a_sentence(gpus: int, words: str) -> None:
    """Two machines with two GPUs each hold no worker that needs four."""
    nodes = [
        {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 2.0 if gpus > 1 else 0.0}},
        {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 2.0 if gpus > 1 else 0.0}},
        {"Alive": False, "Resources": {"CPU": 8.0, "GPU": 8.0}},
    ]
    options: dict[str, Any] = {"serve": "vllm --port {port}", "gpus_per_worker": gpus}
    with pytest.raises(SettingsError, match=rf"has what a worker needs: {words}.*--workers"):
        JoinedCluster(sk.RayCluster(**options)).look_for_room(nodes)
    growing = JoinedCluster(sk.RayCluster(workers=2, **options))
    growing.look_for_room(nodes)
    assert "waits until such a machine joins" in growing.notes[0]


def test_a_ray_that_cannot_be_started_here_is_told_in_a_sentence() -> None:
    """As Ray 2.60 says it on a machine that is too busy."""

    class Busy:
        def init(self, **options: object) -> None:
            raise Exception("The current node timed out during startup. This could be …\nMore.")

    with pytest.raises(RunError, match=r"started on this machine: The current node .* less busy"):
        connect(Busy(), "local")

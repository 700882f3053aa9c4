"""Keras with one backend in a process of its own, which answers as `library.Library` does."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from typing import BinaryIO

from conformance.subjects.keras.runs import Answer

_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "GRPC_VERBOSITY": "ERROR"}
_LAST_LINES = 8


class Process:
    """The process starts with the first question, and ends with this one however that ends: its input closes then."""

    def __init__(self, backend: str) -> None:
        self._backend = backend
        self._process: subprocess.Popen[bytes] | None = None
        self._messages: BinaryIO

    def ask(self, settings: tuple[str, str, str], question: str, *arguments: object) -> Answer:
        """The answer of the method `question` of Library(*settings), or what it raises.

        Raises RuntimeError, with its last words, where the process ends instead; the next question starts another.
        """
        process = self._process or self._started()
        assert process.stdin and process.stdout
        try:
            pickle.dump((settings, question, arguments), process.stdin)
            process.stdin.flush()
            answer, problem = pickle.load(process.stdout)
        except (EOFError, BrokenPipeError) as end:
            self._process = None
            process.stdin.close()
            raise RuntimeError(self._end(process.wait(), question)) from end
        except BaseException:  # half a message, of an interrupted question: nothing that follows would be understood
            self._process = None
            process.kill()
            process.wait()
            raise
        if problem is not None:
            raise problem
        return answer

    def _started(self) -> subprocess.Popen[bytes]:
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, self._backend],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            env=os.environ | _QUIET | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        return self._process

    def _end(self, status: int, question: str) -> str:
        self._messages.seek(0)
        last = self._messages.read().decode(errors="replace").splitlines()[-_LAST_LINES:]
        end = f"signal {-status} ({signal.Signals(-status).name})" if status < 0 else f"status {status}"
        return "\n".join([f"Keras's process on {self._backend} ended with {end}, asked for {question}", *last])


def _serve(backend: str) -> None:
    """Answers questions until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both: the other one decides
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # whatever prints must not do so between the answers
        from conformance.subjects.keras.backend import choose

        choose(backend)
        from conformance.subjects.keras.library import Library

        while True:
            try:
                settings, question, arguments = pickle.load(sys.stdin.buffer)
            except EOFError:
                return
            try:
                answer: tuple[Answer, Exception | None] = getattr(Library(*settings), question)(*arguments), None
            except Exception as problem:
                answer = None, _portable(problem)
            pickle.dump(answer, answers)
            answers.flush()


def _portable(problem: Exception) -> Exception:
    """The problem, or where it cannot be sent its text."""
    try:
        pickle.loads(pickle.dumps(problem))
    except Exception:
        return RuntimeError(f"{type(problem).__name__}: {problem}")
    return problem


if __name__ == "__main__":
    _serve(sys.argv[1])

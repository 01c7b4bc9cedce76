"""Runs files of CPython's own test suite and prints one line for each test.

    python3.11 run_tests.py TIMEOUT MODULE [PATTERN...] [!PATTERN...] [+DIR]

A line is "test NAME STATUS" on the standard output that this script was started with; STATUS is ok, fail, error, skip or
expected (an expected failure), or excluded. "start NAME" comes before it, so that a test which never ends can be named.
A PATTERN (fnmatch) chooses tests by their full name, one after "!" excludes some. Modules are also
looked for in DIR. Whatever the tests print goes to stderr.
"""
import faulthandler
import fnmatch
import os
import sys
import tempfile
import time
import unittest

timeout = float(sys.argv[1])
module = sys.argv[2]
patterns = [word for word in sys.argv[3:] if word[0] not in "!+"]
unwanted = ["test." + word[1:] for word in sys.argv[3:] if word.startswith("!")]

results = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

import test

test.__path__.extend(word[1:] for word in sys.argv[3:] if word.startswith("+"))

from test import support
from test.support import os_helper

for word in sys.argv[3:]:
    if word.startswith("+"):
        # Packages of tests look for theirs below it.
        support.STDLIB_DIR = os.path.dirname(word[1:])


def name_of(test):
    """The full name; a failed set-up of a class or module has one in parentheses."""
    if isinstance(test, unittest.case._SubTest):
        test = test.test_case
    return test.id().replace(" ", "_").replace("\n", "_")


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.status = {}

    def say(self, word, test, *more):
        if os.getpid() == main_pid:
            print(word, name_of(test), *more, file=results)

    def startTest(self, test):
        super().startTest(test)
        self.status[name_of(test)] = "ok"
        self.say("start", test)

    def stopTest(self, test):
        super().stopTest(test)
        self.say("test", test, self.status[name_of(test)])

    def note(self, test, status, error=None):
        name = name_of(test)
        if error is not None:
            print(f"--- {name} {status} ---\n{self._exc_info_to_string(error, test)}", file=sys.stderr, flush=True)
        if name in self.status:
            if self.status[name] not in ("fail", "error"):
                self.status[name] = status
        else:
            # Set-up of a class or module: there is no startTest.
            self.say("test", test, status)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.note(test, "fail", error)

    def addError(self, test, error):
        super().addError(test, error)
        self.note(test, "error", error)

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self.note(test, "fail" if issubclass(error[0], test.failureException) else "error", error)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, "skip")

    def addExpectedFailure(self, test, error):
        super().addExpectedFailure(test, error)
        self.note(test, "expected")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note(test, "fail")


def chosen(suite):
    kept = unittest.TestSuite()
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            kept.addTest(chosen(test))
        elif any(fnmatch.fnmatchcase(test.id(), pattern) for pattern in unwanted):
            print(f"test {test.id()} excluded", file=results)
        elif not patterns or any(fnmatch.fnmatchcase(test.id(), pattern) for pattern in patterns):
            kept.addTest(test)
    return kept


def main():
    support.use_resources = ["subprocess", "network", "walltime"]
    support.verbose = 0
    support.junit_xml_list = None
    faulthandler.enable()
    faulthandler.dump_traceback_later(timeout, exit=True)
    with os_helper.temp_cwd(f"{module}-{os.getpid()}"):
        name = module if module.startswith("test.") else f"test.{module}"
        try:
            suite = chosen(unittest.defaultTestLoader.loadTestsFromName(name))
        except unittest.SkipTest as reason:
            print(f"skipped: {reason}", file=sys.stderr)
            print(f"test {name} skip", file=results)
            return
        result = Result()
        suite.run(result)
    faulthandler.cancel_dump_traceback_later()
    print("end", result.testsRun, file=results)


# Tests with processes of their own import the main module again (multiprocessing's spawn).
if __name__ == "__main__":
    main_pid = os.getpid()
    main()
    sys.stdout.flush()
    results.flush()
    support.reap_children()

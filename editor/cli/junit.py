"""Results of checks as JUnit XML, as Jenkins, GitLab and others read it: one suite for each policy."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from editor.analysis.verify.running import Result
from editor.escape import printable

# What XML 1.0 has no way to write.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: Sequence[Result]) -> str:
    """Return the XML document."""
    root = ElementTree.Element("testsuites", _totals("paddock verify", results))
    del root.attrib["skipped"]  # the schemas have it on a suite only
    for policy in dict.fromkeys(result.job.policy.file for result in results):
        of_policy = [result for result in results if result.job.policy.file == policy]
        suite = ElementTree.SubElement(root, "testsuite", _totals(policy, of_policy))
        for result in of_policy:
            _add_case(suite, result)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _totals(name: str, results: Sequence[Result]) -> dict[str, str]:
    outcomes = [result.outcome for result in results]
    return {
        "name": printable(name),
        "tests": str(len(results)),
        "failures": str(outcomes.count("failed")),
        "errors": str(outcomes.count("error")),
        "skipped": str(outcomes.count("skipped")),
        "time": f"{sum(result.duration_s for result in results):.3f}",
    }


def _add_case(suite: ElementTree.Element, result: Result) -> None:
    check = result.job.check
    abi = f" (ABI {result.job.abi})" if result.job.abi else ""
    case = ElementTree.SubElement(
        suite,
        "testcase",
        {
            "name": printable(check.name + abi),
            "classname": printable(result.job.policy.file),
            "time": f"{result.duration_s:.3f}",
        },
    )
    if result.outcome in ("failed", "error"):
        tag = "failure" if result.outcome == "failed" else "error"
        place = f"{printable(check.location.file)}:{check.location.line}"
        reasons = [printable(reason) for reason in result.reasons]
        attributes = {"message": "; ".join(reasons), "type": result.outcome}
        ElementTree.SubElement(case, tag, attributes).text = "\n".join(f"{place}: {reason}" for reason in reasons)
    elif result.outcome == "skipped":
        ElementTree.SubElement(case, "skipped", {"message": printable(" ".join(result.left_out))})
    if result.output:
        ElementTree.SubElement(case, "system-out").text = _NOT_XML.sub("\ufffd", result.output)

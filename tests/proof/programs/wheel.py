"""Makes a wheel of one module, in the directory that is named."""

import sys
import zipfile

NAME = "work-1.0"
META = f"{NAME}.dist-info"
TEXTS = {
    "work.py": "print('work')\nopen('closed/text')\n",
    f"{META}/METADATA": "Metadata-Version: 2.1\nName: work\nVersion: 1.0\n",
    f"{META}/WHEEL": "Wheel-Version: 1.0\nGenerator: work\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
with zipfile.ZipFile(f"{sys.argv[1]}/{NAME}-py3-none-any.whl", "w") as wheel:
    for path, text in TEXTS.items():
        wheel.writestr(path, text)
    wheel.writestr(f"{META}/RECORD", "".join(f"{path},,\n" for path in (*TEXTS, f"{META}/RECORD")))

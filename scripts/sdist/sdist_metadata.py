"""Stands in for a build backend while pip downloads a source distribution.

`pip download` asks a package's backend for its metadata before it hands the file over, which would fetch and run a
whole build system of unpinned versions. The source already carries the answer in PKG-INFO: give that.
"""

import email.parser
import pathlib
import shutil


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    info = email.parser.Parser().parsestr(pathlib.Path("PKG-INFO").read_text(encoding="utf-8"), headersonly=True)
    name = "%s-%s.dist-info" % (info["Name"].replace("-", "_"), info["Version"])
    folder = pathlib.Path(metadata_directory, name)
    folder.mkdir()
    shutil.copy("PKG-INFO", folder / "METADATA")
    return name


def build_wheel(*args, **kwargs):
    raise RuntimeError("this backend downloads, it does not build")


get_requires_for_build_sdist = get_requires_for_build_editable = get_requires_for_build_wheel
prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel
build_sdist = build_editable = build_wheel

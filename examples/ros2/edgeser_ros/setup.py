"""An ament_python package, for colcon."""

from pathlib import Path

from setuptools import setup

NAME = "edgeser_ros"

setup(
    name=NAME,
    version="0.1.0",
    packages=[NAME],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        (f"share/{NAME}/launch", [str(path) for path in Path("launch").glob("*.launch.py")]),
        (f"share/{NAME}/config", [str(path) for path in Path("config").glob("*.yaml")]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    author="edgeser contributors",
    description="A lifecycle node that tells how voices sound.",
    license="Apache-2.0",
    entry_points={"console_scripts": [f"edgeser_node = {NAME}.node:main"]},
)

"""The model becomes text again: ``parse(render(x)) == x``."""

from __future__ import annotations

from dataclasses import fields

from lxml import etree

from grms.gjd.duration import write_duration
from grms.gjd.model import (
    Application,
    Executable,
    FileRef,
    JobDescription,
    NetworkLimit,
    Requirements,
    Value,
)


def render(description: JobDescription) -> str:
    """``description`` as an indented document without XML declaration.

    Raises ValueError for text that XML cannot carry, such as control characters.
    """
    root = etree.Element("grmsjob", appid=description.appid)
    if description.persistent:
        root.set("persistent", "true")
    _set(root, "extension", description.extension)
    _set(root, "project", description.project)
    job = etree.SubElement(root, "simplejob")
    for resource in description.resources:
        _resource(job, resource)
    _executable(job, description.executable)
    if description.duration is not None:
        time = etree.SubElement(job, "executionTime")
        _text(time, "execDuration", write_duration(description.duration))
    return etree.tostring(root, encoding="unicode", pretty_print=True)


def _set(element: etree._Element, name: str, value: object) -> None:
    if value is not None:
        element.set(name, str(value))


def _text(parent: etree._Element, name: str, text: object) -> etree._Element:
    element = etree.SubElement(parent, name)
    element.text = str(text)
    return element


def _resource(parent: etree._Element, resource: Requirements) -> None:
    element = etree.SubElement(parent, "resource")
    for field in fields(resource):
        value = getattr(resource, field.name)
        if isinstance(value, NetworkLimit):
            _set(_text(element, field.name, value.value), "hostname", value.hostname)
        elif isinstance(value, tuple):
            if value:
                applications = etree.SubElement(element, field.name)
                for application in value:
                    _application(applications, application)
        elif value is not None:
            _text(element, field.name, value)


def _application(parent: etree._Element, application: Application) -> None:
    element = _text(parent, "application", application.name)
    _set(element, "version", application.version)
    _set(element, "instanceCount", application.instance_count)


def _executable(parent: etree._Element, executable: Executable) -> None:
    element = etree.SubElement(parent, "executable", type=executable.type.value)
    element.set("count", str(executable.count))
    if executable.checkpointable:
        element.set("checkpointable", "true")
    if executable.application is not None:
        _application(element, executable.application)
    if executable.file is not None:
        _file(element, executable.file)
    if executable.arguments:
        arguments = etree.SubElement(element, "arguments")
        for item in executable.arguments:
            if isinstance(item, Value):
                _text(arguments, "value", item.text)
            else:
                _file(arguments, item)
    for stream in ("stdin", "stdout", "stderr"):
        if (url := getattr(executable, stream)) is not None:
            _text(etree.SubElement(element, stream), "url", url)
    if executable.environment:
        environment = etree.SubElement(element, "environment")
        for name, value in executable.environment:
            _text(environment, "variable", value).set("name", name)
    if executable.checkpoint:
        checkpoint = etree.SubElement(element, "checkpoint")
        for ref in executable.checkpoint:
            _file(checkpoint, ref)


def _file(parent: etree._Element, ref: FileRef) -> None:
    kind = "directory" if ref.is_directory else "file"
    element = etree.SubElement(parent, kind, name=ref.name, type=ref.direction.value)
    _text(element, "url", ref.url)

"""The rpc/encoded codec against hand-made envelopes in the manner of Axis 1.1."""

import pytest
from lxml import etree

from grms.api.envelope import SOAP, SOAP_ENCODING, XSD, XSI, MalformedError
from grms.api.operations import OPERATIONS
from grms.api.soap_rpc import read, serve
from grms.broker.records import FileDir, FileRole

NAMES = f'xmlns:s="{SOAP}" xmlns:xsd="{XSD}" xmlns:xsi="{XSI}" xmlns:e="{SOAP_ENCODING}"'


def envelope(body, head=""):
    return f"<s:Envelope {NAMES}>{head}<s:Body>{body}</s:Body></s:Envelope>".encode()


def op(name, parts="", refs=""):
    return envelope(f'<n:{name} xmlns:n="urn:grms">{parts}</n:{name}>{refs}')


def ref(name, inner, kind=""):
    kind = f'xsi:type="ns2:{kind}" xmlns:ns2="urn:grms"'
    return f'<multiRef id="{name}" e:root="0" {kind}>{inner}</multiRef>'


def ask(call, *args, **kwargs):
    """Serve a call; the response's parts by name."""
    served = serve(call, op(*args, **kwargs))
    assert served.status == 200, served.content
    wrapper = etree.fromstring(served.content).find(f"{{{SOAP}}}Body")[0]
    assert wrapper.tag == f"{{urn:grms}}{args[0]}Response"
    return {part.tag: part for part in wrapper}


def code(parts, name):
    return int(parts[f"{name}Return"].findtext("errorCode"))


def test_an_axis_submission_is_read_as_it_is_sent(call, service):
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<soapenv:Envelope xmlns:soapenv="{SOAP}" xmlns:xsd="{XSD}" xmlns:xsi="{XSI}">\n'
        f' <soapenv:Body>\n  <ns1:submitJob soapenv:encodingStyle="{SOAP_ENCODING}"'
        ' xmlns:ns1="urn:grms">\n   <jobDefinition xsi:type="xsd:string">'
        "&lt;?xml version=&quot;1.0&quot; encoding=&quot;UTF-8&quot;?&gt;\n&lt;grmsjob/&gt;"
        "</jobDefinition>\n  </ns1:submitJob>\n </soapenv:Body>\n</soapenv:Envelope>"
    )
    served = serve(call, text.encode(), "utf-8")
    wanted = '<?xml version="1.0" encoding="UTF-8"?>\n<grmsjob/>'
    assert service.asked == [("submit", wanted, ("key", "key-1"))]
    assert b'<jobId xsi:type="xsd:string">j1</jobId>' in served.content
    assert b'<errorMessage xsi:type="xsd:string" xsi:nil="true"/>' in served.content


@pytest.mark.parametrize(
    ("name", "parts", "verb"),
    [
        ("migrateJob", "<jobId>j</jobId>", ("migrate", "j", "")),
        ("migrateJob", "<jobId>j</jobId><jobDefinition>d</jobDefinition>", ("migrate", "j", "d")),
        ("migrateJob", "<jobDefinition>d</jobDefinition><jobId>j</jobId>", ("migrate", "j", "d")),
        ("resumeJob", '<jobId>j</jobId><jobDefinition xsi:nil="1"/>', ("resume", "j", "")),
        ("suspendJob", "<jobId>j</jobId>", ("suspend", "j", "")),
        ("getJobsList", '<status xsi:nil="true"/>', ("list", None)),
    ],
)
def test_present_parts_choose_the_overload_and_nil_counts_as_absent(
    call, service, name, parts, verb
):
    assert code(ask(call, name, parts), name) == 0
    assert service.asked == [verb]


def test_an_enum_comes_by_reference_in_any_place(call, service):
    status = ref("id0", " RUNNING ", "JobStatusType")
    served = serve(call, envelope(f'{status}<getJobsList><status href="#id0"/></getJobsList>'))
    assert served.operation == "getJobsListByStatus"
    assert service.asked[0][1].value == "RUNNING"


def test_references_inside_references_are_followed(call, service):
    items = (
        '<jobId>j1</jobId><items xsi:type="e:Array" e:arrayType="n:FileDir[2]">'
        '<item href="#id1"/><item href="#id0"/></items>'
    )
    kinds = '<urltype href="#u"/><pathtype href="#p"/>'
    refs = (
        ref("p", "DIRECTORY")
        + ref("id0", f"<name>a</name><path>x:a</path>{kinds}")
        + ref("u", "PHISICAL")
        + ref("id1", f"<name>b</name><path>x:b</path>{kinds}")
    )
    parts = ask(call, "addOutputFileDirs", items, refs)
    wanted = [FileDir("b", "x:b", False, True), FileDir("a", "x:a", False, True)]
    assert service.asked == [("add_files", "j1", FileRole.OUTPUT, wanted)]
    assert list(parts) == ["result", "addOutputFileDirsReturn", "errors"]
    assert len(parts["result"]) == 2


def test_the_older_name_gets_the_older_order_and_spelling(call, service):
    one = "<item><name>a</name><path>x:a</path><urltype>PHISICAL</urltype></item>"
    parts = ask(call, "addOutFileDirs", f"<jobId>j1</jobId><items>{one}</items>")
    assert list(parts) == ["addOutFileDirsReturn", "errors", "result"]
    found = ask(call, "getOutFileDirs", "<jobId>j1</jobId>")["items"]
    assert found[0].findtext("urltype") == "PHISICAL"
    found = ask(call, "getOutputFileDirs", "<jobId>j1</jobId>")["items"]
    assert found[0].findtext("urltype") == "PHYSICAL"


def test_a_refused_item_shows_in_result_errors_and_return(call):
    one = "<item><name>a</name><path>x:a</path></item><item><name>b</name></item>"
    parts = ask(call, "deleteOutputFileDirs", f"<jobId>j1</jobId><items>{one}</items>")
    codes = [int(item.findtext("errorCode")) for item in parts["result"]]
    assert codes == [24, 1]
    assert parts["errors"].text == "2"
    assert code(parts, "deleteOutputFileDirs") == 24


def test_the_older_notification_shape_is_told_by_its_parts(call, service):
    request = (
        "<client>me</client><request><jobId>j1</jobId><eventType>STATUS</eventType>"
        "<notificationType>MAIL</notificationType><listener>l</listener>"
        "<users>ann</users><users>bob</users></request>"
    )
    parts = ask(call, "registerNotification", request)
    assert parts["notificationId"].text == "n1"
    assert code(parts, "registerNotification") == 120
    assert ("users", ("ann", "bob")) in service.asked[0]
    assert code(ask(call, "unregisterNotification", "<notificationId>n1</notificationId>"),
                "unregisterNotification") == 0  # fmt: skip
    assert service.asked[1] == ("unregister_notification", None, "n1")


def test_a_notification_request_of_today_is_sent_by_reference(call, service):
    parts = '<jobId>j1</jobId><request href="#id0"/>'
    inner = (
        '<append href="#a"/><destination>http://me/</destination><eventType href="#v"/>'
        '<protocol href="#q"/><format xsi:nil="true"/>'
    )
    refs = ref("id0", inner) + ref("a", "true") + ref("v", "REQUEST") + ref("q", "SOAP")
    assert ask(call, "registerNotification", parts, refs)["notificationId"].text == "n1"
    assert ("append", True) in service.asked[0]


def test_a_job_without_a_run_has_a_status_and_an_empty_history_entry(call):
    info = ask(call, "getJobInfo", "<jobId>j1</jobId>")["jobInfo"]
    assert info.findtext("jobStatus") == "QUEUED"
    assert info.find("lastHistory").get(f"{{{XSI}}}nil") is None
    assert info.find("lastHistory/startTime").get(f"{{{XSI}}}nil") == "true"
    assert info.findtext("historyLength") == "0"
    assert info.find("finishTime").get(f"{{{XSI}}}nil") == "true"


def test_a_finished_job_tells_its_times_and_what_xml_cannot_carry_is_replaced(call, service):
    service.run()
    info = ask(call, "getJobInfo", "<jobId>j1</jobId>")["jobInfo"]
    assert info.findtext("finishTime") == "2026-03-04T12:00:00.123Z"
    assert info.findtext("errorDescription") == "a & b \ufffd"
    assert info.findtext("requestStatus") == "TASK_DONE"
    assert info.findtext("reqNumStatus") == "8192"
    assert info.findtext("lastHistory/hostName") == "node7"
    assert len(ask(call, "getJobHistory", "<jobId>j1</jobId>")["history"]) == 1


def test_beside_an_error_ints_are_there_and_lists_are_empty(call):
    parts = ask(call, "getApplicationAccess", "<jobId>nope</jobId>")
    assert code(parts, "getApplicationAccess") == 22
    assert parts["pid"].text == "0"
    parts = ask(call, "getOutputFileDirs", "<jobId>nope</jobId>")
    assert parts["items"].get(f"{{{XSI}}}nil") is None
    parts = ask(call, "addOutputFileDirs", "<jobId>nope</jobId><items/>")
    assert parts["errors"].text == "0"


def test_a_defect_of_ours_is_named_by_an_incident_and_leaks_nothing(call, caplog):
    parts = ask(call, "cancelJob", "<jobId>boom</jobId>")
    assert code(parts, "cancelJob") == 99
    assert "secret" not in parts["cancelJobReturn"].findtext("errorMessage")


def test_the_description_of_the_service_is_a_plain_string(call, service):
    assert ask(call, "getServiceDescription")["getServiceDescriptionReturn"].text == (
        "the short text"
    )
    part = "<type>FULL</type>"
    assert b"the long text" in serve(call, op("getServiceDescription", part)).content


@pytest.mark.parametrize(
    ("name", "parts", "told"),
    [
        ("submitJob", "", "jobDefinition is missing"),
        ("submitJob", '<jobDefinition xsi:nil="true"/>', "jobDefinition is missing"),
        ("submitJob", "<jobDescription>d</jobDescription>", "there is no part jobDescription"),
        ("submitJob", "<jobDefinition><grmsjob/></jobDefinition>", "must be escaped"),
        ("cancelJob", "<jobId>a</jobId><jobId>b</jobId>", "2 times"),
        ("getJobsList", "<status>ACTIVE</status>", "'ACTIVE' is none of QUEUED"),
        (
            "registerApplicationAccess",
            "<jobId>j</jobId><service_location>l</service_location><pid>99999999999</pid>",
            "no 32-bit integer",
        ),
        (
            "registerNotification",
            "<jobId>j</jobId><request><append>maybe</append></request>",
            "neither true nor false",
        ),
        (
            "registerNotification",
            "<jobId>j</jobId><request><colour>red</colour></request>",
            "request has no colour",
        ),
    ],
)
def test_wrong_parts_are_told_in_the_response_not_as_a_fault(call, service, name, parts, told):
    response = ask(call, name, parts)
    assert code(response, name) == 1
    assert told in response[f"{name}Return"].findtext("errorMessage")
    assert service.asked == []


CYCLE = ref("a", '<name href="#a"/>')
LONG = "".join(ref(f"r{i}", "").replace(" e:root", f' href="#r{i + 1}" e:root') for i in range(12))
BOMB = "<items>" + '<item href="#big"/>' * 2000 + "</items><jobId>j</jobId>"
DTD = b'<!DOCTYPE a [<!ENTITY x "y">]>'
JOBID = "<jobId>j</jobId>"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "no body"),
        (b"  \n", "no body"),
        (b"hello", "not well-formed"),
        (b"<a>", "not well-formed"),
        (b"\x00\x01\x02", "not well-formed"),
        (b"<a/>", "expected an Envelope"),
        (b'{"jobId": 1}', "not well-formed"),
        (b"<s:Envelope/>", "not well-formed"),
        (f'<Envelope xmlns="{SOAP}"/>'.encode(), "one Body, it has 0"),
        (f'<Envelope xmlns="{SOAP}"><Body/><Body/></Envelope>'.encode(), "it has 2"),
        (b'<Envelope xmlns="http://www.w3.org/2003/05/soap-envelope"/>', "SOAP 1.2"),
        (envelope(""), "holds 0"),
        (envelope("text"), "holds 0"),
        (envelope("<cancelJob/><cancelJob/>"), "holds 2"),
        (envelope(ref("a", "x")), "holds 0"),
        (envelope("<formatDisk/>"), "no operation 'formatDisk'"),
        (envelope("<s:Fault/>"), "no operation 'Fault'"),
        (envelope("<cancelJob/>", '<s:Header><q s:mustUnderstand="1"/></s:Header>'), "understood"),
        (DTD + op("cancelJob", JOBID), "DTD"),
        (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x">' + op("cancelJob", JOBID), "DTD"),
        (op("cancelJob", "<jobId>&nope;</jobId>"), "not well-formed"),
        (op("cancelJob", "<jobId>\x00</jobId>"), "not well-formed"),
        (op("cancelJob", '<jobId href="#none"/>'), "no element has that id"),
        (op("cancelJob", '<jobId href="http://evil/"/>'), "only references inside"),
        (op("cancelJob", '<jobId href="#a"/>', ref("a", "x") + ref("a", "y")), "two elements"),
        (op("cancelJob", '<jobId id="a" href="#a"/>'), "circle"),
        (op("cancelJob", '<jobId href="#r0"/>', LONG), "in a row"),
        (op("addOutputFileDirs", JOBID + '<items><item href="#a"/></items>', CYCLE), "itself"),
        (op("addOutputFileDirs", JOBID + '<items id="a"><item href="#a"/></items>'), "itself"),
        (
            op("addOutputFileDirs", BOMB, ref("big", f"<name>{'x' * 9000}</name>")),
            "too large",
        ),
        (op("cancelJob", "<a>" * 5000 + "</a>" * 5000), "not well-formed"),
        (op("cancelJob", "<a/>" * 100_001), "tags"),
        (op("cancelJob", JOBID).replace(b"<s:Body", b"<!-- \xff --><s:Body"), "not well-formed"),
    ],
    ids=range(33),
)  # fmt: skip
def test_what_is_no_call_gets_a_fault_that_names_the_reason(call, service, body, told):
    served = serve(call, body)
    assert served.status == 500
    fault = etree.fromstring(served.content).find(f".//{{{SOAP}}}Fault")
    assert told in fault.findtext("faultstring")
    assert fault.findtext("faultcode").startswith("soapenv:")
    assert "Traceback" not in fault.findtext("faultstring")
    assert service.asked == []


def test_the_charset_of_the_transport_overrules_the_document():
    text = '<?xml version="1.0" encoding="UTF-8"?>' + op("cancelJob", "<jobId>ż</jobId>").decode()
    assert read(text.encode("iso-8859-2"), "iso8859-2").parts == {"jobId": "ż"}
    assert read(text.replace("UTF-8", "utf-16").encode("utf-16"), "utf-16").parts == {"jobId": "ż"}
    with pytest.raises(MalformedError):
        read(text.encode("iso-8859-2"), "utf-8")


def test_names_count_without_their_namespaces(call):
    body = '<x:cancelJob xmlns:x="urn:other"><x:jobId>j1</x:jobId></x:cancelJob>'
    assert serve(call, envelope(body)).code == 0


def test_every_operation_answers_an_empty_call(call):
    for operation in OPERATIONS:
        assert serve(call, op(operation.name)).status == 200

import grms.*;
import grms.holders.*;
import java.net.URL;
import java.nio.file.*;
import javax.xml.rpc.holders.*;

/**
 * Every operation of the service, called through the stubs that Axis made of its WSDL.
 *
 * Arguments: service URL, token, file with a job that waits until GO exists, GO, a URL under which
 * the service may write. Each call leaves one line: its name, the error code, what it brought.
 */
public class AllOperations {
    static final GrmsResponseHolder said = new GrmsResponseHolder();

    static void tell(String name, Object... brought) {
        StringBuilder line = new StringBuilder(name + " " + said.value.getErrorCode());
        for (Object one : brought) line.append(' ').append(one);
        System.out.println(line);
        said.value = null;
    }

    static void until(Grms_PortType broker, String job, JobStatusType wanted) throws Exception {
        JobInformationHolder info = new JobInformationHolder();
        do {
            Thread.sleep(50);
            broker.getJobInfo(job, said, info);
        } while (info.value.getJobStatus() != wanted && info.value.getFinishTime() == null);
        tell("getJobInfo", info.value.getJobStatus(), info.value.getRequestStatus(),
            info.value.getReqNumStatus(), info.value.getHistoryLength(),
            info.value.getProject(), info.value.getUserDn());
    }

    public static void main(String[] words) throws Exception {
        GrmsSoapBindingStub stub = new GrmsSoapBindingStub(new URL(words[0]), new GrmsServiceLocator());
        stub.setUsername("alice");
        stub.setPassword(words[1]);
        Grms_PortType broker = stub;
        String text = new String(Files.readAllBytes(Paths.get(words[2])), "UTF-8");
        StringHolder string = new StringHolder();
        IntHolder number = new IntHolder();
        ArrayOf_xsd_stringHolder strings = new ArrayOf_xsd_stringHolder();
        ArrayOfFileDirHolder files = new ArrayOfFileDirHolder();
        ArrayOfGrmsResponseHolder each = new ArrayOfGrmsResponseHolder();

        broker.getServiceDescription(DescriptionType.SHORT, string);
        System.out.println("getServiceDescription " + string.value);
        broker.testJobDescription(text, said);
        tell("testJobDescription");
        broker.testJobDescription("<grmsjob/>", said);
        tell("testJobDescription");
        broker.findResources(text, said, strings);
        tell("findResources", strings.value[0]);

        broker.submitJob(text, said, string);
        String job = string.value;
        tell("submitJob", job);
        until(broker, job, JobStatusType.RUNNING);

        broker.getJobsList(said, strings);
        tell("getJobsList", strings.value[0]);
        broker.getJobsList(JobStatusType.RUNNING, said, strings);
        tell("getJobsList", strings.value[0]);
        broker.getJobsList(JobStatusType.FAILED, said, strings);
        tell("getJobsList", strings.value.length);
        broker.getProjectJobsList("stubs", said, strings);
        tell("getProjectJobsList", strings.value[0]);
        broker.getProjectJobsList("stubs", JobStatusType.RUNNING, said, strings);
        tell("getProjectJobsList", strings.value[0]);
        broker.getAllJobsList(JobStatusType.RUNNING, said, strings);
        tell("getAllJobsList");

        NotificationRequest wish = new NotificationRequest();
        wish.setEventType(EventType.STATUS);
        wish.setProtocol(ProtocolType.SOAP);
        wish.setDestination("http://127.0.0.1:9/listener");
        wish.setFormat("${JOB_ID}");
        broker.registerNotification(job, wish, said, string);
        String listener = string.value;
        tell("registerNotification");
        broker.getNotificationsList(job, said, strings);
        tell("getNotificationsList", strings.value.length, strings.value[0].equals(listener));
        NotificationRequestHolder stored = new NotificationRequestHolder();
        broker.getNotificationInformation(job, listener, said, stored);
        tell("getNotificationInformation", stored.value.equals(wish));
        broker.unregisterNotification(job, listener, said);
        tell("unregisterNotification");

        broker.registerApplicationAccess(job, "http://127.0.0.1:9/application", 4711, said);
        tell("registerApplicationAccess");
        broker.getApplicationAccess(job, said, string, number);
        tell("getApplicationAccess", string.value, number.value);
        broker.unregisterApplicationAccess(job, said);
        tell("unregisterApplicationAccess");

        FileDir[] one = {new FileDir("result", words[4] + "/result", UrlType.PHYSICAL, PathType.FILE)};
        broker.addOutputFileDirs(job, one, each, said, number);
        tell("addOutputFileDirs", number.value, each.value[0].getErrorCode());
        broker.getOutputFileDirs(job, said, files);
        tell("getOutputFileDirs", files.value.length, files.value[0].equals(one[0]));
        broker.deleteOutputFileDirs(job, one, each, said, number);
        tell("deleteOutputFileDirs", number.value, each.value[0].getErrorCode());
        broker.addCheckpointFileDirs(job, one, each, said, number);
        tell("addCheckpointFileDirs", number.value, each.value[0].getErrorCode());
        broker.getCheckpointFileDirs(job, said, files);
        tell("getCheckpointFileDirs", files.value.length, files.value[0].equals(one[0]));
        broker.deleteCheckpointFileDirs(job, one, each, said, number);
        tell("deleteCheckpointFileDirs", number.value, each.value[0].getErrorCode());

        broker.migrateJob(job, said);
        tell("migrateJob");
        broker.migrateJob(job, text, said);
        tell("migrateJob");
        broker.suspendJob(job, said);
        tell("suspendJob");
        until(broker, job, JobStatusType.SUSPENDED);
        broker.suspendJob(job, text, said);
        tell("suspendJob");
        broker.resumeJob(job, text, said);
        tell("resumeJob");
        broker.resumeJob(job, said);
        tell("resumeJob");
        until(broker, job, JobStatusType.RUNNING);

        Files.createFile(Paths.get(words[3]));
        until(broker, job, JobStatusType.FINISHED);
        ArrayOfjobHistoryHolder history = new ArrayOfjobHistoryHolder();
        broker.getJobHistory(job, said, history);
        tell("getJobHistory", history.value.length, history.value[0].getLocalFinishTime() != null,
            text.trim().equals(history.value[0].getJobDescription().trim()));
        broker.cancelJob(job, said);
        tell("cancelJob");
        broker.submitJob("no XML", said, string);
        tell("submitJob", string.value);
    }
}

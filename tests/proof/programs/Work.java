import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Works on files in several threads; goes on after every refusal. */
public class Work {
    interface Step {
        Object run() throws IOException;
    }

    static void attempt(Step step) {
        try {
            System.out.println(step.run());
        } catch (IOException error) {
            System.out.println(error);
        }
    }

    public static void main(String[] arguments) throws InterruptedException {
        attempt(() -> Files.readString(Path.of("in/text")));
        attempt(() -> Files.readString(Path.of("closed/text")));
        attempt(() -> Files.writeString(Path.of("half/new"), "x"));
        attempt(() -> Files.writeString(Path.of("in/text"), "x", StandardOpenOption.APPEND));
        attempt(() -> Files.createDirectory(Path.of("half/directory")));
        attempt(() -> Files.move(Path.of("out/text"), Path.of("closed/moved")));
        attempt(() -> Files.list(Path.of("closed")).count());
        Thread thread = new Thread(() -> attempt(() -> Files.readString(Path.of("closed/sub/more"))), "reader");
        thread.start();
        thread.join();
    }
}
